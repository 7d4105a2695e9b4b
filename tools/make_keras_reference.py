"""Make `tests/reference/keras_features.npz`: features by Keras of a drawn photo, for weights from a generator.

Nothing here imports the project, so that a mistake in the project cannot hide in its own reference. The
definitions are those of the authors' released Keras code: the levels, the pooling. Needs an environment of its own:

    pip install "tensorflow-cpu==2.21.0" "keras==3.15.1" numpy
    python tools/make_keras_reference.py

The weights (22 and 54 million numbers) are not stored: each array follows from its name, see `seeded_array`. The photo
follows from a formula, see `drawn_photo`. Of each level a few channels are stored, evenly spread, with the root mean square of
the whole level, by which differences are measured.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TARGET = Path(__file__).parent.parent / "tests" / "reference" / "keras_features.npz"
# Stored channels per level: about 260 of 10,048 and 340 of 16,928.
NETWORKS = {
    "inception_v3": ("InceptionV3", 24),
    "inception_resnet_v2": ("InceptionResNetV2", 8),
}
_COUNTED_NAMES = ("conv2d", "batch_normalization")


def drawn_photo() -> NDArray[np.uint8]:
    """Return (157, 211, 3) RGB: rings, edges and grain in whole numbers, the same on every machine."""
    y, x, channel = np.mgrid[:157, :211, :3]
    rings = (x * x + 2 * y * y + 40 * channel * x) // 97
    edges = 70 * ((x // 23 + y // 31 + channel) % 3)
    grain = (x * 7919 + y * 104729 + channel * 1299709) * (x + 3 * y + 1) % 41
    photo: NDArray[np.uint8] = ((rings + edges + grain) % 256).astype(np.uint8)
    return photo


def seeded_array(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw an array of weights from a generator seeded by its name, such as `conv2d_7/kernel`."""
    rng = np.random.default_rng(
        int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    )
    match name.rpartition("/")[2]:
        case "kernel":  # (height, width, in, out)
            values = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[:3]))
        case "bias":
            values = np.zeros(shape)
        case "moving_variance":
            values = rng.uniform(0.5, 1.5, shape)
        case _:
            values = rng.standard_normal(shape) * 0.1
    array: NDArray[np.float32] = values.astype("<f4")
    return array


def published_name(layer: str) -> str:
    """Name of a layer in the published weight files, which count conv2d_1, conv2d_2, …; Keras 3 counts from conv2d."""
    match = re.fullmatch(rf"({'|'.join(_COUNTED_NAMES)})(?:_(\d+))?", layer)
    return layer if match is None else f"{match[1]}_{int(match[2] or 0) + 1}"


def features_of(network: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of a network: its weights' names and shapes, channels, features and root mean squares."""
    # Tests import this file for its two formulas, without Keras.
    import keras
    import tensorflow as tf

    build, count = NETWORKS[network]
    keras.utils.clear_session()
    model = getattr(keras.applications, build)(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    names, shapes, all_weights = [], [], hashlib.sha256()
    for layer in model.layers:
        for weight in layer.weights:
            name, shape = f"{published_name(layer.name)}/{weight.name}", tuple(weight.shape)
            values = seeded_array(name, shape)
            weight.assign(values)
            names.append(name)
            shapes.append("x".join(map(str, shape)))
            all_weights.update(values.tobytes())
    levels = [
        layer
        for layer in model.layers
        if "mixed" in layer.name and not layer.name.startswith("mixed9_")
    ]
    x = drawn_photo().astype(np.float32) / 127.5 - 1
    maps = keras.Model(model.input, [level.output for level in levels])(x[None], training=False)
    channels, narrow, wide, narrow_rms, wide_rms = [], [], [], [], []
    for level_map in maps:
        of_level = np.linspace(0, level_map.shape[-1] - 1, count).round().astype(np.int32)
        mean = tf.reduce_mean(level_map, axis=(1, 2)).numpy()[0]
        area = tf.image.resize(level_map, (5, 5), method="area").numpy()[0]
        channels.append(of_level)
        narrow.append(mean[of_level])
        wide.append(area[..., of_level])
        narrow_rms.append(np.sqrt(np.mean(mean.astype(np.float64) ** 2)))
        wide_rms.append(np.sqrt(np.mean(area.astype(np.float64) ** 2)))
    found = {
        "weights": np.array(names),
        "shapes": np.array(shapes),
        "weights_sha256": np.array(all_weights.hexdigest()),
        "levels": np.array([level.name for level in levels]),
        "channels": np.stack(channels),  # (L, n): of each level
        "narrow": np.stack(narrow),  # (L, n)
        "wide": np.stack(wide),  # (L, 5, 5, n)
        "narrow_rms": np.array(narrow_rms),  # (L,)
        "wide_rms": np.array(wide_rms),
    }
    return {f"{network}/{key}": values for key, values in found.items()}


def main() -> None:
    """Write the file."""
    photo_sha256 = np.array(hashlib.sha256(drawn_photo().tobytes()).hexdigest())
    arrays: dict[str, NDArray[Any]] = {"photo_sha256": photo_sha256}
    for network in NETWORKS:
        arrays |= features_of(network)
    np.savez_compressed(TARGET, **arrays)  # type: ignore[arg-type]
    print(TARGET, TARGET.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
