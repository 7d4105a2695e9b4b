"""Results of many photos as a data set: on disk, and on a real S3 server on the loopback."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from typer.testing import CliRunner

from bulk_samples import jpeg, read_rows, tar_bytes, write_photos
from children import run_mlsp, start_child
from mlsp.base.errors import OutputError, SettingsError
from mlsp.bulk import (
    BulkSettings,
    ScorerSettings,
    ShardError,
    ShardReport,
    SourceSpec,
    TableColumns,
    prepare,
    run_local,
)
from mlsp.bulk.driver import score_and_write
from mlsp.bulk.shard_scoring import ResultRow
from mlsp.cli import app
from mlsp.features.engines.batching_engine import BatchingEngine, BatchSettings
from mlsp.features.spec import FeatureSpec
from mlsp.models.model import load_model
from mlsp.reports.rows import label_columns
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer
from redness import ConstantEngine, RednessHead

COLUMNS = [
    "photo",
    "overall",
    "quality",
    "quality_percentile",
    "beauty",
    "beauty_percentile",
    *label_columns(load_model().classifiers),
    "width",
    "height",
    "model",
    "error",
]
PHOTOS = 40
SHARD_SIZE = 4


def run(*sources: str | Path, dataset: str | Path, **changes: object) -> list[ShardReport]:
    settings: dict[str, object] = {"shard_size": SHARD_SIZE, **changes}
    spec = SourceSpec(tuple(map(str, sources)))
    job = prepare(BulkSettings(spec, str(dataset), **settings))  # type: ignore[arg-type]
    return list(run_local(job))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty photos, one of them empty."""
    folder = tmp_path_factory.mktemp("bulk") / "photos"
    write_photos(folder, PHOTOS)
    (folder / "7.jpg").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def undisturbed(photos: Path) -> Mapping[str, Mapping[str, object]]:
    """Rows of a run that nothing interrupts."""
    dataset = photos.parent / "undisturbed"
    reports = run(photos, dataset=dataset)
    assert [(report.photos, report.failed, report.error) for report in reports] == [
        (SHARD_SIZE, int(number == 1), None) for number in range(PHOTOS // SHARD_SIZE)
    ]
    return read_rows(str(dataset))


def test_rows_are_what_the_scorer_says(
    photos: Path, undisturbed: Mapping[str, Mapping[str, object]]
) -> None:
    scored = {
        str(result.source): result
        for result in Scorer(workers=2).score(sorted(photos.rglob("*.jpg")))
    }
    assert undisturbed.keys() == scored.keys()
    for name, row in undisturbed.items():
        assert list(row) == COLUMNS
        result = scored[name]
        if isinstance(result, ScoreResult):
            expected: dict[str, object] = {
                "photo": name,
                "overall": result.overall,
                "model": "default",
                "error": None,
                "width": result.width,
                "height": result.height,
                "kind": result.kind,
                "faults": list(result.faults),
            }
            for head, score in result.scores.items():
                expected |= {head: score.value, f"{head}_percentile": result.percentile(head)}
            # What is no photo has no percentiles; NaN is no number in a table.
            expected |= {key: None for key, value in expected.items() if value != value}
            assert row == {column: expected[column] for column in COLUMNS}
        else:
            assert Path(name).name == "7.jpg"
            empty = dict.fromkeys(COLUMNS)
            told = {"photo": name, "model": "default", "error": "the file is empty"}
            assert row == {**empty, **told}


class SlowEngine:
    """The fake engine: notes its batches, and lets the threads come while it computes the first."""

    def __init__(self, feature_spec: FeatureSpec) -> None:
        self._engine = ConstantEngine(feature_spec)
        self.feature_spec, self.precision = feature_spec, self._engine.precision
        self.channels = self._engine.channels
        self.batches: list[int] = []
        self.joined: BatchingEngine | None = None

    def pooled(self, batch: np.ndarray) -> np.ndarray:
        self.batches.append(len(batch))
        deadline = time.monotonic() + 10
        while len(self.batches) == 1 and self.joined and len(self.joined._waiting) < 4:
            assert time.monotonic() < deadline, "too few photos were brought at the same time"
            time.sleep(0.001)
        return self._engine.pooled(batch)


def test_photos_of_a_shard_fill_the_batches_of_a_scorer(tmp_path: Path) -> None:
    """As on a CUDA device: its batches need more photos at the same time than are decoded."""
    model = load_model()
    engine = SlowEngine(model.feature_spec)
    heads = [RednessHead() for _ in model.heads]
    scorer = Scorer.of(model, engine, heads, workers=1).in_batches(BatchSettings(4), streams=1)
    assert isinstance(scorer.steps.pipeline.engine, BatchingEngine)
    engine.joined = scorer.steps.pipeline.engine
    spec = SourceSpec((str(write_photos(tmp_path / "photos", 9)[0].parent),))
    job = prepare(BulkSettings(spec, str(tmp_path / "scores")))
    (shard,) = job.shards_to_do()
    report = score_and_write(scorer, job.dataset, shard)
    assert (report.photos, report.failed, report.error) == (9, 0, None)
    # While the first was computed, enough for the next came.
    assert engine.batches[1] == 4
    assert sum(engine.batches) == 9


def test_files_have_types_and_say_where_they_are_from(
    photos: Path, undisturbed: Mapping[str, Mapping[str, object]]
) -> None:
    del undisturbed
    dataset = photos.parent / "undisturbed"
    files = sorted(dataset.iterdir())
    assert files[-1].name == "_manifest.parquet"
    assert pq.read_table(files[-1]).schema.names == COLUMNS
    assert pq.read_metadata(files[-1]).num_rows == 0
    assert [file.name[:7] for file in files[:-1]] == [f"{number:06d}-" for number in range(10)]
    schema = pq.read_schema(files[1])
    assert {str(field.type) for field in schema} == {
        "string",
        "double",
        "int32",
        "list<element: string>",
    }
    assert [field.name for field in schema if not field.nullable] == ["photo", "model"]
    assert schema.metadata[b"mlsp.failed"] == b"1"
    manifest = json.loads(pq.read_schema(files[-1]).metadata[b"mlsp.manifest"])
    assert (manifest["photos"], manifest["shards"], manifest["shard_size"]) == (40, 10, 4)


def test_a_second_run_does_what_is_missing_and_nothing_else(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = tmp_path / "scores"
    first = run(photos, dataset=dataset)
    with monkeypatch.context() as patch:
        # Where there is nothing to score, the model is not loaded.
        patch.setattr(ScorerSettings, "load", None)
        assert run(photos, dataset=dataset) == []
    files = sorted(dataset.glob("0*.parquet"))
    before = {file.name: file.read_bytes() for file in files}
    files[3].unlink()
    files[5].unlink()
    assert run(photos, dataset=dataset) == [first[3], first[5]]
    assert {file.name: file.read_bytes() for file in dataset.glob("0*.parquet")} == before


def test_failed_photos_are_tried_again_on_demand(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 6)
    (tmp_path / "photos" / "5.jpg").unlink()
    table = tmp_path / "photos" / "table.csv"
    table.write_text("path\n" + "".join(f"{seed}.jpg\n" for seed in (0, 1, 2, 3, 5)))
    dataset = tmp_path / "scores"
    assert [report.failed for report in run(table, dataset=dataset, shard_size=2)] == [0, 0, 1]
    (tmp_path / "photos" / "5.jpg").write_bytes(jpeg(5))
    assert run(table, dataset=dataset, shard_size=2) == []
    again = run(table, dataset=dataset, shard_size=2, retry_failed=True)
    assert [(report.photos, report.failed) for report in again] == [(1, 0)]
    assert [row["error"] for row in read_rows(str(dataset)).values()] == [None] * 5
    assert run(table, dataset=dataset, shard_size=2, retry_failed=True) == []


def test_nothing_goes_on_with_something_else(photos: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "scores"
    folder = tmp_path / "photos"
    paths = write_photos(folder, 5)
    run(folder, dataset=dataset)

    def refused(**changes: object) -> str:
        with pytest.raises(SettingsError) as caught:
            run(folder, dataset=dataset, **changes)
        return str(caught.value)

    end = ": use the same, or name another data set"
    begun = f"{dataset} was begun with"
    assert refused(shard_size=5) == f"{begun} a shard size of 4, this run has 5{end}"
    assert (
        refused(scorer=ScorerSettings(precision="float32"))
        == f"{begun} precision auto, this run has float32{end}"
    )
    assert (
        refused(scorer=ScorerSettings(max_pixels=10))
        == f"{begun} a limit of pixels of None, this run has 10{end}"
    )
    end = (
        "; names, sizes or order of some differ, and not only at the end. Give the sources as they were, in the same words and order,"
        " or name another data set"
    )
    begun = f"{begun} other photos: then 5 photos in 2 shards, now"
    (folder / "new.jpg").write_bytes(jpeg(9))
    assert refused() == f"{begun} 6 photos in 2 shards{end}"
    (folder / "new.jpg").unlink()
    assert run(folder, dataset=dataset) == []
    paths[0].write_bytes(jpeg(0) + b"changed")
    assert refused() == f"{begun} 5 photos in 2 shards{end}"
    assert len(read_rows(str(dataset))) == 5


def test_places_that_are_no_data_set(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError) as caught:
        run(photos, dataset=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is not empty and has no _manifest.parquet: name another folder for the data set"
    )
    for content, reason in (
        ("[", "is damaged: no JSON object with a 'format'. Name another data set"),
        (
            '{"format": 3}',
            "has format 3, this mlsp reads formats 1 to 2: update mlsp, or name another data set",
        ),
    ):
        (tmp_path / "_manifest.json").write_text(content)
        with pytest.raises(OutputError) as caught:
            run(photos, dataset=tmp_path)
        assert str(caught.value) == f"{tmp_path}/_manifest.json {reason}"
    with pytest.raises(SettingsError, match=f"^no photos found in {tmp_path}$"):
        run(tmp_path, dataset=tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("change", ["more", "fewer", "gone"])
def test_a_list_that_changes_while_its_photos_are_scored_gives_no_other_rows(
    change: str, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    names = [str(path) for path in write_photos(folder, 9)]
    job = prepare(BulkSettings(SourceSpec((str(folder),)), str(tmp_path / "scores"), 2))
    shards = job.shards_to_do()
    found = [next(shards)]
    if change == "more":
        (folder / "sub" / "new.jpg").write_bytes(jpeg(10))
    elif change == "fewer":
        (folder / "8.jpg").unlink()
    else:
        # As where a disk is no longer mounted.
        folder.rename(tmp_path / "away")
    with pytest.raises(ShardError, match=r"^the list of the photos is not what it was"):
        found.extend(shards)
    assert {name for shard in found for name in shard.piece.names} <= set(names)


def test_a_folder_that_goes_away_is_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, away = tmp_path / "photos", tmp_path / "away"
    write_photos(folder, 6)
    load = ScorerSettings.load

    def gone_meanwhile(settings: ScorerSettings) -> Scorer:
        folder.rename(away)
        return load(settings)

    arguments = ["bulk", str(folder), "-o", str(tmp_path / "scores"), "--shard-size", "2"]
    with monkeypatch.context() as patch:
        patch.setattr(ScorerSettings, "load", gone_meanwhile)
        done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 3, done.output
    assert "mlsp: not finished: the list of the photos is not what it was" in done.stderr
    away.rename(folder)
    assert CliRunner().invoke(app, [*arguments, "--retry-failed"]).exit_code == 0
    assert len(read_rows(str(tmp_path / "scores"))) == 6


def test_a_shard_that_cannot_be_read_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The clock: seconds between tries.
    monkeypatch.setattr("mlsp.bulk.driver._WAITS", (0.01, 0.01))
    for number in range(3):
        (tmp_path / f"{number}.tar").write_bytes(tar_bytes([("x.jpg", jpeg(number))]))
    spec = SourceSpec((str(tmp_path / "{0..2}.tar"),))
    dataset = tmp_path / "scores"
    job = prepare(BulkSettings(spec, str(dataset)))
    run = run_local(job)
    reports = [next(run)]
    # The list is already made of it when its photos cannot be read.
    shards = list(job.shards_to_do())
    (tmp_path / "1.tar").rename(tmp_path / "away.tar")
    scorer = Scorer(workers=1)
    reports += [score_and_write(scorer, job.dataset, shard) for shard in shards[1:]]
    assert [report.error for report in reports] == [
        None,
        f"{tmp_path}/1.tar cannot be read: there is no such file",
        None,
    ]
    assert len(read_rows(str(dataset))) == 2
    (tmp_path / "away.tar").rename(tmp_path / "1.tar")
    (report,) = run_local(prepare(BulkSettings(spec, str(dataset))))
    assert (report.name, report.photos) == (shards[1].name, 1)
    assert len(read_rows(str(dataset))) == 3


def test_a_slower_worker_does_not_replace_what_a_faster_one_wrote(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 3)
    spec = SourceSpec((str(tmp_path / "photos"),))
    job = prepare(BulkSettings(spec, str(tmp_path / "scores")))
    (shard,) = job.shards_to_do()
    names = shard.piece.names
    away = [ResultRow.failure(name, "it is away", is_temporary=True) for name in names]
    scored = ResultRow(
        names[0], ((3.0, 50.0),) * len(job.dataset.files.heads), 50.0, 8, 8, None, ()
    )
    first = replace(scored, labels=(None,) * len(job.dataset.files.labels))
    faster = job.dataset.write(shard, [first, *away[1:]])
    written = read_rows(str(tmp_path / "scores"))
    assert job.dataset.write(shard, away) == faster
    # Rows that are tried again, too.
    again = replace(shard, rows=(0, 1, 2))
    assert job.dataset.write(again, away) == faster
    assert read_rows(str(tmp_path / "scores")) == written
    (failed,) = prepare(BulkSettings(spec, str(tmp_path / "scores"))).failed.values()
    assert (failed.count, failed.temporary) == (2, (1, 2))


def mlsp(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run_mlsp("bulk", *arguments)


def parquet_files(dataset: str) -> int:
    file_system, path = fsspec.core.url_to_fs(dataset, use_listings_cache=False)
    try:
        return sum(
            name.endswith(".parquet") and "_manifest" not in name
            for name in file_system.ls(path, detail=False)
        )
    except FileNotFoundError:
        return 0


def kill_in_the_middle(*arguments: str | Path, dataset: str) -> int:
    """Run `mlsp bulk`, kill it when a few shards are there, and say how many are."""
    command = [sys.executable, "-m", "mlsp", "bulk", *map(str, arguments), "-o", dataset]
    process = start_child(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while parquet_files(dataset) < 2 and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    return parquet_files(dataset)


def same_rows(
    found: Mapping[str, Mapping[str, object]],
    expected: Mapping[str, Mapping[str, object]],
    old: str = "",
    new: str = "",
) -> None:
    """Every row with all of its numbers, to the last bit."""
    assert len(found) == len(expected)
    for name, row in expected.items():
        assert found[name.replace(old, new, 1)] == {**row, "photo": name.replace(old, new, 1)}


@pytest.mark.skipif(os.name != "posix", reason="kills as on POSIX")
def test_killed_and_resumed_every_row_is_as_without(
    photos: Path, undisturbed: Mapping[str, Mapping[str, object]], tmp_path: Path
) -> None:
    dataset = str(tmp_path / "scores")
    options = (photos, "--shard-size", "2", "--workers", "1")
    done = kill_in_the_middle(*options, dataset=dataset)
    assert 2 <= done < PHOTOS / 2
    resumed = mlsp(*options, "--output", dataset)
    assert resumed.returncode == 1
    assert f"mlsp: {done} of 20 shards were scored earlier\n" in resumed.stderr
    assert (
        f"{(PHOTOS - 2 * done) - 1} scored, 1 failed in " in resumed.stderr or done > 3
    )  # then 7.jpg may be among them
    assert f" s → {dataset}\n" in resumed.stderr
    assert resumed.stdout == ""
    same_rows(read_rows(dataset), undisturbed)
    # With nothing left to do it is no success either.
    again = mlsp(*options, "--output", dataset)
    assert again.returncode == 1
    assert again.stderr.endswith("1 failed earlier; --retry-failed tries them again\n")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A bucket on a real S3 server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fsspec.filesystem("s3").mkdir("bucket")
    yield "s3://bucket"
    fsspec.filesystem("s3").clear_instance_cache()
    patch.undo()
    server.stop()


@pytest.mark.skipif(os.name != "posix", reason="kills as on POSIX")
def test_from_s3_to_s3_killed_and_resumed(
    photos: Path, undisturbed: Mapping[str, Mapping[str, object]], s3: str
) -> None:
    fsspec.filesystem("s3").put(f"{photos}/", f"{s3}/photos/", recursive=True)
    dataset = f"{s3}/scores"
    options = (f"{s3}/photos", "--shard-size", "2", "--workers", "1")
    done = kill_in_the_middle(*options, dataset=dataset)
    assert 2 <= done < PHOTOS / 2
    resumed = mlsp(*options, "--output", dataset)
    assert resumed.returncode == 1, resumed.stderr
    assert f"mlsp: {done} of 20 shards were scored earlier\n" in resumed.stderr
    same_rows(read_rows(dataset), undisturbed, str(photos), f"{s3}/photos")


def test_tars_and_tables_on_s3(
    photos: Path, undisturbed: Mapping[str, Mapping[str, object]], s3: str
) -> None:
    store = fsspec.filesystem("s3")
    paths = sorted(photos.glob("*.jpg"))
    halves = (paths[:16], paths[16:])
    for number, half in enumerate(halves):
        members = [(path.name, path.read_bytes()) for path in half]
        store.pipe_file(f"bucket/tars/{number:03d}.tar", tar_bytes(members))
    reports = run(f"{s3}/tars/{{000..001}}.tar", dataset=f"{s3}/from-tars")
    assert [report.photos for report in reports] == [16, 16]
    found = read_rows(f"{s3}/from-tars")
    assert len(found) == 32
    for name, row in found.items():
        expected = undisturbed[str(photos / name.rsplit("/", 1)[1])]
        assert {**row, "photo": ""} == {**expected, "photo": ""}

    for path in paths[:5]:
        store.pipe_file(f"bucket/table/photos/{path.name}", path.read_bytes())
    rows = "".join(f"{number},photos/{path.name}\n" for number, path in enumerate(paths[:5]))
    store.pipe_file("bucket/table/t.csv", f"n,file\n{rows}5,photos/gone.jpg\n".encode())
    spec = SourceSpec((f"{s3}/table/t.csv",), TableColumns(id="n", path="file"))
    list(run_local(prepare(BulkSettings(spec, f"{s3}/from-table", 2))))
    found = read_rows(f"{s3}/from-table")
    assert list(found) == ["0", "1", "2", "3", "4", "5"]
    assert found["5"]["error"] == "it cannot be fetched: there is no such file"
    for number, path in enumerate(paths[:5]):
        assert found[str(number)]["quality"] == undisturbed[str(path)]["quality"]


def test_a_bucket_that_is_not_there(photos: Path, s3: str) -> None:
    del s3
    with pytest.raises(SettingsError, match="^no photos found in s3://nothing/photos$"):
        run("s3://nothing/photos", dataset="s3://bucket/never")
    with pytest.raises(
        OutputError, match="^s3://nothing/scores/_manifest.parquet cannot be written: "
    ):
        run(photos, dataset="s3://nothing/scores")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("photos", "--output", "d", "--on", "moon"),
            "--on is local, ray, HOST:PORT or ray://HOST:PORT, got 'moon'",
        ),
        (
            ("photos", "--output", "d", "--ray-workers", "3"),
            "--ray-workers and --ray-cpus are for a cluster: add --on ray",
        ),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, ["bulk", *arguments])
    assert isinstance(result.exception, SettingsError)
    assert str(result.exception) == message


def test_percentiles_that_are_no_numbers_are_empty() -> None:
    from mlsp.bulk import ResultRow

    row = ResultRow("a", ((0.5, math.nan),), 3.0, 1, 2, None)
    assert row.cells(1) == ("a", 3.0, 0.5, None, 1, 2, None)
