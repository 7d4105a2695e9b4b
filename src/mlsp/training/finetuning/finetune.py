"""Fine-tuning: photos and ratings -> a network and its head, learned end to end (sections 3.3 and 4.1 of the paper).

    settings     how
    pretrained   what a run begins with
    start        the same, from names and files; are its photos fit for it
    photos       rated photos -> batches of random views, decoded ahead
    network      network and head as one; a batch in pieces; memory saved by blocks
    scores       means over random views
    loop         epochs
    output       agreement with people, the model folder

The schedule, the targets and the run's folder are those of `mlsp.training`. Importing this needs torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlsp.base.errors import SettingsError
from mlsp.base.parallel import usable_cores
from mlsp.base.results import ScoreFailure
from mlsp.features.engines.torch_engine import check_device
from mlsp.models.heads import HeadSpec, ScoreHead, build_head
from mlsp.ratings.splits import Split
from mlsp.ratings.table import RatingTable
from mlsp.training import EpochRecord, TrainingCallbacks
from mlsp.training.finetuning.loop import Learning
from mlsp.training.finetuning.network import FinetunedNetwork, weights_digest
from mlsp.training.finetuning.output import Agreements, Finetuned
from mlsp.training.finetuning.photos import PhotoReader
from mlsp.training.finetuning.pretrained import Pretrained
from mlsp.training.finetuning.settings import FinetuneSettings
from mlsp.training.rated_features import ratings_digest
from mlsp.training.run_folder import RunFolder
from mlsp.training.targets import Targets

__all__ = [
    "Agreements",
    "EpochRecord",
    "FinetuneSettings",
    "Finetuned",
    "Pretrained",
    "TrainingCallbacks",
    "finetune",
]


def finetune(
    pretrained: Pretrained,
    ratings: RatingTable,
    split: Split,
    head: HeadSpec,
    settings: FinetuneSettings,
    *,
    run_folder: Path,
    watch: TrainingCallbacks | None = None,
    on_failure: Callable[[ScoreFailure], None] = lambda _failed: None,
) -> Finetuned:
    """Fine-tune a network and its head by recipe `paper`; in a folder that holds this very run, go on where it was.

    Args:
        pretrained: what to begin with.
        ratings: photos and what people think of them.
        split: of the table; train and validation must not be empty.
        head: what the head is to be; on the ratings' scale.
        settings: how.
        run_folder: keeps what goes on after a kill, `log.csv` and `curves.png`.
        watch: is told of the progress.
        on_failure: is told of each photo that cannot be used, once; it is left out.

    Returns:
        The network with the best weights; its `write` makes the model.

    Raises:
        SettingsError: a setting does not go with another, head and ratings do not go together, the device is not there, the folder
            holds another run, or the loss is no number any more.
        RatingsError: the split leaves nothing to learn from, or too few photos can be read.
    """
    spec, watch = pretrained.spec, watch or TrainingCallbacks()
    if spec.export == "never":
        raise SettingsError(
            f"no graph of {spec.name} is right for photos of every size, so it cannot become a model: fine-tune another network"
        )
    for part in ("train", "validation"):
        if len(getattr(split, part)) < 2:
            raise SettingsError(
                f"the split has {len(getattr(split, part))} {part} photos, expected at least 2"
            )
    device: str = settings.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    check_device(device)
    targets = Targets.of(ratings, head)
    built = build_head(head, spec.levels, seed=settings.seed)
    if pretrained.head is not None:
        _start(built, pretrained.head)
    dtype = _dtype(settings, device)
    identity = {**_identity(pretrained, ratings, split, built, settings), "precision": str(dtype)}
    # Channels last, which convolutions on the processor and in 16 bits want.
    pretrained.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = FinetunedNetwork(pretrained.network, spec, built, dtype=dtype).to(device)
    reader = PhotoReader(
        ratings,
        settings.decode(),
        spec.smallest_side,
        usable_cores() if settings.workers is None else settings.workers,
        on_failure,
    )
    folder = RunFolder(run_folder, identity)
    learning = Learning(network, reader, split, targets, settings, folder, watch)
    learning.run()
    return Finetuned(
        network=network,
        spec=spec,
        origin=pretrained.origin,
        reader=reader,
        split=split,
        settings=settings,
        folder=run_folder,
        history=tuple(learning.log),
    )


def _start(head: nn.Module, weights: Mapping[str, Tensor]) -> None:
    try:
        head.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise SettingsError(
            f"the head to start with is another one: {reason}: give its own name, levels and network"
        ) from error


def _dtype(settings: FinetuneSettings, device: str) -> torch.dtype:
    wants_16_bits = settings.precision == "bfloat16" or (
        settings.precision == "auto" and device == "cuda" and torch.cuda.is_bf16_supported()
    )
    return torch.bfloat16 if wants_16_bits else torch.float32


def _identity(
    pretrained: Pretrained,
    ratings: RatingTable,
    split: Split,
    head: ScoreHead,
    settings: FinetuneSettings,
) -> dict[str, Any]:
    """Everything that the weights follow from; not how many epochs there are, nor what costs only time or memory."""
    names = (
        "learning_rate",
        "batch",
        "augment",
        "validation_views",
        "resize",
        "longest_side",
        "seed",
    )
    return {
        "backbone": pretrained.spec.name,
        "weights": weights_digest(pretrained.network),
        "head": dataclasses.asdict(head.spec),
        "head weights": weights_digest(head),
        "ratings": ratings_digest(ratings, split),
        **{name: getattr(settings, name) for name in names},
    }
