from __future__ import annotations

import base64
import csv
import io
import json
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bulk_samples import PhotoServer, jpeg, photo_server, tar_bytes, write_photos
from mlsp.base.errors import SettingsError
from mlsp.bulk import BulkSettings, ShardError, SourcePhoto, SourceSpec, TableColumns, open_source
from mlsp.bulk.sources import expand
from mlsp.bulk.survey import survey

NO_COLUMNS = TableColumns()


def read_all(
    *sources: Path | str, size: int = 4, columns: TableColumns = NO_COLUMNS
) -> list[SourcePhoto]:
    """All photos of an input, its shards having gone through a pickle as they do on a cluster."""
    source = open_source(SourceSpec(tuple(map(str, sources)), columns))
    survey(source, size)
    shards = pickle.loads(pickle.dumps(list(source.shards(size))))  # noqa: S301
    return [photo for shard in shards for photo in shard.read()]


def contents(photos: list[SourcePhoto]) -> dict[str, bytes | str | None]:
    by_id = {photo.id: photo.error or photo.content for photo in photos}
    assert len(by_id) == len(photos)
    return by_id


@pytest.fixture
def bucket() -> Iterator[str]:
    """An object store in memory."""
    store = fsspec.filesystem("memory")
    store.store.clear()
    yield "memory://bucket"
    store.store.clear()


def put(url: str, content: bytes) -> str:
    fsspec.filesystem("memory").pipe_file(url, content)
    return url


def test_every_photo_of_a_folder_once_under_its_path(tmp_path: Path) -> None:
    paths = write_photos(tmp_path / "photos", 11)
    (tmp_path / "photos" / "notes.txt").write_text("no photo")
    photos = read_all(tmp_path / "photos")
    assert contents(photos) == {str(path): path.read_bytes() for path in paths}
    # As everywhere in mlsp: a folder's photos before its folders', in natural order.
    assert [Path(photo.id).name for photo in photos[:3]] == ["0.jpg", "1.jpg", "2.jpg"]
    assert [Path(photo.id).name for photo in photos[-2:]] == ["4.jpg", "9.jpg"]


def test_an_unreadable_photo_has_its_error(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 2)
    (tmp_path / "photos" / "empty.jpg").touch()
    (tmp_path / "photos" / "loop.jpg").symlink_to("loop.jpg")
    found = contents(read_all(tmp_path / "photos", tmp_path / "gone.jpg"))
    assert len(found) == 5
    assert found[str(tmp_path / "photos/empty.jpg")] == "the file is empty"
    assert found[str(tmp_path / "photos/loop.jpg")] == "it is a symbolic link that leads to itself"
    assert found[str(tmp_path / "gone.jpg")] == "there is no such file"


def test_a_folder_of_an_object_store(bucket: str) -> None:
    expected = {
        put(f"{bucket}/a/{name}", jpeg(index)): jpeg(index)
        for index, name in enumerate(["b.jpg", "c/d.JPG", "c/e.png"])
    }
    put(f"{bucket}/a/notes.txt", b"no photo")
    put(f"{bucket}/a/.hidden.jpg", b"hidden")
    put(f"{bucket}/ab/other.jpg", b"of another folder")
    assert contents(read_all(f"{bucket}/a")) == expected
    flat = open_source(SourceSpec((f"{bucket}/a",), recursive=False))
    assert [shard.piece.names for shard in flat.shards(9)] == [(f"{bucket}/a/b.jpg",)]
    one = contents(read_all(f"{bucket}/a/b.jpg", f"{bucket}/a/gone.jpg"))
    assert one == {
        f"{bucket}/a/b.jpg": jpeg(0),
        f"{bucket}/a/gone.jpg": "it cannot be fetched: there is no such file",
    }


TABLE: list[tuple[str, object]] = [
    ("first, of\ntwo lines", "sub/4.jpg"),
    ("é", "0.jpg"),
    ("c", "gone.jpg"),
    ("d", ""),
    ("e", "1.jpg"),
    ("f", "2.jpg"),
]


