"""What is damage is refused, and what is none is read."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlsp.base.errors import UnreadablePhotoError, UnsupportedPhotoError
from mlsp.photos import DecodeSettings, read_photo
from mlsp.photos.jpeg_file import MAX_SCANS
from mlsp.photos.pillow_decoder import image_pixels
from photo_samples import camera_photo, encode, soft_photo

# Public bug reports' own files, which are not part of the project.
CASES = Path(os.environ.get("MLSP_REFERENCE_DATA", "")) / "cases"
needs_cases = pytest.mark.skipif(
    not os.environ.get("MLSP_REFERENCE_DATA") or not CASES.is_dir(),
    reason="MLSP_REFERENCE_DATA with the cases of public bug reports is not there",
)


@needs_cases
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("gama_short.png", (400, 300)),
        ("iccp_bad_method.png", (400, 300)),
        ("text_bad_crc.png", (400, 300)),
        ("png_exif_not_hex.png", (403, 302)),
        ("jpeg_no_eoi.jpg", (800, 533)),
    ],
)
def test_files_of_bug_reports_are_read(name: str, size: tuple[int, int]) -> None:
    photo = read_photo(CASES / name)
    assert (photo.width, photo.height) == size


def chunk(kind: bytes, content: bytes, *, is_whole: bool = True) -> bytes:
    checksum = zlib.crc32(kind + content) ^ (0 if is_whole else 1)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png_with(*chunks: bytes, image: Image.Image | None = None) -> bytes:
    png = encode(image or Image.fromarray(soft_photo(30, 20)), "PNG")
    return png[:33] + b"".join(chunks) + png[33:]


LARGE = zlib.compress(bytes(80_000_000))


@pytest.mark.parametrize(
    "damaged",
    [
        chunk(b"gAMA", b"\0\0\1"),
        chunk(b"cHRM", b"\0"),
        chunk(b"sRGB", b""),
        chunk(b"pHYs", b"\0"),
        chunk(b"iCCP", b"name\0\1" + zlib.compress(b"profile")),
        chunk(b"iCCP", b"name\0\0no zlib"),
        chunk(b"iCCP", b"name\0\0" + LARGE),
        chunk(b"zTXt", b"name\0\7text"),
        chunk(b"zTXt", b"name\0\0no zlib"),
        chunk(b"zTXt", b"name\0\0" + LARGE),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0no zlib"),
        chunk(b"iTXt", b"no end"),
        chunk(b"tEXt", b"name\0text", is_whole=False),
        chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 6\nno hexadecimal"),
        chunk(b"PLTE", bytes(6), is_whole=False),
        chunk(b"PLTE", b"\0"),
        chunk(b"tRNS", b"\0", is_whole=False),
        chunk(b"tRNS", b""),
        chunk(b"tRNS", bytes(2)),
        chunk(b"acTL", b"\0"),
        chunk(b"fcTL", b"\0"),
        chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"),
        chunk(b"abCd", b"of another program", is_whole=False),
    ],
)
def test_damaged_metadata_of_png_refuse_no_pixels(damaged: bytes) -> None:
    np.testing.assert_array_equal(read_photo(png_with(damaged)).pixels, soft_photo(30, 20))


def test_texts_of_png_beyond_pillows_limit_refuse_no_pixels() -> None:
    texts = [chunk(b"tEXt", b"comment\0" + bytes([65]) * 20_000_000) for _ in range(4)]
    np.testing.assert_array_equal(read_photo(png_with(*texts)).pixels, soft_photo(30, 20))


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"IDAT"])
def test_damaged_pixels_of_png_are_unreadable(kind: bytes) -> None:
    png = bytearray(encode(Image.fromarray(soft_photo(30, 20)).quantize(16), "PNG"))
    png[png.index(kind) + 4] ^= 1
    with pytest.raises(UnreadablePhotoError, match=r"^damaged or truncated PNG: "):
        read_photo(bytes(png))


def test_what_a_decoder_has_no_words_for_is_said_in_ours() -> None:
    """Colours of a palette without the palette."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 30, 20, 1, 3, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(5 * 20)))
    png = b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")
    with pytest.raises(
        UnreadablePhotoError, match="^damaged or truncated PNG: it cannot be decoded$"
    ):
        read_photo(png)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("start", [0.4, 0.9, 0.99])
def test_a_png_filled_up_with_zeros_is_unreadable(mode: str, start: float) -> None:
    image = Image.fromarray(camera_photo())
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    whole = encode(image.convert(mode), "PNG")
    first = int(len(whole) * start)
    for end in (b"", whole[-16:]):
        filled = whole[:first] + bytes(len(whole) - first - len(end)) + end
        with pytest.raises(UnreadablePhotoError, match=r"^damaged or truncated PNG: its pixels ar"):
            read_photo(filled)


