"""Networks and heads on the processor, by OpenVINO."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.base.errors import ModelError, SettingsError
from mlsp.base.machine import usable_cores
from mlsp.features.engines.compiled_graph import CompiledGraph
from mlsp.features.engines.engine import Precision
from mlsp.features.engines.openvino_runtime import core
from mlsp.features.spec import FeatureSpec
from mlsp.photos.crops import VIEW_COUNTS

# OpenVINO prepares its operations for each photo size and keeps what it prepared: with its own limit that grows by hundreds of
# megabytes over a collection of many sizes. So many are about twenty sizes, more than cameras make; a fifth of it halved the
# speed on 240 sizes in turn.
_KEPT_OPERATIONS = 1000

# Small maps are computed faster several at a time, large ones one at a time, while they still are in the processor's caches: four views
# of 224×224, one of 550×434 (docs/decisions/051).
_PIXELS_PER_CALL = 240_000

_PRECISION_HINTS: dict[Precision, str] = {"float32": "f32", "bfloat16": "bf16"}


@functools.cache
def _has_bfloat16() -> bool:
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def processor_precision(precision: str) -> Precision:
    """Return the number format in which this machine's processor computes.

    Args:
        precision: `auto`, `float32` or `bfloat16`.

    Raises:
        SettingsError: bfloat16 is asked for on a processor without it.
    """
    has_bfloat16 = _has_bfloat16()
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16 else "float32"
    if precision == "bfloat16" and not has_bfloat16:
        raise SettingsError(
            "precision 'bfloat16' needs a processor with AVX512-BF16 or AMX, which this one lacks:"
            " use 'float32' or 'auto'"
        )
    return "bfloat16" if precision == "bfloat16" else "float32"


class OpenVinoEngine:
    """Network on the processor.

    Args:
        file: ONNX graph from uint8 photos (N, H, W, 3) of any size to features (N, G, G, C).
        feature_spec: of the features.
        precision: `auto`, `float32` or `bfloat16`.
        streams: views computed at the same time.
        cores: that they share; by default one each.

    Raises:
        SettingsError: bfloat16 is asked for on a processor without it.
        ModelError: the graph cannot be read.
    """

    def __init__(
        self,
        file: Path,
        feature_spec: FeatureSpec,
        *,
        precision: str,
        streams: int,
        cores: int | None = None,
    ) -> None:
        self.feature_spec = feature_spec
        self.precision: Precision = processor_precision(precision)
        self._streams = streams
        self._compiled = CompiledGraph(
            file,
            {
                # Without this hint OpenVINO picks a precision by itself.
                "INFERENCE_PRECISION_HINT": _PRECISION_HINTS[self.precision],
                "NUM_STREAMS": streams,
                "INFERENCE_NUM_THREADS": cores or streams,
                "CPU_RUNTIME_CACHE_CAPACITY": _KEPT_OPERATIONS,
            },
        )

    @property
    def channels(self) -> int:
        """Number of channels of its features."""
        return self._compiled.output_channels

    def pooled(self, batch: UInt8Array) -> Float32Array:
        """Compute features, those of several views of a photo by all streams; see `Engine.pooled`."""
        count, height, width = batch.shape[:3]
        # Photos that were joined stay so: who joins them has asked for it.
        if VIEW_COUNTS[self.feature_spec.views] == 1:
            return self._compiled(batch)
        rows = min(max(1, _PIXELS_PER_CALL // max(1, height * width)), -(-count // self._streams))
        return self._compiled.in_parts(batch, rows, self._streams)


class OpenVinoHead:
    """Head or classifier on the processor, always in float32: its work is small and users see its output.

    Args:
        file: ONNX graph from features (N, G, G, C) to scores (N,), or to probabilities (N, labels).
        threads: cores that one call may use: one where photos are scored side by side, as many at a time as there are cores; more
            for large batches.

    Raises:
        ModelError: the graph cannot be read.
    """

    def __init__(self, file: Path, *, threads: int = 1) -> None:
        # Callers wait for each other at one stream. Another costs half a megabyte: they share the weights.
        streams = max(1, usable_cores() // threads)
        config = {
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams * threads,
        }
        self._file = file
        self._compiled = CompiledGraph(file, config)

    def array(self, name: str) -> Float32Array:
        """Return an array of the graph by the name under which it was written.

        Raises:
            ModelError: the graph has no array of this name.
        """
        if name not in self._constants:
            raise ModelError(f"{self._file} has no array {name!r}. Install the model again")
        return np.array(self._constants[name].data, np.float32)

    def has_array(self, name: str) -> bool:
        """Return whether the graph has an array of this name."""
        return name in self._constants

    @functools.cached_property
    def _constants(self) -> dict[str, Any]:
        # Read once, and only for those who ask for arrays.
        nodes = core.read_model(self._file).get_ops()
        return {
            node.get_friendly_name(): node for node in nodes if node.get_type_name() == "Constant"
        }

    @property
    def channels(self) -> int:
        """Number of channels of the features that it reads."""
        return self._compiled.input_channels

    @property
    def labels(self) -> int | None:
        """Number of probabilities per photo; None of a head, which gives one score."""
        return self._compiled.output_channels if self._compiled.output_rank > 1 else None

    def predict(self, features: Float32Array) -> Float32Array:
        """Predict scores or probabilities.

        Args:
            features: (N, G, G, C).

        Returns:
            (N,) on the scale of the ratings; or (N, labels), 0…1.
        """
        return self._compiled(features)
