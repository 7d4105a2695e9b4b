"""Marks that other programs gave: in sidecars, in a photo's XMP and EXIF data, as those programs write them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mlsp.culling.marks import NO_MARKS, Marks
from mlsp.culling.xmp import rate_shot, read_marks, write_shot_marks
from xmp_samples import DARKTABLE, DIGIKAM, LIGHTROOM


@pytest.fixture
def photo(examples: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(examples / "rocket.jpg", tmp_path / "photo.jpg"))


def write_by_exiftool(file: Path, *tags: str) -> None:
    if shutil.which("exiftool") is None:
        pytest.skip("needs exiftool: apt-get install libimage-exiftool-perl")
    command = ["exiftool", "-q", "-n", "-overwrite_original", *tags, str(file)]
    subprocess.run(command, check=True, capture_output=True)


def darktable(*labels: int, rating: int = 1) -> bytes:
    items = "".join(f"\n     <rdf:li>{label}</rdf:li>" for label in labels)
    found = DARKTABLE.replace(b'Rating="0"', b'Rating="%d"' % rating)
    seq = f"<darktable:colorlabels>\n    <rdf:Seq>{items}\n    </rdf:Seq>\n   </darktable:colorlabels>"
    return found.replace(b"<darktable:history>", f"{seq}\n   <darktable:history>".encode())


SIDECARS = {
    "darktable": (darktable(4, rating=3), Marks(3, None, "purple")),
    "darktable, several labels": (darktable(1, 2), Marks(1, None, "yellow")),
    "darktable, rejected": (darktable(rating=-1), Marks(None, "reject", None)),
    "darktable, unrated": (DARKTABLE, NO_MARKS),
    "digiKam": (DIGIKAM, Marks(4, None, None)),
    "digiKam, accepted": (
        DIGIKAM.replace(b'PickLabel="0"', b'PickLabel="3" digiKam:ColorLabel="6"'),
        Marks(4, "pick", "purple"),
    ),
    "digiKam, rejected": (
        DIGIKAM.replace(b'PickLabel="0"', b'PickLabel="1"'),
        Marks(4, "reject", None),
    ),
    "Lightroom": (
        LIGHTROOM.replace(b'"CR2"', b'"JPG" xmp:Rating="5" xmp:Label="Green"'),
        Marks(5, None, "green"),
    ),
}


@pytest.mark.parametrize(("content", "marks"), SIDECARS.values(), ids=SIDECARS)
def test_sidecars_of_other_programs(photo: Path, content: bytes, marks: Marks) -> None:
    assert read_marks(photo) == NO_MARKS
    photo.with_name("photo.jpg.xmp").write_bytes(content)
    assert read_marks(photo) == marks


INSIDE = {
    "XMP": (("-XMP-xmp:Rating=3", "-XMP-xmp:Label=Blue"), Marks(3, None, "blue")),
    "EXIF": (("-EXIF:Rating=4",), Marks(4)),
    "EXIF, per cent": (("-EXIF:RatingPercent=75",), Marks(4)),
    "Windows": (("-XMP-microsoft:RatingPercent=99",), Marks(5)),
    "rejected": (("-XMP-xmp:Rating=-1",), Marks(None, "reject")),
    "unrated by the camera": (("-XMP-xmp:Rating=0", "-EXIF:Rating=0"), NO_MARKS),
}


@pytest.mark.parametrize(("tags", "marks"), INSIDE.values(), ids=INSIDE)
def test_inside_a_photo(photo: Path, tags: tuple[str, ...], marks: Marks) -> None:
    write_by_exiftool(photo, *tags)
    assert read_marks(photo) == marks
    # What is found there is by hand, so our own stars do not go over it.
    assert rate_shot([photo], Marks(1)).status == ("kept" if marks.rating else "written")


def test_a_sidecar_counts_more_than_the_photo(photo: Path) -> None:
    write_by_exiftool(photo, "-XMP-xmp:Rating=5", "-XMP-xmp:Label=Red")
    photo.with_name("photo.jpg.xmp").write_bytes(darktable(2, rating=2))
    assert read_marks(photo) == Marks(2, None, "green")
    # The stars were taken away there.
    photo.with_name("photo.jpg.xmp").write_bytes(DARKTABLE)
    assert read_marks(photo) == Marks(None, None, "red")


def test_our_own_stars_are_nobodys(photo: Path) -> None:
    rate_shot([photo], Marks(4))
    assert read_marks(photo) == NO_MARKS
    write_shot_marks([photo], Marks(3))
    assert read_marks(photo) == Marks(3)
