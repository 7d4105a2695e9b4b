"""A model's network and heads, open on this machine."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mlsp.backbones.weights.downloads import Progress
from mlsp.base.errors import ModelError, SettingsError
from mlsp.features.engines import Engine, check_choices
from mlsp.features.engines.batching_engine import CUDA_BATCH, BatchingEngine
from mlsp.features.opening import plan_backbone, runs_from_weights
from mlsp.models.model import Model, load_model
from mlsp.scoring.heads import Heads


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model that is open.

    Attributes:
        record: the model's record.
        engine: its network.
        heads: its heads and classifiers.
        runtime: package that the engine computes by; cached scores and features belong to its version.

    Raises:
        SettingsError: the engine does not make the features that the model reads.
    """

    record: Model
    engine: Engine
    heads: Heads
    runtime: str

    def __post_init__(self) -> None:
        made, read = self.engine.feature_spec, self.record.feature_spec
        if made != read:
            raise SettingsError(
                f"the engine makes features of {made}, model {self.record.name!r} reads {read}"
            )


def open_model(
    model: str | Path,
    *,
    device: str,
    precision: str,
    weights: str | Path | None,
    on_download: Progress | None,
) -> OpenedModel:
    """Open a model; for arguments and errors see `mlsp.Scorer`."""
    check_choices(device, precision)
    record = load_model(model)
    weights = None if weights is None else Path(weights)
    spec = record.feature_spec
    is_from_weights = record.backbone_file is None and runs_from_weights(spec, weights)
    plan = plan_backbone(
        spec,
        graph=None if is_from_weights else record.backbone,
        device=device,
        precision=precision,
        weights=weights,
        on_download=on_download,
        is_here=True,
    )
    # Compiling takes most of a short run, and the network's and the heads' graphs compile at the same time.
    with ThreadPoolExecutor(1) as beside:
        opening = beside.submit(Heads.open, record)
        engine = plan.open()
        heads = opening.result()
    if heads.channels != engine.channels:
        raise ModelError(
            f"model {record.folder}: its heads read {heads.channels} channels, its network makes {engine.channels}."
            " Build the model again"
        )
    if device == "cuda":
        engine = BatchingEngine(engine, CUDA_BATCH, streams=1)
    return OpenedModel(record, engine, heads, plan.runtime)
