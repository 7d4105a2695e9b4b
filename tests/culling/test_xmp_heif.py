"""XMP written into HEIC and AVIF: positions of items, what describes what, and what is refused."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pillow_heif import open_heif

from mlsp.base.errors import SidecarError
from mlsp.culling.marks import Marks
from mlsp.culling.xmp import rate_shot, read_marks, write_shot_marks
from mlsp.culling.xmp.changes import with_changes
from mlsp.culling.xmp.heif_items import HeifItems
from mlsp.culling.xmp.heif_positions import moved_positions, packed_positions, with_item
from mlsp.culling.xmp.journal import Journal, runs
from mlsp.culling.xmp.rating import remove_stars
from mlsp.culling.xmp.undoing import undo
from mlsp.photos import read_photo
from mlsp.photos.heif_boxes import find_items
from mlsp.photos.heif_positions import ItemPosition, ItemPositions, Piece, read_positions
from photo_samples import heic, soft_photo
from xmp_samples import LIGHTROOM, read_by_exiftool

IMAGE = Image.fromarray(soft_photo(64, 48))
PLAIN = heic(IMAGE)
WITH_XMP = heic(IMAGE, xmp=LIGHTROOM, exif=Image.Exif().tobytes())


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def changed(content: bytes, old: bytes, new: bytes) -> bytes:
    assert content.count(old) == 1
    return content.replace(old, new)


def written(folder: Path, content: bytes) -> Path:
    photo = folder / "a.heic"
    photo.write_bytes(content)
    assert rate_shot([photo], Marks(5), inside=True, overwrite=True).files == (photo,)
    return photo


def xmp_of(photo: Path) -> bytes:
    found: bytes = open_heif(photo).info["xmp"]
    return found


@pytest.mark.parametrize("content", [PLAIN, WITH_XMP], ids=["without", "with"])
def test_an_item_of_its_own_describes_the_picture(tmp_path: Path, content: bytes) -> None:
    photo = written(tmp_path, content)
    assert b'xmp:Rating="5"' in xmp_of(photo)
    # The next packet takes its place: it does not leave old ones behind.
    size = photo.stat().st_size
    assert rate_shot([photo], Marks(3), inside=True).status == "written"
    assert photo.stat().st_size == size
    assert b'xmp:Rating="3"' in xmp_of(photo)


def test_xmp_of_another_picture_stays(tmp_path: Path) -> None:
    """Phones describe a gain map so."""
    content = changed(WITH_XMP, b"cdsc\0\3\0\1\0\1", b"cdsc\0\3\0\1\0\2")
    assert HeifItems(content).packet is None
    photo = written(tmp_path, content)
    items = HeifItems(photo.read_bytes())
    assert items.packet is not None
    assert b'xmp:Rating="5"' in items.packet
    assert items.others[3] == LIGHTROOM
    assert read_by_exiftool([photo])[0]["XMP-xmp:Rating"] == 5
    # What is said of the photo is read from there.
    assert str(remove_stars([photo])) == "stars: taken out of 1 file"
    write_shot_marks([photo], Marks(label="red"), inside=True)
    assert read_marks(photo) == Marks(label="red")


def test_xmp_that_describes_nothing_by_name_is_of_the_photo(tmp_path: Path) -> None:
    content = changed(WITH_XMP, b"cdsc\0\3", b"free\0\3")
    assert HeifItems(content).packet == LIGHTROOM
    photo = written(tmp_path, content)
    assert set(HeifItems(photo.read_bytes()).others) == {1, 2}


def test_an_item_may_refer_to_others_in_several_boxes() -> None:
    references = box(b"cdsc", b"\0\2\0\1\0\1") + box(b"cdsc", b"\0\2\0\1\0\3")
    meta = box(b"meta", bytes(4) + box(b"iref", bytes(4) + references))
    items = find_items(io.BytesIO(meta))
    assert items is not None
    assert items.described == {2: [1, 3]}


def test_the_film_of_a_motion_photo_stays(tmp_path: Path) -> None:
    film = box(b"mpvd", PLAIN) + box(b"sefd", b"SEFT")
    photo = written(tmp_path, PLAIN + film)
    assert photo.read_bytes().endswith(film)
    assert b'xmp:Rating="5"' in xmp_of(photo)


def test_numbers_of_groups_are_not_taken() -> None:
    """The list of items stands behind the pixels here, as on some phones."""
    start, size = 28, int.from_bytes(PLAIN[28:32], "big")
    group = box(b"grpl", box(b"altr", struct.pack(">IIII", 0, 2, 1, 1)))
    meta = box(b"meta", PLAIN[start + 8 : start + size] + group)
    content = PLAIN[:start] + box(b"free", bytes(size - 8)) + PLAIN[start + size :] + meta
    after = with_changes(content, HeifItems(content).put(LIGHTROOM))
    assert b"\0\3\0\0mime" in after
    items = HeifItems(after)
    assert (items.packet, items.others) == (LIGHTROOM, HeifItems(content).others)


def test_a_phones_photo(reference_data: Path, tmp_path: Path) -> None:
    original = reference_data / "cases" / "tiled.heic"
    photo, before = tmp_path / "tiled.heic", original.read_bytes()
    photo.write_bytes(before)
    with Journal("test") as journal:
        rate_shot([photo], Marks(4), inside=True, note=journal.note)
    assert np.array_equal(read_photo(photo).pixels, read_photo(original).pixels)
    assert read_by_exiftool([photo])[0]["XMP-xmp:Rating"] == 4
    (run,) = runs()
    assert run.path.stat().st_size < 10_000
    undo(run)
    assert photo.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PLAIN + box(b"moov", b""), "it has a box 'moov', which may hold positions"),
        (PLAIN + box(b"uuid", bytes(16)), "it has a box 'uuid', which may hold positions"),
        (PLAIN + box(b"meta", bytes(4)), "it has 2 lists of items"),
        (PLAIN + b"\0\0\0\1", "its structure is damaged"),
        (changed(PLAIN, b"pitm", b"free"), ".* it has 0 boxes 'pitm'"),
        (changed(PLAIN, b"iloc\0", b"iloc\3"), "its list of positions has version 3"),
        (
            changed(PLAIN, b"iloc\0\0\0\0\x44", b"iloc\0\0\0\0\x48"),
            ".* its list of positions is not as long as it says",
        ),
        (changed(PLAIN, b"infe\2", b"infe\1"), "its list of items has an old form"),
        (changed(WITH_XMP, b"\0\3\0\0mime", b"\0\3\0\1mime"), "its XMP is encrypted or packed"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    photo = tmp_path / "a.heic"
    photo.write_bytes(content)
    with pytest.raises(SidecarError, match=f"is left alone: {message}"):
        rate_shot([photo], Marks(3), inside=True)
    assert photo.read_bytes() == content


POSITIONS = (
    ItemPosition(1, (Piece(100, 10), Piece(300, 10))),
    ItemPosition(2, (Piece(0, 5),), base=250),
    ItemPosition(3, (Piece(0, 8),), construction=1),
    ItemPosition(4, ()),
)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("sizes", [(4, 4, 4, 0), (8, 8, 8, 4), (2, 4, 8, 2)])
def test_positions_that_move(version: int, sizes: tuple[int, int, int, int]) -> None:
    before = ItemPositions(version, 0, sizes, POSITIONS)
    assert read_positions(packed_positions(before)) == before
    moved = moved_positions(before, 250, 7)
    assert read_positions(packed_positions(moved)) == moved
    assert [list(entry.spans) for entry in moved.entries] == [
        [(100, 10), (307, 10)],
        [(257, 5)],
        [(0, 8)],
        [],
    ]
    assert moved_positions(moved, 251, -7) == before
    added = with_item(before, 9, 1000, 3)
    assert list(read_positions(packed_positions(added)).entries[-1].spans) == [(1000, 3)]
    assert with_item(added, 2, 50, 1).entries[1].base == 50


def test_positions_that_cannot_move() -> None:
    entry = ItemPosition(1, (Piece(0, 1), Piece(200, 1)), base=100)
    positions = ItemPositions(0, 0, (4, 4, 4, 0), (entry,))
    with pytest.raises(SidecarError, match="on both sides"):
        moved_positions(positions, 250, 7)
    narrow = ItemPositions(0, 0, (2, 4, 0, 0), (ItemPosition(1, (Piece(65_530, 1),)),))
    with pytest.raises(OverflowError):
        packed_positions(moved_positions(narrow, 0, 7))


def test_an_item_that_cannot_stay(tmp_path: Path) -> None:
    """It stands in the list of items itself, by its place in the file."""
    items = HeifItems(PLAIN)
    start = PLAIN.index(b"hvcC")
    assert len(items.others) == 1
    iloc = PLAIN.index(b"iloc") + 4
    size = int.from_bytes(PLAIN[iloc - 8 : iloc - 4], "big") - 8
    positions = with_item(read_positions(PLAIN[iloc : iloc + size]), 1, start, 4)
    photo = tmp_path / "a.heic"
    photo.write_bytes(PLAIN[:iloc] + packed_positions(positions) + PLAIN[iloc + size :])
    with pytest.raises(SidecarError, match="the XMP could not be put into it"):
        rate_shot([photo], Marks(3), inside=True)
