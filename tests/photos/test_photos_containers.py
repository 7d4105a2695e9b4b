"""Files that hold several pictures or pieces: the photo is found, and a missing piece is noticed."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import PhotoTooLargeError, UnreadablePhotoError, UnsupportedPhotoError
from mlsp.photos import DecodeSettings, read_photo
from mlsp.photos.heif_boxes import find_items
from photo_samples import camera_photo, encode, heic, soft_photo

CASES = Path(os.environ.get("MLSP_REFERENCE_DATA", "")) / "cases"
needs_cases = pytest.mark.skipif(
    not os.environ.get("MLSP_REFERENCE_DATA") or not CASES.is_dir(),
    reason="MLSP_REFERENCE_DATA with the cases of public bug reports is not there",
)


def tiled_heic(**options: Any) -> bytes:
    content = heic(Image.fromarray(camera_photo()), tile_size=128, **options)
    if len(places(content)) == 1:
        pytest.skip("this pillow-heif reads photos of tiles, but writes none")
    return content


def places(content: bytes) -> list[tuple[int, int]]:
    """Start and size of the tiles, in their order."""
    items = find_items(io.BytesIO(content))
    assert items is not None
    tiles = (item for item in items.entries if items.kind_of(item) == b"hvc1")
    return [span for tile in tiles for span in items.positions[tile].spans]


def test_a_photo_of_tiles_is_read_whole() -> None:
    content = tiled_heic()
    assert len(places(content)) == 12
    difference = np.abs(read_photo(content).pixels.astype(int) - camera_photo())
    assert difference.max() < 60


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("name", ["made", "phone's"])
def test_a_photo_of_tiles_that_is_cut_is_unreadable(share: float, name: str) -> None:
    if name == "made":
        content = tiled_heic()
    elif (CASES / "tiled.heic").is_file():
        content = (CASES / "tiled.heic").read_bytes()
        assert read_photo(content, settings=DecodeSettings(longest_side=64)).width == 4032
    else:
        pytest.skip("MLSP_REFERENCE_DATA with the cases of public bug reports is not there")
    with pytest.raises(UnreadablePhotoError, match=r"^damaged or truncated HEIC: "):
        read_photo(content[: int(len(content) * share)])


@pytest.mark.parametrize("tile", [0, 5, 11])
@pytest.mark.parametrize(("start", "stop"), [(0.0, 1.0), (0.2, 1.0), (0.4, 0.5)])
def test_zeros_in_a_tile_are_damage(tile: int, start: float, stop: float) -> None:
    content = bytearray(tiled_heic())
    offset, size = places(bytes(content))[tile]
    first, last = offset + int(start * size), offset + int(stop * size)
    content[first:last] = bytes(last - first)
    with pytest.raises(
        UnreadablePhotoError, match=r"^damaged or truncated HEIC: a part of the pic"
    ):
        read_photo(bytes(content))


@pytest.mark.parametrize("name", ["HEIC", "AVIF"])
def test_alpha_that_was_never_written_is_damage(name: str) -> None:
    alpha = Image.linear_gradient("L").resize((64, 48))
    photo = Image.fromarray(np.dstack([soft_photo(64, 48), np.asarray(alpha)]))
    content = bytearray(heic(photo) if name == "HEIC" else encode(photo, name))
    assert read_photo(bytes(content)).width == 64
    items = find_items(io.BytesIO(content))
    assert items is not None
    (item,) = items.auxiliary
    ((offset, size),) = items.positions[item].spans
    content[offset : offset + size] = bytes(size)
    with pytest.raises(UnreadablePhotoError, match=r"a part of the picture was never written"):
        read_photo(bytes(content))


@needs_cases
def test_zeros_in_the_middle_of_a_phones_photo_are_damage() -> None:
    content = bytearray((CASES / "tiled.heic").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = bytes(20_000)
    with pytest.raises(
        UnreadablePhotoError, match=r"^damaged or truncated HEIC: a part of the pic"
    ):
        read_photo(bytes(content))


def test_tiles_of_absurdly_many_pixels_are_refused_before_they_are_decoded() -> None:
    content = tiled_heic()
    with pytest.raises(PhotoTooLargeError):
        read_photo(content, settings=DecodeSettings(max_pixels=90_000))
    # A picture of few pixels, put together from tiles of many.
    size = content.index(struct.pack(">II", 451, 300))
    small = content[:size] + struct.pack(">II", 8, 8) + content[size + 8 :]
    with pytest.raises(
        PhotoTooLargeError, match=r"^its 12 tiles have 196,608 pixels, more than twice"
    ):
        read_photo(small, settings=DecodeSettings(max_pixels=90_000))


@pytest.mark.parametrize("coding", [b"avc1", b"vvc1", b"j2k1", b"unci"])
def test_heic_of_another_coding_is_unsupported(coding: bytes) -> None:
    content = heic(Image.fromarray(soft_photo(64, 48))).replace(
        b"infe\2\0\0\0\0\1\0\0hvc1", b"infe\2\0\0\0\0\1\0\0" + coding
    )
    with pytest.raises(UnsupportedPhotoError, match=rf"coded as '{coding.decode()}', which is not"):
        read_photo(content)


def tiff_with_thumbnail(
    pixels: UInt8Array, *, is_big: bool = False, is_page: bool = False
) -> bytes:
    """A reduced picture first, the photo in a directory below it, or as the next page."""
    file = io.BytesIO()
    small = np.ascontiguousarray(pixels[::4, ::4])
    with tifffile.TiffWriter(file, bigtiff=is_big) as writer:
        options: dict[str, Any] = {"photometric": "rgb", "metadata": None}
        turned = [(274, "H", 1, 6, True)]
        writer.write(small, subfiletype=1, subifds=0 if is_page else 1, extratags=turned, **options)
        writer.write(pixels, subfiletype=0, **options)
    return file.getvalue()


@pytest.mark.parametrize("is_big", [False, True])
@pytest.mark.parametrize("is_page", [False, True])
def test_the_photo_of_a_tiff_is_not_its_thumbnail(is_big: bool, is_page: bool) -> None:
    pixels = camera_photo()
    content = tiff_with_thumbnail(pixels, is_big=is_big, is_page=is_page)
    # Its turn stands beside the thumbnail.
    np.testing.assert_array_equal(read_photo(content).pixels, np.rot90(pixels, -1))


@needs_cases
def test_the_photo_of_a_scanners_tiff_is_not_its_thumbnail() -> None:
    photo = read_photo(CASES / "tiff_thumbnail_first.tif")
    assert (photo.width, photo.height) == (1232, 824)


def test_the_first_page_of_a_tiff_is_the_photo_also_if_others_are_larger() -> None:
    pages = [Image.new("RGB", (8, 6), "red"), Image.new("RGB", (80, 60))]
    assert read_photo(encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])).width == 8


def with_tag(tiff: bytes, tag: int, kind: int, count: int, value: int) -> bytes:
    """A little-endian TIFF whose first directory has a tag in another form."""
    changed = bytearray(tiff)
    (start,) = struct.unpack_from("<I", tiff, 4)
    (entries,) = struct.unpack_from("<H", tiff, start)
    for at in range(start + 2, start + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", tiff, at)[0] == tag:
            struct.pack_into("<HHII", changed, at, tag, kind, count, value)
            return bytes(changed)
    raise AssertionError(f"there is no tag {tag}")


@pytest.mark.parametrize("coding", [34712, 34887, 50002, 198])
def test_tiffs_of_another_coding_are_unsupported(coding: int) -> None:
    tiff = with_tag(encode(Image.fromarray(soft_photo(24, 18)), "TIFF"), 259, 3, 1, coding)
    with pytest.raises(UnsupportedPhotoError, match=rf"^its coding \(TIFF compression {coding}\)"):
        read_photo(tiff)


@pytest.mark.parametrize(
    "coding", ["raw", "packbits", "jpeg", "tiff_lzw", "tiff_deflate", "zstd", "lzma"]
)
def test_cut_tiffs_are_unreadable_wherever_they_are_cut(coding: str) -> None:
    whole = encode(Image.fromarray(camera_photo()[:64, :64]), "TIFF", compression=coding)
    assert read_photo(whole).width == 64
    for end in range(16, len(whole) - 8, len(whole) // 40):
        with pytest.raises(UnreadablePhotoError, match=r"^damaged or truncated TIFF: "):
            read_photo(whole[:end])


def test_absurd_directories_of_tiff_are_refused_before_they_are_read() -> None:
    tiff = encode(Image.fromarray(soft_photo(24, 18)), "TIFF")
    pieces = with_tag(tiff, 273, 4, 400_000, 8) + bytes(1_600_000)
    with pytest.raises(UnsupportedPhotoError, match=r"^it is stored in 400,000 pieces"):
        read_photo(pieces)
    entries = b"".join(struct.pack("<HHII", 40_000 + i, 1, 3_000_000, 8) for i in range(200))
    (start,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, start)
    directory = struct.pack("<H", count + 200) + tiff[start + 2 : start + 2 + 12 * count] + entries
    large = tiff + bytes(3_000_000)
    bomb = large[:4] + struct.pack("<I", len(large)) + large[8:] + directory + bytes(4)
    with pytest.raises(
        UnsupportedPhotoError, match=r"^its tags have 600,\d+,\d+ bytes in a file of"
    ):
        read_photo(bomb)


def test_directories_of_tiff_that_lead_in_circles_end() -> None:
    tiff = bytearray(tiff_with_thumbnail(camera_photo(), is_page=True))
    (first,) = struct.unpack_from("<I", tiff, 4)
    (count,) = struct.unpack_from("<H", tiff, first)
    struct.pack_into("<I", tiff, first + 2 + 12 * count, first)
    # The photo is out of reach then.
    assert read_photo(bytes(tiff)).height == 113


_READ = """
import sys
from mlsp.photos import read_photo
from mlsp.base.errors import UnreadablePhotoError
for path in sys.argv[1:]:
    try:
        read_photo(open(path, "rb").read())
    except UnreadablePhotoError:
        print("unreadable")