@pytest.mark.parametrize("keyword", [b"Raw profile type exif", b"Raw profile type APP1"])
@pytest.mark.parametrize("is_behind", [False, True])
def test_orientation_of_png_may_be_text_and_behind_the_pixels(
    keyword: bytes, is_behind: bool
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    digits = (b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")).hex().encode()
    lines = b"\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = chunk(b"tEXt", keyword + b"\0\nexif\n      32\n" + lines + b"\n")
    png = png_with() if is_behind else png_with(text)
    if is_behind:
        png = png[:-12] + text + png[-12:]
    assert read_photo(png).width == 20


OPTIONS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
}
JPEGS = {
    name: encode(Image.fromarray(camera_photo()), "JPEG", quality=85, **options)
    for name, options in OPTIONS.items()
} | {
    name: encode(Image.fromarray(camera_photo()).convert(mode), "JPEG", quality=85)
    for name, mode in (("grey", "L"), ("ink", "CMYK"))
}


def assert_same_as_pillow(content: bytes, whole: bytes) -> None:
    with Image.open(io.BytesIO(whole)) as image:
        expected = image_pixels(image)
    np.testing.assert_array_equal(read_photo(content).pixels, expected)


@pytest.mark.parametrize("name", JPEGS)
def test_the_end_marker_of_a_jpeg_may_be_missing(name: str) -> None:
    whole = JPEGS[name]
    for content in (whole, whole[:-1], whole[:-2], whole + b"behind the end"):
        assert_same_as_pillow(content, whole)


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
@pytest.mark.parametrize("missing", [20, 2000])
def test_a_jpeg_whose_last_scan_is_short_is_unreadable(name: str, end: bytes, missing: int) -> None:
    cut = JPEGS[name][: -2 - missing].rstrip(b"\xff") + end
    with pytest.raises(UnreadablePhotoError, match=r"pixels are missing or damaged"):
        read_photo(cut)


def test_a_progressive_jpeg_without_its_last_scans_is_unreadable() -> None:
    whole = JPEGS["progressive"]
    last = whole.rindex(b"\xff\xda")
    for cut in (whole[:last], whole[: last + 4], whole[: whole.rindex(b"\xff\xda", 0, last)]):
        with pytest.raises(UnreadablePhotoError, match=r"pixels are missing or damaged"):
            read_photo(cut)


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("end", [b"", b"\xff\xd9"])
@pytest.mark.parametrize("longest_side", [None, 50])
def test_a_jpeg_filled_up_with_zeros_is_unreadable(
    name: str, end: bytes, longest_side: int | None
) -> None:
    whole = JPEGS[name]
    start = whole.index(b"\xff\xda") + len(whole) // 10
    filled = whole[:start] + bytes(len(whole) - start - len(end)) + end
    with pytest.raises(UnreadablePhotoError, match=r"pixels are missing or damaged"):
        read_photo(filled, settings=DecodeSettings(longest_side=longest_side))


WEBPS: dict[str, dict[str, Any]] = {
    "poor": {"quality": 1},
    "usual": {"quality": 80},
    "quick": {"quality": 90, "method": 0},
    "lossless": {"lossless": True, "method": 0},
}


@pytest.mark.parametrize("name", WEBPS)
def test_a_webp_filled_up_with_zeros_is_unreadable(name: str) -> None:
    whole = encode(Image.fromarray(camera_photo()), "WEBP", **WEBPS[name])
    for start in (len(whole) // 3, len(whole) - 300):
        filled = whole[:start] + bytes(len(whole) - start)
        with pytest.raises(UnreadablePhotoError, match=r"WebP: a part of the picture was never"):
            read_photo(filled)


@pytest.mark.parametrize(("name", "rows"), [("quick", 300), ("lossless", 3000)])
def test_a_webp_that_ends_black_is_whole(name: str, rows: int) -> None:
    black = np.zeros((rows, 451, 3), np.uint8)
    image = Image.fromarray(np.concatenate([camera_photo(), black]))
    content = encode(image, "WEBP", **WEBPS[name])
    assert content.endswith(bytes(1000))
    assert_same_as_pillow(content, content)


def test_padding_before_the_end_of_a_jpeg_is_no_damage() -> None:
    whole = JPEGS["baseline"]
    assert_same_as_pillow(whole[:-2] + bytes(100) + whole[-2:], whole)
    # A revision of JFIF that libjpeg does not know, of which it warns first.
    assert_same_as_pillow(whole.replace(b"JFIF\0\1", b"JFIF\0\7"), whole)


def with_scans(jpeg: bytes, scans: int) -> bytes:
    """A progressive JPEG whose last scan is there so many times."""
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * scans + jpeg[-2:]


def test_absurdly_many_scans_are_refused_before_they_are_decoded() -> None:
    small = encode(Image.fromarray(soft_photo(64, 48)), "JPEG", progressive=True)
    message = (
        rf"^it has 20,00\d scans, .*, more than the {MAX_SCANS} that are decoded: save it anew$"
    )
    with pytest.raises(UnsupportedPhotoError, match=message):
        read_photo(with_scans(small, 20_000))
    # Photos of other files behind the first one do not count.
    assert read_photo(small * 20).width == 64


@pytest.mark.parametrize("process", [0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF])
def test_jpegs_of_rare_processes_are_unsupported(process: int) -> None:
    jpeg = bytearray(encode(Image.fromarray(soft_photo(64, 48)), "JPEG"))
    jpeg[jpeg.index(b"\xff\xc0") + 1] = process
    with pytest.raises(UnsupportedPhotoError, match=rf"\(SOF{process & 15}\)"):
        read_photo(bytes(jpeg))


def test_a_jpeg_of_odd_sampling_is_decoded_by_pillow() -> None:
    jpeg = bytearray(encode(Image.fromarray(soft_photo(64, 64)), "JPEG", subsampling=0))
    start = jpeg.index(b"\xff\xc0")
    # Green-blue wider than light.
    jpeg[start + 14] = 0x21
    content = bytes(jpeg)
    expected = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(read_photo(content).pixels, expected)
