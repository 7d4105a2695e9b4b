"""Small files whose decoding would take minutes or gigabytes: refused before, or ended."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from mlsp.base.errors import (
    SidecarError,
    UnreadablePhotoError,
    UnsupportedPhotoError,
)
from mlsp.culling.xmp.heif_items import HeifItems
from mlsp.photos import DecodeSettings, png_chunks, read_photo
from mlsp.photos.heif_boxes import find_items, item_contents
from mlsp.photos.png_chunks import png_metadata
from photo_samples import dng, encode, soft_photo

SMALL = Image.fromarray(soft_photo(64, 48))
MANY_PARTS = r"^its header has absurdly many parts"


def heic() -> bytes:
    stream = io.BytesIO()
    pillow_heif.from_pillow(SMALL).save(stream)
    return stream.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def many_parts(name: str, part: bytes, before: bytes) -> bytes:
    """A photo with 2 MB of small parts."""
    photo = encode(SMALL, name)
    start = photo.rindex(before)
    return photo[:start] + part * (2_000_000 // len(part)) + photo[start:]


def many_tags() -> bytes:
    """A BigTIFF whose directory has 70,000 tags."""
    tags = struct.pack("<HHQQ", 700, 1, 1, 0) * 70_000
    return b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 70_000) + tags + bytes(16)


def scans_of_a_large_photo() -> bytes:
    """60 scans, of which a small photo may have so many."""
    jpeg = encode(Image.new("L", (10_000, 5_000)), "JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * 60 + jpeg[-2:]


def tiles_beyond_the_border() -> bytes:
    """One row of pixels, in tiles of 16 × 16,384 that are all the same bytes."""
    count, tile = 2_000, zlib.compress(bytes(16 * 16_384))
    place = 8 + 2 + 9 * 12 + 4
    tags: list[tuple[int, int, int]] = [
        (256, 1, 16 * count),
        (257, 1, 1),
        (258, 1, 8),
        (259, 1, 8),
        (262, 1, 1),
        (322, 1, 16),
        (323, 1, 16_384),
        (324, count, place + len(tile)),
        (325, count, place + len(tile) + 4 * count),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, number, value) for tag, number, value in tags)
    places = struct.pack("<I", place) * count + struct.pack("<I", len(tile)) * count
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 9) + entries + bytes(4) + tile + places


def with_item(content: bytes, pieces: int, repeats: int) -> bytes:
    """A HEIC or AVIF whose picture is its bytes again and again: so many pieces, each so many times."""
    items = find_items(io.BytesIO(content))
    assert items is not None
    assert items.primary is not None
    ((offset, size),) = items.positions[items.primary].spans
    location = content.index(b"iloc") - 4
    (length,) = struct.unpack_from(">I", content, location)
    meta = content.index(b"meta") - 4
    body = struct.pack(">4xHHHHH", 0x4400, 1, items.primary, 0, pieces)
    grown = 8 + len(body) + 8 * pieces - length
    body += struct.pack(">II", offset + grown, size * repeats) * pieces
    changed = bytearray(content[:location] + struct.pack(">I4s", length + grown, b"iloc"))
    changed += body + content[location + length : offset]
    changed += content[offset : offset + size] * repeats + content[offset + size :]
    struct.pack_into(">I", changed, meta, struct.unpack_from(">I", content, meta)[0] + grown)
    return bytes(changed)


@pytest.mark.parametrize(
    ("bomb", "message"),
    [
        pytest.param(
            lambda: many_parts("JPEG", segment(0xE5, b""), b"\xff\xdb"),
            MANY_PARTS,
            id="segments of a JPEG",
        ),
        pytest.param(
            lambda: many_parts("JPEG", segment(0xC4, b""), b"\xff\xdb"),
            MANY_PARTS,
            id="tables of a JPEG",
        ),
        pytest.param(
            lambda: many_parts("JPEG", segment(0xFE, b"\xff\xda"), b"\xff\xd9"),
            r"^it has more than 100,000 segments",
            id="segments behind the pixels of a JPEG",
        ),
        pytest.param(
            lambda: many_parts("GIF", b"\x21\xf9\0\0", b",\0\0\0\0"),
            MANY_PARTS,
            id="extensions of a GIF",
        ),
        pytest.param(many_tags, r"^its directory has 70,000 tags", id="tags of a BigTIFF"),
        pytest.param(
            scans_of_a_large_photo, r"^it has \d+ scans, .* than the 50 that", id="scans of a JPEG"
        ),
        pytest.param(tiles_beyond_the_border, r"^its tiles have 524,288,000 p", id="tiles of TIFF"),
        pytest.param(
            lambda: with_item(encode(SMALL, "AVIF"), 1, 17), r"has 17 frames", id="frames of AVIF"
        ),
        pytest.param(lambda: with_item(heic(), 1, 17), r"has 17 frames", id="frames of HEIC"),
        pytest.param(
            lambda: with_item(heic(), 60_000, 100),
            r"the same bytes again and again",
            id="pieces of HEIC",
        ),
    ],
)
def test_what_is_absurd_is_refused_before_it_is_decoded(bomb: object, message: str) -> None:
    assert callable(bomb)
    for settings in (DecodeSettings(), DecodeSettings(read_as="released")):
        with pytest.raises(UnsupportedPhotoError, match=message):
            read_photo(bomb(), settings=settings)


def test_chunks_of_a_png_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    png = encode(SMALL, "PNG")
    empty = struct.pack(">I4sI", 0, b"IDAT", zlib.crc32(b"IDAT"))
    content = png[:33] + empty * 20_000 + png[33:]
    np.testing.assert_array_equal(read_photo(content).pixels, np.asarray(SMALL))
    monkeypatch.setattr(png_chunks, "_MAX_CHUNKS", 20_000)
    with pytest.raises(UnsupportedPhotoError, match=r"^it has more than 20,000 chunks"):
        read_photo(content)


def test_a_picture_may_be_some_pieces_and_frames() -> None:
    assert read_photo(with_item(heic(), 1, 16)).width == 64
    assert read_photo(with_item(encode(SMALL, "AVIF"), 1, 16)).width == 64


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def heif(*parts: bytes, kinds: tuple[bytes, ...] = (b"grid",), data: bytes = b"") -> bytes:
    """A HEIC of boxes in `meta`, whose items 1, 2, … are of these kinds; the first is the picture."""
    listed = b"".join(
        box(b"infe", bytes([2, 0, 0, 0]) + struct.pack(">HH4s", number, 0, kind) + b"\0")
        for number, kind in enumerate(kinds, start=1)
    )
    iinf = box(b"iinf", bytes(4) + struct.pack(">H", len(kinds)) + listed)
    meta = box(b"meta", bytes(4) + box(b"pitm", bytes(4) + b"\0\1") + iinf + b"".join(parts))
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + meta + box(b"mdat", data)


def pieces_without_bytes() -> bytes:
    entry = struct.pack(">HHH", 1, 0, 0xFFFF)
    return heif(box(b"iloc", bytes(4) + b"\0\0" + struct.pack(">H", 10_000) + 10_000 * entry))


def grids_of_grids_of_nothing() -> bytes:
    references = b"".join(
        box(b"dimg", struct.pack(">HH", number, 0xFFFF) + 0xFFFF * struct.pack(">H", number + 1))
        for number in (1, 2)
    )
    return heif(box(b"iref", bytes(4) + references), kinds=(b"grid",) * 3)


def lists_of_properties_that_are_not_there() -> bytes:
    lists = box(b"ipma", bytes(4) + struct.pack(">I", 10_000)) * 10_000
    return heif(box(b"iprp", box(b"ipco", b"") + lists))


@pytest.mark.parametrize(
    "bomb",
    [pieces_without_bytes, grids_of_grids_of_nothing, lists_of_properties_that_are_not_there],
)
def test_lists_of_a_heic_that_never_end_are_damage(bomb: Callable[[], bytes]) -> None:
    content = bomb()
    assert len(content) < 400_000
    begun = time.process_time()
    with pytest.raises(UnreadablePhotoError):
        read_photo(content)
    with pytest.raises(SidecarError):
        HeifItems(content)
    assert time.process_time() - begun < 5


def test_metadata_of_a_heic_are_bounded_together() -> None:
    pieces = 60_000 * struct.pack(">II", 0, 1_000_000)
    entry = struct.pack(">HHH", 2, 0, 60_000) + pieces
    iloc = box(b"iloc", bytes(4) + b"\x44\0" + struct.pack(">H", 1) + entry)
    content = heif(iloc, kinds=(b"hvc1", b"Exif"), data=bytes(1_000_000))
    found = list(item_contents(io.BytesIO(content), b"Exif"))
    assert sum(map(len, found)) == 8_000_000
    with pytest.raises(SidecarError, match="many times the file"):
        HeifItems(content)


def packed_xmp(text: bytes) -> bytes:
    content = b"zTXtXML:com.adobe.xmp\0\0" + zlib.compress(text)
    return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))


def test_packed_metadata_of_png_are_bounded_together() -> None:
    png = encode(SMALL, "PNG")
    large = png[:33] + packed_xmp(bytes(30 * 1024**2)) * 3 + png[33:]
    assert len(png_metadata(io.BytesIO(large)).xmp) == 2
    many = png[:33] + packed_xmp(b"x") * 20 + png[33:]
    assert len(png_metadata(io.BytesIO(many)).xmp) == 16
    assert read_photo(large).width == 64


def endless_profile() -> bytes:
    """Profile of 10,000 curves, one after the other, of each of which LittleCMS makes a table of 4,096 values."""
    curve = (
        b"curf" + struct.pack(">4xHH", 1, 0) + b"parf" + struct.pack(">4xHH4f", 0, 0, 1.1, 1, 0, 0)
    )
    curves = b"cvst" + struct.pack(">4xHH", 3, 3) + struct.pack(">II", 36, len(curve)) * 3 + curve
    count = 10_000
    places = struct.pack(">II", 16 + 8 * count, len(curves)) * count
    pipeline = b"mpet" + struct.pack(">4xHHI", 3, 3, count) + places + curves
    head = struct.pack(">I4xI", 144 + len(pipeline), 0x04300000) + b"mntrRGB XYZ " + bytes(12)
    head += b"acsp" + bytes(24) + struct.pack(">4i", 1, 63190, 65536, 54061)
    tags = struct.pack(">I4sII", 1, b"D2B1", 144, len(pipeline))
    return head.ljust(128, b"\0") + tags + pipeline


def test_pipelines_of_colour_profiles_are_passed_over() -> None:
    # Minutes, if they were not.
    found = read_photo(encode(SMALL, "PNG", icc_profile=endless_profile())).pixels
    np.testing.assert_array_equal(found, np.asarray(SMALL))


def endless_raw() -> bytes:
    """A raw photo of 4,000 × 3,000 in one tile of lossless JPEG, which says that it is 65,500 × 64,000."""
    codes = segment(0xC4, bytes([0, 1, *[0] * 15, 0]))
    sizes = struct.pack(">BHHB", 14, 65_500, 32_000, 2) + bytes([1, 0x11, 0, 2, 0x11, 0])
    scan = segment(0xDA, bytes([2, 1, 0, 2, 0, 1, 0, 0]))
    tile = b"\xff\xd8" + codes + segment(0xC3, sizes) + scan + b"\xff\xd9" + bytes(100)
    tags = {
        256: 4000,
        257: 3000,
        258: 16,
        259: 7,
        262: 32803,
        277: 1,
        322: 4000,
        323: 3000,
        324: 8 + 2 + 13 * 12 + 4,
        325: len(tile),
        33421: 2 << 16 | 2,
        33422: 0x02010100,
        50706: 0x0401,
    }
    kinds = {33421: (3, 2), 33422: (1, 4), 50706: (1, 4)}
    entries = [
        struct.pack("<HHII", tag, *kinds.get(tag, (4, 1)), value) for tag, value in tags.items()
    ]
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 13) + b"".join(entries) + bytes(4) + tile


# Of a program that may start processes; it ends with them.
PROGRAM = """
import sys
from pathlib import Path
from mlsp.base.errors import MlspError
from mlsp.base.spawning import allow_spawning
from mlsp.photos import apart, read_photo

