"""A model with faults and kinds: the heads and the network of the embedded model, and classifiers fitted to a few real photos and copies of them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor, nn

from mlsp.base.arrays import Float64Array
from mlsp.base.results import ScoreFailure
from mlsp.models.heads import RidgeModule
from mlsp.models.model import Model, load_model
from mlsp.models.records import ClassifierRecord, HeadRecord, Label
from mlsp.models.writing import write_model
from mlsp.personal import linear_heads
from mlsp.scoring.scorer import Scorer

KINDS = {
    "astronaut.png": "people",
    "chelsea.png": "animals",
    "coffee.png": "food_and_objects",
    "hubble_deep_field.jpg": "scenery",
    "rocket.jpg": "architecture",
}
NOT_PHOTOS = ("chart.png", "screenshot.png")
# What a classifier says of the photos that it was fitted to: probabilities of .95 and .05, and of kinds of nearly 1.
_LOGIT = 3.0

FAULTS = ClassifierRecord(
    "faults",
    "",
    "",
    (
        Label("soft", "the whole photo is out of focus", 0.8, 0.95, "copies out of focus"),
        Label("dark", "too dark", 0.7, 0.97, "copies two stops darker"),
        Label("hazy", "pale, as in haze", None, 0.6, "copies with less contrast"),
    ),
)
KINDS_RECORD = ClassifierRecord(
    "kinds",
    "",
    "",
    (
        Label("people", "people"),
        Label("animals", "animals"),
        Label("scenery", "landscapes, sky and stars"),
        Label("architecture", "buildings"),
        Label("food_and_objects", "food and things"),
        Label("not_photo", "a screenshot, chart or document", 0.6, 0.99, "two drawings"),
    ),
)


@dataclass(frozen=True, slots=True)
class LabelledModel:
    """A model with classifiers, and photos whose labels are known.

    Attributes:
        model: as it was read back.
        photos: folder of the photos: five of the examples, of each a copy `dark_NAME` and `soft_NAME`, and two that are no photos.
    """

    model: Model
    photos: Path

    def photo(self, name: str) -> Path:
        return self.photos / name


class Classifier(nn.Module):
    """Probabilities of labels, linear in the features before a sigmoid or softmax.

    Args:
        weight: (C, labels).
        bias: (labels,).
        output: of kinds, which exclude each other, `softmax`.
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self, weight: Float64Array, bias: Float64Array, output: Literal["sigmoid", "softmax"]
    ) -> None:
        super().__init__()
        self.register_buffer("weight", torch.from_numpy(weight.astype(np.float32)))
        self.register_buffer("bias", torch.from_numpy(bias.astype(np.float32)))
        self.output = output

    def forward(self, features: Tensor) -> Tensor:
        """(N, G, G, C) -> (N, labels)."""
        logits = features.mean(dim=(1, 2)) @ self.weight + self.bias
        return torch.sigmoid(logits) if self.output == "sigmoid" else torch.softmax(logits, dim=1)


def default_heads(**changes: HeadRecord) -> list[tuple[HeadRecord, nn.Module]]:
    """The embedded model's heads, or the nearest linear ones, as torch modules; with other records by name where given."""
    default = load_model("fast")
    return [
        (changes.get(record.name, record), RidgeModule(linear.weights, linear.bias))
        for record, linear in zip(default.heads, linear_heads(default), strict=True)
    ]


def write_labelled_model(folder: Path, examples: Path) -> LabelledModel:
    """Write the model to `folder`/labelled, and its photos to `folder`/photos."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for name in KINDS:
        shutil.copy(examples / name, photos / name)
        with Image.open(examples / name) as opened:
            image = opened.convert("RGB")
        stem = Path(name).stem
        image.point(lambda value: value // 6).save(photos / f"dark_{stem}.png")
        image.filter(ImageFilter.GaussianBlur(6)).save(photos / f"soft_{stem}.png")
    for name in NOT_PHOTOS:
        _drawing(name).save(photos / name)
    paths = sorted(photos.iterdir())
    default = load_model("fast")
    rows = []
    with Scorer("fast", precision="float32") as scorer:
        for found in scorer.features(paths):
            assert not isinstance(found, ScoreFailure)
            rows.append(found.features.mean(axis=(0, 1, 2)))
    features = np.stack(rows).astype(np.float64)
    faults = [
        [_LOGIT if path.name.startswith(f"{label.name}_") else -_LOGIT for label in FAULTS.labels]
        for path in paths
    ]
    kinds = [
        [_LOGIT if label.name == kind_of(path) else -_LOGIT for label in KINDS_RECORD.labels]
        for path in paths
    ]
    beauty = next(head for head in default.heads if head.name == "beauty")
    # People's photos of these kinds are rated lower, so that the same score is worth more.
    lower = tuple(round(value - 0.4, 6) for value in beauty.quantiles[::10])
    by_kind = replace(beauty, kind_quantiles={"people": lower, "architecture": lower})
    model = write_model(
        folder / "labelled",
        name="labelled",
        feature_spec=default.feature_spec,
        smallest_side=default.smallest_side,
        heads=default_heads(beauty=by_kind),
        channels=features.shape[1],
        card=default.card,
        backbone=default.backbone,
        classifiers=[
            (FAULTS, Classifier(*_fitted(features, np.array(faults)), "sigmoid")),
            (KINDS_RECORD, Classifier(*_fitted(features, np.array(kinds)), "softmax")),
        ],
    )
    return LabelledModel(model, photos)


def kind_of(photo: Path) -> str:
    """The kind of a photo of the folder."""
    stem = photo.stem.removeprefix("dark_").removeprefix("soft_")
    return next((kind for name, kind in KINDS.items() if Path(name).stem == stem), "not_photo")


def _fitted(features: Float64Array, logits: Float64Array) -> tuple[Float64Array, Float64Array]:
    """The smallest weights that give these logits, and the bias."""
    mean = features.mean(axis=0)
    weight = np.linalg.pinv(features - mean, rcond=1e-6) @ (logits - logits.mean(axis=0))
    return weight, logits.mean(axis=0) - mean @ weight


def _drawing(name: str) -> Image.Image:
    image = Image.new("RGB", (400, 300), "white")
    draw = ImageDraw.Draw(image)
    if name == "chart.png":
        for number, height in enumerate((40, 120, 80, 200, 160)):
            draw.rectangle((40 + 70 * number, 280 - height, 90 + 70 * number, 280), fill="#1257b0")
        draw.line((20, 280, 390, 280), fill="black", width=2)
        return image
    draw.rectangle((0, 0, 400, 28), fill="#33363a")
    for row in range(40, 290, 14):
        draw.text((12, row), "the quick brown fox jumps over the lazy dog " * 2, fill="#222222")
    return image
