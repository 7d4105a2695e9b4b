"""What a run wrote into sidecars, taken back."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from children import start_child
from mlsp.base.errors import OutputError, SidecarError
from mlsp.cli import app
from mlsp.culling.marks import Marks
from mlsp.culling.xmp import journal as journals
from mlsp.culling.xmp import rate_shot, write_shot_marks
from mlsp.culling.xmp.files import restore_sidecar
from mlsp.culling.xmp.journal import Journal, default_journal_folder, runs
from mlsp.culling.xmp.packet import parse_packet
from mlsp.culling.xmp.properties import RATING, replaced
from mlsp.culling.xmp.rating import remove_stars
from mlsp.culling.xmp.undoing import undo
from xmp_samples import DARKTABLE, DIGIKAM, SAMPLES, read_rating

posix = pytest.mark.skipif(os.name != "posix", reason="files as on POSIX")


@pytest.fixture
def photo(examples: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(examples / "rocket.jpg", tmp_path / "photo.jpg"))


def stars_undo(*options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "mlsp", "stars", "undo", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_run_is_taken_back_to_the_byte(photo: Path, sample: str) -> None:
    photo.with_name("photo.jpg.xmp").write_bytes(SAMPLES[sample])
    before = contents(photo.parent)
    with Journal("one") as journal:
        rate_shot([photo], Marks(3), overwrite=True, note=journal.note)
    between = contents(photo.parent)
    assert len(between) == 3
    with Journal("two") as journal:
        marks = Marks(5, "pick", "blue")
        write_shot_marks([photo], marks, overwrite=True, note=journal.note)
    last, first = runs()
    assert [(run.what, len(run.sidecars)) for run in (last, first)] == [("two", 2), ("one", 2)]
    assert str(undo(last)) == "2 sidecars restored, 0 removed"
    assert contents(photo.parent) == between
    assert str(undo(first)) == "1 sidecar restored, 1 removed"
    assert contents(photo.parent) == before
    assert list(runs()) == []


def test_a_run_that_writes_nothing_is_none(photo: Path) -> None:
    photo.with_name("photo.jpg.xmp").write_bytes(DIGIKAM)
    with Journal("one") as journal:
        assert rate_shot([photo], Marks(3), note=journal.note).status == "kept"
    assert journal.path is None
    assert list(runs()) == []


def test_what_was_changed_since_is_left_alone_and_named(photo: Path) -> None:
    with Journal("one") as journal:
        rate_shot([photo], Marks(3), note=journal.note)
    changed, made = photo.with_name("photo.jpg.xmp"), photo.with_name("photo.xmp")
    changed.write_bytes(DARKTABLE)
    (run,) = runs()
    done = undo(run)
    assert (done.removed, done.restored) == ([made], [])
    (error,) = done.left
    assert str(changed) in str(error)
    assert "changed since" in str(error)
    assert changed.read_bytes() == DARKTABLE
    # Once the program has given it up the rest can be taken back.
    (run,) = runs()
    assert (run.sidecars, run.is_taken_back) == ((changed,), True)
    changed.unlink()
    assert str(undo(run)) == "0 sidecars restored, 0 removed, 1 as before already"
    assert list(runs()) == []


def test_a_file_that_is_written_twice_and_changed_since_is_named_once(photo: Path) -> None:
    sidecar = photo.with_name("photo.jpg.xmp")
    with Journal("one") as journal:
        for stars in (3, 4):
            rate_shot([photo], Marks(stars), convention="photo.jpg.xmp", note=journal.note)
    sidecar.write_bytes(DARKTABLE)
    (run,) = runs()
    assert str(undo(run)) == "0 sidecars restored, 0 removed, 1 left as it is"
    sidecar.unlink()
    (run,) = runs()
    assert str(undo(run)) == "0 sidecars restored, 0 removed, 1 as before already"
    assert list(runs()) == []


@pytest.mark.parametrize("is_mounted", [False, True])
def test_what_is_on_a_drive_that_is_not_there_is_taken_back_once_it_is(
    photo: Path, is_mounted: bool
) -> None:
    folder = photo.parent / "drive"
    folder.mkdir()
    photo = Path(shutil.move(photo, folder))
    with Journal("one") as journal:
        rate_shot([photo], Marks(3), note=journal.note)
    away = folder.rename(folder.with_name("away"))
    if is_mounted:
        folder.mkdir()
    code, said = stars_undo()
    assert code == 1
    assert f"{folder / 'photo.jpg.xmp'!s}" in said
    assert "connect its drive" in said
    if is_mounted:
        folder.rmdir()
    away.rename(folder)
    code, said = stars_undo()
    assert (code, said.rpartition(": ")[2]) == (0, "0 sidecars restored, 2 removed\n")
    assert list(folder.iterdir()) == [photo]


def test_after_a_run_that_is_taken_back_in_part_comes_the_run_before(photo: Path) -> None:
    other = Path(shutil.copy(photo, photo.with_name("other.jpg")))
    for one in (other, photo):
        with Journal("mlsp score --xmp") as journal:
            rate_shot([one], Marks(3), note=journal.note)
    photo.with_name("photo.xmp").write_bytes(DARKTABLE)
    code, said = stars_undo()
    assert code == 1
    assert said.splitlines()[-1] == (
        "1 file left: `mlsp stars undo --run 2` tries again, `mlsp stars undo --run 1` takes back the run before"
    )
    listed = CliRunner().invoke(app, ["stars", "runs"]).output
    assert [(line[0], line.rpartition("\t")[2]) for line in listed.splitlines()] == [
        ("2", "1 file left"),
        ("1", "2 files"),
    ]
    assert stars_undo()[0] == 0
    assert contents(photo.parent).keys() == {"photo.jpg", "other.jpg", "photo.xmp"}
    # Nothing else is left to take back.
    code, said = stars_undo()
    assert (code, said.splitlines()[-1]) == (
        1,
        "1 file left: `mlsp stars undo --run 2` tries again",
    )
    photo.with_name("photo.xmp").unlink()
    assert stars_undo()[0] == 0
    assert stars_undo() == (0, "nothing to take back: no run has written sidecars\n")


def test_a_run_keeps_its_number_and_waits_for_later_ones(photo: Path) -> None:
    for stars in (1, 2, 3):
        with Journal("mlsp score --xmp") as journal:
            rate_shot([photo], Marks(stars), note=journal.note)
    assert [run.number for run in runs()] == [3, 2, 1]
    code, said = stars_undo("--run", "1")
    assert (code, said.count("run 3 wrote it later: take that back first")) == (1, 2)
    assert stars_undo("--run", "3")[0] == 0
    code, said = stars_undo("--run", "1")
    assert (code, said.count("run 2 wrote it later: take that back first")) == (1, 2)
    assert [stars_undo()[0] for _ in range(2)] == [0, 0]
    assert contents(photo.parent).keys() == {"photo.jpg"}
    code, said = stars_undo("--run", "1")
    assert (code, "no run 1 " in said) == (2, True)


@posix
def test_a_link_to_a_file_that_is_not_there_is_one_again(photo: Path) -> None:
    link, target = photo.with_name("photo.jpg.xmp"), photo.with_name("elsewhere.xmp")
    link.symlink_to(target)
    with Journal("one") as journal:
        rate_shot([photo], Marks(3), convention="photo.jpg.xmp", note=journal.note)
    assert read_rating(photo) == 3
    (run,) = runs()
    assert str(undo(run)) == "0 sidecars restored, 1 removed"
    assert (link.is_symlink(), target.exists()) == (True, False)


def test_a_rating_that_is_overwritten_is_never_lost(photo: Path) -> None:
    sidecar = photo.with_name("photo.jpg.xmp")
    rate_shot([photo], Marks(4), convention="photo.jpg.xmp")
    # As darktable would, after our stars; then ours again, and once more.
    for theirs, ours in ((2, 5), (1, 3)):
        content = re.sub(rb'xmp:Rating="\d"', b'xmp:Rating="%d"' % theirs, sidecar.read_bytes())
        sidecar.write_bytes(content)
        with Journal("overwriting") as journal:
            rate_shot(
                [photo], Marks(ours), overwrite=True, convention="photo.jpg.xmp", note=journal.note
            )
        packet = parse_packet(sidecar.read_bytes())
        assert (packet.rating, packet.is_by_hand) == (ours, False)
        assert packet.values[replaced(RATING)].text == str(theirs)
        undo(next(runs()))
        assert sidecar.read_bytes() == content
        assert read_rating(photo) == theirs


def test_our_stars_can_be_removed_without_a_journal(photo: Path) -> None:
    photo.with_name("photo.jpg.xmp").write_bytes(DARKTABLE)
    other = Path(shutil.copy(photo, photo.with_name("other.jpg")))
    rate_shot([photo], Marks(3), convention="photo.jpg.xmp")
    write_shot_marks([other], Marks(2), convention="photo.jpg.xmp")
    rated = contents(photo.parent)
    with Journal("removing") as journal:
        done = remove_stars([photo, other], note=journal.note)
    assert str(done) == "stars: taken out of 1 file"
    assert photo.with_name("photo.jpg.xmp").read_bytes() == DARKTABLE
    assert read_rating(other) == 2
    undo(next(runs()))
    assert contents(photo.parent) == rated


def test_only_the_newest_runs_are_kept(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "KEPT_RUNS", 3)
    for number in range(5):
        with Journal(str(number)) as journal:
            journal.note(photo, None, b"")
    assert [run.what for run in runs()] == ["4", "3", "2"]


def test_what_cannot_be_noted_is_not_written(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Journal("one", folder=tmp_path / "file") as journal, pytest.raises(OutputError) as caught:
        rate_shot([photo], Marks(3), note=journal.note)
    assert str(tmp_path / "file") in str(caught.value)
    assert list(tmp_path.glob("*.xmp")) == []


@posix
def test_a_kill_at_any_moment_can_be_taken_back(examples: Path, tmp_path: Path) -> None:
    photos = [
        Path(shutil.copy(examples / "rocket.jpg", tmp_path / f"{number}.jpg"))
        for number in range(30)
    ]
    for photo in photos[::2]:
        Path(f"{photo}.xmp").write_bytes(DARKTABLE)
    before = contents(tmp_path)
    code = (
        "import sys, itertools; from pathlib import Path\n"
        "from mlsp.culling.marks import Marks; from mlsp.culling.xmp import rate_shot; from mlsp.culling.xmp.journal import Journal\n"
        "photos = sorted(Path(sys.argv[1]).glob('*.jpg')); journal = Journal('killed')\n"
        "for rating in itertools.cycle((1, 2, 3)):\n"
        "    for photo in photos: rate_shot([photo], Marks(rating), note=journal.note)\n"
        "    print('round', flush=True)\n"
    )
    child = start_child([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.wait()
    (run,) = runs()
    assert len(run.sidecars) >= 60
    done = undo(run)
    assert done.left == []
    after = {name: content for name, content in contents(tmp_path).items() if ".tmp" not in name}
    assert after == before


@posix
def test_a_full_disk_spoils_no_line(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from mlsp.base.errors import OutputError, SidecarError; from mlsp.culling.xmp.journal import Journal\n"
        "def limit(size): resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))\n"
        "def note(name):\n"
        "    try: journal.note(Path(sys.argv[1], name), None, b'')\n"
        "    except OutputError as error: print(error)\n"
        "journal = Journal('mlsp score --xmp')\n"
        "limit(10); note('a.xmp'); print(journal.path)\n"
        "limit(resource.RLIM_INFINITY); note('b.xmp')\n"
        "limit(journal.path.stat().st_size + 10); note('c.xmp')\n"
        "limit(resource.RLIM_INFINITY); note('d.xmp')\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    first, path, second = subprocess.check_output(command, text=True).splitlines()
    assert str(default_journal_folder()) in first
    assert path == "None"
    assert second == first
    assert [[file.name for file in run.sidecars] for run in runs()] == [["b.xmp", "d.xmp"]]


def test_a_damaged_line_is_named_and_the_others_are_taken_back(
    photo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Journal("older") as journal:
        journal.note(photo, None, b"")
    with Journal("one") as journal:
        rate_shot([photo], Marks(3), convention="photo.jpg.xmp", note=journal.note)
        assert journal.path is not None
        with journal.path.open("ab") as file:
            file.write(b'{"file": "half a l\n')
        rate_shot([photo], Marks(3), convention="photo.xmp", note=journal.note)
    run = next(runs())
    assert run.what == "one"
    assert f"{journal.path}:3" in caplog.text
    assert str(undo(run)) == "0 sidecars restored, 2 removed"


def test_a_damaged_run_is_named(photo: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Journal("one") as journal:
        journal.note(photo, None, b"")
    assert journal.path is not None
    journal.path.write_bytes(b"damaged\n{}\n")
    assert list(runs()) == []
    assert str(journal.path) in caplog.text


def test_nothing_is_written_over_what_another_program_wrote_meanwhile(photo: Path) -> None:
    sidecar = photo.with_name("photo.jpg.xmp")
    sidecar.write_bytes(DARKTABLE)
    with pytest.raises(SidecarError, match="another program changed it"):
        restore_sidecar(sidecar, DIGIKAM, b"before")
    assert sidecar.read_bytes() == DARKTABLE
    restore_sidecar(sidecar, DARKTABLE, DIGIKAM)
    assert sidecar.read_bytes() == DIGIKAM