"""


def test_libtiff_writes_no_lines_of_its_own(tmp_path: Path) -> None:
    names = []
    for coding in ("tiff_lzw", "jpeg", "tiff_deflate", "group4"):
        mode = "1" if coding == "group4" else "RGB"
        image = Image.fromarray(camera_photo()).convert(mode)
        content = bytearray(encode(image, "TIFF", compression=coding))
        content[1000:3000:7] = bytes(len(content[1000:3000:7]))
        names.append(tmp_path / f"{coding}.tif")
        names[-1].write_bytes(content)
    # Of this one Pillow writes the line.
    names.append(tmp_path / "samples.tif")
    plain = encode(Image.fromarray(soft_photo(24, 18)), "TIFF")
    names[-1].write_bytes(with_tag(plain, 277, 3, 1, 65_535))
    run = subprocess.run(
        [sys.executable, "-c", _READ, *names], capture_output=True, text=True, check=True
    )
    assert "unreadable" in run.stdout
    assert run.stderr == ""


def test_what_a_gif_leaves_uncovered_is_white() -> None:
    gif = bytearray(encode(Image.new("P", (8, 6), 0), "GIF"))
    gif[6:10] = struct.pack("<HH", 16, 12)
    descriptor = gif.rindex(b",\0\0\0\0\x08\0\x06\0")
    gif[descriptor + 1 : descriptor + 5] = struct.pack("<HH", 4, 3)
    expected = np.full((12, 16, 3), 255, np.uint8)
    expected[3:9, 4:12] = 0
    np.testing.assert_array_equal(read_photo(bytes(gif)).pixels, expected)


@pytest.mark.parametrize(("alpha", "expected"), [(0, 60), (255, 60), (51, 216)])
def test_alpha_of_a_bmp_that_is_0_everywhere_is_none(alpha: int, expected: int) -> None:
    pixels = bytes((60, 60, 60, alpha)) * 12
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 4, 3, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    header += masks + bytes(108 - len(header) - len(masks))
    start = 14 + len(header)
    bmp = b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + pixels
    assert (read_photo(bmp).pixels == expected).all()


def test_bmps_of_another_coding_are_unsupported() -> None:
    bmp = bytearray(encode(Image.fromarray(soft_photo(24, 18)), "BMP"))
    struct.pack_into("<I", bmp, 30, 4)  # a JPEG in it
    with pytest.raises(UnsupportedPhotoError, match=r"Unsupported BMP compression \(4\)"):
        read_photo(bytes(bmp))
