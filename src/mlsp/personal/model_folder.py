"""Write a taste as an ordinary model folder, whole or not at all, without torch."""

from __future__ import annotations

import math
import re
import shutil
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mlsp.base.arrays import Float32Array
from mlsp.base.atomic_file import atomic_write, replaced_folder
from mlsp.base.errors import MissingExtraError, ModelError, OutputError, SettingsError
from mlsp.models.model import MODEL_FILE, Model, load_model, models_folders, save_model_record
from mlsp.models.records import Agreement, Card, HeadRecord
from mlsp.personal.records import Taste, TasteAgreement

HEAD = "taste"
_HEAD_FILE = f"{HEAD}.onnx"
_BACKBONE_FILE = "backbone.onnx"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# Windows takes these for devices, with any extension.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)
# As of the exported heads; every OpenVINO and onnxruntime in use reads them.
_OPSET, _IR_VERSION = 18, 10
# Maximum difference between the graph and the taste, as a share of the scale.
_MAX_DIFFERENCE = 1e-3
_CHECKED_ROWS = 8


def personal_model_folder(name: str) -> Path:
    """Return the folder of a personal model, where `mlsp score --model NAME` finds it.

    Args:
        name: letters, digits, `-` and `_`, up to 64, beginning with a letter or digit.

    Raises:
        SettingsError: the name has another form, or is that of a model that comes with mlsp, which is never overwritten.
    """
    if not _NAME.fullmatch(name) or _DEVICES.fullmatch(name):
        raise SettingsError(
            f"a model cannot be called {name!r}: use up to 64 letters, digits, - and _, beginning with a letter or digit"
        )
    own, user = models_folders()
    taken = sorted(path.name for path in own.iterdir() if (path / MODEL_FILE).is_file())
    # File systems that ignore case would mix them up.
    if name.lower() in {other.lower() for other in taken}:
        raise SettingsError(
            f"the model {name!r} comes with mlsp and is never overwritten: choose another name, such as 'mine'"
        )
    return user / name


def write_personal_model(folder: Path, base: Model, taste: Taste) -> Model:
    """Write a taste as a model with one head, `taste`, on the base's network.

    Args:
        folder: its name is the model's. There is none yet, it is empty, or it holds a personal model, which is replaced.
        base: the model whose features it was learned on.
        taste: what was learned.

    Returns:
        The model as it was read back.

    Raises:
        MissingExtraError: the package onnx is not installed; scoring with the model does not need it.
        OutputError: the folder holds something else or cannot be written.
        ModelError: the base has no network.
    """
    _check_folder(folder)
    backbone = base.backbone
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with replaced_folder(folder) as temporary:
            _write_head(temporary / _HEAD_FILE, taste)
            shutil.copyfile(backbone, temporary / _BACKBONE_FILE)
            head = _head_record(taste).with_file(temporary)
            model = Model(
                folder=temporary,
                name=folder.name,
                version="1",
                fingerprint="",
                feature_spec=base.feature_spec,
                smallest_side=base.smallest_side,
                backbone_file=_BACKBONE_FILE,
                heads=(head,),
                card=_card(base, taste),
            )
            save_model_record(model)
            # Read back before it replaces another.
            load_model(temporary)
            _check_head(temporary / _HEAD_FILE, taste)
    except OSError as error:
        raise OutputError(
            f"cannot write a model to {folder}: {error.strerror or error}: free some space or name another folder"
        ) from error
    return load_model(folder)


def _check_folder(folder: Path) -> None:
    own = Path(str(resources.files("mlsp")))
    if folder.resolve().is_relative_to(own.resolve()):
        raise OutputError(
            f"cannot write a model to {folder}: what comes with mlsp is never overwritten"
        )
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise OutputError(f"cannot write a model to {folder}: it is not a folder: name another")
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()}
    # No other model is replaced: one that took days to train must not be lost because of a name.
    if names and names != {MODEL_FILE, _HEAD_FILE, _BACKBONE_FILE}:
        raise OutputError(
            f"cannot write a model to {folder}: it holds something else than a personal model: choose another name"
        )


