"""`finetune`: photos and ratings -> a network and its head, learned end to end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlsp.base.errors import SettingsError
from mlsp.base.machine import usable_cores
from mlsp.base.records import record_of
from mlsp.base.results import ScoreFailure
from mlsp.models.heads import HeadSpec, ScoreHead, build_head
from mlsp.ratings.splits import Split
from mlsp.ratings.table import RatingTable
from mlsp.training.epochs import TrainingCallbacks
from mlsp.training.finetuning.loop import FinetuneLoop
from mlsp.training.finetuning.network import FinetunedNetwork, weights_digest
from mlsp.training.finetuning.output import Finetuned
from mlsp.training.finetuning.photos import PhotoReader
from mlsp.training.finetuning.settings import FinetuneSettings
from mlsp.training.finetuning.start import Pretrained
from mlsp.training.rated_features import ratings_digest
from mlsp.training.run_folder import RunFolder, head_identity
from mlsp.training.settings import torch_device
from mlsp.training.targets import Targets


def finetune(
    pretrained: Pretrained,
    ratings: RatingTable,
    split: Split,
    head: HeadSpec,
    settings: FinetuneSettings,
    *,
    run_folder: Path,
    callbacks: TrainingCallbacks | None = None,
    on_failure: Callable[[ScoreFailure], None] = lambda _failed: None,
) -> Finetuned:
    """Fine-tune a network and its head by recipe `paper`; in a folder that holds this very run, continue it.

    Args:
        pretrained: what to begin with.
        ratings: photos and what people think of them.
        split: of the table; train and validation must not be empty.
        head: what the head is to be; on the ratings' scale.
        settings: how.
        run_folder: keeps the run's state after each epoch, `log.csv` and `curves.png`.
        callbacks: are called as the run goes on.
        on_failure: is called for each photo that cannot be used, once; it is left out.

    Returns:
        The network with the best weights; its `write` makes the model.

    Raises:
        SettingsError: a setting does not go with another, head and ratings do not go together, the device is not there, or the folder
            holds another run.
        RatingsError: the split leaves nothing to learn from, or too few photos can be read.
        TrainingError: a loss is not finite, the run in the folder is damaged, or another process trains in it.
        OutputError: the folder holds something else, or cannot be written.
    """
    spec = pretrained.spec
    if spec.export == "never":
        raise SettingsError(
            f"no graph of {spec.name} is right for photos of every size, so it cannot become a model: fine-tune another network"
        )
    for part in ("train", "validation"):
        if len(getattr(split, part)) < 2:
            raise SettingsError(
                f"the split has {len(getattr(split, part))} {part} photos, expected at least 2"
            )
    device = torch_device(settings.device)
    targets = Targets.of(ratings, head)
    built = build_head(head, spec.levels, seed=settings.seed)
    if pretrained.head is not None:
        _start(built, pretrained.head)
    dtype = _dtype(settings, device)
    identity = {**_identity(pretrained, ratings, split, built, settings), "precision": str(dtype)}
    # Channels last, which convolutions on the CPU and in 16 bits want.
    pretrained.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = FinetunedNetwork(pretrained.network, spec, built, dtype=dtype).to(device)
    reader = PhotoReader(
        ratings,
        settings.decode(),
        spec.smallest_side,
        usable_cores() if settings.workers is None else settings.workers,
        on_failure,
    )
    with RunFolder(run_folder, identity) as folder:
        loop = FinetuneLoop(
            network, reader, split, targets, settings, folder, callbacks or TrainingCallbacks()
        )
        loop.run()
    return Finetuned(
        network=network,
        spec=spec,
        origin=pretrained.origin,
        reader=reader,
        split=split,
        settings=settings,
        folder=run_folder,
        history=tuple(loop.log),
    )


def _start(head: nn.Module, weights: Mapping[str, Tensor]) -> None:
    try:
        head.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise SettingsError(
            f"the head to start with is another one: {reason}: give its own name, levels and network"
        ) from error


def _dtype(settings: FinetuneSettings, device: torch.device) -> torch.dtype:
    wants_16_bits = settings.precision == "bfloat16" or (
        settings.precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()
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
        "read_as",
    )
    learning = record_of(settings, later=("read_as",))
    return {
        "backbone": pretrained.spec.name,
        "weights": weights_digest(pretrained.network),
        "head": head_identity(head.spec),
        "head weights": weights_digest(head),
        "ratings": ratings_digest(ratings, split),
        **{name: learning[name] for name in names if name in learning},
    }
