"""XMP written into photos: pixels stay, others read it, and it is taken back to the byte."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence
from PIL.PngImagePlugin import PngInfo
from typer.testing import CliRunner

from mlsp.base.digests import file_sha256
from mlsp.base.errors import SidecarError
from mlsp.cli.app import app
from mlsp.culling.marks import NO_MARKS, Marks
from mlsp.culling.xmp import Outcome, rate_shot, read_marks, write_shot_marks
from mlsp.culling.xmp.changes import changes_back, with_changes
from mlsp.culling.xmp.containers import jpeg_segments
from mlsp.culling.xmp.files import write_planned
from mlsp.culling.xmp.journal import Journal, runs
from mlsp.culling.xmp.multi_picture import adjusted
from mlsp.culling.xmp.rating import remove_stars
from mlsp.culling.xmp.targets import plan_inside, read_inside
from mlsp.culling.xmp.undoing import undo
from mlsp.personal.user_ratings import UserRatings, default_user_ratings_path
from mlsp.photos import read_photo
from mlsp.scoring.cache import default_cache_path
from photo_samples import dng, encode, heic, soft_photo
from xmp_samples import DARKTABLE, DIGIKAM, read_by_exiftool

IMAGE = Image.fromarray(soft_photo(64, 48))
OTHER = Image.fromarray(soft_photo(48, 32))
UNRATED = DIGIKAM.replace(b'xmp:Rating="4"', b'xmp:Rating="0"').replace(b'"75"', b'"0"')
MARKS = Marks(5, "pick", "green")


def png(packet: bytes | None, *, is_packed: bool = False) -> bytes:
    texts = PngInfo()
    if packet is not None:
        texts.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=is_packed)
    return encode(IMAGE, "PNG", pnginfo=texts)


def tiff(packet: bytes | None, *, order: str = "<") -> bytes:
    """Of two pages, LZW; the second order is Motorola's, and the length is odd."""
    prefix = b"II*\0" if order == "<" else b"MM\0*"
    content = io.BytesIO()
    tags = {} if packet is None else {700: packet}
    image = IMAGE.convert("I;16B") if order == ">" else IMAGE
    image.save(content, "TIFF", tiffinfo=tags, compression=None if order == ">" else "tiff_lzw")
    assert content.getvalue().startswith(prefix)
    return content.getvalue() + b"\0" * (1 - len(content.getvalue()) % 2)


def mpo(packet: bytes | None, *, is_behind: bool = False) -> bytes:
    content = io.BytesIO()
    IMAGE.save(content, "MPO", save_all=True, append_images=[OTHER])
    if packet is None:
        return content.getvalue()
    path = content.getvalue()
    body = b"http://ns.adobe.com/xap/1.0/\0" + packet
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    spans = list(jpeg_segments(path))
    place = next(end for marker, _, end in spans if marker == 0xE2) if is_behind else 2
    return with_changes(path, adjusted(path, spans, (place, place, segment)))


PHOTOS = {
    "a.jpg": encode(IMAGE, "JPEG"),
    "exif.jpg": encode(IMAGE, "JPEG", exif=Image.Exif()),
    "xmp.jpg": encode(IMAGE, "JPEG", xmp=UNRATED),
    "mpo.jpg": mpo(None),
    "mpo xmp.jpg": mpo(UNRATED),
    "mpo xmp behind.jpg": mpo(UNRATED, is_behind=True),
    "a.png": png(None),
    "xmp.png": png(UNRATED),
    "packed.png": png(UNRATED, is_packed=True),
    "a.tif": tiff(None),
    "xmp.tif": tiff(UNRATED),
    "a.dng": dng(soft_photo(96, 64).astype(np.uint16) * 257),
    "motorola.tif": tiff(None, order=">"),
    "motorola xmp.tiff": tiff(UNRATED, order=">"),
    "a.heic": heic(IMAGE),
    "xmp.heic": heic(IMAGE, xmp=UNRATED, exif=Image.Exif().tobytes()),
    "a.avif": encode(IMAGE, "AVIF"),
    "xmp.avif": encode(IMAGE, "AVIF", xmp=UNRATED),
}


def pixels(photo: Path) -> list[str]:
    if photo.suffix in (".dng", ".heic"):
        return [hashlib.sha256(read_photo(photo).pixels.tobytes()).hexdigest()]
    with Image.open(photo) as image:
        return [
            hashlib.sha256(frame.convert("RGB").tobytes()).hexdigest()
            for frame in ImageSequence.Iterator(image)
        ]


