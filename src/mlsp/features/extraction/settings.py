"""Settings of an extraction, in a user's words, and the layout of its file; `mlsp.features.extraction.plan` finds the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from mlsp.backbones import BackboneSpec, Level, backbone
from mlsp.base.errors import SettingsError, unknown_name
from mlsp.features.spec import FeatureSpec, Grid, choose_levels
from mlsp.features.store.codec import STORED_DTYPES, StoredDtype
from mlsp.features.store.compression import COMPRESSIONS, Compression
from mlsp.features.store.schema import StoreLayout
from mlsp.photos import DecodeSettings, ReadAs
from mlsp.photos.crops import VIEW_COUNTS
from mlsp.photos.sizes import parse_size

# The grids that are stored; the network computes the last.
GRIDS: dict[str, tuple[Grid, ...]] = {"narrow": (1,), "wide": (5,), "both": (1, 5)}


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Features to extract: of which network, how computed and how stored.

    Attributes:
        backbone: name of the network.
        grid: `narrow` (1×1), `wide` (5×5), or `both` from one pass.
        views: see `mlsp.photos.crops.cut_views`.
        levels: `all`; `last5` for the last five, or another number; or names, with commas between them.
        weights: file of trained weights; by default the network's preferred published ones.
        longest_side: photos are reduced to this many pixels first; None, as in the paper, for their own size.
        dtype: how numbers are stored, see `mlsp.features.store.codec.GridCodec`.
        compression: `none` or `zstd`.
        device: see `mlsp.features.opening.plan_backbone`.
        precision: see `mlsp.features.opening.plan_backbone`.
        resize: width and height that every photo is resized to first, such as `256x256` for the paper's Table 2; None for their
            own size.
        read_as: `upright`, or `released` as the authors' code reads photos, see `mlsp.photos.DecodeSettings`.

    Raises:
        SettingsError: a name is unknown, or a number out of range.
    """

    backbone: str
    grid: str = "wide"
    views: str = "whole"
    levels: str = "all"
    weights: Path | None = None
    longest_side: int | None = None
    dtype: str = "float16"
    compression: str = "none"
    device: str = "auto"
    precision: str = "auto"
    resize: str | None = None
    read_as: str = "upright"

    def __post_init__(self) -> None:
        for noun, name, known in (
            ("grid", self.grid, GRIDS),
            ("views", self.views, VIEW_COUNTS),
            ("dtype of stored features", self.dtype, STORED_DTYPES),
            ("compression", self.compression, ("none", *COMPRESSIONS)),
        ):
            if name not in known:
                raise SettingsError(unknown_name(noun, name, known))
        if self.longest_side is not None and self.longest_side < 1:
            raise SettingsError(f"longest_side must be at least 1, got {self.longest_side}")
        DecodeSettings(
            longest_side=self.longest_side, resize=self.size, read_as=cast(ReadAs, self.read_as)
        )
        chosen_levels(backbone(self.backbone), self.levels)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of `resize` in pixels."""
        return None if self.resize is None else parse_size(self.resize)


def chosen_levels(spec: BackboneSpec, levels: str) -> tuple[Level, ...]:
    """Return the levels of a network that a user chose, in the network's order.

    Args:
        spec: the network.
        levels: see `NetworkSettings`.

    Raises:
        SettingsError: the network has no such level, or not so many.
    """
    names = choose_levels(levels, [level.name for level in spec.levels], spec.name)
    return tuple(level for level in spec.levels if level.name in names)


def layout_of(settings: NetworkSettings, feature_spec: FeatureSpec, precision: str) -> StoreLayout:
    """Return the layout of the feature file.

    Args:
        settings: of the extraction.
        feature_spec: of the features.
        precision: number format in which the network computes, not `auto`.

    Raises:
        MissingExtraError: the compression is not installed.
    """
    levels = chosen_levels(backbone(settings.backbone), settings.levels)
    compression = None if settings.compression == "none" else settings.compression
    return StoreLayout(
        feature_spec=feature_spec,
        level_channels=tuple(level.channels for level in levels),
        grids=GRIDS[settings.grid],
        dtype=cast(StoredDtype, settings.dtype),
        compression=cast(Compression | None, compression),
        precision=precision,
    )
