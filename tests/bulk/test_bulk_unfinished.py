"""What could not be reached, what failed, and what came to the input later: the same command goes on with it, row by row."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from bulk_samples import PhotoServer, jpeg, photo_server, read_rows, tar_bytes, write_photos
from mlsp.base.errors import SettingsError, UnreadablePhotoError
from mlsp.bulk import SourceSpec, open_source
from mlsp.cli import app

pytestmark = pytest.mark.usefixtures("opened_once")


class Server(PhotoServer):
    """Photos by number; answers 503 for those that are away."""

    away: frozenset[str]

    def answer(self) -> tuple[int, bytes]:
        if self.path in self.away:
            return 503, b"no"
        return 200, jpeg(int(self.path.strip("/.jpg")))


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    # The clock: seconds between tries.
    monkeypatch.setattr("mlsp.bulk.photo_contents._WAITS", (0.01, 0.01))
    monkeypatch.setattr("mlsp.bulk.driver._WAITS", (0.01, 0.01))
    Server.away = frozenset()
    with photo_server(Server) as address:
        yield address


def bulk(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["bulk", "--shard-size", "4", *map(str, arguments)])


def write_urls(table: Path, web: str, count: int) -> Path:
    table.write_text("url\n" + "".join(f"{web}/{number}.jpg\n" for number in range(count)))
    return table


def errors(dataset: Path) -> dict[str, object]:
    rows = read_rows(str(dataset))
    return {Path(name).name: row["error"] for name, row in rows.items() if row["error"]}


def test_photos_that_cannot_be_reached_are_tried_again_and_no_others(
    web: str, tmp_path: Path
) -> None:
    table, dataset = write_urls(tmp_path / "t.csv", web, 6), tmp_path / "scores"
    Server.away = frozenset({"/1.jpg", "/5.jpg"})
    done = bulk(table, "-o", dataset)
    assert done.exit_code == 3, done.output
    assert "not finished: 2 photos could not be reached; the same command" in done.stderr
    assert list(errors(dataset)) == ["1.jpg", "5.jpg"]
    before = read_rows(str(dataset))
    Server.away, Server.asked = frozenset({"/5.jpg"}), Counter()
    assert bulk(table, "-o", dataset).exit_code == 3
    assert Server.asked == {"/1.jpg": 1, "/5.jpg": 3}
    assert list(errors(dataset)) == ["5.jpg"]
    Server.away, Server.asked = frozenset(), Counter()
    assert bulk(table, "-o", dataset).exit_code == 0
    assert Server.asked == {"/5.jpg": 1}
    after = read_rows(str(dataset))
    assert list(after) == list(before)
    assert [name for name in after if after[name] != before[name]] == [
        f"{web}/1.jpg",
        f"{web}/5.jpg",
    ]


def test_a_network_that_is_away_makes_no_rows(
    web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlsp.bulk.listed_photos._MAX_AWAY", 3)
    table, dataset = write_urls(tmp_path / "t.csv", web, 8), tmp_path / "scores"
    Server.away = frozenset(f"/{number}.jpg" for number in (1, 2, 3))
    done = bulk(table, "-o", dataset)
    assert done.exit_code == 3
    assert "3 photos in a row cannot be reached, the last" in done.stderr
    assert "not finished: 1 of 2 shards could not be scored; the same command" in done.stderr
    assert len(read_rows(str(dataset))) == 4
    Server.away = frozenset()
    assert bulk(table, "-o", dataset).exit_code == 0
    assert len(read_rows(str(dataset))) == 8


def test_rows_that_still_cannot_be_reached_are_not_forgotten(
    web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, dataset = write_urls(tmp_path / "t.csv", web, 4), tmp_path / "scores"
    Server.away = frozenset({"/1.jpg"})
    assert bulk(table, "-o", dataset).exit_code == 3
    # Now it is the network.
    monkeypatch.setattr("mlsp.bulk.listed_photos._MAX_AWAY", 1)
    done = bulk(table, "-o", dataset)
    assert (done.exit_code, "1 of 1 shards could not be scored" in done.stderr) == (3, True)
    assert list(errors(dataset)) == ["1.jpg"]


def test_a_disk_of_the_network_that_is_away_makes_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlsp.bulk.driver._WAITS", (0.01, 0.01))
    folder, dataset = tmp_path / "photos", tmp_path / "scores"
    write_photos(folder, 3)

    def stale(path: Path) -> bytes:
        cause = OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        raise UnreadablePhotoError(f"the file cannot be read: {cause.strerror}") from cause

    with monkeypatch.context() as disk:
        disk.setattr("mlsp.bulk.photo_contents.read_bytes", stale)
        done = bulk(folder, "-o", dataset)
    assert done.exit_code == 3
    assert "0.jpg: the file cannot be read: Stale file handle" in " ".join(done.stderr.split())
    assert bulk(folder, "-o", dataset).exit_code == 0
    assert (len(read_rows(str(dataset))), errors(dataset)) == (3, {})


def test_failed_photos_alone_are_scored_again(tmp_path: Path) -> None:
    folder, dataset = tmp_path / "photos", tmp_path / "scores"
    paths = write_photos(folder, 4)
    for number in (1, 2):
        paths[number].write_bytes(b"\0" * paths[number].stat().st_size)
    assert bulk(folder, "-o", dataset).exit_code == 1
    assert list(errors(dataset)) == ["1.jpg", "2.jpg"]
    before = read_rows(str(dataset))
    paths[1].write_bytes(jpeg(1))
    # Would fail if they were scored again.
    paths[0].unlink()
    paths[0].write_bytes(b"\0" * len(jpeg(0)))
    done = bulk(folder, "-o", dataset, "--retry-failed")
    assert (done.exit_code, "1 scored, 1 failed" in done.output) == (1, True), done.output
    assert list(errors(dataset)) == ["2.jpg"]
    after = read_rows(str(dataset))
    assert [name for name in before if before[name] != after[name]] == [str(paths[1])]


def test_rows_of_a_tar_can_be_read_alone(tmp_path: Path) -> None:
    tar = tmp_path / "t.tar"
    content = tar_bytes([(f"{number}.jpg", jpeg(number)) for number in range(4)])
    tar.write_bytes(content[: len(content) // 2])
    (shard,) = open_source(SourceSpec((str(tar),))).shards(4)
    every = list(shard.piece.read())
    assert every[-1].id == str(tar)
    for rows in ({0}, {1, len(every) - 1}, set()):
        assert list(shard.piece.read(rows)) == [every[row] for row in sorted(rows)]


def test_the_input_may_grow_at_its_end(tmp_path: Path) -> None:
    folder, dataset = tmp_path / "photos", tmp_path / "scores"
    write_photos(folder, 9)
    table = folder / "t.csv"
    names = [f"{'sub/' if number % 5 == 4 else ''}{number}.jpg" for number in range(9)]

    def grown(count: int, *more: Path) -> tuple[int, int]:
        table.write_text("photo\n" + "".join(f"{name}\n" for name in names[:count]))
        assert bulk(table, *more, "-o", dataset).exit_code == 0
        files = sorted(dataset.glob("0*.parquet"))
        rows = [name for file in files for name in pq.read_table(file)["photo"].to_pylist()]
        assert rows[:count] == names[:count]
        return len(files), len(rows)

    assert grown(6) == (2, 6)
    first = sorted(dataset.glob("0*.parquet"))[0]
    before = first.stat().st_mtime_ns
    assert grown(7) == (2, 7)
    assert grown(8) == (2, 8)
    assert grown(9) == (3, 9)
    tar = tmp_path / "more.tar"
    tar.write_bytes(tar_bytes([("x.jpg", jpeg(20))]))
    assert grown(9, tar) == (4, 10)
    # What was there was not scored again.
    assert first.stat().st_mtime_ns == before
    names[0] = "1.jpg"
    table.write_text("photo\n" + "".join(f"{name}\n" for name in [*names[2:], names[0]]))
    refused = bulk(table, tar, "-o", dataset)
    assert isinstance(refused.exception, SettingsError)
    assert "and not only at the end" in str(refused.exception)
