"""The Keras half of `benchmarks/extraction.py`, run by a Python that has TensorFlow and knows nothing of mlsp.

The pipeline that MLSP was published with, at its best: one photo at a time with all its views as one batch, the network of Keras
Applications, every level resized to 5×5 by TensorFlow's area method, float16, one HDF5 data set a photo. The graph is traced once for all
sizes.

    PYTHON keras_extraction.py NETWORK PHOTOS.npy VIEWS

Each line on stdin is one run over all photos; its seconds are the answer on stdout, the first line after loading is `ready`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import keras
import numpy as np
import tensorflow as tf


def build(name: str) -> Any:
    """The network with its levels pooled to 5×5 and joined, as one traced function of (N, H, W, 3) uint8."""
    if name == "inception_v3":
        base = keras.applications.InceptionV3(include_top=False, weights=None)
        wanted = {f"mixed{number}" for number in range(11)}
    else:
        base = keras.applications.InceptionResNetV2(include_top=False, weights=None)
        wanted = {layer.name for layer in base.layers if "mixed" in layer.name}
    levels = [layer.output for layer in base.layers if layer.name in wanted]
    network = keras.Model(base.input, levels)

    def features(photos: Any) -> Any:
        maps = network(tf.cast(photos, tf.float32) / 127.5 - 1, training=False)
        return tf.concat([tf.image.resize(level, (5, 5), method="area") for level in maps], axis=-1)

    return tf.function(features, input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])


def cut(photo: Any, views: int) -> Any:
    """One view, or the eight corner crops of 7/8 with their mirror images."""
    if views == 1:
        return photo[None]
    height, width = photo.shape[0] * 7 // 8, photo.shape[1] * 7 // 8
    crops = [
        photo[row : row + height, column : column + width]
        for row in (0, photo.shape[0] - height)
        for column in (0, photo.shape[1] - width)
    ]
    return np.stack([view for crop in crops for view in (crop, crop[:, ::-1])])


def main() -> None:
    """Answer one line for each line."""
    name, file, views = sys.argv[1:]
    photos = np.load(file)
    features = build(name)
    features(tf.constant(cut(photos[0], int(views))))
    print("ready", flush=True)
    for _ in sys.stdin:
        with tempfile.TemporaryDirectory() as folder, h5py.File(f"{folder}/f.h5", "w") as store:
            started = time.perf_counter()
            for number, photo in enumerate(photos):
                row = features(tf.constant(cut(photo, int(views)))).numpy()
                store.create_dataset(f"{number}.jpg", data=row.astype(np.float16))
            store.flush()
            print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
