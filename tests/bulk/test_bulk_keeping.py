"""What passes a condition, as names, rows and photos."""

from __future__ import annotations

import re
import statistics
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from bulk_samples import jpeg, read_rows, tar_bytes, write_photos
from mlsp.base.errors import OutputError, SettingsError
from mlsp.bulk.keeping import Condition
from mlsp.cli import app

pytestmark = pytest.mark.usefixtures("opened_once")


def bulk(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["bulk", *map(str, arguments)])


@pytest.fixture(scope="module")
def source(opened_once: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], Path]:
    """Sources and their data set."""
    del opened_once
    folder = tmp_path_factory.mktemp("keeping")
    write_photos(folder / "photos", 6)
    (folder / "photos" / "3.jpg").write_bytes(b"no photo")
    (folder / "t.tar").write_bytes(tar_bytes([("x.jpg", jpeg(8)), ("y.jpg", jpeg(9))]))
    sources = [folder / "photos", folder / "t.tar"]
    assert bulk(*sources, "-o", folder / "scores", "--shard-size", "4").exit_code == 1
    return sources, folder / "scores"


def kept(source: tuple[list[Path], Path], file: Path) -> list[str]:
    """Keep the better half of the photos; return the names that should be kept, by the rows of the data set."""
    sources, dataset = source
    rows = read_rows(str(dataset))
    scores = {
        name: row["quality"] for name, row in rows.items() if isinstance(row["quality"], float)
    }
    median = statistics.median(scores.values())
    conditions = (f"quality>{median!r}", "width >= 90")
    options = [text for condition in conditions for text in ("--keep", condition)]
    done = bulk(*sources, "-o", dataset, "--shard-size", "4", *options, "--kept", file)
    assert done.exit_code == 1, done.output
    names = [name for name, score in scores.items() if score > median]
    assert f"{len(names)} kept in" in done.output
    return names


def test_names_rows_and_photos_are_the_same_ones(
    source: tuple[list[Path], Path], tmp_path: Path
) -> None:
    names = kept(source, tmp_path / "kept.txt")
    assert len(names) == 3
    assert (tmp_path / "kept.txt").read_text().splitlines() == names
    kept(source, tmp_path / "kept.parquet")
    rows = read_rows(str(source[1]))
    assert pq.read_table(tmp_path / "kept.parquet").to_pylist() == [rows[name] for name in names]
    kept(source, tmp_path / "kept.tar")
    with tarfile.open(tmp_path / "kept.tar") as tar:
        assert tar.getnames() == [name.lstrip("/") for name in names]
    folder = source[0][0]
    with tarfile.open(tmp_path / "kept.tar") as tar:
        for name in names:
            if Path(name).is_relative_to(folder):
                found = tar.extractfile(name.lstrip("/"))
                assert found is not None
                assert found.read() == Path(name).read_bytes()


@pytest.mark.parametrize("suffix", [".txt", ".parquet", ".tar"])
def test_only_what_was_kept_before_is_replaced(
    source: tuple[list[Path], Path], tmp_path: Path, suffix: str
) -> None:
    sources, dataset = source
    path = tmp_path / f"mine{suffix}"
    options = ("-o", dataset, "--shard-size", "4", "--keep", "width>=90", "--kept", path)
    path.write_text("mine\n")
    done = bulk(*sources, *options)
    assert isinstance(done.exception, OutputError)
    assert "is not replaced: name another file, or delete it first" in str(done.exception)
    assert path.read_text() == "mine\n"
    # An empty one is, and so is what the same command wrote.
    path.write_bytes(b"")
    assert bulk(*sources, *options).exit_code == 1
    before = path.read_bytes()
    assert bulk(*sources, *options).exit_code == 1
    assert path.read_bytes() == before


def test_a_tar_of_others_is_not_replaced(source: tuple[list[Path], Path], tmp_path: Path) -> None:
    sources, dataset = source
    path = tmp_path / "mine.tar"
    path.write_bytes(tar_bytes([("x.jpg", jpeg(8))]))
    done = bulk(*sources, "-o", dataset, "--keep", "width>=90", "--kept", path)
    assert "is not replaced" in str(done.exception)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quality", "'quality' is no condition: expected a column"),
        ("qualty>1", "unknown column 'qualty': did you mean 'quality'"),
        ("quality>good", "expected a number, got 'good'"),
        ("faults==dark", "unknown column 'faults'"),
    ],
)
def test_conditions_that_are_none(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        Condition.parse(text, ["photo", "quality", "kind", "faults", "error"])


def test_names_are_texts_in_data_sets_of_either_format() -> None:
    for column in ("id", "photo"):
        assert Condition.parse(f"{column}==1.jpg", [column]).value == "1.jpg"


def test_what_is_missing_in_a_command_is_said(tmp_path: Path) -> None:
    for options in (("--keep", "quality>1"), ("--kept", "x.txt")):
        done = bulk(tmp_path, "-o", tmp_path / "scores", *options)
        assert "--keep and --kept go together" in str(done.exception)
    done = bulk(tmp_path, "-o", tmp_path / "s", "--keep", "quality>1", "--kept", "x.csv")
    assert "x.csv has an unknown ending, expected .txt, .parquet, .tar" in str(done.exception)
