"""A bulk run in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from itertools import chain

from mlsp.bulk.job import BulkJob
from mlsp.bulk.records import Shard, ShardError, ShardReport
from mlsp.bulk.results import ResultDataset
from mlsp.bulk.shard_scoring import ResultRow, score_shard
from mlsp.scoring.scorer import Scorer

# Seconds between tries of a shard.
_WAITS = (2.0, 15.0)


def run_local(
    job: BulkJob, *, on_row: Callable[[ResultRow], object] | None = None
) -> Iterator[ShardReport]:
    """Score the shards of a job that are to do, in this process.

    Args:
        job: the run.
        on_row: called with each row when it is scored; its shard may fail after that.

    Yields:
        The outcome of each shard. One that cannot be read or written after three tries is reported with its error, and the others go on.

    Raises:
        SettingsError: the input changed.
        OutputError: results may not be written.
        ModelError: the model is damaged.
    """
    shards = job.shards_to_do()
    first = next(shards, None)
    if first is None:
        # The model takes a second to load.
        return
    with job.settings.scorer.load() as scorer:
        for shard in chain([first], shards):
            yield score_and_write(scorer, job.dataset, shard, on_row=on_row)


def score_and_write(
    scorer: Scorer,
    dataset: ResultDataset,
    shard: Shard,
    *,
    on_row: Callable[[ResultRow], object] | None = None,
) -> ShardReport:
    """Score a shard and write its rows, with several tries.

    Returns:
        The outcome; an error if three tries failed.

    Raises:
        OutputError: results may not be written.
    """
    for wait in (*_WAITS, None):
        rows = score_shard(scorer, shard)
        try:
            return dataset.write(shard, _reporting(rows, on_row))
        except ShardError as error:
            if wait is None:
                return ShardReport(shard.name, 0, 0, error=str(error))
            time.sleep(wait)
        finally:
            # On Ctrl-C too, so that what is queued is dropped.
            rows.close()
    raise AssertionError


def _reporting(
    rows: Generator[ResultRow, None, None], on_row: Callable[[ResultRow], object] | None
) -> Iterator[ResultRow]:
    for row in rows:
        if on_row is not None:
            on_row(row)
        yield row
