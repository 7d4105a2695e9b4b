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

from children import start_child
from mlsp.base.errors import OutputError, SidecarError
from mlsp.culling.marks import Marks
from mlsp.culling.xmp import journal as journals
from mlsp.culling.xmp import rate_shot, read_rating, write_shot_marks
from mlsp.culling.xmp.files import restore_sidecar
from mlsp.culling.xmp.journal import Journal, default_journal_folder, runs, undo
from mlsp.culling.xmp.packet import parse_packet
from mlsp.culling.xmp.properties import RATING, replaced
from mlsp.culling.xmp.removing import remove_stars
from xmp_samples import DARKTABLE, DIGIKAM, SAMPLES

posix = pytest.mark.skipif(os.name != "posix", reason="files as on POSIX")


@pytest.fixture
def photo(examples: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(examples / "rocket.jpg", tmp_path / "photo.jpg"))


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
    assert str(undo(first)) == "1 sidecars restored, 1 removed"
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
    changed.unlink()
    (run,) = runs()
    assert str(undo(run)) == "0 sidecars restored, 0 removed, 2 as before already"


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
    assert str(done) == "stars: taken out of 1 sidecars and photos"
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
