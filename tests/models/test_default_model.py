"""The embedded model: its graph is the published network, and its scores agree with people."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from mlsp.backbones import backbone
from mlsp.backbones.pooled import PooledNetwork
from mlsp.backbones.weights.loading import load_network
from mlsp.base.errors import WeightsError
from mlsp.evaluation.metrics import srcc
from mlsp.features.opening import open_backbone
from mlsp.models.model import load_model
from mlsp.photos import DecodeSettings, read_photo
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer


@pytest.mark.parametrize(
    ("embedded", "name"),
    [
        ("default", "chelsea.png"),
        ("default", "rocket.jpg"),
        ("default", "clock_motion.png"),
        ("fast", "chelsea.png"),
    ],
)
def test_its_graph_is_the_published_network(examples: Path, embedded: str, name: str) -> None:
    """Weights are stored in 16 bits, 11 of them significant: that moves features by up to 1 % of a level's root mean square."""
    model = load_model(embedded)
    spec = backbone(model.feature_spec.backbone)
    try:
        network, sha256 = load_network(spec)
    except WeightsError as error:
        pytest.skip(f"needs the published weights: {error}")
    assert sha256 == model.feature_spec.weights_sha256
    assert model.feature_spec.levels == tuple(level.name for level in spec.levels)
    settings = DecodeSettings(longest_side=model.feature_spec.longest_side)
    pixels = read_photo(examples / name, settings=settings).pixels[None]
    with torch.no_grad():
        reference = PooledNetwork(network, spec, 1).eval()(torch.from_numpy(pixels)).numpy()
    engine = open_backbone(model.feature_spec, graph=model.backbone, precision="float32")
    got = engine.pooled(pixels)
    start = 0
    for level in spec.levels:
        expected = reference[..., start : start + level.channels]
        difference = got[..., start : start + level.channels] - expected
        assert np.sqrt((difference**2).mean()) <= 0.01 * np.sqrt((expected**2).mean()), level.name
        start += level.channels


@pytest.mark.parametrize(("height", "width"), [(300, 420), (148, 260), (52, 68)])
def test_fast_sees_what_its_network_sees_of_both_looks(
    examples: Path, height: int, width: int
) -> None:
    pixels = read_photo(examples / "chelsea.png").pixels[: height // 2, : width // 2]
    # Each pixel four times, so that half the size is exact.
    photo = pixels.repeat(2, 0).repeat(2, 1)
    # Four pixels of each side are left over above a multiple of 8.
    pixels, cut = np.ascontiguousarray(pixels[1:-1, 1:-1]), photo[2:-2, 2:-2]
    top, left = max(0, height - 4 - 192) // 2, max(0, width - 4 - 192) // 2
    middle = np.ascontiguousarray(cut[top : top + 192, left : left + 192])
    model, spec = load_model("fast"), backbone("efficientnet_lite0")
    fast = open_backbone(model.feature_spec, graph=model.backbone, precision="float32")
    try:
        network, _ = load_network(spec)
    except WeightsError as error:
        pytest.skip(f"needs the published weights: {error}")
    once = PooledNetwork(network, spec, 1).eval()
    with torch.no_grad():
        looks = [once(torch.from_numpy(look[None])).numpy() for look in (pixels, middle)]
    expected = np.concatenate(looks, axis=-1)
    found = fast.pooled(photo[None])
    # Weights are stored in 16 bits.
    assert np.sqrt(((found - expected) ** 2).mean()) <= 0.01 * np.sqrt((expected**2).mean())


@pytest.mark.parametrize(
    ("embedded", "precision"), [("default", "float32"), ("default", "auto"), ("fast", "auto")]
)
def test_agrees_with_people_on_photos_it_has_not_learned_from(
    reference_data: Path, embedded: str, precision: str
) -> None:
    folder = reference_data / "data" / "biq2021"
    with (folder / "ratings.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "test"]
    results = Scorer(embedded, precision=precision).score(
        folder / "images" / row["image"] for row in rows
    )
    values = [
        result.scores["quality"].value for result in results if isinstance(result, ScoreResult)
    ]
    assert srcc(values, [float(row["mos"]) for row in rows]) >= 0.84


def test_percentiles_of_unseen_photos_are_spread_evenly(reference_data: Path) -> None:
    folder = reference_data / "data" / "biq2021"
    with (folder / "ratings.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == "test"]
    # The sample has as many photos of each subset; the model learned from all, two thirds of which are of the third.
    third = [row for row in rows if row["subset"] == "ss03"]
    results = Scorer().score(folder / "images" / row["image"] for row in third)
    percentiles = [
        result.scores["quality"].percentile for result in results if isinstance(result, ScoreResult)
    ]
    assert 45 <= np.median(percentiles) <= 75
    assert np.mean(np.array(percentiles) > 90) >= 0.05
