"""Writes a model: exports its heads and classifiers, adds the network's graph and the record."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from mlsp.base.arrays import Float32Array
from mlsp.base.atomic_file import replaced_folder
from mlsp.base.errors import ModelError, OutputError
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.onnx_export import export_head
from mlsp.features.spec import FeatureSpec
from mlsp.models.heads import KernelModule, RidgeModule, ScoreHead
from mlsp.models.model import MODEL_FILE, Model, load_model, recorded_files, save_model_record
from mlsp.models.records import (
    Card,
    ClassifierRecord,
    HeadForm,
    HeadRecord,
    check_classifier,
    check_head,
    check_names,
)

_BACKBONE_FILE = "backbone.onnx"
# Of a head's scale, or of its scores on noise where they are larger. Rounding makes about 1e-6.
_MAX_DIFFERENCE = 1e-4
_CHECKED_ROWS = 3

_Record = TypeVar("_Record", HeadRecord, ClassifierRecord)


def check_model_folder(folder: Path) -> None:
    """Make sure, before hours of learning, that a model can be written to a folder.

    Args:
        folder: there is none yet, it is empty, or it holds a model and nothing else: that will be replaced.

    Raises:
        OutputError: it holds something else, or cannot be written.
    """
    parent = folder.absolute().parent
    if not parent.is_dir():
        raise OutputError(
            f"cannot write a model to {folder}: the folder {parent} does not exist: make it first"
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"cannot write a model to {folder}: the folder {parent} is not writable: name another"
        )
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise OutputError(f"cannot write a model to {folder}: it is not a folder: name another")
    if not folder.exists():
        return
    names = sorted(path.name for path in folder.iterdir())
    files = recorded_files(folder)
    if MODEL_FILE in names and not files:
        raise OutputError(
            f"cannot write a model to {folder}: its {MODEL_FILE} is not that of a model: name another folder, or delete this"
            " one first"
        )
    foreign = [name for name in names if name not in files]
    if foreign:
        raise OutputError(
            f"cannot write a model to {folder}: it holds {foreign[0]!r}, which is not part of a model: name another folder"
        )


def replaced_model(folder: Path) -> str:
    """Return what the model in a folder is that a new one will replace, for the user; empty if there is none.

    Args:
        folder: one that passed `check_model_folder`.
    """
    if not (folder / MODEL_FILE).exists():
        return ""
    try:
        model = load_model(folder)
    except ModelError as error:
        return f"the new model replaces one that cannot be opened: {error}"
    # Of each head the first: of test photos, where there are some.
    measured = [one for head in model.heads for one in head.agreement[:1]]
    agreement = "".join(
        f" SRCC {one.srcc:.3f} on {one.photo_count} {one.photos}." for one in measured
    )
    return f"the new model replaces the one in {folder}: {model.card.summary}{agreement}"


def write_model(
    folder: Path,
    *,
    name: str,
    feature_spec: FeatureSpec,
    smallest_side: int,
    heads: Sequence[tuple[HeadRecord, nn.Module]],
    channels: int,
    card: Card,
    backbone: Path | None,
    version: str = "1",
    classifiers: Sequence[tuple[ClassifierRecord, nn.Module]] = (),
) -> Model:
    """Write a model's folder, whole or not at all.

    Args:
        folder: there is none yet, it is empty, or it holds a model and nothing else: that is replaced.
        name: as users call it.
        feature_spec: features that the heads read.
        smallest_side: minimum width and height of a photo, in pixels.
        heads: record and network of each, from (N, G, G, C) to (N,); the records' `file` and `sha256` are filled in here.
        channels: C.
        card: facts and limits for users.
        backbone: graph from 8-bit photos to features of this spec, which is copied; None for a model that reads stored features only.
        version: of the model.
        classifiers: record and network of each, from (N, G, G, C) to probabilities (N, labels); those of `kinds` add up to 1. The records'
            `file` and `sha256` are filled in here.

    Returns:
        The model as it was read back.

    Raises:
        OutputError: the folder cannot be written.
        ModelError: a record cannot be used, a classifier gives no probabilities, or a graph computes something else than its network.
    """
    check_model_folder(folder)
    heads = [(_named(record, check_head, "head"), head) for record, head in heads]
    classifiers = [
        (_named(record, check_classifier, "classifier"), network) for record, network in classifiers
    ]
    try:
        check_names([record for record, _ in heads], [record for record, _ in classifiers])
    except ValueError as error:
        raise ModelError(f"a model cannot have these parts: {error}") from error
    try:
        with replaced_folder(folder) as temporary:
            records = [
                _write_head(temporary, record, head, channels, feature_spec.grid)
                for record, head in heads
            ]
            labelled = [
                _write_classifier(temporary, record, network, channels, feature_spec.grid)
                for record, network in classifiers
            ]
            if backbone is not None:
                shutil.copyfile(backbone, temporary / _BACKBONE_FILE)
            model = Model(
                folder=temporary,
                name=name,
                version=version,
                fingerprint="",
                feature_spec=feature_spec,
                smallest_side=smallest_side,
                backbone_file=None if backbone is None else _BACKBONE_FILE,
                heads=tuple(records),
                card=card,
                classifiers=tuple(labelled),
            )
            save_model_record(model)
            # Read back before it replaces another: a record that cannot be used is found here.
            load_model(temporary)
    except OSError as error:
        raise OutputError(
            f"cannot write a model to {folder}: {error.strerror or error}: free some space or name another folder"
        ) from error
    return load_model(folder)


def _named(record: _Record, check: Callable[[_Record], None], what: str) -> _Record:
    """Return a record with the name of its file, if it can be used."""
    named = replace(record, file=f"{record.name}.onnx", sha256="")
    try:
        check(named)
    except ValueError as error:
        raise ModelError(f"a model cannot have this {what}: {error}") from error
    return named


def _write_head(
    folder: Path, record: HeadRecord, head: nn.Module, channels: int, grid: int
) -> HeadRecord:
    file = folder / record.file
    if isinstance(head, ScoreHead) and head.spec.output == "distribution":
        export_head(_ScoresAndVotes(head), channels, file, grid=grid, outputs=("scores", "votes"))
    else:
        export_head(head, channels, file, grid=grid)
    what, scale = f"head {record.name!r}", record.highest - record.lowest
    _check_graph(file, head, channels, grid, what=what, scale=scale)
    return replace(record.with_file(folder), form=_form(head))


def _write_classifier(
    folder: Path, record: ClassifierRecord, network: nn.Module, channels: int, grid: int
) -> ClassifierRecord:
    file = folder / record.file
    export_head(network, channels, file, grid=grid, outputs=("probabilities",))
    what = f"classifier {record.name!r}"
    found = _check_graph(file, network, channels, grid, what=what, scale=1.0)
    expected = (_CHECKED_ROWS, len(record.labels))
    if found.shape != expected:
        raise ModelError(
            f"{what} gives an array of shape {found.shape} for {_CHECKED_ROWS} photos, expected {expected}, one probability per label"
        )
    sums = found.sum(axis=1) if record.name == "kinds" else np.ones(1)
    if found.min() < 0 or found.max() > 1 or np.abs(sums - 1).max() > _MAX_DIFFERENCE:
        raise ModelError(
            f"{what} gives {found.min():.3g} to {found.max():.3g} on noise, which are no probabilities:"
            " end it with a sigmoid for faults, or a softmax for kinds"
        )
    return record.with_file(folder)


def _check_graph(
    file: Path, network: nn.Module, channels: int, grid: int, *, what: str, scale: float
) -> Float32Array:
    """Compare a graph with its network on noise, and return what the graph computes."""
    features = np.random.default_rng(0).random((_CHECKED_ROWS, grid, grid, channels), np.float32)
    itself = copy.deepcopy(network).eval()
    with torch.no_grad():
        expected = itself(torch.from_numpy(features)).numpy()
    found = OpenVinoHead(file).predict(features)
    difference = float(np.abs(found - expected).max())
    scale = max(scale, float(np.abs(expected).max()))
    if not difference <= _MAX_DIFFERENCE * scale:
        raise ModelError(
            f"the exported graph of {what} differs from the {what.split()[0]} by {difference:.1e} on noise, expected at most"
            f" {_MAX_DIFFERENCE * scale:.1e}: its weights are too large or not finite"
        )
    return found


class _ScoresAndVotes(nn.Module):
    """Head that returns the distribution of votes beside its mean."""

    bins: Tensor

    def __init__(self, head: ScoreHead) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("bins", torch.tensor(head.spec.bins))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        votes = self.head.outputs(features).softmax(dim=1)
        return votes @ self.bins.to(votes.dtype), votes


def _form(head: nn.Module) -> HeadForm | None:
    if isinstance(head, RidgeModule):
        return "roots"
    if isinstance(head, KernelModule):
        return "kernel" if head.stored_in_8_bits else "other"
    is_linear = isinstance(head, ScoreHead) and head.spec.name == "single_1fc"
    return "other" if isinstance(head, ScoreHead) and not is_linear else None
