"""The torch networks against reference features that Keras computed."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from mlsp.backbones import BackboneSpec, backbone
from mlsp.pooling import pool
from mlsp.weights import load_network

Features = Mapping[str, NDArray[np.float32]]

# Largest difference over a level's root mean square. float32 noise is below 7e-5; the smallest mistake tried gives .036.
TOLERANCE = 3e-4

PHOTOS = [
    *("beach_120x90", "boat_200x150", "city_800x533", "dog_497x629"),
    *("flowers_500x400", "mountain_629x497", "sunflower_333x500", "zebra_299x299"),
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums in a fixed order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def worst_level(
    network: nn.Module, spec: BackboneSpec, photo: Path, grid: int, expected: NDArray[np.float32]
) -> float:
    pixels = np.asarray(Image.open(photo).convert("RGB"), dtype=np.float32)
    x = pixels * np.float32(spec.preprocessing.scale) + np.float32(spec.preprocessing.offset)
    with torch.no_grad():
        maps = network(torch.from_numpy(x).permute(2, 0, 1)[None])
    assert expected.shape[-1] == spec.channels
    worst, start = 0.0, 0
    for level, level_map in zip(spec.levels, maps, strict=True):
        reference = expected[..., start : start + level.channels].astype(np.float64)
        start += level.channels
        found = pool(level_map[0].permute(1, 2, 0).numpy(), grid).reshape(reference.shape)
        rms = np.sqrt(np.mean(reference**2))
        worst = max(worst, float(np.abs(found - reference).max() / rms))
    return worst


def read_features(file: Path, spec: BackboneSpec) -> Features:
    with np.load(file) as stored:
        features = {name: stored[name] for name in stored.files}
    assert features["levels"].tolist() == [level.name for level in spec.levels]
    assert features["channels"].tolist() == [level.channels for level in spec.levels]
    return features


@pytest.fixture(scope="module")
def inception_v3(reference_data: Path) -> tuple[nn.Module, Features]:
    spec = backbone("inception_v3")
    network, sha256 = load_network(spec, reference_data / "weights/inception_v3_real_notop.h5")
    assert sha256 == "9ca76003ab092b549d6214145a346d89c1ca5f32586d8db6ec9a12f2faf3fcf5"
    return network, read_features(reference_data / "golden/inception_v3.npz", spec)


@pytest.mark.parametrize(("kind", "grid"), [("narrow", 1), ("wide", 5)])
@pytest.mark.parametrize("photo", PHOTOS)
def test_inception_v3(
    inception_v3: tuple[nn.Module, Features],
    reference_data: Path,
    photo: str,
    kind: str,
    grid: int,
) -> None:
    network, features = inception_v3
    file = reference_data / "golden/images" / f"{photo}.png"
    expected = features[f"{photo}.png/{kind}"]
    assert worst_level(network, backbone("inception_v3"), file, grid, expected) <= TOLERANCE


def seeded_array(row: Mapping[str, str]) -> NDArray[np.float32]:
    """One array of the seeded InceptionResNet-v2, as the reference data's README defines it."""
    rng = np.random.default_rng(int(row["seed"]))
    shape = tuple(map(int, row["shape"].split("x")))
    match row["weight"]:
        case "kernel":
            values = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:3]))
        case "bias":
            values = np.zeros(shape)
        case "moving_variance":
            values = rng.uniform(0.5, 1.5, shape)
        case _:
            values = rng.standard_normal(shape) * 0.1
    array: NDArray[np.float32] = values.astype("<f4")
    assert hashlib.sha256(array.tobytes()).hexdigest() == row["sha256"], row
    return array


@pytest.fixture(scope="module")
def inception_resnet_v2(
    reference_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[nn.Module, Features]:
    table = reference_data / "golden/inception_resnet_v2_weights.csv"
    with table.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 896
    file = tmp_path_factory.mktemp("weights") / "seeded_notop.h5"
    with h5py.File(file, "w") as root:
        layers = list(dict.fromkeys(row["layer"] for row in rows))
        root.attrs["layer_names"] = np.asarray([layer.encode() for layer in layers])
        for layer in layers:
            own = [row for row in rows if row["layer"] == layer]
            names = [f"{layer}/{row['weight']}:0" for row in own]
            group = root.create_group(layer)
            group.attrs["weight_names"] = np.asarray([name.encode() for name in names])
            for name, row in zip(names, own, strict=True):
                group.create_dataset(name, data=seeded_array(row))
    spec = backbone("inception_resnet_v2")
    network, _ = load_network(spec, file)
    file.unlink()
    return network, read_features(reference_data / "golden/inception_resnet_v2.npz", spec)


@pytest.mark.parametrize(
    ("photo", "kind", "grid"),
    [
        *((photo, "narrow", 1) for photo in PHOTOS),
        ("beach_120x90", "wide", 5),
        ("flowers_500x400", "wide", 5),
    ],
)
def test_inception_resnet_v2(
    inception_resnet_v2: tuple[nn.Module, Features],
    reference_data: Path,
    photo: str,
    kind: str,
    grid: int,
) -> None:
    network, features = inception_resnet_v2
    file = reference_data / "golden/images" / f"{photo}.png"
    expected = features[f"{photo}.png/{kind}"]
    spec = backbone("inception_resnet_v2")
    assert worst_level(network, spec, file, grid, expected) <= TOLERANCE
