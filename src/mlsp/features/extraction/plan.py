"""The network of an extraction: planned from settings, so that any machine can open it; then opened on this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from mlsp.backbones import backbone
from mlsp.backbones.weights.downloads import Progress
from mlsp.backbones.weights.finding import find_weights
from mlsp.base.errors import SettingsError
from mlsp.features.engines import Engine
from mlsp.features.engines.batching_engine import CUDA_BATCH, BatchingEngine
from mlsp.features.extraction.settings import GRIDS, NetworkSettings, chosen_levels, layout_of
from mlsp.features.opening import RunnableBackbone, plan_backbone
from mlsp.features.spec import FeatureSpec
from mlsp.features.store.schema import StoreLayout
from mlsp.photos import ReadAs
from mlsp.photos.crops import ViewsName, min_photo_side


@dataclass(frozen=True, slots=True)
class ExtractionNetwork:
    """A network ready to extract, and the form in which its features are stored.

    Attributes:
        engine: computes the features.
        layout: of the feature file; its spec and precision are the engine's.
        smallest_side: minimum width and height of a crop, in pixels.

    Raises:
        SettingsError: the layout is not of the engine's features.
    """

    engine: Engine
    layout: StoreLayout
    smallest_side: int

    def __post_init__(self) -> None:
        made = (self.engine.feature_spec, self.engine.precision)
        stored = (self.layout.feature_spec, self.layout.precision)
        if made != stored:
            raise SettingsError(f"the engine makes features of {made}, the layout stores {stored}")

    @property
    def min_photo_side(self) -> int:
        """Minimum width and height of a photo whose crops the network can take, in pixels."""
        return min_photo_side(self.smallest_side, self.engine.feature_spec.views)


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """A network that is yet to be opened, here or on another machine; can be pickled.

    Attributes:
        network: its engine, device and file.
        layout: of the feature file; its spec and precision are those of the network.
        smallest_side: minimum width and height of a crop, in pixels.
    """

    network: RunnableBackbone
    layout: StoreLayout
    smallest_side: int

    def open(self, *, cores: int | None = None, photos: int | None = None) -> ExtractionNetwork:
        """Open the network on this machine; for arguments and other errors see `RunnableBackbone.open`.

        On a CUDA device photos of one size that wait anyway form a batch.

        Raises:
            SettingsError: the network makes features of another number of channels.
        """
        engine: Engine = self.network.open(cores=cores, photos=photos)
        if engine.channels != self.layout.channels:
            raise SettingsError(
                f"{self.network.file.name} makes features of {engine.channels} channels, the feature file has {self.layout.channels}"
            )
        if self.network.device == "cuda":
            engine = BatchingEngine(engine, CUDA_BATCH, streams=1)
        return ExtractionNetwork(engine, self.layout, self.smallest_side)


def plan_network(settings: NetworkSettings, *, on_download: Progress | None = None) -> NetworkPlan:
    """Find or download a network's weights, and export it once where OpenVINO runs it; nothing is opened.

    Precision `auto` becomes the one that suits this machine's processor or CUDA device; bfloat16 where the device is `cuda` and
    this machine has none.

    Args:
        settings: network and features.
        on_download: see `mlsp.backbones.weights.finding.find_weights`.

    Raises:
        SettingsError: an argument is unknown, or this machine's processor lacks the precision.
        WeightsError: the weights cannot be had, or are of another network.
        MissingExtraError: torch, or the compression, is needed and not installed.
    """
    spec = backbone(settings.backbone)
    feature_spec = FeatureSpec(
        backbone=spec.name,
        weights_sha256=find_weights(spec, settings.weights, on_download=on_download).sha256,
        levels=tuple(level.name for level in chosen_levels(spec, settings.levels)),
        views=cast(ViewsName, settings.views),
        longest_side=settings.longest_side,
        grid=GRIDS[settings.grid][-1],
        resize=settings.size,
        read_as=cast(ReadAs, settings.read_as),
    )
    network = plan_backbone(
        feature_spec,
        weights=settings.weights,
        device=settings.device,
        precision=settings.precision,
    )
    layout = layout_of(settings, feature_spec, network.precision)
    return NetworkPlan(network, layout, spec.smallest_side)
