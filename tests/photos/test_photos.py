from __future__ import annotations

import contextlib
import io
import re
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from colour_profiles import SRGB, rgb_profile
from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import (
    PhotoError,
    PhotoTooLargeError,
    SettingsError,
    UnreadablePhotoError,
    UnsupportedPhotoError,
)
from mlsp.photos import DecodeSettings, Photo, read_photo
from photo_samples import camera_photo, dng, encode, heic, psd, soft_photo

# Format, and largest difference to the pixels that went in.
FORMATS = {
    "JPEG": 12, "PNG": 0, "WEBP": 20, "TIFF": 0, "HEIC": 12, "AVIF": 12, "BMP": 0, "GIF": 30,
}  # fmt: skip


def stored(image: Image.Image, name: str, **options: Any) -> bytes:
    return heic(image, **options) if name == "HEIC" else encode(image, name, **options)


def decoded(content: bytes, **limits: Any) -> UInt8Array:
    return read_photo(content, settings=DecodeSettings(**limits)).pixels


def assert_close(actual: UInt8Array, expected: UInt8Array, tolerance: float) -> None:
    assert actual.shape == expected.shape
    assert np.abs(actual.astype(int) - expected.astype(int)).max() <= tolerance


@pytest.mark.parametrize(("name", "tolerance"), FORMATS.items())
def test_each_format_is_read_whatever_its_name(tmp_path: Path, name: str, tolerance: int) -> None:
    pixels = soft_photo(90, 61)
    path = tmp_path / "photo.txt"
    path.write_bytes(stored(Image.fromarray(pixels), name))
    photo = read_photo(path)
    assert (photo.source, photo.width, photo.height) == (path, 90, 61)
    assert_close(photo.pixels, pixels, tolerance)
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.flags.c_contiguous
    assert photo.pixels.flags.writeable


def test_bytes_carry_the_path_they_came_from() -> None:
    content = encode(Image.new("RGB", (2, 1)), "PNG")
    assert read_photo(content).source is None
    assert read_photo(content, source_path=Path("a")).source == Path("a")


def test_a_real_photo_is_what_pillow_decodes() -> None:
    content = encode(Image.fromarray(camera_photo()), "JPEG", quality=90)
    np.testing.assert_array_equal(decoded(content), np.asarray(Image.open(io.BytesIO(content))))


# Orientation: where the stored corner (0, 0) and the stored x axis go.
TURNS: dict[int, Callable[[UInt8Array], UInt8Array]] = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "HEIC", "AVIF"])
@pytest.mark.parametrize("longest_side", [None, 20])
def test_photos_are_turned_upright_once(
    name: str, orientation: int, longest_side: int | None
) -> None:
    upright = np.full((40, 64, 3), 255, np.uint8)
    upright[:20, :32] = (255, 0, 0)
    upright[20:, :32] = (0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(TURNS[orientation](upright)))
    photo = read_photo(
        stored(image, name, exif=exif.tobytes()), settings=DecodeSettings(longest_side=longest_side)
    )
    assert (photo.width, photo.height) == (64, 40)
    height, width = photo.pixels.shape[:2]
    assert (width, height) == ((64, 40) if longest_side is None else (20, 13))
    corners = photo.pixels[[1, -2, 1, -2], [1, 1, -2, -2]]
    assert_close(corners, np.array([(255, 0, 0), (0, 0, 255), (255,) * 3, (255,) * 3]), 60)


