"""Fine-tuning: photos and ratings -> a network and its head, learned end to end (sections 3.3 and 4.1 of the paper).

    settings     how
    photos       rated photos -> batches of random views, decoded ahead
    network      network and head as one; a batch in pieces; memory saved by blocks
    scores       means over random views
    schedule     the learning rate
    loop         epochs
    run_folder   what goes on after a kill, the best weights, the log
    output       the model folder

Importing this needs torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mlsp.backbones import BackboneSpec
from mlsp.engines import usable_cores
from mlsp.engines.torch_engine import check_device
from mlsp.errors import SettingsError
from mlsp.finetuning.loop import Learning, Watch
from mlsp.finetuning.network import FinetunedNetwork, weights_digest
from mlsp.finetuning.output import Finetuned
from mlsp.finetuning.photos import PhotoReader
from mlsp.finetuning.run_folder import EpochRecord, RunFolder
from mlsp.finetuning.settings import FinetuneSettings
from mlsp.heads import HeadSpec, build_head
from mlsp.ratings import RatingTable
from mlsp.splits import Split

__all__ = [
    "EpochRecord",
    "FinetuneSettings",
    "Finetuned",
    "Pretrained",
    "Watch",
    "finetune",
]


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What a run begins with.

    Attributes:
        network: as `mlsp.weights.load_network` returns it; its weights are changed.
        spec: its record.
        origin: of its weights and their licence, for the model's card.
        head: weights of a head that learned from this network's features; None for a head that has learned nothing.
    """

    network: nn.Module
    spec: BackboneSpec
    origin: str
    head: Mapping[str, Tensor] | None = None


def finetune(
    pretrained: Pretrained,
    ratings: RatingTable,
    split: Split,
    head: HeadSpec,
    settings: FinetuneSettings,
    *,
    run_folder: Path,
    watch: Watch | None = None,
) -> Finetuned:
    """Fine-tune a network and its head by recipe `paper`; in a folder that holds this very run, go on where it was.

    Args:
        pretrained: what to begin with.
        ratings: photos and what people think of them.
        split: of the table; train and validation must not be empty.
        head: what the head is to be; on the ratings' scale.
        settings: how.
        run_folder: keeps what goes on after a kill, the best weights and `log.csv`.
        watch: is told of the progress, and of each photo that cannot be used and is left out.

    Returns:
        The network with the best weights; its `write` makes the model.

    Raises:
        SettingsError: a setting does not go with another, the device is not there, the folder holds another run, or the loss is no
            number any more.
        RatingsError: the split leaves nothing to learn from, or too few photos can be read.
    """
    spec, watch = pretrained.spec, watch or Watch()
    if not spec.is_exportable:
        raise SettingsError(
            f"no graph of {spec.name} is right for photos of every size, so it cannot become a model: fine-tune another network"
        )
    for part in ("train", "validation"):
        if len(getattr(split, part)) < 2:
            raise SettingsError(
                f"the split has {len(getattr(split, part))} {part} photos, expected at least 2"
            )
    device = "cpu" if settings.device == "auto" else settings.device
    check_device(device)
    built = build_head(head, spec.levels, seed=settings.seed)
    if pretrained.head is not None:
        _start(built, pretrained.head)
    identity = _identity(pretrained, ratings, split, built, settings)
    # Channels last, which convolutions on the processor and in 16 bits want.
    pretrained.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = FinetunedNetwork(pretrained.network, spec, built, dtype=_dtype(settings, device)).to(
        device
    )
    reader = PhotoReader(
        ratings,
        settings.decode(),
        spec.smallest_side,
        usable_cores() if settings.workers is None else settings.workers,
        watch.failed,
    )
    folder = RunFolder(run_folder, identity)
    Learning(network, reader, split, settings, folder, watch).run()
    return Finetuned(network, spec, pretrained.origin, reader, split, settings, run_folder)


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
    head: nn.Module,
    settings: FinetuneSettings,
) -> dict[str, Any]:
    """Everything that the weights follow from; not how many epochs there are, nor what costs only time or memory."""
    names = ("batch", "augment", "validation_views", "resize", "longest_side", "seed", "precision")
    rows = [[rating.photo_id, rating.mos, list(rating.votes or ())] for rating in ratings]
    parts = [getattr(split, part).tolist() for part in ("train", "validation")]
    spec: HeadSpec = head.spec  # type: ignore[assignment]
    return {
        "backbone": pretrained.spec.name,
        "weights": weights_digest(pretrained.network),
        "head": dataclasses.asdict(spec),
        "head weights": weights_digest(head),
        "ratings": hashlib.sha256(json.dumps(rows).encode()).hexdigest(),
        "split": hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
        **{name: getattr(settings, name) for name in names},
    }
