"""Scoring of a shard: photos -> rows of the result table."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

from mlsp.base.errors import PhotoError
from mlsp.base.results import ScoreFailure
from mlsp.bulk.records import Shard, SourcePhoto
from mlsp.bulk.stores import written
from mlsp.reports.rows import label_columns
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer

# Of the slowest photos that pass the limit of pixels, on a busy machine, many times over.
_DECODE_SECONDS = 120

Cell: TypeAlias = str | float | int | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class ScorerSettings:
    """Arguments of `Scorer`, to be sent to other machines.

    Attributes:
        model: name of an installed model, or a folder.
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `float32` or `bfloat16`.
        workers: photos decoded and scored at the same time; None for one more than the cores.
        max_pixels: photos with more are refused; None for the usual limit.
    """

    model: str = "default"
    device: str = "auto"
    precision: str = "auto"
    workers: int | None = None
    max_pixels: int | None = None

    def load(self) -> Scorer:
        """Load the scorer, without a cache: the data set itself has the scores.

        Raises:
            ModelError: the model is missing or damaged.
            SettingsError: an argument is unknown or out of range.
        """
        return Scorer(
            self.model,
            device=self.device,
            precision=self.precision,
            workers=self.workers,
            max_pixels=self.max_pixels,
            decode_seconds=_DECODE_SECONDS,
        )


@dataclass(frozen=True, slots=True)
class ResultRow:
    """Row of a photo.

    Attributes:
        id: its name.
        scores: value and percentile of each head, in the model's order; None where it failed.
        overall: 0…100; None where it failed.
        width: of the upright photo, in pixels; None where it failed.
        height: of the upright photo, in pixels.
        error: why it failed; None where it did not.
        labels: its kind and faults, of those two what the model finds; None where it failed.
        is_temporary: whether another try may succeed where it failed.
    """

    id: str
    scores: tuple[tuple[float, float], ...] | None
    overall: float | None
    width: int | None
    height: int | None
    error: str | None
    labels: tuple[str | tuple[str, ...] | None, ...] | None = ()
    is_temporary: bool = False

    @classmethod
    def failure(cls, photo_id: str, error: str, *, is_temporary: bool = False) -> Self:
        """Return the row of a photo that cannot be scored."""
        return cls(photo_id, None, None, None, None, written(error), None, is_temporary)

    def cells(self, heads: int, labels: int = 0) -> tuple[Cell, ...]:
        """Return the values in the order of `mlsp.bulk.result_files.columns`, without the model; what is NaN is None.

        Args:
            heads: how many the model has.
            labels: how many of kind and faults it finds.
        """
        pairs = self.scores or ((None, None),) * heads
        numbers = [_known(cell) for pair in pairs for cell in pair]
        found = (None,) * labels if self.labels is None else self.labels
        size = self.width, self.height
        return (self.id, _known(self.overall), *numbers, *found, *size, self.error)


def _known(cell: float | None) -> float | None:
    return None if cell is None or math.isnan(cell) else cell


def score_shard(scorer: Scorer, shard: Shard) -> Generator[ResultRow, None, None]:
    """Score the photos of a shard that are to be scored, as many at the same time as keep the scorer busy.

    Yields:
        Exactly one row for each photo, in their order. A few photos are in memory at a time.

    Raises:
        ShardError: what holds the photos cannot be reached.
    """
    finds = label_columns(scorer.model.classifiers)

    drawn: deque[SourcePhoto] = deque()

    def draw() -> Iterator[SourcePhoto]:
        for photo in shard.read():
            drawn.append(replace(photo, content=None))
            yield photo

    def row(photo: SourcePhoto, result: ScoreResult | ScoreFailure) -> ResultRow:
        if isinstance(result, ScoreFailure):
            error = str(result.error)
            return ResultRow.failure(photo.id, error, is_temporary=photo.is_temporary)
        scores = tuple(
            (score.value, result.percentile(head)) for head, score in result.scores.items()
        )
        labels = tuple(getattr(result, name) for name in finds)
        size = result.width, result.height
        return ResultRow(photo.id, scores, result.overall, *size, None, labels)

    with closing(scorer.score_contents(draw(), _content_of)) as results:
        for result in results:
            yield row(drawn.popleft(), result)


def _content_of(photo: SourcePhoto) -> bytes:
    if photo.content is None:
        raise PhotoError(photo.error or "")
    return photo.content
