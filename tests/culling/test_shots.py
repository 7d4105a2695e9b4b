"""Files -> shots: what a camera makes of one press of the shutter, and what is left out."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from mlsp.culling.marks import Marks
from mlsp.culling.shots import Shot, find_shots, group_photos
from mlsp.culling.xmp import rate_shot
from mlsp.personal.judgements import read_sidecar_judgements
from mlsp.photos.camera_data import CameraData
from xmp_samples import DIGIKAM, read_rating

NOON = datetime(2024, 5, 1, 12, 0, 0, 250_000)


def make(folder: Path, *names: str) -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return folder


def named(folder: Path, shots: tuple[Shot, ...]) -> list[list[str]]:
    return [[file.relative_to(folder).as_posix() for file in shot.files] for shot in shots]


def test_a_shot_has_its_raw_photo_sidecars_and_video(tmp_path: Path) -> None:
    make(
        tmp_path,
        *("IMG_1.CR2", "img_1.JPG", "IMG_1.CR2.xmp", "IMG_1.xmp", "IMG_1.pp3"),
        *("IMG_2.HEIC", "IMG_2.MOV", "IMG_2.aae"),
        *("IMG_3.dng", "IMG_3.heic", "IMG_3.jpeg", "IMG_3.tif"),
        *("b/IMG_1.NEF", "b/IMG_10.jpg", "c/DSC1.ARW", "c/DSC1.HIF", "c/DSC1.xmp"),
    )
    found = find_shots([tmp_path])
    assert named(tmp_path, found.shots) == [
        ["img_1.JPG", "IMG_1.CR2", "IMG_1.CR2.xmp", "IMG_1.pp3", "IMG_1.xmp"],
        ["IMG_2.HEIC", "IMG_2.aae", "IMG_2.MOV"],
        ["IMG_3.jpeg", "IMG_3.heic", "IMG_3.tif", "IMG_3.dng"],
        ["b/IMG_1.NEF"],
        ["b/IMG_10.jpg"],
        ["c/DSC1.HIF", "c/DSC1.ARW", "c/DSC1.xmp"],
    ]
    assert [shot.formats for shot in found.shots] == [
        "RAW+JPEG",
        "HEIC+video",
        "RAW+TIFF+HEIC+JPEG",
        "",
        "",
        "RAW+HEIF",
    ]
    assert found.shots[0].photos == (tmp_path / "img_1.JPG", tmp_path / "IMG_1.CR2")
    assert str(found.left_out) == ""


def test_without_pairs_each_file_is_a_shot_and_the_raw_photo_keeps_the_sidecar(
    tmp_path: Path,
) -> None:
    make(tmp_path, "1.jpg", "1.cr3", "1.xmp", "1.jpg.xmp")
    assert named(tmp_path, find_shots([tmp_path], pairs=False).shots) == [
        ["1.cr3", "1.xmp"],
        ["1.jpg", "1.jpg.xmp"],
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("1.jpg", "1.png"),  # an export
        ("1.jpg", "1.jpeg", "1.nef"),  # whose is the raw photo?
        ("1.tif", "1.jpg"),  # no camera writes both without a raw photo
        ("a/1.jpg", "b/1.nef"),
        ("1.jpg", "1-edit.nef"),
    ],
)
def test_other_files_of_one_name_are_shots_of_their_own(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    assert len(find_shots([make(tmp_path, *names)]).shots) == len(names)


def test_one_name_at_two_times_is_two_shots() -> None:
    """A camera's counter begins anew after 9999."""
    times = {"1.jpg": NOON, "1.nef": NOON + timedelta(days=40), "2.jpg": NOON, "2.nef": None}
    times |= {"3.jpg": NOON, "3.nef": NOON + timedelta(seconds=1)}

    def data(photo: Path) -> CameraData:
        return CameraData(original=times[photo.name])

    groups = group_photos([Path(name) for name in times], data=data)
    assert [[photo.name for photo in group] for group in groups] == [
        ["1.jpg"],
        ["1.nef"],
        ["2.jpg", "2.nef"],
        ["3.jpg", "3.nef"],
    ]


