"""Writes a model: exports its heads, adds the network's graph and the record."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mlsp.base.atomic_file import replaced_folder
from mlsp.base.errors import ModelError, OutputError
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.onnx_export import export_head
from mlsp.features.spec import FeatureSpec
from mlsp.models.heads import RidgeModule, ScoreHead
from mlsp.models.model import MODEL_FILE, Model, load_model, save_model_record
from mlsp.models.records import Card, HeadForm, HeadRecord, check_head

_BACKBONE_FILE = "backbone.onnx"
# Of a head's scale, or of its scores on noise where they are larger. Rounding makes about 1e-6.
_MAX_DIFFERENCE = 1e-4
_CHECKED_ROWS = 3


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
    foreign = [name for name in names if name != MODEL_FILE and not name.endswith(".onnx")]
    if names and (foreign or MODEL_FILE not in names):
        raise OutputError(
            f"cannot write a model to {folder}: it holds {(foreign or names)[0]!r}, which is not part of a model:"
            " name another folder"
        )


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

    Returns:
        The model as it was read back.

    Raises:
        OutputError: the folder cannot be written.
        ModelError: a record cannot be used, or a head's graph computes something else than the head.
    """
    check_model_folder(folder)
    heads = [(_named(record), head) for record, head in heads]
    try:
        with replaced_folder(folder) as temporary:
            records = [
                _write_head(temporary, record, head, channels, feature_spec.grid)
                for record, head in heads
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
            )
            save_model_record(model)
            # Read back before it replaces another: a record that cannot be used is found here.
            load_model(temporary)
    except OSError as error:
        raise OutputError(
            f"cannot write a model to {folder}: {error.strerror or error}: free some space or name another folder"
        ) from error
    return load_model(folder)


def _named(record: HeadRecord) -> HeadRecord:
    named = replace(record, file=f"{record.name}.onnx", sha256="")
    try:
        check_head(named)
    except ValueError as error:
        raise ModelError(f"a model cannot have this head: {error}") from error
    return named


def _write_head(
    folder: Path, record: HeadRecord, head: nn.Module, channels: int, grid: int
) -> HeadRecord:
    file = folder / record.file
    if isinstance(head, ScoreHead) and head.spec.output == "distribution":
        export_head(_ScoresAndVotes(head), channels, file, grid=grid, has_votes=True)
    else:
        export_head(head, channels, file, grid=grid)
    features = np.random.default_rng(0).random((_CHECKED_ROWS, grid, grid, channels), np.float32)
    itself = copy.deepcopy(head).eval()
    with torch.no_grad():
        expected = itself(torch.from_numpy(features)).numpy()
    difference = float(np.abs(OpenVinoHead(file).predict(features) - expected).max())
    scale = max(record.highest - record.lowest, float(np.abs(expected).max()))
    if not difference <= _MAX_DIFFERENCE * scale:
        raise ModelError(
            f"the exported graph of head {record.name!r} differs from the head by {difference:.1e} on noise, expected at most"
            f" {_MAX_DIFFERENCE * scale:.1e}: its weights are too large or not finite"
        )
    return replace(record.with_file(folder), form=_form(head))


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
    is_linear = isinstance(head, ScoreHead) and head.spec.name == "single_1fc"
    return "other" if isinstance(head, ScoreHead) and not is_linear else None
