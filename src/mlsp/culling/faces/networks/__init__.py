"""MediaPipe's networks of faces, as published (TensorFlow Lite), and their digests. OpenVINO runs them as they are.

From the package mediapipe 0.10.14 (Apache-2.0, Copyright The MediaPipe Authors); NOTICE names them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mlsp.base.digests import file_sha256
from mlsp.base.errors import ModelError
from mlsp.base.machine import usable_cores
from mlsp.features.engines.compiled_graph import CompiledGraph

NetworkName = Literal["face_detection_full_range_sparse", "face_landmark", "iris_landmark"]
DIGESTS: dict[NetworkName, str] = {
    "face_detection_full_range_sparse": "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
    "face_landmark": "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    "iris_landmark": "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
}
# So many photos are looked at side by side, each by one core. One more takes the three networks 14 MB and .1 s to open.
_MAX_STREAMS = 4


def network_file(name: NetworkName) -> Path:
    """Return the file of a network."""
    return Path(__file__).with_name(f"{name}.tflite")


def open_network(name: NetworkName) -> CompiledGraph:
    """Open a network. Several threads may call it at once.

    Raises:
        ModelError: its file is missing, or is not the published one.
    """
    file = network_file(name)
    try:
        digest = file_sha256(file)
    except OSError as error:
        raise ModelError(
            f"{file} cannot be read: {error.strerror or error}. Install mlsp again"
        ) from error
    if digest != DIGESTS[name]:
        raise ModelError(
            f"{file} is not the network that was published: expected SHA-256 {DIGESTS[name]}, got {digest}."
            " Install mlsp again"
        )
    streams = min(usable_cores(), _MAX_STREAMS)
    # Float32, because eyes are judged by fractions of a pixel.
    config = {
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": streams,
    }
    return CompiledGraph(file, config)
