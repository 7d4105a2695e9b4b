"""Parts of shards: where a photo kills whoever scores it, its shard is divided until that photo is alone, and costs its row only.

A whole shard is written by its worker. Of a shard that was divided, workers send the rows, and the process that hands out the parts
writes them when all are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from mlsp.bulk.records import Shard, ShardError, ShardReport
from mlsp.bulk.results import ResultDataset
from mlsp.bulk.shard_scoring import ResultRow

# What a worker may take: to reach its source, and for each photo. Photos on two cores take 30 milliseconds.
_SECONDS = 300
_SECONDS_PER_PHOTO = 3
# Of a tar, whose photos nobody has counted.
_MANY_PHOTOS = 10_000


@dataclass(frozen=True, slots=True)
class ShardTask:
    """What a worker is to do.

    Attributes:
        shard: of a part, with its rows.
        whole: the shard that was divided; None where the worker is to write the shard itself.
        whole_count: photos of that shard that are to be scored; of a tar, only reading tells it.
    """

    shard: Shard
    whole: Shard | None = None
    whole_count: int = 0

    @property
    def seconds(self) -> float:
        """Time that a worker may take."""
        count = self.shard.piece.photo_count if self.shard.rows is None else len(self.shard.rows)
        return _SECONDS + _SECONDS_PER_PHOTO * (_MANY_PHOTOS if count is None else count)


@dataclass(frozen=True, slots=True)
class PartReport:
    """Outcome of a part.

    Attributes:
        task: the part.
        rows: of its photos.
        error: why there are none; None where there are.
    """

    task: ShardTask
    rows: Sequence[ResultRow]
    error: str | None = None


def divided(task: ShardTask) -> tuple[ShardTask, ...]:
    """Return the two halves of a task; none where it is one photo, or cannot be read here."""
    try:
        rows = _rows(task.shard)
    except ShardError:
        return ()
    if len(rows) < 2:
        return ()
    middle = len(rows) // 2
    return tuple(_part(task, half, len(rows)) for half in (rows[:middle], rows[middle:]))


def lost(task: ShardTask, why: str) -> PartReport | ShardReport:
    """Return the report of a task that no worker survives: a row with an error for one photo, else none.

    Args:
        task: what they were at.
        why: in words that follow the photo's name.
    """
    try:
        rows = _rows(task.shard)
        if len(rows) == 1:
            (photo,) = task.shard.piece.read(frozenset(rows))
            row = ResultRow.failure(photo.id, f"it {why}")
            return PartReport(_part(task, rows, 1), [row])
    except ShardError as error:
        why = str(error)
    if task.whole is not None:
        return PartReport(task, (), why)
    return ShardReport(task.shard.name, 0, 0, error=why)


def _part(task: ShardTask, rows: tuple[int, ...], count: int) -> ShardTask:
    """Part of a task, which has so many rows in all."""
    shard = replace(task.shard, rows=rows)
    if task.whole is not None:
        return replace(task, shard=shard)
    return ShardTask(shard, task.shard, count)


def _rows(shard: Shard) -> tuple[int, ...]:
    """Positions of the photos of a shard that are to be scored."""
    if shard.rows is not None:
        return shard.rows
    count = shard.piece.photo_count
    return tuple(range(sum(1 for _ in shard.piece.read()) if count is None else count))


def whole_shards(
    reports: Iterable[ShardReport | PartReport], dataset: ResultDataset
) -> Iterator[ShardReport]:
    """Yield the reports of shards; of one that was divided when all of its parts are there, and written.

    Args:
        reports: of shards and parts, in any order.
        dataset: takes the rows of the parts.

    Raises:
        OutputError: a shard may not be written.
    """
    waiting: dict[str, list[PartReport]] = {}
    for report in reports:
        if isinstance(report, ShardReport):
            yield report
            continue
        whole = report.task.whole or report.task.shard
        parts = waiting.setdefault(whole.name, [])
        parts.append(report)
        if sum(len(_rows(one.task.shard)) for one in parts) >= report.task.whole_count:
            yield _written(whole, waiting.pop(whole.name), dataset)


def _written(whole: Shard, parts: list[PartReport], dataset: ResultDataset) -> ShardReport:
    parts.sort(key=lambda one: _rows(one.task.shard))
    error = next((one.error for one in parts if one.error is not None), None)
    if error is None:
        try:
            return dataset.write(whole, [row for one in parts for row in one.rows])
        except ShardError as failure:
            error = str(failure)
    return ShardReport(whole.name, 0, 0, error=error)
