"""Compare an exported file with its model: the same photos by both, in ONNX Runtime and in OpenVINO."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import MissingExtraError, PhotoError
from mlsp.base.results import ScoreFailure
from mlsp.models.model import Model
from mlsp.photos import read_photo
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer


@dataclass(frozen=True, slots=True)
class Parity:
    """Differences between a runtime's scores and the model's.

    Attributes:
        runtime: name and version.
        output: name of the graph's output.
        photo_count: number of photos compared.
        largest: maximum absolute difference.
        mean: mean absolute difference.
        spread: standard deviation of the model's own values over the photos, to compare with.
    """

    runtime: str
    output: str
    photo_count: int
    largest: float
    mean: float
    spread: float


class Runtime(Protocol):
    """Runs an exported file."""

    name: str

    def __call__(self, pixels: UInt8Array) -> dict[str, float]:
        """(H, W, 3) -> one value per output; votes, which are several, are left out: their mean is the score."""


class OnnxRuntime:
    """ONNX Runtime on the processor.

    Raises:
        MissingExtraError: it is not installed.
    """

    def __init__(self, file: Path) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            if error.name != "onnxruntime":
                raise
            raise MissingExtraError("Checking an exported model", "export") from error
        self.name = f"ONNX Runtime {onnxruntime.__version__}"
        self._session: Any = onnxruntime.InferenceSession(
            str(file), providers=["CPUExecutionProvider"]
        )
        outputs = self._session.get_outputs()
        self._outputs = [output.name for output in outputs if len(output.shape) == 1]

    def __call__(self, pixels: UInt8Array) -> dict[str, float]:
        """Run the graph on one photo."""
        values = self._session.run(self._outputs, {"pixels": pixels[None]})
        return {name: float(value[0]) for name, value in zip(self._outputs, values, strict=True)}


class OpenVino:
    """OpenVINO on the processor, in float32."""

    def __init__(self, file: Path) -> None:
        from mlsp.features.engines.openvino_runtime import core
        from mlsp.features.engines.openvino_runtime import runtime as ov

        self.name = f"OpenVINO {ov.__version__.split('-')[0]}"
        self._compiled = core.compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def __call__(self, pixels: UInt8Array) -> dict[str, float]:
        """Run the graph on one photo."""
        result = self._compiled(np.require(pixels[None], requirements=["C", "W"]))
        return {
            port.get_any_name(): float(value[0])
            for port, value in result.items()
            if value.ndim == 1
        }


def check_exported(
    model: Model,
    file: Path,
    photos: Iterable[Path],
    *,
    advance: Callable[[ScoreResult | ScoreFailure], None] = lambda result: None,
) -> tuple[list[Parity], list[ScoreFailure]]:
    """Score photos by a model and by the file it was exported to, in every runtime that reads it.

    All get the same pixels, decoded whole, so that a difference is the file's and not the decoder's. The model runs in float32.

    Args:
        model: the model that was exported.
        file: ONNX, or OpenVINO's .xml.
        photos: to compare.
        advance: called with each photo's result.

    Returns:
        One record per runtime and output, none without photos; and the photos that could not be read.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
    """
    runtimes: list[Runtime] = [OpenVino(file)]
    if file.suffix == ".onnx":
        runtimes.insert(0, OnnxRuntime(file))
    scorer = Scorer(model.folder, precision="float32", workers=1)
    ours: list[dict[str, float]] = []
    theirs: list[list[dict[str, float]]] = [[] for _ in runtimes]
    failed: list[ScoreFailure] = []
    for path in photos:
        try:
            photo = read_photo(path)
            scored = replace(scorer.score_one(photo.pixels), source=path)
        except PhotoError as error:
            failed.append(ScoreFailure(path, error))
            advance(failed[-1])
            continue
        values = {"overall": scored.overall}
        for name, score in scored.scores.items():
            values |= {name: score.value, f"{name}_percentile": scored.percentile(name)}
        values |= scored.fault_probabilities
        values |= scored.kind_probabilities
        ours.append(values)
        for found, runtime in zip(theirs, runtimes, strict=True):
            found.append(runtime(photo.pixels))
        advance(scored)
    if not ours:
        return [], failed
    return [
        _parity(runtime.name, output, ours, found)
        for found, runtime in zip(theirs, runtimes, strict=True)
        for output in found[0]
    ], failed


def _parity(
    runtime: str, output: str, ours: list[dict[str, float]], theirs: list[dict[str, float]]
) -> Parity:
    expected = np.array([values[output] for values in ours])
    found = np.array([values[output] for values in theirs])
    # Of what is no photo neither has a percentile.
    is_none = np.isnan(expected) & np.isnan(found)
    differences = np.where(is_none, 0.0, np.abs(found - expected))
    return Parity(
        runtime,
        output,
        len(expected),
        float(differences.max()),
        float(differences.mean()),
        float(expected[~is_none].std()) if not is_none.all() else 0.0,
    )