@pytest.mark.parametrize(
    ("name", "mode"),
    [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P")],
)
def test_as_the_released_code_reads_it(name: str, mode: str) -> None:
    """As Keras's `load_img`: Pillow's conversion to RGB, neither turned nor colour managed."""
    pixels = np.dstack([soft_photo(64, 40), np.full((40, 64), 99, np.uint8)])
    image = Image.fromarray(pixels).convert("RGB" if mode == "CMYK" else mode).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = {} if mode in ("L", "CMYK") else {"icc_profile": rgb_profile(SRGB, 1.0)}
    content = encode(image, name, exif=exif.tobytes(), **profile)
    photo = read_photo(content, settings=DecodeSettings(read_as="released"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    np.testing.assert_array_equal(photo.pixels, expected)
    assert (photo.width, photo.height) == (64, 40)
    assert read_photo(content).width == 40
    small = read_photo(content, settings=DecodeSettings(longest_side=32, read_as="released"))
    assert small.pixels.shape == (20, 32, 3)


def test_orientation_may_be_in_xmp_or_in_a_text() -> None:
    image = Image.fromarray(soft_photo(30, 20))
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    assert read_photo(encode(image, "JPEG", xmp=xmp)).width == 20
    exif = Image.Exif()
    exif[0x0112] = 8
    digits = (b"Exif\0\0" + exif.tobytes().removeprefix(b"Exif\0\0")).hex()
    text = f"\nexif\n{len(digits) // 2:8}\n{digits}\n".encode()
    chunk = b"zTXtRaw profile type exif\0\0" + zlib.compress(text)
    assert read_photo(with_chunk(encode(image, "PNG"), chunk)).width == 20
    # EXIF comes first.
    exif[0x0112] = 1
    assert read_photo(encode(image, "JPEG", xmp=xmp, exif=exif.tobytes())).width == 30


def with_chunk(png: bytes, chunk: bytes) -> bytes:
    """A PNG with a chunk after its header."""
    whole = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:33] + whole + png[33:]


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x09"]
)
def test_damaged_exif_is_upright(exif: bytes) -> None:
    assert read_photo(encode(Image.new("RGB", (3, 2)), "JPEG", exif=exif)).width == 3


def test_all_kinds_of_pixels_become_8_bit_rgb() -> None:
    grey = soft_photo(32, 24)[..., 0]
    rgb = np.repeat(grey[..., None], 3, axis=2)
    assert_close(decoded(encode(Image.fromarray(grey), "PNG")), rgb, 0)
    assert_close(decoded(encode(Image.fromarray(grey), "JPEG", quality=100)), rgb, 4)
    black_white = Image.fromarray(grey > 128)
    expected = np.repeat(np.where(grey > 128, 255, 0)[..., None], 3, axis=2)
    for name in ("PNG", "TIFF", "BMP", "GIF"):
        assert_close(decoded(encode(black_white, name)), expected, 0)
    palette = Image.fromarray(soft_photo(32, 24)).quantize(64)
    for name in ("PNG", "TIFF", "BMP", "GIF"):
        assert_close(decoded(encode(palette, name)), np.asarray(palette.convert("RGB")), 0)


@pytest.mark.parametrize("longest_side", [None, 16])
@pytest.mark.parametrize(
    "kind", ["LA", "RGBA", "P", "RGB key", "L key", "P key", "I;16 key", "1 key"]
)
def test_transparency_is_laid_over_white_before_the_reduction(
    kind: str, longest_side: int | None
) -> None:
    mode = kind.split()[0]
    # Black that cannot be seen on the left; what can be seen on the right is dark grey.
    visible = 255 if mode == "1" else 60
    grey = np.zeros((32, 48), np.uint8)
    grey[:, 24:] = visible
    alpha = Image.fromarray(np.where(grey == 0, 0, 255).astype(np.uint8))
    options: dict[str, Any] = {}
    if mode in ("LA", "RGBA"):
        image = Image.fromarray(grey).convert(mode)
        image.putalpha(alpha)
    elif mode == "P":
        image = Image.fromarray((grey > 0).astype(np.uint8), mode="P")
        image.putpalette([0, 0, 0, 60, 60, 60])
        options["transparency"] = 0 if kind == "P key" else bytes([0, 255])
    elif mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
        options["transparency"] = 0
    else:
        image = Image.fromarray(grey).convert(mode)
        options["transparency"] = (0, 0, 0) if mode == "RGB" else 0
    pixels = decoded(
        encode(image, "PNG", **options), **({"longest_side": longest_side} if longest_side else {})
    )
    width = pixels.shape[1]
    assert (pixels[:, : width // 2] == 255).all()
    assert (pixels[:, width // 2 :] == visible).all()


def test_half_transparent_colours_are_mixed_with_white() -> None:
    image = Image.new("RGBA", (4, 4), (255, 0, 100, 51))
    for name in ("PNG", "TIFF"):
        np.testing.assert_array_equal(decoded(encode(image, name))[0, 0], (255, 204, 224))
    premultiplied = io.BytesIO()
    data = np.full((4, 4, 4), (51, 0, 20, 51), np.uint8)
    tifffile.imwrite(premultiplied, data, photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_array_equal(decoded(premultiplied.getvalue())[0, 0], (255, 204, 224))


def test_heif_as_cameras_write_it() -> None:
    """10 bits, 4:2:2: Canon's and Sony's `.HIF`."""
    pixels = soft_photo(90, 62)
    file = io.BytesIO()
    deep = (pixels.astype("<u2") * 257).tobytes()
    pillow_heif.from_bytes(mode="RGB;16", size=(90, 62), data=deep).save(
        file, quality=95, chroma=422
    )
    opened = pillow_heif.open_heif(file, convert_hdr_to_8bit=False)
    assert (opened.info["bit_depth"], opened.info["chroma"]) == (10, 422)
    assert_close(decoded(file.getvalue()), pixels, 12)


def tiff(data: np.ndarray[Any, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, data, **options)
    return file.getvalue()


def png16(data: np.ndarray[Any, Any], colour_type: int) -> bytes:
    """16-bit PNG, which Pillow does not write in colour."""
    height, width = data.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in data)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_16_bits_are_scaled_and_not_clipped(byteorder: str, compression: str | None) -> None:
    grey = np.linspace(0, 65535, 64 * 48).astype(np.uint16).reshape(48, 64)
    colour = np.stack([grey, grey[::-1], grey[:, ::-1]], axis=2)
    options: dict[str, Any] = {"byteorder": byteorder, "compression": compression}
    as_8_bits = np.rint(colour / 257)
    grey_8_bits = np.repeat(as_8_bits[..., :1], 3, axis=2)
    assert_close(decoded(tiff(grey, **options)), grey_8_bits, 0)
    assert_close(decoded(png16(grey, 0)), grey_8_bits, 0)
    # Pillow keeps the upper 8 of 16 bits, which is at most one step darker.
    assert_close(decoded(tiff(colour, photometric="rgb", **options)), as_8_bits, 1)
    assert_close(decoded(png16(colour, 2)), as_8_bits, 1)
    assert_close(decoded(tiff(grey, **options), longest_side=1), np.full((1, 1, 3), 128), 1)


def test_12_bits_fill_the_whole_range() -> None:
    values = np.array([[0, 4095], [2048, 1024]], np.uint16)
    packed = b"".join(struct.pack(">I", (int(a) << 12 | int(b)) << 8)[:3] for a, b in values)
    entries = [
        (256, 2),
        (257, 2),
        (258, 12),
        (259, 1),
        (262, 1),
        (273, 134),
        (277, 1),
        (278, 2),
        (279, len(packed)),
    ]
    directory = b"".join(
        struct.pack("<HHII", tag, 4 if tag == 273 else 3, 1, value) for tag, value in entries
    )
    header = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + struct.pack("<I", 0)
    content = header.ljust(134, b"\0") + packed
    expected = np.repeat(np.rint(values / 4095 * 255)[..., None], 3, axis=2)
    assert_close(decoded(content), expected, 0)


def test_floating_point_is_from_black_0_to_white_1() -> None:
    values = np.linspace(0, 1, 35, dtype=np.float32).reshape(5, 7)
    expected = np.repeat(np.rint(values * 255)[..., None], 3, axis=2)
    assert_close(decoded(tiff(values)), expected, 0)
    message = (
        "its pixels are floating-point numbers from 0 to 255, expected black 0 and white 1:"
        " convert it to 8 or 16 bits"
    )
    with pytest.raises(UnsupportedPhotoError, match=f"^{message}$"):
        decoded(tiff(values * 255))
    values[0, 0] = np.nan
    with pytest.raises(UnsupportedPhotoError, match="numbers from nan to nan"):
        decoded(tiff(values))


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint32])
def test_whole_numbers_without_white_are_refused(dtype: type) -> None:
    message = "its pixels are signed or 32-bit whole numbers, of which none is white: convert it to 8 or 16 bits"
    with pytest.raises(UnsupportedPhotoError, match=f"^{message}$"):
        decoded(tiff(np.ones((4, 4), dtype)))


@pytest.mark.parametrize("dtype", [np.float32, np.uint32])
def test_colours_of_rare_depths_are_unsupported(dtype: type) -> None:
    message = (
        r"its pixels are of a kind that is not read \(unknown pixel mode\): convert it to 8-bit RGB"
    )
    with pytest.raises(UnsupportedPhotoError, match=f"^{message}$"):
        decoded(tiff(np.zeros((4, 4, 3), dtype), photometric="rgb"))


def test_ink_without_a_profile_takes_light_away() -> None:
    image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    for name in ("JPEG", "TIFF"):
        # Adobe's inverted ink in JPEG as well.
        assert_close(decoded(encode(image, name))[:1, :1], np.array([[(0, 255, 255)]]), 4)


def test_first_picture_of_several() -> None:
    red, green = (Image.new("RGB", (8, 6), colour) for colour in ((255, 0, 0), (0, 255, 0)))
    for name in ("GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"):
        content = encode(red, name, save_all=True, append_images=[green])
        assert_close(decoded(content)[0, 0], np.array((255, 0, 0)), 8)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_photos_are_unreadable(name: str, share: float) -> None:
    content = stored(Image.fromarray(camera_photo()[:200, :300]), name)
    with pytest.raises(UnreadablePhotoError, match=f"(?i)^damaged or truncated {name}: ."):
        decoded(content[: int(len(content) * share)])


@pytest.mark.parametrize(
    ("name", "size"), [("PNG", 10), ("JPEG", 60), ("BMP", 5000), ("TIFF", 5000), ("GIF", 5000)]
)
def test_a_photo_that_was_copied_in_part_ends_too_early(name: str, size: int) -> None:
    """In these words, whatever the decoder says."""
    content = stored(Image.fromarray(camera_photo()[:200, :300]), name)
    with pytest.raises(
        UnreadablePhotoError, match=f"^damaged or truncated {name}: it ends too early$"
    ):
        decoded(content[:size])


def test_truncated_photos_are_unreadable_after_a_reduction_too() -> None:
    content = encode(Image.fromarray(camera_photo()), "JPEG")
    with pytest.raises(
        UnreadablePhotoError, match=r"^damaged or truncated JPEG: pixels are missing"
    ):
        decoded(content[: len(content) // 2], longest_side=50)


@pytest.mark.parametrize(
    "content",
    [
        b"GIF88a..........",
        b"<!DOCTYPE html>",
        b"\0",
        b"PK\x03\x04",
    ],
)
def test_what_is_no_photo_is_unsupported(content: bytes) -> None:
    message = (
        "it is not in a format that is read."
        " Expected JPEG, PNG, WebP, TIFF, HEIC, AVIF, BMP, GIF, PSD, JPEG XL or a camera's raw format: convert it"
    )
    with pytest.raises(UnsupportedPhotoError, match=f"^{re.escape(message)}$"):
        read_photo(content)


def test_nothing_is_unreadable(tmp_path: Path) -> None:
    for empty in (b"", tmp_path / "missing.jpg"):
        with pytest.raises(UnreadablePhotoError):
            read_photo(empty)


@pytest.mark.parametrize("name", FORMATS)
def test_too_many_pixels_are_refused(name: str) -> None:
    content = stored(Image.fromarray(soft_photo(80, 60)), name)
    message = "80 × 60 = 4,800 pixels, more than the limit of 4,799: raise the limit to read it (--max-megapixels, in Python max_pixels)"
    with pytest.raises(PhotoTooLargeError, match=f"^{re.escape(message)}$"):
        decoded(content, max_pixels=4799)
    assert decoded(content, max_pixels=4800).shape == (60, 80, 3)


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_bombs_are_refused_by_their_header(side: int) -> None:
    """Sizes between Pillow's warning and its error, and beyond both, of which no pixel is decoded."""
    png = bytearray(encode(Image.new("RGB", (8, 8)), "PNG"))
    png[16:24] = struct.pack(">II", side, side)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    gif = bytearray(encode(Image.new("L", (8, 8)), "GIF"))
    gif[6:10] = struct.pack("<HH", side, side)
    bmp = bytearray(encode(Image.new("RGB", (8, 8)), "BMP"))
    bmp[18:26] = struct.pack("<ii", side, side)
    for content in (png, gif, bmp):
        with pytest.raises(PhotoTooLargeError, match=f"^{side} × {side} = "):
            decoded(bytes(content), max_pixels=100_000_000)


def test_pillows_own_limit_is_left_alone_and_neither_warns_nor_hinders() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    side = 9500  # 90,250,000 pixels
    content = encode(Image.new("1", (side, side)), "PNG")
    assert decoded(content, longest_side=10).shape == (10, 10, 3)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"longest_side": 0}, "longest_side must be at least 1, got 0"),
        ({"max_pixels": 0}, "max_pixels must be at least 1, got 0"),
    ],
)
def test_settings_are_checked(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{message}$"):
        DecodeSettings(**values)


def odd_tiff() -> bytes:
    """A TIFF that Pillow reads with a warning: a tag with two values where there should be one."""
    content = encode(Image.new("RGB", (8, 8)), "TIFF")
    odd = content.replace(struct.pack("<HHI", 277, 3, 1), struct.pack("<HHI", 277, 3, 2))
    assert odd != content
    return odd


def odd_jpeg() -> bytes:
    """A JPEG whose EXIF data claims more entries than there are."""
    exif = b"Exif\0\0II*\0\x08\0\0\0\x40\0" + struct.pack("<HHII", 0x010E, 2, 900, 5000)
    return encode(Image.new("RGB", (8, 8)), "JPEG", exif=exif)


def odd_png() -> bytes:
    """A PNG that claims to be a film of no pictures."""
    return with_chunk(encode(Image.new("RGB", (8, 8)), "PNG"), b"acTL" + bytes(8))


@pytest.mark.parametrize(
    ("odd", "warning"),
    [
        (odd_tiff, "too many entries"),
        (odd_jpeg, "Tag data larger|Corrupt EXIF|Truncated File"),
        (odd_png, "Invalid APNG"),
    ],
)
def test_odd_data_gives_no_warning(odd: Callable[[], bytes], warning: str) -> None:
    content = odd()
    with pytest.warns(UserWarning, match=warning):
        Image.open(io.BytesIO(content)).load()
    filters = list(warnings.filters)
    assert read_photo(content).pixels.shape == (8, 8, 3)
    assert list(warnings.filters) == filters


def test_several_threads_decode_at_once() -> None:
    image = Image.fromarray(camera_photo()[:120, :160])
    contents = [stored(image, name) for name in FORMATS] + [odd_tiff()]
    alone = [read_photo(content).pixels for content in contents]
    filters = list(warnings.filters)
    start = threading.Barrier(4)

    def work(_: int) -> list[Photo]:
        start.wait()
        return [read_photo(content) for content in contents * 5]

    with ThreadPoolExecutor(4) as pool:
        for photos in pool.map(work, range(4)):
            for photo, expected in zip(photos, alone * 5, strict=True):
                np.testing.assert_array_equal(photo.pixels, expected)
    assert list(warnings.filters) == filters


SMALL = {name: stored(Image.fromarray(soft_photo(24, 18)), name) for name in FORMATS} | {
    "RAW": dng(soft_photo(24, 18).astype(np.uint16) * 257),
    "progressive": encode(Image.fromarray(soft_photo(24, 18)), "JPEG", progressive=True),
    "deflated TIFF": encode(
        Image.fromarray(soft_photo(24, 18)), "TIFF", compression="tiff_deflate"
    ),
    "palette": encode(Image.fromarray(soft_photo(24, 18)).quantize(16), "PNG", transparency=3),
}


@pytest.mark.parametrize("name", SMALL)
@settings(max_examples=60, suppress_health_check=list(HealthCheck), derandomize=True)
@given(data=st.data())
def test_damaged_bytes_raise_photo_errors_and_nothing_else(name: str, data: st.DataObject) -> None:
    content = bytearray(SMALL[name])
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers are where decoders are steered from.
        last = data.draw(st.sampled_from([min(120, len(content)), len(content)])) - 1
        content[data.draw(st.integers(0, last))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(1, len(content))))
    limits = DecodeSettings(
        longest_side=data.draw(st.sampled_from([None, 7])), max_pixels=1_000_000
    )
    with contextlib.suppress(PhotoError):
        photo = read_photo(bytes(content[:cut]), settings=limits)
        assert photo.pixels.ndim == 3


_DECODE = """
import sys
from pathlib import Path
from mlsp.photos import DecodeSettings, read_photo
photo = read_photo(Path(sys.argv[1]), settings=DecodeSettings(longest_side=int(sys.argv[2])))
assert (photo.width, photo.height) == (8704, 5800), photo
assert max(photo.pixels.shape) == int(sys.argv[2])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
@pytest.mark.parametrize("progressive", [False, True])
def test_a_photo_of_50_megapixels_needs_little_memory(tmp_path: Path, progressive: bool) -> None:
    path = tmp_path / "large.jpg"
    image = Image.fromarray(camera_photo()).resize((8704, 5800), Image.Resampling.BILINEAR)
    image.save(path, quality=90, progressive=progressive)
    image.close()
    # Not getrusage: that of a new process begins with the peak of the one that started it.
    run = subprocess.run(
        [sys.executable, "-c", _DECODE, path, "512"], check=True, capture_output=True, text=True
    )
    assert int(run.stdout) / 1024 < 350


def test_slow_libraries_load_only_when_they_are_needed() -> None:
    code = (
        "import sys, mlsp.photos;"
        "print(*sorted({'PIL.ImageCms', 'pillow_heif', 'rawpy', 'PIL.TiffImagePlugin'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout == "\n"


@pytest.mark.parametrize(
    ("package", "start", "said"),
    [
        ("rawpy", b"FUJIFILMCCD-RAW", "Reading raw photos needs an extra: pip install '.[raw]'"),
        ("OpenImageIO", b"\xff\n", "Reading JPEG XL needs an extra: pip install '.[jxl]'"),
    ],
)
def test_formats_without_their_extra_say_what_to_install(
    package: str, start: bytes, said: str
) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from mlsp.photos import read_photo; from mlsp.base.errors import UnsupportedPhotoError\n"
        f"try: read_photo({start!r})\n"
        "except UnsupportedPhotoError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.startswith(said)


def test_the_flat_picture_of_a_photoshop_file() -> None:
    pixels = np.zeros((6, 8, 4), np.uint8)
    pixels[..., 0], pixels[:3, :, 3] = 200, 255
    plain = read_photo(psd(pixels[..., :3], layers=1))
    assert (plain.width, plain.height) == (8, 6)
    assert plain.pixels[5, 7].tolist() == [200, 0, 0]
    # The fourth channel is transparency, or a selection that somebody saved.
    assert read_photo(psd(pixels, layers=-1)).pixels[5, 7].tolist() == [255, 255, 255]
    assert read_photo(psd(pixels, layers=1)).pixels[5, 7].tolist() == [200, 0, 0]
    with pytest.raises(UnsupportedPhotoError, match=r"^it is a PSD of 16 bits per channel"):
        read_photo(psd(pixels, layers=1, bits=16))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0\0\x1cftypmp42" + bytes(20), "it is a video (MP4)"),
        (b"\0\0\0\x14ftypqt  " + bytes(20), "it is a video (QuickTime)"),
        (b"\0\0\x0f\x17moov" + bytes(20), "it is a video (QuickTime)"),
        (b"RIFF\0\0\0\0AVI LIST", "it is a video (AVI)"),
        (b"RIFF\0\0\0\0WAVEfmt ", "it is a sound (WAV)"),
        ((b"G" + bytes(187)) * 4, "it is a video (MPEG transport stream)"),
        ((bytes(4) + b"G" + bytes(187)) * 4, "it is a video (MPEG transport stream)"),
        (b"\x1aE\xdf\xa3" + bytes(20), "it is a video (Matroska or WebM)"),
        (b"<?xpacket begin=", "it is an XMP sidecar"),
    ],
)
def test_what_is_no_photo_is_named(content: bytes, message: str) -> None:
    with pytest.raises(UnsupportedPhotoError, match=f"^{re.escape(message)}$"):
        read_photo(content)
