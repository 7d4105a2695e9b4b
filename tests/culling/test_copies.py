"""Copies of photos and links to them: nothing moved, deleted or overwritten."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mlsp.base.errors import OutputError, SettingsError
from mlsp.base.results import ScoreFailure
from mlsp.culling.copies import Placed, find_for, place_shots


def photo(path: Path, content: bytes = b"photo", seconds: int = 1_500_000_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(0, seconds * 10**9 + 123_456_000))
    return path


def state(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def place(photos: list[Path], folder: Path, paths: list[Path], *, link: bool = False) -> list[bool]:
    """Copy, and say for each whether it is new."""
    folder.mkdir(exist_ok=True)
    done = list(place_shots([[each] for each in photos], folder, paths, link=link))
    assert [result.source for result in done] == photos
    return [isinstance(result, Placed) and result.is_new for result in done]


def test_copies_keep_folders_times_and_permissions(tmp_path: Path) -> None:
    card = tmp_path / "card"
    photos = [photo(card / "a" / "1.jpg", b"one"), photo(card / "2.jpg", b"two")]
    photos[0].chmod(0o640)
    assert place(photos, tmp_path / "best", [card]) == [True, True]
    assert state(tmp_path / "best") == {"a/1.jpg": b"one", "2.jpg": b"two"}
    copy, original = (tmp_path / "best/a/1.jpg").stat(), photos[0].stat()
    assert (copy.st_mtime_ns, copy.st_mode) == (original.st_mtime_ns, original.st_mode)
    assert copy.st_nlink == 1
    assert state(card) == {"a/1.jpg": b"one", "2.jpg": b"two"}


def test_a_second_run_copies_nothing(tmp_path: Path) -> None:
    photos = [photo(tmp_path / "card/1.jpg", b"one"), photo(tmp_path / "card/2.jpg", b"two")]
    place(photos[:1], tmp_path / "best", [tmp_path / "card"])
    before = (tmp_path / "best/1.jpg").stat()
    assert place(photos, tmp_path / "best", [tmp_path / "card"]) == [False, True]
    assert place(photos, tmp_path / "best", [tmp_path / "card"]) == [False, False]
    after = (tmp_path / "best/1.jpg").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_another_photo_of_the_name_is_not_overwritten(tmp_path: Path) -> None:
    one, two = photo(tmp_path / "a/1.jpg", b"one"), photo(tmp_path / "b/1.jpg", b"two")
    photo(tmp_path / "best/1.jpg", b"mine")
    # Same size and time as `one`: only the content differs.
    photo(tmp_path / "best/1-2.jpg", b"0ne")
    assert place([one, two], tmp_path / "best", [one, two]) == [True, True]
    expected = {"1.jpg": b"mine", "1-2.jpg": b"0ne", "1-3.jpg": b"one", "1-4.jpg": b"two"}
    assert state(tmp_path / "best") == expected
    assert place([one, two], tmp_path / "best", [one, two]) == [False, False]
    assert state(tmp_path / "best") == expected


@pytest.mark.parametrize("taken", ["IMG_1.JPG", "IMG_1.DNG", "IMG_1.JPG.xmp"])
def test_all_files_of_a_shot_have_one_number(taken: str, tmp_path: Path) -> None:
    """Else its sidecar would rate the other photo of the name, and its raw photo be one shot with that."""
    best, card = tmp_path / "best", tmp_path / "card"
    names = ("IMG_1.JPG", "IMG_1.DNG", "IMG_1.JPG.xmp", "IMG_1.xmp", "P_7.DNG", "P_7.DNG.xmp")
    files = [photo(card / name, name.encode()) for name in names]
    photo(best / taken, b"another's")
    for is_new in (True, False):
        done = list(place_shots([files], best, [card], link=False))
        assert [isinstance(one, Placed) and one.is_new for one in done] == [is_new] * len(files)
        assert state(best) == {
            taken: b"another's",
            **{name.replace("1", "1-2").replace("7", "7-2"): name.encode() for name in names},
        }


@pytest.mark.parametrize("link", [False, True])
def test_a_sidecar_that_was_changed_stays_beside_its_photo(link: bool, tmp_path: Path) -> None:
    """There or here, by another program since the shot was put into the folder."""
    best, card = tmp_path / "best", tmp_path / "card"
    best.mkdir()
    files = [photo(card / "1.jpg"), photo(card / "1.jpg.xmp", b"four stars")]
    list(place_shots([files], best, [card], link=link, hard=link))
    (best / "1.jpg.xmp").write_bytes(b"five stars")
    again = list(place_shots([files], best, [card], link=link, hard=link))
    assert [(one.is_new, one.differs) for one in again if isinstance(one, Placed)] == [
        (False, False),
        (False, True),
    ]
    assert state(best) == {"1.jpg": b"photo", "1.jpg.xmp": b"five stars"}


def test_folders_of_several_paths_keep_their_names(tmp_path: Path) -> None:
    cards = [tmp_path / "card1", tmp_path / "card2"]
    photos = [photo(card / "DCIM" / "1.jpg", card.name.encode()) for card in cards]
    place(photos, tmp_path / "best", cards)
    assert sorted(state(tmp_path / "best")) == ["card1/DCIM/1.jpg", "card2/DCIM/1.jpg"]


@pytest.mark.skipif(os.name != "posix", reason="links need a right on Windows")
def test_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = photo(Path("card/1.jpg"), b"one")
    photo(Path("card/sub/1.jpg"), b"one")
    assert place([one], Path("best"), [Path("card")], link=True) == [True]
    link = tmp_path / "best/1.jpg"
    assert link.is_symlink()
    assert link.resolve() == tmp_path / "card/1.jpg"
    assert place([one], Path("best"), [Path("card")], link=True) == [False]
    # Equal content is not the same photo where links are wanted.
    same_name = Path("card/sub/1.jpg")
    assert place([same_name], Path("best"), [same_name], link=True) == [True]
    assert sorted(path.name for path in Path("best").iterdir()) == ["1-2.jpg", "1.jpg"]


def test_a_broken_link_holds_its_name(tmp_path: Path) -> None:
    one = photo(tmp_path / "card/1.jpg", b"one")
    (tmp_path / "best").mkdir()
    (tmp_path / "best/1.jpg").symlink_to(tmp_path / "nowhere")
    assert place([one], tmp_path / "best", [tmp_path / "card"]) == [True]
    assert state(tmp_path / "best") == {"1-2.jpg": b"one"}
    assert not (tmp_path / "nowhere").exists()


MEMORY = "/dev/shm"  # noqa: S108 - another drive than that of temporary files, on most machines


@pytest.mark.skipif(not os.path.isdir(MEMORY), reason="needs another drive")
def test_hard_links_need_one_drive(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        other = Path(folder)
        if other.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("it is on the same drive")
        source = photo(tmp_path / "1.jpg")
        with pytest.raises(OutputError) as error:
            list(place_shots([[source]], other, [tmp_path], link=True, hard=True))
    assert str(error.value) == (
        f"cannot link to {str(source)!r} in {folder!r}: it is on another drive, and hard links need one: make copies or"
        " symbolic links, or name a folder on the photos' drive"
    )


def test_a_photo_that_is_gone_is_a_failure(tmp_path: Path) -> None:
    there, gone = photo(tmp_path / "card/1.jpg"), tmp_path / "card/2.jpg"
    (tmp_path / "best").mkdir()
    first, second = place_shots(
        [[gone], [there]], tmp_path / "best", [tmp_path / "card"], link=False
    )
    assert isinstance(first, ScoreFailure)
    assert str(first.error) == "the file cannot be copied: No such file or directory"
    assert isinstance(second, Placed)
    assert sorted(state(tmp_path / "best")) == ["1.jpg"]


def test_without_hard_links_names_are_held_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on memory cards."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    one, two = photo(tmp_path / "a/1.jpg", b"one"), photo(tmp_path / "b/1.jpg", b"two")
    assert place([one, two, one], tmp_path / "best", [one, two]) == [True, True, False]
    assert state(tmp_path / "best") == {"1.jpg": b"one", "1-2.jpg": b"two"}
    assert (tmp_path / "best/1.jpg").stat().st_mtime_ns == one.stat().st_mtime_ns


@pytest.mark.skipif(sys.platform != "linux", reason="limits file sizes as on Linux")
def test_a_full_disk_leaves_nothing_half(tmp_path: Path) -> None:
    """A limit of the process on sizes of files stands for the disk: the same error, in the middle of a copy."""
    photo(tmp_path / "card/1.jpg", b"small")
    photo(tmp_path / "card/2.jpg", b"large" * 1_000_000)
    (tmp_path / "best").mkdir()
    script = (
        "import resource, signal, sys; from pathlib import Path; from mlsp.culling.copies import *\n"
        "from mlsp.base.errors import OutputError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))\n"
        "card = Path('card')\n"
        "try: list(place_shots([[card / '1.jpg'], [card / '2.jpg']], Path('best'), [card], link=False))\n"
        "except OutputError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        f"cannot copy '{Path('card/2.jpg')}' in 'best': File too large."
        " Nothing is lost: the next try goes on from here\n"
    )
    assert [path.name for path in (tmp_path / "best").iterdir()] == ["1.jpg"]


def test_what_was_picked_before_is_not_picked_again(tmp_path: Path) -> None:
    card = tmp_path / "card"
    one = photo(card / "1.jpg")
    photo(card / "best" / "1.jpg")
    assert find_for(card / "best", [card]).photos == [one]
    assert len(find_for(None, [card]).shots) == 2
    # The other way around the photos are below the folder, and all of them count.
    assert find_for(tmp_path, [card]).photos == [one, card / "best" / "1.jpg"]
    # As a shell makes it of `card/*`.
    assert find_for(card / "best", [card / "1.jpg", card / "best"]).photos == [one]


def test_folders_that_cannot_be(tmp_path: Path) -> None:
    file = photo(tmp_path / "file")
    with pytest.raises(SettingsError) as raised:
        find_for(tmp_path, [tmp_path])
    assert str(raised.value) == (
        f"{str(tmp_path)!r} is where the photos are picked from: name another folder for the picked ones"
    )
    with pytest.raises(OutputError) as unmade:
        find_for(file, [tmp_path])
    assert f"{str(file)!r} cannot be made: File exists" in str(unmade.value)