def _write_head(file: Path, taste: Taste) -> None:
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise MissingExtraError("Writing a model of your taste", "learn") from error
    channels = len(taste.weights)
    # The weighted sum of the signed square roots of each view's only cell.
    nodes = [
        helper.make_node("Squeeze", ["features", "cell_axes"], ["cells"]),
        helper.make_node("Relu", ["cells"], ["above"]),
        helper.make_node("Sqrt", ["above"], ["roots_above"]),
        helper.make_node("Neg", ["cells"], ["turned"]),
        helper.make_node("Relu", ["turned"], ["below"]),
        helper.make_node("Sqrt", ["below"], ["roots_below"]),
        helper.make_node("Sub", ["roots_above", "roots_below"], ["roots"]),
        helper.make_node("MatMul", ["roots", "weight"], ["sums"]),
        helper.make_node("Add", ["sums", "bias"], ["scores"]),
    ]
    constants: dict[str, np.ndarray[Any, Any]] = {
        "cell_axes": np.array([1, 2], np.int64),
        "weight": taste.weights.astype(np.float32),
        "bias": np.asarray(taste.bias, np.float32),
    }
    graph = helper.make_graph(
        nodes,
        HEAD,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["views", 1, 1, channels])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["views"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="mlsp",
        producer_version=version("mlsp"),
    )
    onnx.checker.check_model(model)
    with atomic_write(file) as stream:
        stream.write(model.SerializeToString())


def _check_head(file: Path, taste: Taste) -> None:
    from mlsp.features.engines.openvino_engine import OpenVinoHead

    shape = (_CHECKED_ROWS, len(taste.weights))
    features: Float32Array = np.random.default_rng(0).random(shape, np.float32)
    expected = taste.scores(features)
    difference = np.abs(OpenVinoHead(file).predict(features[:, None, None, :]) - expected).max()
    if not difference <= _MAX_DIFFERENCE * max(
        taste.highest - taste.lowest, float(np.abs(expected).max())
    ):
        raise ModelError(
            f"the graph of the taste differs from it by {difference:.1e} on noise: its weights are too large or not finite"
        )


def _head_record(taste: Taste) -> HeadRecord:
    return HeadRecord(
        name=HEAD,
        file=_HEAD_FILE,
        sha256="",
        meaning="you like it",
        lowest=taste.lowest,
        highest=taste.highest,
        ratings=f"your own: {judged(taste)}",
        quantiles=taste.quantiles,
        agreement=tuple(
            Agreement(
                "those that you rated, left out of learning",
                one.count,
                round(one.personal.value, 4),
                round(one.plcc, 4),
            )
            for one in taste.agreement
            if one.measure == "ratings" and math.isfinite(one.personal.value + one.plcc)
        ),
    )


def judged(taste: Taste) -> str:
    """Return how many judgements a taste was learned from, in words."""
    parts = [
        f"{count} {noun}{'' if count == 1 else 's'}"
        for count, noun in ((taste.rating_count, "rating"), (taste.comparison_count, "comparison"))
        if count
    ]
    return f"{' and '.join(parts)} of {taste.photo_count} photos"


def _card(base: Model, taste: Taste) -> Card:
    verdict = (
        "It predicts you better than the default does."
        if taste.is_better
        else "It was not shown to predict you better than the default does."
    )
    how = (
        f"drawn towards the heads of the model {base.name!r} where your judgements are few"
        if taste.uses_default
        else f"without the heads of the model {base.name!r}, which are not linear"
    )
    limits = (
        "Percentiles are among the photos that you judged, not among all photos.",
        "Your taste in other kinds of photos than those you judged was not measured.",
        "Among near-identical shots of one burst, small differences mean nothing.",
        "Not for decisions about people: it must not be used to rank persons by how they look.",
    )
    return Card(
        summary=(
            f"Your own taste, learned from {judged(taste)}, {how}."
            f" {' '.join(map(_measured, taste.agreement))} {verdict}"
        ),
        networks=base.card.networks,
        limits=limits,
        license=f"Yours; the network as in the model {base.name!r}: {base.card.license}",
    )


def _measured(agreement: TasteAgreement) -> str:
    what = (
        "Rank correlation with your ratings"
        if agreement.measure == "ratings"
        else "Share of your comparisons that it gets right"
    )
    mine, other, difference = agreement.personal, agreement.default, agreement.difference
    return (
        f"{what}, on photos left out of learning: {mine.value:.3f}, the default {other.value:.3f},"
        f" difference {difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]."
    )
