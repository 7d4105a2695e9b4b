"""Classifiers in model folders: written, read back, refused."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from labelled_models import FAULTS, KINDS_RECORD, LabelledModel
from mlsp.base.errors import ModelError
from mlsp.cli.card import card_lines
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.spec import FeatureSpec
from mlsp.models.model import Model, load_model
from mlsp.models.records import Card, ClassifierRecord, HeadRecord, Label
from mlsp.models.writing import write_model
from mlsp.scoring.scorer import Scorer

SPEC = FeatureSpec("tiny", "0" * 64, ("a", "b"), "whole", None, 1)
CARD = Card("A test.", ("none",), ("everything",), "CC0-1.0")
HEAD = HeadRecord("taste", "", "", "liked", 1, 10, "nobody's", (1.0, 5.0, 9.0), ())


class Mean(nn.Module):
    """(N, 1, 1, C) -> (N,)."""

    def forward(self, features: Tensor) -> Tensor:
        return 1 + 9 * features.mean(dim=(1, 2, 3))


class FirstChannels(nn.Module):
    """(N, 1, 1, C) -> (N, labels): a sigmoid or softmax of the first channels, or these themselves."""

    def __init__(self, labels: int, output: str) -> None:
        super().__init__()
        self.labels, self.output = labels, output

    def forward(self, features: Tensor) -> Tensor:
        logits = features[:, 0, 0, : self.labels]
        if self.output == "sigmoid":
            return torch.sigmoid(logits)
        return torch.softmax(logits, dim=1) if self.output == "softmax" else 3 * logits


def write(
    folder: Path,
    *classifiers: tuple[ClassifierRecord, nn.Module],
    head: HeadRecord = HEAD,
) -> Model:
    return write_model(
        folder,
        name="tiny",
        feature_spec=SPEC,
        smallest_side=32,
        heads=[(head, Mean())],
        channels=24,
        card=CARD,
        backbone=None,
        classifiers=classifiers,
    )


def test_classifiers_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    head = replace(HEAD, kind_quantiles={"people": (2.0, 4.0), "animals": (1.0, 9.0)})
    model = write(
        tmp_path / "model",
        (FAULTS, FirstChannels(3, "sigmoid")),
        (KINDS_RECORD, FirstChannels(6, "softmax")),
        head=head,
    )
    assert model == load_model(tmp_path / "model")
    assert sorted(path.name for path in model.folder.iterdir()) == [
        "faults.onnx",
        "kinds.onnx",
        "model.json",
        "taste.onnx",
    ]
    found = model.classifier("faults")
    assert found is not None
    assert found.labels == FAULTS.labels
    assert model.heads[0].kind_quantiles == head.kind_quantiles
    features = np.random.default_rng(1).random((5, 1, 1, 24), np.float32)
    graph = OpenVinoHead(model.folder / "kinds.onnx")
    assert graph.labels == 6
    assert OpenVinoHead(model.folder / "taste.onnx").labels is None
    with torch.no_grad():
        expected = FirstChannels(6, "softmax")(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(graph.predict(features), expected, atol=1e-6)


def test_versions_without_classifiers_read_the_heads(labelled: LabelledModel) -> None:
    """They take the keys that they know from the document, and all keys of each head."""
    document = json.loads((labelled.model.folder / "model.json").read_text("utf-8"))
    before = {"name", "file", "sha256", "meaning", "lowest", "highest", "ratings", "quantiles"}
    for head in document["heads"]:
        assert set(head) == before | {"agreement", "form"}
    assert set(document) >= {"format", "name", "version", "card", "kind", "backbone", "heads"}
    assert document["format"] == 1


def test_a_model_without_classifiers_writes_what_it_wrote_before(tmp_path: Path) -> None:
    model = write(tmp_path / "model")
    assert model.classifiers == ()
    document = json.loads((model.folder / "model.json").read_text("utf-8"))
    assert not {"classifiers", "kind_quantiles"} & set(document)


def test_the_most_probable_kind_that_reaches_its_threshold() -> None:
    even = dict.fromkeys((label.name for label in KINDS_RECORD.labels), 0.1)
    assert KINDS_RECORD.shown({**even, "scenery": 0.5}) == ("scenery",)
    # A photo is called none only where that is sure.
    assert KINDS_RECORD.shown({**even, "scenery": 0.3, "not_photo": 0.55}) == ("scenery",)
    assert KINDS_RECORD.shown({**even, "scenery": 0.3, "not_photo": 0.65}) == ("not_photo",)


def test_percentiles_of_kinds() -> None:
    head = replace(HEAD, kind_quantiles={"people": (1.0, 3.0)})
    assert head.percentile(3.0) == 25
    assert head.percentile_of_kind(3.0, {}) == 25
    assert head.percentile_of_kind(3.0, {"people": 1.0}) == 100
    # What is no photo has no part in it; animals count by the quantiles of all.
    kinds = {"people": 0.2, "animals": 0.6, "not_photo": 0.2}
    assert head.percentile_of_kind(3.0, kinds) == pytest.approx((0.2 * 100 + 0.6 * 25) / 0.8)
    assert head.percentile_of_kind(3.0, {"not_photo": 1.0}) == 25


@pytest.mark.parametrize(
    ("classifiers", "head", "message"),
    [
        (
            [(FAULTS, FirstChannels(2, "sigmoid"))],
            HEAD,
            "classifier 'faults' gives an array of shape (3, 2) for 3 photos, expected (3, 3), one probability per label",
        ),
        (
            [(FAULTS, FirstChannels(3, "none"))],
            HEAD,
            "which are no probabilities: end it with a sigmoid for faults, or a softmax for kinds",
        ),
        (
            [(KINDS_RECORD, FirstChannels(6, "sigmoid"))],
            HEAD,
            "which are no probabilities: end it with a sigmoid for faults, or a softmax for kinds",
        ),
        (
            [(replace(FAULTS, name="moods"), FirstChannels(3, "sigmoid"))],  # type: ignore[arg-type]
            HEAD,
            "a model cannot have this classifier: classifier 'moods': expected faults or kinds",
        ),
        (
            [(replace(FAULTS, labels=(Label("Soft", ""),)), FirstChannels(1, "sigmoid"))],
            HEAD,
            "label 'Soft' of 'faults': lower-case letters, digits and _ are allowed",
        ),
        (
            [(replace(FAULTS, labels=(Label("soft", "", 1.5),)), FirstChannels(1, "sigmoid"))],
            HEAD,
            "numbers of label 'soft': expected None or 0 to 1, got 1.5",
        ),
        (
            [(FAULTS, FirstChannels(3, "sigmoid"))] * 2,
            HEAD,
            "classifiers ['faults', 'faults']: expected each name once",
        ),
        (
            [(replace(FAULTS, labels=(Label("taste", ""),)), FirstChannels(1, "sigmoid"))],
            HEAD,
            "labels and heads ['taste']: their names are taken already",
        ),
        (
            [(FAULTS, FirstChannels(3, "sigmoid"))],
            replace(HEAD, name="kind"),
            "labels and heads ['kind']: their names are taken already",
        ),
        (
            [(FAULTS, FirstChannels(3, "sigmoid"))],
            replace(HEAD, kind_quantiles={"people": (1.0, 2.0)}),
            "quantiles of 'taste' among ['people']: no such kinds",
        ),
        (
            [(KINDS_RECORD, FirstChannels(6, "softmax"))],
            replace(HEAD, kind_quantiles={"people": (2.0, 1.0)}),
            "quantiles of 'taste' among 'people': expected none, or at least two, ascending",
        ),
    ],
)
def test_classifiers_that_cannot_be_used(
    tmp_path: Path,
    classifiers: list[tuple[ClassifierRecord, nn.Module]],
    head: HeadRecord,
    message: str,
) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        write(tmp_path / "model", *classifiers, head=head)
    assert not list(tmp_path.iterdir())


def _cut_file(folder: Path) -> None:
    (folder / "faults.onnx").write_bytes(b"nothing")


def _drop_label(folder: Path) -> None:
    file = folder / "model.json"
    document = json.loads(file.read_text("utf-8"))
    del document["classifiers"][0]["labels"][0]
    file.write_text(json.dumps(document), "utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_cut_file, "faults.onnx is damaged: expected SHA-256"),
        (_drop_label, "its classifier 'faults' has 2 labels, its graph 3. Build the model again"),
    ],
)
def test_damaged_classifiers_are_refused(
    labelled: LabelledModel, tmp_path: Path, damage: Callable[[Path], Any], message: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(labelled.model.folder, folder)
    damage(folder)
    with pytest.raises(ModelError, match=re.escape(message)):
        Scorer(folder)


def test_the_card_names_labels_and_their_precision(labelled: LabelledModel) -> None:
    console = Console(width=200, file=io.StringIO())
    with console.capture() as captured:
        for line in card_lines(labelled.model):
            console.print(line)
    card = captured.get()
    assert (
        "soft: the whole photo is out of focus; shown from a probability of 0.80; precision 0.95 on copies out of focus"
        in card
    )
    assert (
        "hazy: pale, as in haze; never shown, as it is not precise enough; precision 0.60" in card
    )
    assert "people: people " in card
    # As tables and reports name it.
    assert "not a photo: " in card
    assert "Percentiles are among photos of the same kind, of people, architecture" in card
