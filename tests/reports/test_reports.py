from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from mlsp.base.errors import (
    MissingExtraError,
    OutputError,
    PhotoTooLargeError,
    SettingsError,
    UnreadablePhotoError,
    UnsupportedPhotoError,
)
from mlsp.base.results import ScoreFailure
from mlsp.base.text import printable
from mlsp.photos.files import stored_path
from mlsp.reports import check_output, check_sort, columns, errors_path, sort_results, write_report
from mlsp.reports.formats import TABLE_FORMATS, TableFormat
from mlsp.reports.predictions import write_predictions
from mlsp.reports.rows import ReportModel, Table, report_table
from mlsp.reports.table import plain_lines, print_table, render_table, shorten
from mlsp.scoring.predictor import Predicted
from mlsp.scoring.results import Score, ScoreResult

HEADS = ("quality", "beauty")
HEADER = ["photo", "overall", "quality", "quality_percentile", "beauty", "beauty_percentile", "width", "height", "files", "model"]  # fmt: skip

posix_only = pytest.mark.skipif(os.name != "posix", reason="names, links and permissions of POSIX")
# What a POSIX file system allows in a name.
posix_names = st.binary(min_size=1, max_size=60).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)


def scored(
    name: str | bytes,
    quality: tuple[float, float] = (0.5, 50),
    beauty: tuple[float, float] = (4.0, 40),
) -> ScoreResult:
    scores = {"quality": Score(*quality), "beauty": Score(*beauty)}
    return ScoreResult(Path(os.fsdecode(name)), scores, 4000, 3000)


def write(path: Path, results: Sequence[ScoreResult], failed: Sequence[ScoreFailure] = ()) -> None:
    write_report(path, results, failed, ReportModel("default", HEADS))


