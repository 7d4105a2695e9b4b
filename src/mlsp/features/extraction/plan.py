"""A network of an extraction before it is opened: what its features will be, and the file from which any machine can open it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from mlsp.backbones import backbone
from mlsp.base.errors import SettingsError
from mlsp.features.engines.batching_engine import CUDA_BATCH, BatchingEngine
from mlsp.features.extraction.run import ExtractionNetwork
from mlsp.features.extraction.settings import GRIDS, NetworkSettings, chosen_levels, layout_of
from mlsp.features.opening import RunnableBackbone, runnable_backbone
from mlsp.features.store.schema import StoreLayout
from mlsp.photos.crops import ViewsName


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """A network that is yet to be opened, here or on another machine; can be pickled.

    Attributes:
        network: what runs it, where, from which file.
        layout: of the feature file; its kind and precision are those of the network.
        smallest_side: pixels that the network needs of each side of a view.
    """

    network: RunnableBackbone
    layout: StoreLayout
    smallest_side: int

    def open(self, *, streams: int | None = None) -> ExtractionNetwork:
        """Open the network on this machine; for arguments and errors see `RunnableBackbone.open`.

        On a CUDA device photos of one size that wait anyway go through it together.

        Raises:
            SettingsError: the network gives other features, too.
        """
        engine = self.network.open(streams=streams)
        if engine.channels != self.layout.channels:
            raise SettingsError(
                f"{self.network.file.name} makes features of {engine.channels} channels, the feature file holds {self.layout.channels}"
            )
        if self.network.device == "cuda":
            engine = BatchingEngine(engine, CUDA_BATCH, streams=1)
        return ExtractionNetwork(engine, self.layout, self.smallest_side)


def plan_network(settings: NetworkSettings) -> NetworkPlan:
    """Find or download a network's weights, and export it once where OpenVINO runs it; nothing is opened.

    `auto` precision is what this machine's processor or CUDA device takes; where the device is `cuda` and this machine has none, it is
    bfloat16.

    Raises:
        SettingsError: an argument is unknown, or this machine's processor lacks the precision.
        WeightsError: the weights cannot be had, or are of another network.
        MissingExtraError: torch, or what compresses, is needed and not installed.
    """
    spec = backbone(settings.backbone)
    network = runnable_backbone(
        spec,
        settings.weights,
        grid=GRIDS[settings.grid][-1],
        levels=[level.name for level in chosen_levels(spec, settings.levels)],
        views=cast(ViewsName, settings.views),
        longest_side=settings.longest_side,
        resize=settings.size,
        device=settings.device,
        precision=settings.precision,
    )
    layout = layout_of(settings, network.feature_spec, network.precision)
    return NetworkPlan(network, layout, spec.smallest_side)