def test_other_names_of_one_id_or_one_moment_are_one_shot() -> None:
    """As phones name them: PXL_1.RAW-01.COVER.jpg and PXL_1.RAW-02.ORIGINAL.dng."""
    whole = NOON.replace(microsecond=0)
    about = {
        "a.COVER.jpg": CameraData(original=NOON, camera="P"),
        "a.ORIGINAL.dng": CameraData(original=NOON, camera="P"),
        "b.jpg": CameraData(original=whole, camera="P", unique_id="7f"),
        "c.dng": CameraData(original=whole, camera="P", unique_id="7f"),
        # A second alone, another camera, another id, two of one kind: nobody can tell.
        "d.jpg": CameraData(original=whole, camera="Q"),
        "e.dng": CameraData(original=whole, camera="Q"),
        "f.dng": CameraData(original=NOON, camera="R"),
        "g.dng": CameraData(original=whole, camera="P", unique_id="80"),
        "h.jpg": CameraData(original=NOON, camera="S"),
        "i.jpg": CameraData(original=NOON, camera="S"),
        "j.dng": CameraData(original=NOON, camera="S"),
    }
    groups = group_photos([Path(name) for name in about], data=lambda photo: about[photo.name])
    pairs = [[photo.name for photo in group] for group in groups if len(group) > 1]
    assert pairs == [["a.COVER.jpg", "a.ORIGINAL.dng"], ["b.jpg", "c.dng"]]
    assert len(groups) == len(about) - 2


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    make(
        tmp_path,
        *("1.jpg", "2-edit.jpg", "film.MP4", "clip.mov", "a.psb", "b.psb", "notes", ".hidden.jpg"),
        *("@eaDir/1.jpg", "Catalog Previews.lrdata/1.jpg", ".dtrash/files/1.jpg"),
        *("My.photoslibrary/originals/A/9.heic", "My.photoslibrary/resources/small.jpg"),
        *("private/8.jpg", "sub/private.jpg"),
    )
    found = find_shots([tmp_path], exclude=["*-EDIT.*", "private"])
    assert [name for (name,) in named(tmp_path, found.shots)] == [
        "1.jpg",
        "My.photoslibrary/originals/A/9.heic",
        "sub/private.jpg",
    ]
    assert str(found.left_out) == (
        "2 .psb (large Photoshop files, which are not read: save as TIFF), 2 videos (.mov, .mp4), 1 without an ending;"
        " .dtrash, @eaDir, Catalog Previews.lrdata; 2 by --exclude"
    )
    below = find_shots([tmp_path], exclude=["sub/*"])
    assert not any("sub" in name for (name,) in named(tmp_path, below.shots))
    # Given by name it is looked into all the same.
    assert len(find_shots([tmp_path / "@eaDir"]).shots) == 1


def test_what_a_shell_expands_is_as_a_folder(tmp_path: Path) -> None:
    """`photos/*` names sidecars too; one of no photo is read all the same, which says what it is."""
    make(tmp_path, "1.jpg", "1.cr3", "1.xmp", "2.xmp", "3.txt")
    found = find_shots(sorted(tmp_path.iterdir()))
    assert named(tmp_path, found.shots) == [["1.jpg", "1.cr3", "1.xmp"], ["3.txt"], ["2.xmp"]]


def test_times_are_read_from_the_files(tmp_path: Path) -> None:
    for name, second in (("1.jpg", 0), ("1.heic", 0), ("2.jpg", 0), ("2.heic", 30)):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 12:00:{second:02}"
        # The content is a JPEG's under both names, which is all that the times need.
        Image.new("RGB", (8, 8)).save(tmp_path / name, "JPEG", exif=exif)
    assert named(tmp_path, find_shots([tmp_path]).shots) == [
        ["1.jpg", "1.heic"],
        ["2.heic"],
        ["2.jpg"],
    ]


def test_one_rating_is_written_for_every_photo_of_a_shot(tmp_path: Path) -> None:
    make(tmp_path, "1.jpg", "1.cr3", "2.jpg", "2.cr3")
    photos = [tmp_path / "1.jpg", tmp_path / "1.cr3"]
    outcome = rate_shot(photos, Marks(4))
    assert outcome.status == "written"
    names = ["1.jpg.xmp", "1.cr3.xmp", "1.xmp"]
    assert [file.name for file in outcome.files] == names
    assert [read_rating(photo) for photo in photos] == [4, 4]
    assert rate_shot(photos, Marks(4)).status == "unchanged"
    # photo.xmp is the raw photo's, so the JPEG has none of that name; the shot has one.
    assert rate_shot(photos, Marks(3), convention="photo.xmp").files == (tmp_path / "1.xmp",)
    assert rate_shot(photos[:1], Marks(3), convention="photo.xmp").status == "shared"
    # A rating by hand of one of them is the shot's: the other one gets none beside it.
    (tmp_path / "2.cr3.xmp").write_bytes(DIGIKAM)
    others = [tmp_path / "2.jpg", tmp_path / "2.cr3"]
    assert rate_shot(others, Marks(2)).status == "kept"
    assert not (tmp_path / "2.jpg.xmp").exists()
    assert rate_shot(others, Marks(2), overwrite=True).status == "written"
    assert [read_rating(photo) for photo in others] == [2, 2]
    # What is neither kept nor written is not read either.
    (tmp_path / "2.cr3.xmp").write_bytes(DIGIKAM[:-1])
    outcome = rate_shot(others, Marks(1), overwrite=True, convention="photo.xmp")
    assert outcome.files == (tmp_path / "2.xmp",)


def test_stars_of_a_raw_photo_are_learned_from_as_its_jpegs(tmp_path: Path) -> None:
    make(tmp_path, "1.jpg", "1.cr3", "2.jpg", "1.cr3.xmp")
    (tmp_path / "1.cr3.xmp").write_bytes(DIGIKAM)
    ((photo, stars),) = read_sidecar_judgements([tmp_path]).ratings
    assert (photo.path, stars) == (tmp_path / "1.jpg", read_rating(tmp_path / "1.cr3"))