@pytest.fixture
def photo(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path: Path = tmp_path / request.param
    path.write_bytes(PHOTOS[request.param])
    return path


@pytest.mark.parametrize("photo", PHOTOS, indirect=True)
def test_pixels_stay_and_undo_gives_the_file_back(photo: Path) -> None:
    before, shown = photo.read_bytes(), pixels(photo)
    with Journal("test") as journal:
        assert rate_shot([photo], MARKS, inside=True, note=journal.note) == Outcome(
            "written", (photo,)
        )
        after = photo.read_bytes()
        assert rate_shot([photo], MARKS, inside=True, note=journal.note) == Outcome("unchanged")
    assert pixels(photo) == shown
    (found,) = read_by_exiftool([photo])
    assert "ExifTool:Warning" not in found
    assert (found["XMP-xmp:Rating"], found["XMP-xmp:Label"]) == (5, "Green")
    assert found["XMP-digiKam:PickLabel"] == 3
    # Ours are nobody's, and follow the next score.
    assert read_marks(photo) == NO_MARKS
    assert rate_shot([photo], Marks(1), inside=True).status == "written"
    assert pixels(photo) == shown
    photo.write_bytes(after)
    assert str(undo(next(runs()))) == "1 file restored, 0 removed"
    assert photo.read_bytes() == before
    assert list(photo.parent.iterdir()) == [photo]


@pytest.mark.parametrize("photo", PHOTOS, indirect=True)
def test_what_is_inside_is_merged_to_the_byte(photo: Path) -> None:
    inside = read_inside(photo).container.packet
    rate_shot([photo], MARKS, inside=True)
    assert str(remove_stars([photo])) == "stars: taken out of 1 file"
    left = read_inside(photo).container.packet
    assert left is not None
    assert left == inside if inside is not None else b"Rating" not in left
    assert str(remove_stars([photo])) == "stars: taken out of 0 files"


def test_a_rating_by_hand_inside_is_kept(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(encode(IMAGE, "JPEG", xmp=DIGIKAM))
    before = photo.read_bytes()
    assert rate_shot([photo], MARKS, inside=True) == Outcome("kept")
    assert photo.read_bytes() == before
    assert rate_shot([photo], MARKS, inside=True, overwrite=True).status == "written"
    remove_stars([photo])
    assert photo.read_bytes() == before


@pytest.mark.parametrize("photo", ["a.jpg", "a.heic"], indirect=True)
def test_marks_of_the_user_inside(photo: Path) -> None:
    before = photo.read_bytes()
    with Journal("test") as journal:
        assert write_shot_marks([photo], MARKS, inside=True, note=journal.note).files == (photo,)
    assert read_marks(photo) == MARKS
    assert write_shot_marks([photo], MARKS, inside=True) == Outcome("unchanged")
    # Ours by hand: the user may give others. Those of another program stay.
    assert write_shot_marks([photo], Marks(2, label="green"), inside=True).status == "written"
    assert rate_shot([photo], Marks(1), inside=True).status == "kept"
    assert write_shot_marks([photo], NO_MARKS, inside=True, overwrite=True).status == "written"
    assert read_marks(photo) == NO_MARKS
    undo(next(runs()))
    photo.write_bytes(before)
    assert write_shot_marks([photo], NO_MARKS, inside=True) == Outcome("unchanged")
    photo.write_bytes(encode(IMAGE, "JPEG", xmp=DIGIKAM))
    assert write_shot_marks([photo], MARKS, inside=True) == Outcome("kept")


def test_sidecars_that_are_there_say_the_same(tmp_path: Path) -> None:
    photo, sidecar = tmp_path / "a.jpg", tmp_path / "a.jpg.xmp"
    photo.write_bytes(PHOTOS["a.jpg"])
    sidecar.write_bytes(DARKTABLE)
    assert rate_shot([photo], Marks(3), inside=True).files == (sidecar, photo)
    assert [one["XMP-xmp:Rating"] for one in read_by_exiftool([photo, sidecar])] == [3, 3]


def test_a_cameras_raw_photo_gets_a_sidecar(tmp_path: Path) -> None:
    raw, jpeg = tmp_path / "a.nef", tmp_path / "a.jpg"
    raw.write_bytes(PHOTOS["a.tif"])
    jpeg.write_bytes(PHOTOS["a.jpg"])
    done = rate_shot([jpeg, raw], Marks(3), convention="photo.xmp", inside=True)
    assert done.files == (jpeg, tmp_path / "a.xmp")
    assert raw.read_bytes() == PHOTOS["a.tif"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.webp",
            encode(IMAGE, "WEBP"),
            "XMP is written into JPEG, PNG, TIFF, DNG, HEIC and AVIF only",
        ),
        (
            "big.tif",
            b"II+\0" + bytes(60),
            "XMP is written into JPEG, PNG, TIFF, DNG, HEIC and AVIF only",
        ),
        ("a.jpg", encode(IMAGE, "JPEG", xmp=b"<x:xmpmeta Description"), "damaged or not XML"),
        ("cut.jpg", PHOTOS["a.jpg"][:30], "its structure is damaged"),
        ("cut.png", PHOTOS["a.png"][:20], "its structure is damaged"),
        ("cut.heic", PHOTOS["a.heic"][:-1], "its structure is damaged"),
        ("cut.tif", b"II*\0\xff\xff\0\0", "its structure is damaged"),
    ],
)
def test_what_is_left_alone(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    photo = tmp_path / name
    photo.write_bytes(content)
    with pytest.raises(
        SidecarError, match=rf"^the (photo|XMP in) .*{name}' is left alone: .*{message}"
    ):
        rate_shot([photo], Marks(3), inside=True)
    assert photo.read_bytes() == content
    assert list(tmp_path.iterdir()) == [photo]


def test_a_packet_that_has_no_room_in_a_jpeg(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    large = UNRATED.replace(b"<rdf:li>", b"<rdf:li>" + b"x" * (65_400 - len(UNRATED)))
    photo.write_bytes(encode(IMAGE, "JPEG", xmp=large))
    with pytest.raises(SidecarError, match="has no room in a JPEG"):
        rate_shot([photo], MARKS, inside=True)


def test_what_another_program_changes_meanwhile_wins(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(PHOTOS["a.jpg"])
    read = read_inside(photo)
    photo.write_bytes(PHOTOS["xmp.jpg"])
    planned = plan_inside(read, lambda content: content + b" ")
    assert planned is not None
    with pytest.raises(SidecarError, match="another program changed it meanwhile"):
        write_planned([planned])
    assert photo.read_bytes() == PHOTOS["xmp.jpg"]


def test_the_journal_of_a_large_photo_is_small(tmp_path: Path) -> None:
    noise = Image.frombytes("RGB", (512, 512), os.urandom(512 * 512 * 3))
    for kind in ("PNG", "TIFF"):
        photo = tmp_path / f"a.{kind.lower()}"
        photo.write_bytes(encode(noise, kind))
        before = photo.read_bytes()
        with Journal("test") as journal:
            rate_shot([photo], Marks(3), inside=True, note=journal.note)
        run = next(runs())
        assert run.path.stat().st_size < 2_000
        undo(run)
        assert photo.read_bytes() == before


def test_changes_back() -> None:
    before = bytes(range(200))
    for after in (
        before,
        before[:50] + b"new" + before[50:],
        before[:50] + b"new" + before[60:],
        before[:4] + b"\xff" * 4 + before[8:] + b"end",
        b"",
        before + b"end",
        before[:-1],
    ):
        assert with_changes(after, changes_back(after, before)) == before
    assert (
        sum(
            len(old) for *_, old in changes_back(before[:4] + b"\xff" + before[5:] + b"end", before)
        )
        == 1
    )


def cached_scores() -> int:
    with closing(sqlite3.connect(default_cache_path())) as cache:
        count: int = cache.execute("SELECT count(*) FROM scores").fetchone()[0]
    return count


def rated_contents() -> dict[str, Marks]:
    with UserRatings.open(default_user_ratings_path()) as ratings:
        return {one.content_sha256: one.marks for one in ratings.ratings()}


def test_score_with_xmp_inside(examples: Path, tmp_path: Path) -> None:
    photos = [
        Path(shutil.copy(examples / name, tmp_path)) for name in ("rocket.jpg", "chelsea.png")
    ]
    before = {photo: photo.read_bytes() for photo in photos}
    shown = [read_photo(photo).pixels.tobytes() for photo in photos]
    rated = file_sha256(photos[0])
    with UserRatings.open(default_user_ratings_path()) as ratings:
        ratings.rate(rated, str(photos[0]), stars=2, flag=None)

    def run(*command: str) -> str:
        done = CliRunner().invoke(app, list(command))
        assert done.exit_code == 0, done.output
        return done.output

    options = ("--xmp", "--xmp-inside", "--xmp-keywords", "score", "--stars-of", "own")
    said = run("score", str(tmp_path), *options)
    assert "stars: 2 written" in said
    assert "keywords: 2 written" in said
    found = read_by_exiftool(photos)
    assert sorted(str(one["XMP-xmp:Rating"]) for one in found) == ["1", "5"]
    assert all(str(one["XMP-dc:Subject"]).startswith("mlsp|score|") for one in found)
    assert [read_photo(photo).pixels.tobytes() for photo in photos] == shown
    # Stars of the page follow, though the photo's content is another one now.
    written = file_sha256(photos[0])
    assert rated_contents() == {written: Marks(2), rated: Marks(2)}
    # So do cached scores: nothing is computed anew.
    kept = cached_scores()
    run("score", str(tmp_path))
    assert cached_scores() == kept
    # Without our stars the content is a third one: what is left of the XMP stays.
    said = run("stars", "remove", str(tmp_path))
    assert "taken out of 2 files" in said
    contents = {rated, written, file_sha256(photos[0])}
    assert rated_contents() == dict.fromkeys(contents, Marks(2))
    assert len(contents) == 3
    kept = cached_scores()
    run("score", str(tmp_path))
    assert cached_scores() == kept
    for _ in range(2):
        assert run("stars", "undo").rstrip().endswith(": 2 files restored, 0 removed")
    assert {photo: photo.read_bytes() for photo in tmp_path.iterdir()} == before
