"""Tables as rows of cells, from CSV and parquet files."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from mlsp.base.tables import read_table
from mlsp.base.text_lines import TextLines


def test_csv(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(b'\xef\xbb\xbfphoto, mos\n\xe9.jpg,1\n\n"two\nlines.jpg",\nshort\n')
    table = read_table(file, "A table")
    assert table.names == ["photo", "mos"]
    assert table.rows == [
        ("line 2", ["\udce9.jpg", "1"]),
        ("line 5", ["two\nlines.jpg", ""]),
        ("line 6", ["short"]),
    ]
    file.write_bytes(b"")
    assert read_table(file, "A table") == ([], [])


def test_parquet_reads_the_columns_that_are_needed(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "t.PARQUET"
    parquet.write_table(pyarrow.table({"a": [1, 2], "b": ["x", None], "c": [0.5, 1.5]}), file)
    every = read_table(file, "A table")
    assert every.names == ["a", "b", "c"]
    assert every.rows == [("row 1", [1, "x", 0.5]), ("row 2", [2, None, 1.5])]
    some = read_table(file, "A table", ("b", "z"))
    assert some.names == ["a", "b", "c"]
    assert some.rows == [("row 1", [None, "x", None]), ("row 2", [None, None, None])]
    none = read_table(file, "A table", ())
    assert none.rows == [("row 1", [None] * 3), ("row 2", [None] * 3)]


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        # As Excel writes "CSV", "CSV UTF-8" and "Unicode text", where a comma is that of numbers and elsewhere.
        ("photo;mos\r\nmüde.jpg;3,5\r\n".encode("cp1252"), ["müde.jpg", "3.5"]),
        ("photo,mos\r\nmüde.jpg,3.5\r\n".encode("cp1252"), ["müde.jpg", "3.5"]),
        ("photo;mos\r\nmüde.jpg;3,5\r\n".encode("utf-8-sig"), ["müde.jpg", "3.5"]),
        ("photo\tmos\r\nmüde.jpg\t3.5\r\n".encode("utf-16"), ["müde.jpg", "3.5"]),
        ("\ufeffphoto\tmos\r\nmüde.jpg\t3.5\r\n".encode("utf-16-be"), ["müde.jpg", "3.5"]),
        (b"photo;mos\na,b;c.jpg;4\n", ["a,b", "c.jpg", "4"]),
        (b'photo,mos\r\nm\xfcde.jpg,"two\nm\xfcde lines"\r\n', ["müde.jpg", "two\nmüde lines"]),
    ],
)
def test_csv_of_excel(tmp_path: Path, content: bytes, rows: list[str]) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    last_line = 2 + rows[-1].count("\n")
    assert read_table(file, "A table") == (["photo", "mos"], [(f"line {last_line}", rows)])


def test_what_excel_says_about_its_separator_is_no_header(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(b"sep=;\r\nphoto,mos;why\r\na.jpg;b\r\n")
    assert read_table(file, "A table") == (["photo,mos", "why"], [("line 3", ["a.jpg", "b"])])


def test_lines_of_old_macintoshes_are_called_so(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(b"photo,mos\ra.jpg,1\r")
    with pytest.raises(ValueError, match="lines end in a lone carriage return: save it as CSV"):
        read_table(file, "A table")


@pytest.mark.parametrize("code", ["utf-8-sig", "utf-16-le", "utf-16-be"])
def test_lines_can_be_read_from_any_of_them_on(code: str) -> None:
    # Of the first two characters of UTF-16, one byte is that of a line's end.
    texts = ["\u010a\u0a05\n", "é\u0a0a\r\n", "\n", "last"]
    mark = "" if code == "utf-8-sig" else "\ufeff"
    file = io.BytesIO((mark + "".join(texts)).encode(code))
    lines = TextLines(file)
    offsets = [lines.offset]
    found = []
    for line in lines:
        found.append(line)
        offsets.append(lines.offset)
    assert found == texts
    for index, offset in enumerate(offsets):
        assert list(TextLines(file, offset)) == texts[index:]


def test_cells_may_be_long(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text(f"photo,text\na.jpg,{'x' * 200_000}\n")
    assert read_table(file, "A table").rows[0][1][1] == "x" * 200_000
