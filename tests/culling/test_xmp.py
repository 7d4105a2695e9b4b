"""Sidecars on disk: names, whose rating is kept, whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from children import start_child
from mlsp.base.errors import SettingsError, SidecarError
from mlsp.culling.marks import Marks
from mlsp.culling.xmp import (
    Convention,
    Folders,
    Outcome,
    StarSettings,
    rate_shot,
    remove_rating,
    stars,
    write_shot_marks,
)
from mlsp.culling.xmp.editing import EMPTY_SIDECAR
from mlsp.culling.xmp.packet import parse_packet
from mlsp.culling.xmp.suggesting import with_suggestion
from mlsp.culling.xmp.tagging import write_photo_keywords
from xmp_samples import (
    DARKTABLE,
    DIGIKAM,
    EXIFTOOL,
    LIGHTROOM,
    read_by_exiftool,
    read_by_exiv2,
    read_rating,
)

posix = pytest.mark.skipif(os.name != "posix", reason="files as on POSIX")


@pytest.fixture
def photo(examples: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(examples / "rocket.jpg", tmp_path / "photo.jpg"))


def ratings(*files: Path) -> list[int | None]:
    return [parse_packet(file.read_bytes()).rating for file in files]


def write_rating(photo: Path, rating: int, **settings: Any) -> list[Path]:
    return list(rate_shot([photo], Marks(rating), **settings).files)


def test_a_new_rating_is_read_by_two_other_programs(photo: Path) -> None:
    before = photo.read_bytes()
    written = write_rating(photo, 4)
    assert written == [photo.with_name("photo.jpg.xmp"), photo.with_name("photo.xmp")]
    assert [found["XMP-xmp:Rating"] for found in read_by_exiftool(written)] == [4, 4]
    assert [read_by_exiv2(file.read_bytes())["Xmp.xmp.Rating"] for file in written] == ["4", "4"]
    assert read_rating(photo) == 4
    assert photo.read_bytes() == before
    assert len(list(photo.parent.iterdir())) == 3


@pytest.mark.parametrize(
    ("convention", "names"),
    [
        ("both", ["photo.jpg.xmp", "photo.xmp"]),
        ("photo.jpg.xmp", ["photo.jpg.xmp"]),
        ("photo.xmp", ["photo.xmp"]),
    ],
)
def test_conventions(photo: Path, convention: Convention, names: list[str]) -> None:
    written = write_rating(photo, 3, convention=convention)
    assert [file.name for file in written] == names
    assert rate_shot([photo], Marks(3), convention=convention) == Outcome("unchanged")
    # Our own rating follows new scores.
    assert write_rating(photo, 2, convention=convention) == written
    assert ratings(*written) == [2] * len(names)


@pytest.mark.parametrize("name", ["photo.jpg.xmp", "photo.xmp"])
def test_a_rating_by_hand_is_kept_wherever_it_is(photo: Path, name: str) -> None:
    sidecar = photo.with_name(name)
    sidecar.write_bytes(DIGIKAM)
    for convention in ("both", "photo.jpg.xmp", "photo.xmp"):
        assert rate_shot([photo], Marks(2), convention=convention) == Outcome("kept")
    assert sidecar.read_bytes() == DIGIKAM
    assert read_rating(photo) == 4
    assert len(write_rating(photo, 2, overwrite=True)) == 2
    assert sidecar.read_bytes() == with_suggestion(DIGIKAM, Marks(2))
    assert len(remove_rating(photo)) == 2
    assert sidecar.read_bytes() == DIGIKAM


def test_what_the_user_changes_later_is_kept(photo: Path) -> None:
    (sidecar,) = write_rating(photo, 4, convention="photo.jpg.xmp")
    for changed in ('xmp:Rating="3"', 'xmp:Rating="0"', 'xmp:Rating="-1"', ""):
        content = sidecar.read_bytes()
        sidecar.write_bytes(content.replace(b'xmp:Rating="4"', changed.encode()))
        assert rate_shot([photo], Marks(5)).status == "kept"
        sidecar.write_bytes(content)
    assert rate_shot([photo], Marks(5)).status == "written"


def test_a_rating_by_hand_of_our_own_is_kept_until_the_next_by_hand(photo: Path) -> None:
    write_rating(photo, 2)
    assert len(write_shot_marks([photo], Marks(4)).files) == 2
    assert rate_shot([photo], Marks(1)) == Outcome("kept")
    assert len(write_shot_marks([photo], Marks(flag="reject")).files) == 2
    assert read_rating(photo) == -1
    photo.with_name("photo.xmp").write_bytes(DIGIKAM)
    assert write_shot_marks([photo], Marks(5)) == Outcome("kept")


def test_a_rating_inside_the_photo_is_kept(photo: Path) -> None:
    content = photo.read_bytes()
    for rating, status in ((0, "written"), (5, "kept")):
        packet = EXIFTOOL.replace(b"Rating>0<", b"Rating>%d<" % rating)
        segment = b"http://ns.adobe.com/xap/1.0/\0" + packet
        length = (len(segment) + 2).to_bytes(2, "big")
        photo.write_bytes(content[:2] + b"\xff\xe1" + length + segment + content[2:])
        assert read_by_exiftool([photo])[0]["XMP-xmp:Rating"] == rating
        assert rate_shot([photo], Marks(3)).status == status
    assert rate_shot([photo], Marks(2), overwrite=True).status == "written"


def test_zero_and_nonsense_are_never_written(photo: Path) -> None:
    for rating in (0, 6, -2):
        with pytest.raises(SettingsError, match=f"rating.* got {rating}$"):
            write_rating(photo, rating)
    assert list(photo.parent.iterdir()) == [photo]


def test_of_raw_and_jpeg_the_raw_one_has_the_short_name(photo: Path) -> None:
    raw = photo.with_name("PHOTO.CR2")
    raw.write_bytes(b"II*\0")
    short = photo.with_name("PHOTO.xmp")
    assert write_rating(photo, 4) == [photo.with_name("photo.jpg.xmp")]
    assert write_rating(raw, 2) == [photo.with_name("PHOTO.CR2.xmp"), short]
    assert rate_shot([photo], Marks(4), convention="photo.xmp") == Outcome("shared")
    assert (read_rating(photo), read_rating(raw)) == (4, 2)


def test_of_two_photos_without_a_raw_one_nobody_has_the_short_name(photo: Path) -> None:
    other = photo.with_suffix(".png")
    other.touch()
    photo.with_suffix(".xmp").write_bytes(DIGIKAM)
    for each in (photo, other):
        assert rate_shot([each], Marks(3), convention="photo.xmp") == Outcome("shared")
        assert [file.name for file in write_rating(each, 3)] == [f"{each.name}.xmp"]
    assert photo.with_suffix(".xmp").read_bytes() == DIGIKAM


def test_a_sidecar_that_says_whose_it_is_belongs_to_that_one(photo: Path) -> None:
    short = photo.with_suffix(".xmp")
    short.write_bytes(LIGHTROOM)
    assert [file.name for file in write_rating(photo, 3)] == ["photo.jpg.xmp"]
    assert short.read_bytes() == LIGHTROOM
    raw = photo.with_suffix(".cr2")
    raw.touch()
    assert len(write_rating(raw, 3)) == 2
    assert short.read_bytes() == with_suggestion(LIGHTROOM, Marks(3))


def test_a_short_name_that_is_another_photos_long_one(photo: Path) -> None:
    other = photo.with_name("photo.jpg.webp")
    other.touch()
    write_rating(photo, 5)
    assert write_rating(other, 1) == [photo.with_name("photo.jpg.webp.xmp")]
    assert read_rating(photo) == 5


def test_a_sidecar_in_capitals_is_the_same(photo: Path) -> None:
    old = photo.with_name("PHOTO.XMP")
    old.write_bytes(DARKTABLE)
    assert write_rating(photo, 3, convention="photo.xmp") == [old]
    assert len(list(photo.parent.iterdir())) == 2


def test_folders_are_listed_once(photo: Path) -> None:
    folders = Folders()
    assert len(write_rating(photo, 3, folders=folders)) == 2
    photo.with_suffix(".png").touch()
    assert len(write_rating(photo, 4, folders=folders)) == 2


@posix
@pytest.mark.parametrize("name", [b"a b.jpg", b"line\nbreak.jpg", b"latin \xe9.jpg", b"no suffix", b"-x.jpg", "é 📷.jpg".encode()])  # fmt: skip
def test_odd_names(photo: Path, name: bytes) -> None:
    odd = photo.rename(photo.parent / os.fsdecode(name))
    written = write_rating(odd, 4)
    assert os.fsencode(written[0].name) == name + b".xmp"
    assert ratings(*written) == [4] * len(written)
    assert read_rating(odd) == 4


@pytest.mark.parametrize("content", [b"", b"notes", DARKTABLE[:-30], b"\0" * 100])
def test_a_damaged_sidecar_is_left_alone_and_so_is_the_other(photo: Path, content: bytes) -> None:
    damaged = photo.with_suffix(".xmp")
    damaged.write_bytes(content)
    with pytest.raises(SidecarError) as caught:
        write_rating(photo, 3)
    reason = "the file is empty" if not content else "it is damaged or not XML: "
    assert str(caught.value).startswith(f"the sidecar {str(damaged)!r} is left alone: {reason}")
    assert damaged.read_bytes() == content
    assert len(list(photo.parent.iterdir())) == 2
    with pytest.raises(SidecarError):
        read_rating(photo)
    # Where ratings by hand do not count, it does not matter for the other.
    assert len(write_rating(photo, 3, overwrite=True, convention="photo.jpg.xmp")) == 1


@posix
def test_what_is_no_file_never_blocks(photo: Path) -> None:
    sidecar = photo.with_suffix(".xmp")
    for make, reason in ((os.mkfifo, "a named pipe"), (os.mkdir, "a folder")):
        make(sidecar)
        with pytest.raises(SidecarError, match=reason):
            write_rating(photo, 3)
        sidecar.rmdir() if sidecar.is_dir() else sidecar.unlink()


def test_too_large(photo: Path) -> None:
    sidecar = photo.with_suffix(".xmp")
    with sidecar.open("wb") as stream:
        stream.truncate(2**30)
    message = f"the sidecar {str(sidecar)!r} is left alone: it has 1073741824 bytes, more than any sidecar"
    with pytest.raises(SidecarError, match=f"^{re.escape(message)}$"):
        write_rating(photo, 3)


def test_no_photo_no_sidecar(tmp_path: Path) -> None:
    gone = tmp_path / "gone.jpg"
    message = f"there is no photo {str(gone)!r} to write a sidecar for"
    with pytest.raises(SidecarError, match=f"^{re.escape(message)}$"):
        write_rating(gone, 3)
    assert list(tmp_path.iterdir()) == []


@posix
def test_mode_owner_and_links_stay(photo: Path) -> None:
    real = photo.parent / "elsewhere" / "real.xmp"
    real.parent.mkdir()
    real.write_bytes(DARKTABLE)
    real.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(real, 12345, 54321)
    before = real.stat()
    link = photo.with_suffix(".xmp")
    link.symlink_to("elsewhere/real.xmp")
    write_rating(photo, 3)
    after = real.stat()
    assert link.is_symlink()
    assert real.read_bytes() == with_suggestion(DARKTABLE, Marks(3))
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    assert after.st_ino != before.st_ino


@posix
def test_a_write_protected_sidecar_is_left_alone(photo: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everything: run as another user")
    sidecar = photo.with_suffix(".xmp")
    sidecar.write_bytes(DARKTABLE)
    sidecar.chmod(0o444)
    message = f"the sidecar {str(sidecar)!r} is left alone: it is write-protected"
    with pytest.raises(SidecarError, match=f"^{re.escape(message)}$"):
        write_rating(photo, 3)


@pytest.mark.parametrize("fault", ["damaged", "not to be changed", "write-protected"])
def test_of_a_shot_all_sidecars_are_written_or_none(photo: Path, fault: str) -> None:
    if fault == "write-protected" and os.geteuid() == 0:
        pytest.skip("root may write everything")
    raw = Path(shutil.copy(photo, photo.with_suffix(".nef")))
    sidecar = photo.with_suffix(".xmp")
    content = with_suggestion(EMPTY_SIDECAR, Marks(3, None, "red"))
    unclear = content.replace(b'xmp:Label="Red"', b'xmp:Label="R&#101;d"')
    sidecar.write_bytes({"damaged": content[:-9], "not to be changed": unclear}.get(fault, content))
    if fault == "write-protected":
        sidecar.chmod(0o400)
    before = {file: file.read_bytes() for file in photo.parent.iterdir()}
    shot, marks = [photo, raw], Marks(5, None, "blue")
    with pytest.raises(SidecarError, match=re.escape(str(sidecar))):
        rate_shot(shot, marks, overwrite=True)
    with pytest.raises(SidecarError, match=re.escape(str(sidecar))):
        write_shot_marks(shot, marks, overwrite=True)
    if fault != "not to be changed":
        with pytest.raises(SidecarError, match=re.escape(str(sidecar))):
            write_photo_keywords(shot, ["mlsp|rank|1"], "both", folders=Folders())
    assert {file: file.read_bytes() for file in photo.parent.iterdir()} == before


def test_a_sidecar_that_cannot_be_made(photo: Path) -> None:
    long = photo.rename(photo.with_name("x" * 250 + ".jpg"))
    message = f"cannot read the sidecar {str(long) + '.xmp'!r}: File name too long"
    with pytest.raises(SidecarError, match=f"^{re.escape(message)}$"):
        write_rating(long, 3)


def test_what_another_program_changes_meanwhile_wins(photo: Path) -> None:
    from mlsp.culling.xmp.files import plan_sidecar, read_sidecar, write_planned

    sidecar = photo.with_suffix(".xmp")
    for before, meanwhile in ((DARKTABLE, DIGIKAM), (None, EMPTY_SIDECAR)):
        sidecar.unlink(missing_ok=True)
        if before is not None:
            sidecar.write_bytes(before)
        read = read_sidecar(sidecar)
        sidecar.write_bytes(meanwhile)
        message = f"the sidecar {str(sidecar)!r} is left alone: another program changed it meanwhile; run the command again"
        planned = plan_sidecar(
            read, lambda content: with_suggestion(content, Marks(3)), empty=EMPTY_SIDECAR
        )
        assert planned is not None
        with pytest.raises(SidecarError, match=f"^{re.escape(message)}$"):
            write_planned([planned])
        assert sidecar.read_bytes() == meanwhile
    assert len(list(photo.parent.iterdir())) == 2


@posix
def test_killed_while_it_writes_leaves_the_old_or_the_new(photo: Path) -> None:
    sidecar = photo.with_suffix(".xmp")
    large = DARKTABLE.replace(b"0000803f", b"0000803f" * 20_000)
    sidecar.write_bytes(large)
    whole = {with_suggestion(large, Marks(rating)) for rating in range(1, 6)} | {large}
    code = (
        "import sys, itertools; from pathlib import Path; from mlsp.culling.marks import Marks; from mlsp.culling.xmp import rate_shot\n"
        "for rating in itertools.cycle(range(1, 6)): rate_shot([Path(sys.argv[1])], Marks(rating), convention='photo.xmp')"
    )
    for wait in (0.05, 0.11, 0.17):
        before = sidecar.stat().st_mtime_ns
        process = start_child([sys.executable, "-c", code, str(photo)])
        deadline = time.monotonic() + 30
        while sidecar.stat().st_mtime_ns == before and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert sidecar.stat().st_mtime_ns != before
        assert sidecar.read_bytes() in whole


@given(
    percentile=st.floats(0, 100),
    thresholds=st.lists(st.floats(0, 100), min_size=4, max_size=4, unique=True).map(sorted),
)
def test_stars_rise_with_the_percentile(percentile: float, thresholds: list[float]) -> None:
    settings = StarSettings(tuple(thresholds))  # type: ignore[arg-type]
    given_stars = stars(percentile, settings)
    bounds = [0.0, *thresholds, 100.0]
    assert bounds[given_stars - 1] <= percentile <= bounds[given_stars]


@pytest.mark.parametrize(
    ("thresholds", "shown"),
    [
        ((20, 45, 70), "20,45,70"),
        ((20, 45, 45, 90), "20,45,45,90"),
        ((-1, 45, 70, 90), "-1,45,70,90"),
        ((20, 45, 70, 101), "20,45,70,101"),
        ((20, float("nan"), 70, 90), "20,nan,70,90"),
        ((), "none"),
    ],
)
def test_thresholds_that_are_none(thresholds: tuple[float, ...], shown: str) -> None:
    with pytest.raises(SettingsError, match=rf"thresholds.*; got {re.escape(shown)}$"):
        StarSettings(thresholds)  # type: ignore[arg-type]


@pytest.mark.parametrize("percentile", [float("nan"), -0.1, 100.1])
def test_percentiles_that_are_none(percentile: float) -> None:
    message = f"a percentile is a number from 0 to 100, got {percentile:g}"
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        stars(percentile)


@pytest.mark.parametrize("program", ["exiftool", "exiv2"])
def test_another_program_keeps_our_mark_and_its_users_rating_counts(
    photo: Path, program: str
) -> None:
    """Programs on exiv2 (darktable, digiKam) and exiftool write a sidecar anew, with what they do not know."""

    def change(label: str, rating: int | None) -> None:
        if program == "exiftool":
            read_by_exiftool([sidecar])
            options = [
                f"-XMP:Label={label}",
                *([] if rating is None else [f"-XMP:Rating={rating}"]),
            ]
            command = ["exiftool", "-q", "-overwrite_original", *options, str(sidecar)]
            subprocess.run(command, check=True)
        else:
            pyexiv2 = pytest.importorskip("pyexiv2", reason="needs exiv2: pip install pyexiv2")
            values = {"Xmp.xmp.Label": label}
            with pyexiv2.ImageData(sidecar.read_bytes()) as image:
                image.modify_xmp(
                    values if rating is None else {**values, "Xmp.xmp.Rating": str(rating)}
                )
                sidecar.write_bytes(image.get_bytes())

    sidecar = photo.with_suffix(".xmp")
    sidecar.write_bytes(DARKTABLE)
    write_rating(photo, 4, convention="photo.xmp")
    change("Red", None)
    assert b"Red" in sidecar.read_bytes()
    assert rate_shot([photo], Marks(5), convention="photo.xmp").status == "written"
    assert read_by_exiv2(sidecar.read_bytes())["Xmp.xmp.Rating"] == "5"
    change("Blue", 3)
    assert rate_shot([photo], Marks(5), convention="photo.xmp").status == "kept"
    assert read_rating(photo) == 3
