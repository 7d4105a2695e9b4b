"""Shards whose photos kill workers: each such photo costs its row, the others have theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bulk_samples import jpeg, read_rows, tar_bytes, write_photos
from mlsp.bulk import BulkSettings, ScorerSettings, ShardReport, SourceSpec, prepare
from mlsp.bulk.driver import score_and_write
from mlsp.bulk.job import BulkJob
from mlsp.bulk.shard_parts import PartReport, ShardTask, divided, lost, whole_shards
from mlsp.bulk.shard_scoring import score_shard
from mlsp.scoring.scorer import Scorer


def survived(
    job: BulkJob, scorer: Scorer, task: ShardTask, deadly: set[str]
) -> Iterator[ShardReport | PartReport]:
    """What a pool makes of a task whose workers die of some photos."""
    if deadly.isdisjoint(photo.id for photo in task.shard.read()):
        if task.whole is None:
            yield score_and_write(scorer, job.dataset, task.shard)
        else:
            yield PartReport(task, list(score_shard(scorer, task.shard)))
        return
    parts = divided(task)
    for part in reversed(parts):
        yield from survived(job, scorer, part, deadly)
    if not parts:
        yield lost(task, "lost its worker 3 times: no memory")


def run(job: BulkJob, scorer: Scorer, deadly: set[str]) -> list[ShardReport]:
    reports = (
        report
        for shard in job.shards_to_do()
        for report in survived(job, scorer, ShardTask(shard), deadly)
    )
    return list(whole_shards(reports, job.dataset))


@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_a_deadly_photo_costs_its_row(tmp_path: Path, bulk_scorer: Scorer, kind: str) -> None:
    source = tmp_path / "photos"
    if kind == "folder":
        write_photos(source, 7)
    else:
        source = tmp_path / "photos.tar"
        source.write_bytes(tar_bytes([(f"{number}.jpg", jpeg(number)) for number in range(7)]))
    dataset = tmp_path / "scores"

    def job(*, retry_failed: bool = False) -> BulkJob:
        spec = SourceSpec((str(source),))
        settings = BulkSettings(spec, str(dataset), 6, ScorerSettings(), retry_failed)
        return prepare(settings)

    deadly = {f"{source}/2.jpg", f"{source}/5.jpg"}
    reports = run(job(), bulk_scorer, deadly)
    assert [(report.photos, report.failed) for report in reports] == (
        [(6, 2), (1, 0)] if kind == "folder" else [(7, 2)]
    )
    rows = read_rows(str(dataset))
    assert {name for name, row in rows.items() if row["error"]} == deadly
    assert rows[f"{source}/2.jpg"]["error"] == "it lost its worker 3 times: no memory"
    # Order, and the rows of the others, are those of a run that nothing disturbs.
    dataset = tmp_path / "undisturbed"
    run(job(), bulk_scorer, set())
    expected = read_rows(str(dataset))
    assert list(rows) == list(expected)
    assert all(rows[name] == expected[name] for name in rows.keys() - deadly)
    dataset = tmp_path / "scores"
    (report,) = run(job(retry_failed=True), bulk_scorer, {f"{source}/5.jpg"})
    assert (report.photos, report.failed) == (2, 1)
    assert read_rows(str(dataset))[f"{source}/2.jpg"] == expected[f"{source}/2.jpg"]


def test_a_tar_is_counted_when_it_is_divided_and_not_for_each_part(tmp_path: Path) -> None:
    source = tmp_path / "photos.tar"
    source.write_bytes(tar_bytes([(f"{number}.jpg", jpeg(number)) for number in range(4)]))
    job = prepare(BulkSettings(SourceSpec((str(source),)), str(tmp_path / "scores")))
    (shard,) = job.shards_to_do()
    first, second = divided(ShardTask(shard))
    third, fourth = divided(second)
    source.unlink()
    parts = [PartReport(part, (), "no memory") for part in (first, fourth, third)]
    assert list(whole_shards(parts[:2], job.dataset)) == []
    expected = ShardReport(shard.name, 0, 0, error="no memory")
    assert list(whole_shards(parts, job.dataset)) == [expected]


def test_a_part_that_cannot_be_read_leaves_its_shard_undone(tmp_path: Path) -> None:
    source = tmp_path / "photos"
    write_photos(source, 4)
    job = prepare(BulkSettings(SourceSpec((str(source),)), str(tmp_path / "scores")))
    (shard,) = job.shards_to_do()
    first, second = divided(ShardTask(shard))
    parts = [PartReport(second, (), "the store is away"), PartReport(first, ())]
    expected = ShardReport(shard.name, 0, 0, error="the store is away")
    assert list(whole_shards(parts, job.dataset)) == [expected]
    assert job.shards_missing() == 1
