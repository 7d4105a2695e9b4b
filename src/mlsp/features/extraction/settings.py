"""Which features an extraction makes, in a user's words, and the layout of their file; `mlsp.features.extraction.plan` finds the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from mlsp.backbones import BackboneSpec, Level, backbone
from mlsp.base.errors import SettingsError, unknown_name
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.codec import STORED_DTYPES, StoredDtype
from mlsp.features.store.compression import Compression
from mlsp.features.store.schema import StoreLayout
from mlsp.photos import DecodeSettings
from mlsp.photos.crops import VIEW_COUNTS
from mlsp.photos.sizes import parse_size

# What is kept; the last is what the network computes.
GRIDS: dict[str, tuple[Grid, ...]] = {"narrow": (1,), "wide": (5,), "both": (1, 5)}
COMPRESSIONS: tuple[str, ...] = ("none", *get_args(Compression))


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Which features of which network, computed and kept how.

    Attributes:
        backbone: name of the network.
        grid: `narrow`, `wide`, or `both` of one pass.
        views: see `mlsp.photos.crops.cut_views`.
        levels: `all`; `last5`, the last five; or names, with commas between them.
        weights: file of trained weights; by default the network's preferred published ones.
        longest_side: photos are reduced to this many pixels first; None, as in the paper, for their own size.
        dtype: how numbers are kept, see `mlsp.features.store.codec.GridCodec`.
        compression: `none`, `zstd` or `blosc2`.
        device: see `mlsp.features.engines.engine.open_engine`.
        precision: likewise.
        resize: width and height that every photo is brought to first, such as `256x256`; None, as but for the paper's Table 2,
            for its own.

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

    def __post_init__(self) -> None:
        for noun, name, known in (
            ("grid", self.grid, GRIDS),
            ("views", self.views, VIEW_COUNTS),
            ("dtype of stored features", self.dtype, STORED_DTYPES),
            ("compression", self.compression, COMPRESSIONS),
        ):
            if name not in known:
                raise SettingsError(unknown_name(noun, name, known))
        if self.longest_side is not None and self.longest_side < 1:
            raise SettingsError(f"longest_side must be at least 1, got {self.longest_side}")
        DecodeSettings(longest_side=self.longest_side, resize=self.size)
        chosen_levels(backbone(self.backbone), self.levels)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of `resize`."""
        return None if self.resize is None else parse_size(self.resize)


def chosen_levels(spec: BackboneSpec, levels: str) -> tuple[Level, ...]:
    """Levels of a network by a user's words.

    Args:
        spec: the network.
        levels: see `NetworkSettings`.

    Returns:
        In the network's order.

    Raises:
        SettingsError: the network has no such level, or not so many.
    """
    if levels == "all":
        return spec.levels
    count = levels.removeprefix("last")
    if count != levels and count.isdecimal():
        if not 1 <= int(count) <= len(spec.levels):
            raise SettingsError(
                f"levels {levels!r} of {spec.name}: it has 1 to {len(spec.levels)} levels to choose from"
            )
        return spec.levels[-int(count) :]
    known = [level.name for level in spec.levels]
    names = [name.strip() for name in levels.split(",")]
    for name in names:
        if name not in known:
            raise SettingsError(unknown_name(f"level of {spec.name}", name, known))
    return tuple(level for level in spec.levels if level.name in names)


def layout_of(settings: NetworkSettings, feature_spec: FeatureSpec, precision: str) -> StoreLayout:
    """Layout of the feature file.

    Args:
        settings: what was asked for.
        feature_spec: of the features.
        precision: number format in which the network computes, not `auto`.

    Raises:
        MissingExtraError: what compresses is not installed.
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
