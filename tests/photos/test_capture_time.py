"""When photos were taken, in files as programs and cameras write them."""

from __future__ import annotations

import io
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mlsp.photos.camera_data import camera_data

TAKEN, DIGITISED, CHANGED = "2024:05:01 12:34:56", "2024:06:02 01:02:03", "2025:07:03 04:05:06"
EXPECTED = datetime(2024, 5, 1, 12, 34, 56, 540_000)


def exif(
    taken: str | None = TAKEN, digitised: str | None = DIGITISED, changed: str | None = CHANGED
) -> Image.Exif:
    data = Image.Exif()
    times = {0x9003: taken, 0x9004: digitised, 0x9290: "1", 0x9291: "54", 0x9292: "007"}
    data[0x8769] = {tag: text for tag, text in times.items() if text is not None}
    if changed is not None:
        data[0x0132] = changed
    # As if read from a file: else Pillow leaves the inner directory out of a TIFF.
    loaded = Image.Exif()
    loaded.load(data.tobytes())
    return loaded


def capture_time(file: Path) -> datetime | None:
    return camera_data(file).captured


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    examples = Path(__file__).parents[2] / "examples"
    return Image.open(examples / "astronaut.png").convert("RGB").resize((96, 64))


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".png", ".webp", ".avif"])
def test_formats_that_pillow_writes(photo: Image.Image, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"photo{suffix}"
    photo.save(file, exif=exif())
    assert capture_time(file) == EXPECTED


def test_heic(photo: Image.Image, tmp_path: Path) -> None:
    file = tmp_path / "photo.heic"
    pillow_heif.from_pillow(photo).save(file, exif=exif().tobytes())
    assert capture_time(file) == EXPECTED


def test_big_tiff(photo: Image.Image, tmp_path: Path) -> None:
    file = tmp_path / "photo.tif"
    photo.save(file, exif=exif(), big_tiff=True)
    assert file.read_bytes()[:4] == b"II+\0"
    assert capture_time(file) == EXPECTED


def tiff(order: str) -> bytes:
    """A TIFF structure whose first directory has the time itself, as cameras' CMT2 and TIFF/EP files have it."""
    text = TAKEN.encode() + b"\0"
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    entry = struct.pack(f"{order}HHII", 0x9003, 2, len(text), 8 + 2 + 24 + 4)
    fraction = struct.pack(f"{order}HHI4s", 0x9291, 2, 3, b"54\0\0")
    return head + struct.pack(f"{order}H", 2) + entry + fraction + b"\0" * 4 + text


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


@pytest.mark.parametrize("order", ["<", ">"])
def test_raw_photos_like_tiff(tmp_path: Path, order: str) -> None:
    file = tmp_path / "photo.nef"
    file.write_bytes(tiff(order))
    assert capture_time(file) == EXPECTED


def test_panasonic_canon_and_fujifilm(photo: Image.Image, tmp_path: Path) -> None:
    rw2, cr3, raf = tmp_path / "a.rw2", tmp_path / "a.cr3", tmp_path / "a.raf"
    rw2.write_bytes(b"IIU\0" + tiff("<")[4:])
    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    moov = box(b"moov", box(b"free", b"12") + box(b"uuid", canon + box(b"CMT2", tiff("<"))))
    cr3.write_bytes(box(b"ftyp", b"crx \0\0\0\0") + moov + box(b"mdat", b"\0" * 100))
    jpeg = io.BytesIO()
    photo.save(jpeg, "JPEG", exif=exif())
    raf.write_bytes((b"FUJIFILMCCD-RAW " + b"\0" * 68 + struct.pack(">I", 160)).ljust(160, b"\0"))
    with raf.open("ab") as stream:
        stream.write(jpeg.getvalue())
    assert [capture_time(file) for file in (rw2, cr3, raf)] == [EXPECTED] * 3


def test_exif_in_a_text_of_png(photo: Image.Image, tmp_path: Path) -> None:
    plain = io.BytesIO()
    photo.save(plain, "PNG")
    data = exif().tobytes()
    text = f"\nexif\n{len(data)}\n".encode() + data.hex().encode()
    content = b"Raw profile type exif\0\0" + zlib.compress(text)
    chunk = struct.pack(">I4s", len(content), b"zTXt") + content
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    file = tmp_path / "photo.png"
    # Behind the first chunk, which says how large the picture is.
    file.write_bytes(plain.getvalue()[:33] + chunk + plain.getvalue()[33:])
    assert capture_time(file) == EXPECTED


@pytest.mark.parametrize(
    ("taken", "digitised", "changed", "expected"),
    [
        (None, DIGITISED, CHANGED, datetime(2024, 6, 2, 1, 2, 3, 7_000)),
        (None, None, CHANGED, datetime(2025, 7, 3, 4, 5, 6, 100_000)),
        ("0000:00:00 00:00:00", None, CHANGED, datetime(2025, 7, 3, 4, 5, 6, 100_000)),
        ("    :  :     :  :  ", DIGITISED, None, datetime(2024, 6, 2, 1, 2, 3, 7_000)),
        ("2024-05-01T12:34:56.25+02:00", None, None, datetime(2024, 5, 1, 12, 34, 56, 250_000)),
        ("2024:05:01 12:34:60", None, None, EXPECTED.replace(second=59)),
        ("2024:13:01 12:34:56", None, None, None),
        ("yesterday", None, None, None),
        (None, None, None, None),
    ],
)
def test_which_time_counts(
    photo: Image.Image,
    tmp_path: Path,
    taken: str | None,
    digitised: str | None,
    changed: str | None,
    expected: datetime | None,
) -> None:
    file = tmp_path / "photo.jpg"
    photo.save(file, exif=exif(taken, digitised, changed))
    assert capture_time(file) == expected


def test_what_is_no_photo_has_no_time(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no photo")
    names = ["empty.jpg", "text.jpg", "missing.jpg", ".", "zero\0byte.jpg"]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        names.append("pipe.jpg")
    assert [capture_time(tmp_path / name) for name in names] == [None] * len(names)


def test_only_headers_are_read(photo: Image.Image, tmp_path: Path) -> None:
    # 60 GB, of which the file system stores nothing: reading them would take minutes.
    for suffix in (".jpg", ".heic"):
        file = tmp_path / f"large{suffix}"
        if suffix == ".heic":
            pillow_heif.from_pillow(photo).save(file, exif=exif().tobytes())
        else:
            photo.save(file, exif=exif())
        os.truncate(file, 60_000_000_000)
        assert capture_time(file) == EXPECTED


def test_many_threads(photo: Image.Image, tmp_path: Path) -> None:
    files = []
    for minute in range(60):
        files.append(tmp_path / f"{minute}.jpg")
        photo.save(files[-1], exif=exif(f"2024:05:01 12:{minute:02}:56"))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(capture_time, files))
    assert found == [EXPECTED.replace(minute=minute) for minute in range(60)]


@pytest.fixture(scope="module")
def contents(photo: Image.Image) -> list[bytes]:
    files = []
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        stream = io.BytesIO()
        photo.resize((8, 8)).save(stream, kind, exif=exif())
        files.append(stream.getvalue())
    stream = io.BytesIO()
    pillow_heif.from_pillow(photo.resize((8, 8))).save(stream, exif=exif().tobytes())
    files.append(stream.getvalue())
    return files


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_never_raises(contents: list[bytes], tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(contents)))
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file = tmp_path / "damaged"
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    found = capture_time(file)
    assert found is None or 0 < found.year < 10_000