def read_csv(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8", errors=sys.getfilesystemencodeerrors()) as file:
        return list(csv.reader(file))


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


# Sorting


RANKED = [
    scored("c.jpg", (0.9, 90), (1.0, 20)),
    scored("a.jpg", (0.8, 80), (2.0, 30)),
    scored("b.jpg", (0.7, 95), (3.0, 15)),
    scored("d.jpg", (math.nan, math.nan), (9.0, 99)),
]


@pytest.mark.parametrize(
    ("by", "order"),
    [
        ("overall", "abcd"),
        ("quality", "cabd"),
        ("quality_percentile", "bcad"),
        ("beauty", "dbac"),
        ("beauty_percentile", "dacb"),
        ("photo", "abcd"),
    ],
)
def test_sort(by: str, order: str) -> None:
    for results in (RANKED, RANKED[::-1]):
        found = sort_results(results, by, heads=HEADS)
        assert "".join(result.source.stem for result in found) == order
    assert sort_results(RANKED, by, heads=HEADS, top=2) == sort_results(RANKED, by, heads=HEADS)[:2]
    assert len(sort_results(RANKED, by, heads=HEADS, top=9)) == 4


def test_sort_by_overall_is_the_default() -> None:
    assert sort_results(RANKED, heads=HEADS) == sort_results(RANKED, "overall", heads=HEADS)


def test_the_same_photo_twice_keeps_its_order() -> None:
    first, second = scored("a.jpg"), scored("a.jpg")
    found = sort_results([first, scored("0.jpg"), second], heads=HEADS)
    assert found[1] is first
    assert found[2] is second


def test_sort_by_an_unknown_column() -> None:
    for call in (
        lambda: check_sort("qualty", HEADS),
        lambda: sort_results([], "qualty", heads=HEADS),
    ):
        with pytest.raises(SettingsError) as caught:
            call()
        assert str(caught.value) == (
            "unknown column to sort by 'qualty': did you mean 'quality'? Known: 'beauty', 'beauty_percentile',"
            " 'overall', 'photo', 'quality', 'quality_percentile'"
        )


def test_top_of_none() -> None:
    with pytest.raises(SettingsError) as caught:
        sort_results(RANKED, heads=HEADS, top=0)
    assert str(caught.value).startswith("top must be ")
    assert "got '0'" in str(caught.value)


@pytest.mark.parametrize(
    ("heads", "column"),
    [(["overall"], "overall"), (["a", "a_percentile"], "a_percentile"), (["a", "a"], "a")],
)
def test_heads_that_make_a_column_twice(heads: list[str], column: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_sort("photo", heads)
    assert str(caught.value) == f"heads {heads} make two report columns {column!r}: rename a head"


# Files


def test_csv(tmp_path: Path) -> None:
    write(
        tmp_path / "r.csv",
        [scored('a "b",\r\nc\n.jpg', (0.123456, 12.345), (-0.00001, 99.96)), RANKED[3]],
    )
    assert (tmp_path / "r.csv").read_bytes() == (
        b"photo,overall,quality,quality_percentile,beauty,beauty_percentile,width,height,files,model\r\n"
        b'"a ""b"",\r\nc\n.jpg",56.2,0.1235,12.3,0.0000,100.0,4000,3000,"a ""b"",\r\nc\n.jpg",default\r\n'
        b"d.jpg,,,,9.0000,99.0,4000,3000,d.jpg,default\r\n"
    )
    assert names(tmp_path) == ["r.csv"]


def test_csv_ending_in_capitals(tmp_path: Path) -> None:
    write(tmp_path / "R.CSV", [])
    assert read_csv(tmp_path / "R.CSV") == [HEADER]


def test_jsonl(tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", [scored("é\n.jpg", (0.1 + 0.2, 12.345), (1e-9, 1 / 3)), RANKED[3]])
    lines = (tmp_path / "r.jsonl").read_bytes().split(b"\n")
    assert len(lines) == 3
    assert lines[2] == b""
    first, second = map(json.loads, lines[:2])
    assert list(first) == HEADER
    assert list(first.values()) == ["é\n.jpg", (12.345 + 1 / 3) / 2, 0.1 + 0.2, 12.345, 1e-9, 1 / 3, 4000, 3000, "é\n.jpg", "default"]  # fmt: skip
    assert second["quality"] is None
    assert second["overall"] is None
    assert lines[0].isascii()


def test_parquet(tmp_path: Path) -> None:
    write(tmp_path / "r.parquet", [scored("é\n.jpg", (0.1 + 0.2, 12.345)), RANKED[3]])
    table = pq.read_table(tmp_path / "r.parquet")
    assert table.column_names == HEADER
    assert [str(field.type) for field in table.schema] == ["string"] + ["double"] * 5 + ["int32"] * 2 + ["string"] * 2  # fmt: skip
    first, second = table.to_pylist()
    assert list(first.values()) == ["é\n.jpg", (12.345 + 40) / 2, 0.1 + 0.2, 12.345, 4.0, 40.0, 4000, 3000, "é\n.jpg", "default"]  # fmt: skip
    assert math.isnan(second["quality"])
    assert table.schema.metadata[b"mlsp.model"] == b"default"
    assert table.schema.metadata[b"mlsp.version"] == version("mlsp").encode()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_report_without_results(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"r.{ending}"
    write(path, [])
    match ending:
        case "csv":
            assert read_csv(path) == [HEADER]
        case "jsonl":
            assert path.read_bytes() == b""
        case _:
            assert pq.read_table(path).column_names == HEADER
            assert pq.read_table(path).num_rows == 0


@posix_only
@given(st.lists(posix_names, min_size=1, max_size=5, unique=True))
def test_the_name_in_a_report_finds_the_file(wanted: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(f"{folder}/photos")
        for name in wanted:
            Path(folder, "photos", os.fsdecode(name)).write_bytes(name)
        # Relative paths, as after `cd photos`, because those may begin with anything.
        results = [scored(name) for name in wanted]
        write(Path(folder, "r.csv"), results)
        write(Path(folder, "r.jsonl"), results)
        write(Path(folder, "r.parquet"), results)
        from_csv = [row[0] for row in read_csv(Path(folder, "r.csv"))[1:]]
        with Path(folder, "r.jsonl").open(encoding="ascii") as file:
            from_jsonl = [json.loads(line)["photo"] for line in file]
        assert list(map(Path, from_jsonl)) == [result.source for result in results]
        assert [Path(folder, "photos", name).read_bytes() for name in from_jsonl] == wanted
        assert [
            stored_path(Path(folder, "photos", name)).read_bytes() for name in from_csv
        ] == wanted
        escaped = [name.decode(errors="backslashreplace") for name in wanted]
        assert list(map(Path, from_csv)) == list(map(Path, escaped))
        assert pq.read_table(f"{folder}/r.parquet")["photo"].to_pylist() == escaped


@posix_only
def test_no_name_is_a_formula_in_a_spreadsheet(tmp_path: Path) -> None:
    formulas = [
        "=1+1.jpg",
        "+1.jpg",
        "-1.jpg",
        "@a.jpg",
        "\t=1.jpg",
        "\r=1.jpg",
        "\n=1.jpg",
        "\uff1d1.jpg",
    ]
    harmless = ["a=1.jpg", "/=1.jpg", "./=1.jpg", "é.jpg"]
    write(tmp_path / "r.csv", [scored(name) for name in [*formulas, *harmless]], [
        ScoreFailure(Path("=2.jpg"), UnreadablePhotoError("the file is empty"))
    ])  # fmt: skip
    found = [row[0] for row in read_csv(tmp_path / "r.csv")[1:]]
    assert found == [*(f"./{name}" for name in formulas), "a=1.jpg", "/=1.jpg", "./=1.jpg", "é.jpg"]
    assert read_csv(tmp_path / "r.errors.csv")[1][0] == "./=2.jpg"


@posix_only
def test_failed_photos_are_listed(tmp_path: Path) -> None:
    failed = [
        ScoreFailure(
            Path(os.fsdecode(b"caf\xe9.jpg")), UnreadablePhotoError("damaged, or \udce9\n")
        ),
        ScoreFailure(Path("b.jpg"), PhotoTooLargeError("too many")),
        ScoreFailure(Path("c.jpg"), UnsupportedPhotoError("")),
    ]
    write(tmp_path / "r.jsonl", [scored("a.jpg")], failed)
    assert names(tmp_path) == ["r.errors.csv", "r.jsonl"]
    assert (tmp_path / "r.errors.csv").read_bytes() == (
        b"photo,error,message\r\n"
        b'caf\\xe9.jpg,unreadable photo,"damaged, or \\xe9\n"\r\n'
        b"b.jpg,photo too large,too many\r\n"
        b"c.jpg,unsupported photo,\r\n"
    )
    write(tmp_path / "r.jsonl", [scored("a.jpg")])
    assert (tmp_path / "r.errors.csv").read_bytes() == b"photo,error,message\r\n"


def test_where_failed_photos_are_listed() -> None:
    assert errors_path(Path("x/a.b.parquet")) == Path("x/a.b.errors.csv")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_an_interrupted_report_leaves_the_old_one(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"r.{ending}"
    write(path, [scored("old.jpg")])
    before = path.read_bytes()

    def results() -> object:
        for number in range(5000):
            yield scored(f"{number}.jpg")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(path, results())  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert names(tmp_path) == [path.name]


@posix_only
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_full_disk(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"r.{ending}"
    write(path, RANKED)
    before = path.read_bytes()
    program = """
import random, resource, sys
from pathlib import Path
from test_reports import scored, write
from mlsp.base.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write(Path(sys.argv[1]), [scored(f"{n}.jpg", (random.random(), random.random())) for n in range(20_000)])
except OutputError as error:
    sys.exit(str(error))
"""
    run = subprocess.run(
        [sys.executable, "-c", program, path],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    assert run.stderr == (
        f"cannot write the report {str(path)!r}: File too large: free some space or name another file\n"
    )
    assert path.read_bytes() == before
    assert names(tmp_path) == [path.name]


# What is checked before anything is scored


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("r.xlsx", "cannot write a report to '{0}/r.xlsx': its ending must be one of .html, .csv, .jsonl, .parquet, got '.xlsx'"),
        ("r", "cannot write a report to '{0}/r': its ending must be one of .html, .csv, .jsonl, .parquet, got ''"),
        ("gone/r.csv", "cannot write '{0}/gone/r.csv': the folder '{0}/gone' does not exist: make it first"),
        ("file/r.csv", "cannot write '{0}/file/r.csv': '{0}/file' is a file: name a folder"),
        ("folder.csv", "cannot write '{0}/folder.csv': it is a folder: name a file"),
        ("pipe.csv", "cannot write '{0}/pipe.csv': it is not an ordinary file: name another"),
        ("s.csv", "cannot write '{0}/s.errors.csv': it is a folder: name a file"),
    ],
)  # fmt: skip
@posix_only
def test_an_output_that_cannot_be_written(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "s.errors.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    before = names(tmp_path)
    kind = SettingsError if "its ending must be" in message else OutputError
    for call in (check_output, lambda path: write(path, [])):
        with pytest.raises(kind) as caught:
            call(tmp_path / name)
        assert str(caught.value) == message.format(tmp_path)
    assert names(tmp_path) == before


@posix_only
def test_an_output_without_permission() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "r.csv").touch(0o400)
        # For root nothing is write-protected, so another user must look.
        user = NOBODY if os.geteuid() == 0 else None
        if user is not None:
            os.chown(folder, user, user)
            os.chown(folder / "r.csv", user, user)
        protected = _checked(folder / "r.csv", user)
        folder.chmod(0o500)
        closed = _checked(folder / "new.csv", user)
        folder.chmod(0o700)
    assert protected == f"cannot write '{folder}/r.csv': the file is write-protected: name another"
    assert closed == (
        f"cannot write '{folder}/new.csv': the folder '{folder}' is not writable: name another"
    )


NOBODY = 65534


def _checked(path: Path, user: int | None) -> str:
    # The other user may not be allowed to start or import anything, so it comes after that.
    program = """
import os, sys
from pathlib import Path
from mlsp.base.errors import OutputError
from mlsp.reports import check_output
if len(sys.argv) > 2:
    os.setuid(int(sys.argv[2]))
try:
    check_output(Path(sys.argv[1]))
except OutputError as error:
    sys.exit(str(error))
"""
    users = [] if user is None else [str(user)]
    command = [sys.executable, "-c", program, str(path), *users]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.stderr.removesuffix("\n")


def test_an_output_that_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    for name in ("empty.csv", "new.csv", "new.jsonl", "new.parquet", "new.html"):
        check_output(tmp_path / name)
    assert names(tmp_path) == ["empty.csv"]
    assert (tmp_path / "empty.csv").read_text() == ""


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".html"])
def test_an_output_of_before_is_replaced(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r{suffix}"
    failed = [ScoreFailure(Path("x.jpg"), UnreadablePhotoError("x.jpg cannot be read"))]
    write(path, RANKED[:1], failed)
    before = path.read_bytes()
    write(path, RANKED, failed)
    assert path.read_bytes() != before
    if suffix == ".html":
        return
    for heads in (["taste"], ["other"]):
        check_output(path)
        write_predictions(path, [], column="photo", model_name="mine", heads=heads)


FOREIGN = {
    "ratings.csv": b"photo,quality\r\na.jpg,3\r\n",
    "notes.csv": "Fotos für Anna\n".encode("utf-16"),
    "quoted.csv": b'"a\n',
    "rows.jsonl": b'{"photo": "a.jpg", "mos": 3}\n',
    "no-rows.jsonl": b"text\n",
    "text.parquet": b"text\n",
    "page.html": b"<!doctype html><p>My page</p>",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_the_users_is_not_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FOREIGN[name])
    for call in (check_output, lambda path: write(path, RANKED)):
        with pytest.raises(OutputError) as caught:
            call(path)
        assert str(caught.value) == (
            f"'{path}' exists and was not written by this command, so it is not replaced:"
            " name another file, or delete it first"
        )
    assert path.read_bytes() == FOREIGN[name]


def test_a_table_of_the_users_that_is_parquet_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "ratings.parquet"
    pq.write_table(pa.table({"photo": ["a.jpg"], "quality": [3.0]}), path)
    with pytest.raises(OutputError, match="is not replaced"):
        check_output(path)


def test_a_list_of_failed_photos_replaces_no_file_of_the_users(tmp_path: Path) -> None:
    (tmp_path / "r.errors.csv").write_text("my errors\n")
    with pytest.raises(OutputError, match=r"r\.errors\.csv' exists and was not written"):
        check_output(tmp_path / "r.jsonl")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError) as caught:
        check_output(tmp_path / "r.parquet")
    assert str(caught.value).startswith("A .parquet report needs an extra: ")
    assert caught.value.extra == "research"
    check_output(tmp_path / "r.csv")


# The terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name (1) é 東京 👩‍👩‍👧.jpg", "plain name (1) é 東京 👩‍👩‍👧.jpg"),
        ("Bild\u202f1.jpg", "Bild\u202f1.jpg"),
        ("C:\\photos\\new.jpg", "C:\\photos\\new.jpg"),
        ("\x1b]0;title\x07\x1b[2J", "\\x1b]0;title\\x07\\x1b[2J"),
        ("a\nb\r\tc\x7f\x9b", "a\\nb\\r\\tc\\x7f\\x9b"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("\u2028\u2066\ufeff", "\\u2028\\u2066\\ufeff"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_printable_in_another_encoding() -> None:
    assert printable("é東.jpg", encoding="latin-1") == "é\\u6771.jpg"
    assert printable("é東.jpg", encoding="ascii") == "\\xe9\\u6771.jpg"


@given(st.text(st.characters()) | st.binary().map(os.fsdecode))
def test_nothing_printable_takes_effect(text: str) -> None:
    shown = printable(text)
    assert len(shown.encode().decode().splitlines()) <= 1
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in shown)
    assert printable(shown) == shown


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])), st.integers(1, 40))
def test_shortened_texts_fit(text: str, width: int) -> None:
    shown = shorten(text, width)
    assert cell_len(shown) <= width
    if shown != text:
        assert cell_len(text) > width
        assert "…" in shown


def test_marks_above_letters_take_no_cells() -> None:
    assert shorten("0000" + "\u0300" * 9 + "0" * 10, 13) == "0000" + "\u0300" * 9 + "…" + "0" * 8


def test_shortened_names_keep_both_ends() -> None:
    assert shorten("holiday/2024/beach/IMG_1234.jpg", 31) == "holiday/2024/beach/IMG_1234.jpg"
    assert shorten("holiday/2024/beach/IMG_1234.jpg", 21) == "holida…h/IMG_1234.jpg"
    assert shorten("holiday/2024/beach/IMG_1234.jpg", 21, ellipsis="...") == "holida...IMG_1234.jpg"


HOSTILE = [
    scored("holiday/[red]1[/red] :smile:.jpg", (0.73123, 88.4), (5.4, 91.2)),
    scored(
        "東京/写真/桜の花がとても綺麗でした春の日の思い出の写真です.jpg", (0.63, 50), (4.4, 45.2)
    ),
    scored("x\x1b[2J\n\udcff.jpg", (0.33, 0.2), (2.4, 0)),
    scored("nan.jpg", (math.nan, math.nan), (2.4, 0)),
]


def rendered(
    width: int, results: Sequence[ScoreResult] = HOSTILE, encoding: str = "utf-8"
) -> list[str]:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    console = Console(
        file=stream, width=width, color_system=None, highlight=False, legacy_windows=False
    )
    console.print(render_table(results, heads=HEADS, console=console))
    stream.flush()
    return [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]


def test_table() -> None:
    assert rendered(80) == [
        "   photo                          overall            quality  %ile  beauty  %ile",
        "─" * 80,
        "1  holiday/[…1[/red] :smile:.jpg     89.8  ███████▏    0.731    88   5.400    91",
        "2  東京/写真…い出の写真です.jpg      47.6  ███▊        0.630    50   4.400    45",
        "3  x\\x1b[2J\\n\\xff.jpg                 0.1              0.330     0   2.400     0",
        "4  nan.jpg                                                           2.400     0",
    ]


@pytest.mark.parametrize("width", [45, 60, 80, 120, 200])
def test_no_line_of_the_table_is_wider_than_the_terminal(width: int) -> None:
    lines = rendered(width)
    assert len(lines) == 2 + len(HOSTILE)
    assert max(map(cell_len, lines)) <= width
    for line, overall, value in zip(
        lines[2:5], ["89.8", "47.6", "0.1"], ["5.400", "4.400", "2.400"], strict=True
    ):
        assert overall in line
        assert value in line


def test_a_narrow_table_has_less_columns() -> None:
    assert "█" in rendered(80)[2]
    assert "█" not in rendered(60)[2]
    assert "%ile" in rendered(60)[0]
    assert "%ile" not in rendered(45)[0]


def test_table_on_an_ascii_terminal() -> None:
    assert rendered(70, HOSTILE[1:3], encoding="ascii") == [
        "   photo                    overall        quality  %ile  beauty  %ile",
        "-" * 70,
        "1  \\u6771...3067\\u3059.jpg     47.6  ####    0.630    50   4.400    45",
        "2  x\\x1b[2J\\n\\xff.jpg           0.1          0.330     0   2.400     0",
    ]


def test_a_table_without_results() -> None:
    assert len(rendered(80, [])) == 2


def lines_of(results: Sequence[ScoreResult]) -> list[str]:
    return list(plain_lines(report_table(results, ReportModel("default", HEADS))))


def test_plain_lines() -> None:
    lines = lines_of(HOSTILE)
    assert lines[0].split("\t") == HEADER
    assert lines[1:] == [
        "holiday/[red]1[/red] :smile:.jpg\t89.8\t0.7312\t88.4\t5.4000\t91.2\t4000\t3000\tred] :smile:.jpg\tdefault",
        "東京/写真/桜の花がとても綺麗でした春の日の思い出の写真です.jpg\t47.6\t0.6300\t50.0\t4.4000\t45.2\t4000\t3000\t桜の花がとても綺麗でした春の日の思い出の写真です.jpg\tdefault",
        "x\\x1b[2J\\n\\xff.jpg\t0.1\t0.3300\t0.2\t2.4000\t0.0\t4000\t3000\tx\\x1b[2J\\n\\xff.jpg\tdefault",
        "nan.jpg\t\t\t\t2.4000\t0.0\t4000\t3000\tnan.jpg\tdefault",
    ]


@posix_only
@given(posix_names)
def test_a_photo_is_a_line(name: bytes) -> None:
    _, line = lines_of([scored(name)])
    assert len(line.splitlines()) == 1
    assert line.count("\t") == len(columns(HEADS)) - 1


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_table_is_printed_where_there_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    terminal, pipe = Terminal(), io.StringIO()
    print_table(HOSTILE, ReportModel("default", HEADS), stream=terminal)
    print_table(HOSTILE, ReportModel("default", HEADS), stream=pipe)
    assert "holiday/[red]1[/red] :smile:.jpg" in terminal.getvalue()
    assert "█" in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()
    assert pipe.getvalue() == "".join(f"{line}\n" for line in lines_of(HOSTILE))


def test_a_terminal_shows_the_first_and_how_many_more_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    many = [RANKED[0]] * 234
    terminal, pipe, few = Terminal(), io.StringIO(), Terminal()
    print_table(many, ReportModel("default", HEADS), stream=terminal, limit=30)
    lines = terminal.getvalue().splitlines()
    # A heading, a rule, the rows, and the rest.
    assert len(lines) == 33
    assert "… 204 more (--top 234 shows all, --output FILE writes them)" in lines[-1]
    print_table(many, ReportModel("default", HEADS), stream=pipe, limit=30)
    assert len(pipe.getvalue().splitlines()) == 235
    print_table(many[:30], ReportModel("default", HEADS), stream=few, limit=30)
    assert "more" not in few.getvalue()


def test_neither_rich_nor_pyarrow_is_loaded_before_it_is_needed() -> None:
    program = "import mlsp.reports.table, sys; sys.exit(str([m for m in sys.modules if m in ('rich', 'pyarrow')]))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.stderr == "[]\n"


def test_a_format_that_is_registered_writes_reports_and_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_tsv(path: Path, table: Table) -> None:
        lines = (table.names, *table.texts())
        path.write_text("".join("\t".join(cells) + "\n" for cells in lines), "utf-8")

    path = tmp_path / "r.tsv"
    with pytest.raises(SettingsError, match=r"\.tsv"):
        check_output(path)

    def tsv_columns(path: Path) -> list[str]:
        return path.read_text("utf-8").partition("\n")[0].split("\t")

    monkeypatch.setitem(TABLE_FORMATS, ".tsv", TableFormat(write_tsv, tsv_columns))
    write(path, RANKED[:1])
    write(path, RANKED[:1])
    assert path.read_text("utf-8").splitlines()[0].split("\t") == HEADER
    write_predictions(
        path,
        [Predicted("a.jpg", {"taste": 0.25})],
        column="photo",
        model_name="mine",
        heads=["taste"],
    )
    assert path.read_text("utf-8") == "photo\ttaste\tmodel\na.jpg\t0.25\tmine\n"
