"""Photos of a folder or a table, under names that stay the same on every machine."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from mlsp.base.errors import SettingsError
from mlsp.photos.listing import NamedPhoto, list_photos
from refusals import message


@pytest.fixture
def folder(examples: Path, tmp_path: Path) -> Path:
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    shutil.copy(examples / "rocket.jpg", tmp_path / "photos" / "sub" / "img10.jpg")
    shutil.copy(examples / "rocket.jpg", tmp_path / "photos" / "sub" / "img2.jpg")
    shutil.copy(examples / "chelsea.png", tmp_path / "photos")
    return tmp_path / "photos"


def test_a_folder_gives_paths_below_it(folder: Path) -> None:
    assert list_photos(folder) == [
        NamedPhoto("chelsea.png", folder / "chelsea.png"),
        NamedPhoto("sub/img2.jpg", folder / "sub" / "img2.jpg"),
        NamedPhoto("sub/img10.jpg", folder / "sub" / "img10.jpg"),
    ]


def test_names_do_not_depend_on_where_one_stands(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    names = [photo.photo_id for photo in list_photos(Path())]
    assert names == ["chelsea.png", "sub/img2.jpg", "sub/img10.jpg"]


def test_one_photo(folder: Path) -> None:
    photo = folder / "sub" / "img2.jpg"
    assert list_photos(photo) == [NamedPhoto("img2.jpg", photo)]


@pytest.mark.parametrize("column", ["photo", "image", "image_name"])
def test_a_csv_table_in_its_order(folder: Path, column: str) -> None:
    table = folder / "ratings.CSV"
    text = f'mos,{column}\n5.5,sub/img10.jpg\n4,"with, comma.jpg"\n3,./chelsea.png\n'
    table.write_text(text, encoding="utf-8-sig")
    assert list_photos(table) == [
        NamedPhoto("sub/img10.jpg", folder / "sub/img10.jpg"),
        NamedPhoto("with, comma.jpg", folder / "with, comma.jpg"),
        NamedPhoto("chelsea.png", folder / "chelsea.png"),
    ]


@pytest.mark.skipif(os.name != "posix", reason="file names that are not UTF-8")
def test_a_csv_table_of_names_that_are_not_utf_8(folder: Path) -> None:
    (folder / "list.csv").write_bytes(b"photo\nlatin \xe9.jpg\n")
    assert os.fsencode(list_photos(folder / "list.csv")[0].path.name) == b"latin \xe9.jpg"


def test_a_parquet_table(folder: Path) -> None:
    table = folder / "list.parquet"
    pyarrow.parquet.write_table(pa.table({"mos": [1.0], "image": ["sub/img2.jpg"]}), table)
    assert list_photos(table) == [NamedPhoto("sub/img2.jpg", folder / "sub/img2.jpg")]


def test_an_absolute_path_stays(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text(f"photo\n{folder / 'chelsea.png'}\n")
    assert list_photos(table) == [
        NamedPhoto((folder / "chelsea.png").as_posix(), folder / "chelsea.png")
    ]


def test_what_is_refused(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    assert message(SettingsError, lambda: list_photos(table)) == f"there is no table {table}"
    assert message(SettingsError, lambda: list_photos(tmp_path / "gone")) == (
        f"there is no {tmp_path / 'gone'}: give a folder of photos, or a table ending in .csv or .parquet"
    )
    table.write_text("name,mos\na.jpg,1\n")
    assert message(SettingsError, lambda: list_photos(table)) == (
        f"table {table} has the columns 'name', 'mos', expected one of 'photo', 'image', 'image_name' with the photos' paths "
        "relative to the table's folder"
    )
    table.write_text("")
    assert message(SettingsError, lambda: list_photos(table)).startswith(
        f"table {table} has the columns none, "
    )
    table.write_text("photo\n")
    assert message(SettingsError, lambda: list_photos(table)) == f"no photos found in {table}"
    table.write_text("mos,photo\n1,a.jpg\n2\n")
    assert (
        message(SettingsError, lambda: list_photos(table))
        == f"row 2 of table {table} names no photo, got None"
    )
    table.write_text("photo\na.jpg\nb.jpg\n./a.jpg\n")
    assert message(SettingsError, lambda: list_photos(table)) == (
        f"{table} names photo 'a.jpg' twice: remove one of them"
    )
    (tmp_path / "list.parquet").write_bytes(b"no parquet")
    with pytest.raises(
        SettingsError, match=f"^table {re.escape(str(tmp_path))}/list.parquet cannot be read: "
    ):
        list_photos(tmp_path / "list.parquet")
    (tmp_path / "empty").mkdir()
    assert message(SettingsError, lambda: list_photos(tmp_path / "empty")) == (
        f"no photos found in {tmp_path / 'empty'}"
    )