def write_table(path: Path, names: tuple[str, str], rows: list[tuple[str, object]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8-sig", newline="") as stream:
            csv.writer(stream).writerows([(*names, "more"), *((*row, "x") for row in rows)])
    elif path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
        path.write_text("\n\n".join(lines), "utf-8")
    else:
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        table = pa.table({name: list(column) for name, column in columns.items()})
        pq.write_table(table, path, row_group_size=3)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_table_of_paths_relative_to_it(tmp_path: Path, suffix: str) -> None:
    write_photos(tmp_path, 5)
    table = write_table(tmp_path / f"table{suffix}", ("name", "file"), TABLE)
    found = contents(read_all(table, columns=TableColumns(id="name", path="file")))
    assert list(found) == [name for name, _ in TABLE]
    assert found["é"] == jpeg(0)
    assert found["first, of\ntwo lines"] == jpeg(4)
    assert found["c"] == "there is no such file"
    assert found["d"] == "its row of the table names no photo"


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_table_that_holds_the_photos(tmp_path: Path, suffix: str) -> None:
    photos = [jpeg(seed) for seed in range(7)]
    is_text = suffix != ".parquet"
    cells: list[object] = [
        base64.b64encode(photo).decode() if is_text else photo for photo in photos
    ]
    cells[5] = "" if is_text else b""
    if is_text:
        cells[6] = "no base64!"
    rows = [(f"n{index}\n", cell) for index, cell in enumerate(cells)]
    table = write_table(tmp_path / f"table{suffix}", ("id", "bytes"), rows)
    found = list(contents(read_all(table, size=3)).values())
    assert found[:5] == photos[:5]
    assert found[5] == "its row of the table has nothing in column 'bytes'"
    if is_text:
        assert str(found[6]).startswith("column 'bytes' holds no base64: ")


def test_photos_as_hugging_face_keeps_them_are_told_apart_by_their_rows(tmp_path: Path) -> None:
    records = [{"bytes": jpeg(seed), "path": f"{seed}.jpg"} for seed in range(5)]
    table = tmp_path / "train.parquet"
    pq.write_table(pa.table({"image": [*records, None]}), table, row_group_size=2)
    found = contents(read_all(table, size=4))
    assert found == {
        **{f"{table}#{seed + 1}": jpeg(seed) for seed in range(5)},
        f"{table}#6": "its row of the table has nothing in column 'image.bytes'",
    }


def test_records_of_hugging_face_may_have_either_bytes_or_a_path(tmp_path: Path) -> None:
    write_photos(tmp_path, 2)
    records = [
        {"bytes": jpeg(5), "path": "elsewhere.jpg"},
        {"bytes": None, "path": "0.jpg"},
        {"bytes": None, "path": None},
    ]
    table = tmp_path / "train.parquet"
    pq.write_table(pa.table({"image": records}), table)
    assert list(contents(read_all(table)).values()) == [
        jpeg(5),
        jpeg(0),
        "its row of the table has nothing in column 'image.bytes'",
    ]
    lines = [{"image": {"bytes": base64.b64encode(jpeg(5)).decode(), "path": None}}]
    lines.append({"image": {"bytes": None, "path": "1.jpg"}})
    text = tmp_path / "train.jsonl"
    text.write_text("\n".join(map(json.dumps, lines)))
    assert list(contents(read_all(text)).values()) == [jpeg(5), jpeg(1)]
    text.write_text(json.dumps({"image": {"path": "1.jpg"}}))
    assert contents(read_all(text)) == {"1.jpg": jpeg(1)}


def test_base64_as_programs_write_it(tmp_path: Path) -> None:
    # Bytes whose base64 needs all of its characters, and padding.
    content = bytes(range(256)) * 2
    plain = base64.b64encode(content).decode()
    forms = {
        "wrapped": base64.encodebytes(content).decode().replace("\n", "\r\n"),
        "url": base64.urlsafe_b64encode(content).decode().rstrip("="),
        "data": f"data:image/jpeg;name=x;base64,{plain}",
        "damaged": plain[:-1] + "!",
        "record": {"a": 1},
    }
    assert {"+", "/"} <= set(plain)
    assert plain.endswith("=")
    table = tmp_path / "t.jsonl"
    rows = [json.dumps({"id": name, "bytes": text}) for name, text in forms.items()]
    table.write_text("\n".join(rows))
    found = contents(read_all(table))
    assert [name for name in forms if found[name] == content] == ["wrapped", "url", "data"]
    assert found["damaged"] == "column 'bytes' holds no base64: Only base64 data is allowed"
    assert found["record"] == "column 'bytes' holds dict, expected bytes"


@pytest.mark.parametrize("code", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_tables_of_excel(tmp_path: Path, code: str, separator: str) -> None:
    photos = {"müde": jpeg(0), "über": jpeg(1), "x": jpeg(2)}
    rows = [(name, base64.b64encode(photo).decode()) for name, photo in photos.items()]
    text = "\r\n".join(separator.join(row) for row in [("id", "bytes"), *rows])
    table = tmp_path / "t.csv"
    table.write_bytes(text.encode(code))
    # Shards begin in the middle of the table.
    assert contents(read_all(table, size=1)) == photos


def test_names_that_are_no_unicode_are_rows(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    table.write_text(
        '{"photo": "\\ud800.jpg"}\n{"photo": "\\udce9.jpg"}\n{"photo": "a\\u0000.jpg"}'
    )
    (tmp_path / "\udce9.jpg").write_bytes(jpeg(0))
    found = contents(read_all(table))
    assert list(found) == ["\\ud800.jpg", "\\xe9.jpg", "a\0.jpg"]
    assert found["\\xe9.jpg"] == jpeg(0)
    assert str(found["\\ud800.jpg"]).startswith("the file cannot be read: ")


def test_links_in_tars_are_what_they_lead_to(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, target in (
            ("a/before.jpg", tarfile.LNKTYPE, "./a/x.jpg"),
            ("a/x.jpg", tarfile.REGTYPE, ""),
            ("b/beside.jpg", tarfile.SYMTYPE, "../a/x.jpg"),
            ("b/again.jpg", tarfile.SYMTYPE, "./beside.jpg"),
            ("b/away.jpg", tarfile.SYMTYPE, "/etc/hostname"),
            ("b/circle.jpg", tarfile.SYMTYPE, "circle.jpg"),
            ("b/text.txt", tarfile.LNKTYPE, "a/x.jpg"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, target, 0 if target else len(jpeg(0))
            tar.addfile(member, None if target else io.BytesIO(jpeg(0)))
    whole = tmp_path / "whole.tar"
    whole.write_bytes(buffer.getvalue())
    assert contents(read_all(whole)) == {
        f"{whole}/a/x.jpg": jpeg(0),
        f"{whole}/a/before.jpg": jpeg(0),
        f"{whole}/b/beside.jpg": jpeg(0),
        f"{whole}/b/again.jpg": jpeg(0),
        f"{whole}/b/away.jpg": "it is a link to '/etc/hostname', which is no file in the tar",
        f"{whole}/b/circle.jpg": "it is a link to 'b/circle.jpg', which is no file in the tar",
    }
    cut = tmp_path / "cut.tar"
    cut.write_bytes(buffer.getvalue()[:2000])
    found = contents(read_all(cut))
    assert list(found) == [f"{cut}/a/before.jpg", str(cut)]
    assert "truncated after 0 photos" in str(found[str(cut)])


def test_several_tars_and_names_that_are_there_again(bucket: str) -> None:
    put(
        f"{bucket}/a-08.tar",
        tar_bytes([("./x.jpg", jpeg(0)), ("x.json", b"{}"), ("x.jpg", jpeg(1)), ("y/z.jpg", b"")]),
    )
    put(f"{bucket}/a-09.tar.gz", tar_bytes([("x.jpg", jpeg(2))], mode="w:gz"))
    put(f"{bucket}/a-10.tar", tar_bytes([]))
    source = open_source(SourceSpec((f"{bucket}/a-{{08..10}}.tar",)))
    with pytest.raises(SettingsError, match=f"^there is no tar {bucket}/a-09.tar$"):
        survey(source, 5)
    found = contents(read_all(f"{bucket}/a-*"))
    # What a store finds by a wildcard is called as the store calls it.
    first, second = "memory:///bucket/a-08.tar", "memory:///bucket/a-09.tar.gz"
    assert found == {
        f"{first}/x.jpg": jpeg(0),
        f"{first}/x.jpg#2": jpeg(1),
        f"{first}/y/z.jpg": b"",
        f"{second}/x.jpg": jpeg(2),
    }
    assert survey(open_source(SourceSpec((f"{bucket}/a-*",))), 1).photos is None


WHOLE = tar_bytes([(f"{seed}.jpg", jpeg(seed)) for seed in range(5)])
# Where the third file begins, each with its header and filled up to blocks of 512 bytes.
THIRD = sum(512 + -(-len(jpeg(seed)) // 512) * 512 for seed in range(2))


@pytest.mark.parametrize(
    ("content", "readable", "reason"),
    [
        (WHOLE[: THIRD + 512 + 700], 2, "unexpected end of data"),
        (WHOLE[: THIRD + 100], 2, "truncated header where a file or the tar's end was expected"),
        (WHOLE[:THIRD], 2, "empty header where a file or the tar's end was expected"),
        (
            WHOLE[:THIRD] + b"\xff" * 512 + WHOLE[THIRD + 512 :],
            2,
            "bad checksum where a file or the tar's end was expected",
        ),
        (
            tar_bytes([(f"{seed}.jpg", jpeg(seed)) for seed in range(5)], mode="w:gz")[:-2000],
            None,
            "unexpected end of data",
        ),
        (b"no tar at all" * 99, 0, "invalid header where a file or the tar's end was expected"),
        (b"", 0, "empty header where a file or the tar's end was expected"),
    ],
)
def test_what_is_before_the_damage_of_a_tar_is_kept(
    tmp_path: Path, content: bytes, readable: int | None, reason: str
) -> None:
    tar = tmp_path / "cut.tar"
    tar.write_bytes(content)
    *before, last = read_all(tar)
    assert len(before) == readable if readable is not None else 1 <= len(before) < 5
    assert [photo.content for photo in before] == [jpeg(seed) for seed in range(len(before))]
    assert last == SourcePhoto(
        str(tar),
        None,
        f"the tar is damaged or truncated after {len(before)} photos: {reason}; what follows cannot be read",
    )


def test_a_tar_that_goes_away_is_tried_again_later(tmp_path: Path) -> None:
    tar = tmp_path / "a.tar"
    tar.write_bytes(tar_bytes([("x.jpg", jpeg(0))]))
    source = open_source(SourceSpec((str(tar),)))
    (shard,) = source.shards(1)
    tar.unlink()
    with pytest.raises(ShardError, match=f"^{tar} cannot be read: there is no such file$"):
        list(shard.read())


def test_a_disk_that_goes_away_in_mid_shard_makes_no_rows(tmp_path: Path) -> None:
    paths = write_photos(tmp_path / "photos", 30)
    source = open_source(SourceSpec((str(tmp_path / "photos"),)))
    (shard,) = source.shards(30)
    paths[0].unlink()
    first, *others = shard.read()
    # One file may have been deleted: it is tried again, if it is still listed then.
    assert (first.error, first.is_temporary) == ("there is no such file", True)
    assert not any(photo.error or photo.is_temporary for photo in others)
    (tmp_path / "photos").rename(tmp_path / "away")
    with pytest.raises(
        ShardError,
        match=r"^20 photos in a row cannot be reached, the last .*: there is no such file$",
    ):
        list(shard.read())


class Web(PhotoServer):
    """Photos by number, and answers of all kinds."""

    def answer(self) -> tuple[int, bytes]:
        status = {"/gone.jpg": 404, "/forbidden.jpg": 403, "/down.jpg": 503}.get(self.path, 200)
        if self.path == "/restarting.jpg" and self.asked[self.path] == 1:
            status = 503
        body = jpeg(3) if status == 200 else b"no"
        if self.path == "/large.jpg":
            body = bytes(200_000)
        return status, body


@pytest.fixture
def web() -> Iterator[str]:
    with photo_server(Web) as address:
        yield address


def test_a_table_of_urls_and_what_servers_answer(
    web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The clock: seconds between tries.
    monkeypatch.setattr("mlsp.bulk.photo_contents._WAITS", (0.01, 0.01))
    monkeypatch.setattr("mlsp.bulk.photo_contents._MAX_FETCHED_BYTES", 100_000)
    names = ["1.jpg?w=5", "large.jpg", "gone.jpg", "forbidden.jpg", "down.jpg", "restarting.jpg"]
    rows: list[tuple[str, object]] = [(name, f"{web}/{name}") for name in names]
    rows.append(("odd", "gopher://somewhere/1.jpg"))
    table = write_table(tmp_path / "table.csv", ("id", "link"), rows)
    found = contents(read_all(table, columns=TableColumns(url="link")))
    assert found["1.jpg?w=5"] == found["restarting.jpg"] == jpeg(3)
    assert found["large.jpg"] == "the file has more than the 100,000 bytes that are fetched"
    assert found["gone.jpg"] == "it cannot be fetched: there is no such file"
    assert str(found["forbidden.jpg"]).startswith("it cannot be fetched: ClientResponseError: 403")
    assert str(found["down.jpg"]).startswith("it cannot be fetched: ClientResponseError: 503")
    assert str(found["odd"]).startswith(
        "gopher://somewhere/1.jpg cannot be reached: Protocol not known"
    )
    tries = {name: Web.asked[f"/{name}"] for name in names}
    assert tries == dict(zip(names, (1, 1, 1, 1, 3, 2), strict=True))


def test_a_photo_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    paths = write_photos(tmp_path / "photos", 3)
    message = (
        f"^'{paths[0]}' is in the sources twice, but each photo has one row in the results: remove one of them,"
        " or name a column with an id of each row by --id-column$"
    )
    with pytest.raises(SettingsError, match=message):
        read_all(tmp_path / "photos", paths[0])
    (tmp_path / "a.tar").write_bytes(tar_bytes([]))
    with pytest.raises(SettingsError, match=f"^'{tmp_path}/a.tar' is in the sources twice, "):
        read_all(tmp_path / "a.tar", tmp_path / "a.tar")
    table = write_table(tmp_path / "t.jsonl", ("id", "url"), [("x", "a"), ("y", "b"), ("x", "c")])
    with pytest.raises(SettingsError, match="^'x' is in the sources twice, "):
        read_all(table)


def test_shards_are_lazy_and_keep_their_names_while_the_input_is_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    paths = write_photos(folder, 7)

    def names(size: int) -> list[str]:
        return [shard.name for shard in open_source(SourceSpec((str(folder),))).shards(size)]

    before = names(3)
    assert [name.split("-")[0] for name in before] == ["000000", "000001", "000002"]
    assert names(3) == before
    # The last shard has sub/4.jpg only.
    paths[4].write_bytes(jpeg(4) + b"longer")
    assert [new == old for new, old in zip(names(3), before, strict=True)] == [True, True, False]
    shards = open_source(SourceSpec(("http://host.invalid/{0..9999}.jpg",))).shards(1)
    assert next(shards).piece.names == ("http://host.invalid/0.jpg",)


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (
            TableColumns(id="id", path="file"),
            ["000000-d80f56f23b05", "000001-1a247573ad0b", "000002-94fb47b379ab"],
        ),
        (
            TableColumns(id="id", bytes="bytes"),
            ["000000-22621a013f2b", "000001-3fac2f70ccf0", "000002-536dbfa51e1e"],
        ),
    ],
)
def test_a_run_of_an_earlier_version_goes_on(
    tmp_path: Path, columns: TableColumns, names: list[str]
) -> None:
    table = tmp_path / "t.csv"
    # A blank line between shards, a line end in a cell, a row that was cut off.
    table.write_text('file,id,bytes\n0.jpg,a,MA==\n\n"1\n.jpg",é,MQ==\n2.jpg,c\n', "utf-8")
    shards = list(open_source(SourceSpec((str(table),), columns)).shards(1))
    # Names of shards are those of the files of results.
    assert [shard.name for shard in shards] == names


def test_a_damaged_row_is_named_by_its_number(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_bytes(b"id,path\na,1.jpg\n\nb,2.jpg\nc,3\r.jpg\n")
    with pytest.raises(SettingsError, match=f"^row 3 of table {table} cannot be read: new-line"):
        read_all(table)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{5..3}.tar", "{5..3} counts down: write the smaller number first"),
        ("{0..9999999}.tar", "{0..9999999} expands to more than 100,000 names: split it"),
        (
            "{0..1999}{0..1999}.tar",
            "{0..1999}{0..1999}.tar expands to more than 100,000 names: split it",
        ),
        ("memory://nothing/*.tar", "nothing matches memory://nothing/*.tar"),
    ],
)
def test_patterns_that_stand_for_nothing(pattern: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        expand(pattern)
    assert str(caught.value) == message


def test_a_file_that_is_really_called_so_is_itself(tmp_path: Path) -> None:
    odd = tmp_path / "[a]{1..2}*.jpg"
    odd.write_bytes(jpeg(0))
    assert contents(read_all(odd)) == {str(odd): jpeg(0)}


@pytest.mark.parametrize(
    ("name", "content", "columns", "message"),
    [
        (
            "t.csv",
            "a,b\n1,2\n",
            {},
            "table {table} has the columns 'a', 'b': say by --path-column, --url-column or --bytes-column which has the photos",
        ),
        (
            "t.csv",
            "a,b\n1,2\n",
            {"path": "c"},
            "table {table} has no column 'c': name one of 'a', 'b' by --path-column",
        ),
        (
            "t.csv",
            "",
            {"path": "c"},
            "table {table} has no column 'c', and no other to choose: leave --path-column out",
        ),
        (
            "t.csv",
            "id,path\nx,1.jpg\n,2.jpg\n",
            {},
            "row 2 of table {table} has no id in its column 'id': give it one",
        ),
        (
            "t.jsonl",
            '{"path": "1.jpg"}\n{"path": ',
            {},
            "row 2 of table {table} cannot be read: Expecting value: line 1 column 10 (char 9)",
        ),
        (
            "t.jsonl",
            '{"path": ' + "[" * 100_000,
            {},
            "row 1 of table {table} cannot be read: it is nested too deeply",
        ),
        (
            "t.jsonl",
            '["1.jpg"]',
            {},
            "row 1 of table {table} cannot be read: it is no JSON object, {{…}}",
        ),
        (
            "t.jsonl",
            '{"path": 5}',
            {},
            "row 1 of table {table}: column 'path' holds int, expected a path or URL; bytes are read by --bytes-column",
        ),
        (
            "t.csv",
            "a,b\n",
            {"path": "a", "bytes": "b"},
            "photos are in one column, got 'a', 'b': choose a path, a URL or a bytes column",
        ),
    ],
)
def test_tables_that_cannot_be_used(
    tmp_path: Path, name: str, content: str, columns: dict[str, str], message: str
) -> None:
    table = tmp_path / name
    table.write_text(content, "utf-8")
    with pytest.raises(SettingsError) as caught:
        read_all(table, columns=TableColumns(**columns))
    assert str(caught.value) == message.format(table=table)


def test_sources_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        open_source(SourceSpec((str(tmp_path / "phtoos"),)))
    assert str(caught.value) == (
        f"there is no {tmp_path}/phtoos: name folders, photos, tables (.csv, .jsonl, .parquet) or tars"
    )
    with pytest.raises(
        SettingsError, match=f"^{tmp_path}/t.parquet cannot be read: there is no such file$"
    ):
        read_all(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_text("no table")
    with pytest.raises(
        SettingsError, match=f"^table {tmp_path}/t.parquet cannot be read: Parquet magic"
    ):
        read_all(tmp_path / "t.parquet")
    with pytest.raises(SettingsError) as caught:
        open_source(SourceSpec((str(tmp_path),), TableColumns(id="name")))
    assert str(caught.value) == (
        "columns are named, but no source is a table: none ends in .csv or .jsonl or .parquet"
    )


@pytest.mark.parametrize("name", ["photo", "id"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_column_that_is_there_twice_is_refused(name: str, ending: str, tmp_path: Path) -> None:
    table = tmp_path / f"t.{ending}"
    names = ["photo", "id", name]
    if ending == "csv":
        table.write_text(",".join(names) + "\na.jpg,a,b\n")
    else:
        pq.write_table(pa.table([["a.jpg"], ["a"], ["b"]], names=names), table)
    with pytest.raises(SettingsError, match=f"has column {name!r} more than once: rename one"):
        read_all(table)


@pytest.mark.parametrize("sources", ["photos", Path("photos"), (Path("photos"),)])
def test_sources_that_are_no_texts_are_refused(sources: Any) -> None:
    with pytest.raises(SettingsError, match="expected a tuple of paths and URLs, each a str, got"):
        SourceSpec(sources)
    with pytest.raises(SettingsError, match="expected a folder or URL as a str, got"):
        BulkSettings(SourceSpec(("photos",)), Path("scores"))  # type: ignore[arg-type]