if __name__ == "__main__":
    allow_spawning()
    apart.SECONDS = float(sys.argv[1])
    for file in sys.argv[2:]:
        try:
            print(read_photo(Path(file)).width)
        except MlspError as error:
            print(f"{type(error).__name__}: {error}")
"""


def decoded_by_a_program(folder: Path, contents: Sequence[bytes], *, seconds: int) -> list[str]:
    """Width or error of each photo, by a program that may start processes."""
    files = [folder / str(number) for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    (folder / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, folder / "program.py", str(seconds), *files],
        capture_output=True,
        text=True,
        check=True,
    )
    # LibRaw writes a line of its own for each damaged tile.
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_raw_photo_that_takes_too_long_is_ended_and_the_next_is_read(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    photos = [endless_raw(), dng(np.zeros((64, 96, 3), np.uint16))]
    ended, width = decoded_by_a_program(tmp_path, photos, seconds=2)
    assert ended.startswith("UnsupportedPhotoError: decoding it takes more than 2 s")
    assert width == "96"


def test_photos_that_are_bounded_are_decoded_here(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    preview = encode(Image.new("RGB", (1200, 900)), "JPEG")
    raw = dng(np.zeros((900, 1200, 3), np.uint16), preview=preview)
    bounded = [raw, heic(), *(encode(SMALL, name) for name in ("JPEG", "PNG", "AVIF"))]
    film = encode(SMALL, "AVIF", save_all=True, append_images=[Image.new("RGB", SMALL.size)])
    # Within 0 seconds no process can be had.
    *widths, refused = decoded_by_a_program(tmp_path, [*bounded, film], seconds=0)
    assert widths == ["1200", "64", "64", "64", "64"]
    assert refused.startswith("SettingsError: ")
    assert "above 0 seconds" in refused
