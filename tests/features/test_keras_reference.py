"""The networks and the pooling against Keras, by a reference small enough to be part of the project.

Weights are seeded, so this proves levels, wiring, batch norms, padding and pooling, not what the features mean.
`tools/make_keras_reference.py` made the reference, and imports nothing of the project.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from make_keras_reference import drawn_photo, seeded_array
from numpy.typing import NDArray

from golden import TOLERANCE
from mlsp.backbones import backbone
from mlsp.backbones.weights.loading import load_network
from mlsp.features.engines.torch_engine import TorchEngine
from mlsp.features.pooling import narrow_from_wide
from mlsp.features.spec import FeatureSpec

pytestmark = pytest.mark.usefixtures("one_thread")

NETWORKS = ("inception_v3", "inception_resnet_v2")


@functools.cache
def reference() -> Mapping[str, NDArray[Any]]:
    with np.load(Path(__file__).parents[1] / "reference" / "keras_features.npz") as stored:
        return dict(stored)


def write_weights(network: str, file: Path) -> None:
    """Write the seeded weights as Keras publishes its own."""
    names = [str(name) for name in reference()[f"{network}/weights"]]
    shapes = [tuple(map(int, shape.split("x"))) for shape in reference()[f"{network}/shapes"]]
    digest = hashlib.sha256()
    with h5py.File(file, "w") as root:
        layers: dict[str, list[str]] = {}
        for name, shape in zip(names, shapes, strict=True):
            layer = name.partition("/")[0]
            layers.setdefault(layer, []).append(f"{name}:0")
            values = seeded_array(name, shape)
            digest.update(values.tobytes())
            root.create_dataset(f"{layer}/{name}:0", data=values)
        root.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer, own in layers.items():
            root[layer].attrs["weight_names"] = [name.encode() for name in own]
    assert digest.hexdigest() == str(reference()[f"{network}/weights_sha256"])


@pytest.mark.parametrize("network", NETWORKS)
def test_levels_narrow_and_wide_are_those_of_keras(network: str, tmp_path: Path) -> None:
    photo = drawn_photo()
    assert hashlib.sha256(photo.tobytes()).hexdigest() == str(reference()["photo_sha256"])
    stored = {key: reference()[f"{network}/{key}"] for key in ("levels", "channels")}
    spec = backbone(network)
    assert stored["levels"].tolist() == [level.name for level in spec.levels]
    write_weights(network, tmp_path / "seeded_notop.h5")
    loaded, sha256 = load_network(spec, tmp_path / "seeded_notop.h5")
    levels = tuple(level.name for level in spec.levels)
    engine = TorchEngine(
        loaded,
        spec,
        FeatureSpec(network, sha256, levels, "whole", None, 5),
        device="cpu",
        precision="float32",
    )
    wide = engine.pooled(photo[None])
    for found, grid in ((narrow_from_wide(wide)[0, 0, 0], "narrow"), (wide[0], "wide")):
        expected = reference()[f"{network}/{grid}"]
        scale = reference()[f"{network}/{grid}_rms"]
        start = 0
        for number, level in enumerate(spec.levels):
            own = found[..., start : start + level.channels][..., stored["channels"][number]]
            start += level.channels
            error = np.abs(own - expected[number]).max() / scale[number]
            assert error <= TOLERANCE, (grid, level.name, error)
        assert start == found.shape[-1]
