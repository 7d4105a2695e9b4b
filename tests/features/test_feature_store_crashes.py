"""A feature store survives whatever stops its writer, and ends bit-equal to an undisturbed one."""

from __future__ import annotations

import random
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from children import start_child
from feature_store_writer import FAILING, IDS, PHOTOS, SURE_KILLS, layout, write_all
from mlsp.features.store.files import PositionedFile
from mlsp.features.store.rows import journal_path
from mlsp.features.store.store import FeatureStore

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills and limits are POSIX")
WRITER = Path(__file__).parents[1] / "support" / "feature_store_writer.py"
COMPRESSIONS = ("none", "zstd")


@pytest.fixture(scope="module", params=COMPRESSIONS)
def compression(request: pytest.FixtureRequest) -> str:
    if request.param != "none":
        pytest.importorskip("hdf5plugin", reason="compression is an extra")
    return str(request.param)


@pytest.fixture(scope="module")
def undisturbed(compression: str, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("undisturbed") / "features.h5"
    write_all(path, compression, flush_every=1000)
    assert [file.name for file in path.parent.iterdir()] == ["features.h5"]
    return path.read_bytes()


def test_killed_writers_end_bit_equal(compression: str, undisturbed: bytes, tmp_path: Path) -> None:
    path = tmp_path / "features.h5"
    command = [sys.executable, str(WRITER), "kill", str(path), compression, "1"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    # Each kill fell somewhere between making the file and closing it.
    assert int(run.stdout) >= SURE_KILLS
    assert path.read_bytes() == undisturbed
    with FeatureStore.open(path) as store:
        assert store.check() == []
        assert store.rows("failed").tolist() == [FAILING]


def test_ctrl_c_keeps_every_row_that_was_written(
    compression: str, undisturbed: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "features.h5"
    command = [sys.executable, str(WRITER), "slow", str(path), compression, "0"]
    with start_child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(20):
            writer.stdout.readline()
        writer.send_signal(signal.SIGINT)
        rest, trace = writer.communicate(timeout=30)
    assert b"KeyboardInterrupt" in trace
    with FeatureStore.open(path) as store:
        assert len(store.rows("done")) >= 20 + len(rest.splitlines())
        assert len(store.rows("pending")) > 0
    write_all(path, compression, flush_every=1000)
    assert path.read_bytes() == undisturbed


def test_full_disk_keeps_what_was_written(
    compression: str, undisturbed: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "features.h5"
    limit = len(undisturbed) // 2
    command = [sys.executable, str(WRITER), "fill", str(path), compression, str(limit)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    written = path if compression == "none" else journal_path(path)
    assert run.returncode == 1
    assert run.stderr == (
        f"feature file {written} cannot be written: File too large; make room and continue: the rows "
        "written before are kept\n"
    )
    with FeatureStore.open(path) as store:
        assert store.check() == []
        assert 10 < len(store.rows("done")) < PHOTOS - 10
    write_all(path, compression, flush_every=1000)
    assert path.read_bytes() == undisturbed


@dataclass(frozen=True)
class Written:
    path: Path
    offset: int
    content: bytes


@dataclass(frozen=True)
class Synced:
    path: Path


def test_power_loss_at_any_moment_loses_no_row_that_counts_as_done(
    compression: str, undisturbed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power loss keeps what was synced, and of later writes any, in any order, whole or in part."""
    path = tmp_path / "features.h5"
    events: list[Written | Synced] = []
    true_write, true_sync = PositionedFile.write, PositionedFile.sync

    def write(self: PositionedFile, offset: int, content: bytes | memoryview) -> None:
        events.append(Written(self.path, offset, bytes(content)))
        true_write(self, offset, content)

    def sync(self: PositionedFile) -> None:
        true_sync(self)
        events.append(Synced(self.path))

    FeatureStore.create(path, layout(compression), IDS).close()
    made = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(PositionedFile, "write", write)
        patch.setattr(PositionedFile, "sync", sync)
        write_all(path, compression, flush_every=13)
    assert sum(isinstance(event, Synced) for event in events) > 10

    rng = random.Random(5)
    done_counts = set()
    rounds = 25 if compression == "none" else 8
    for number in range(rounds):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        lost = folder / "features.h5"
        survivors = _after_power_loss(events[: rng.randrange(len(events))], made, path, rng)
        for name, content in survivors.items():
            (folder / name).write_bytes(content)
        with FeatureStore.open(lost) as store:
            problems = store.check()
            done_counts.add(len(store.rows("done")))
        # A torn record is found and its row done again; a row that counts as done is whole.
        assert all(
            re.fullmatch(r"photo '.*': its record is damaged, .*", line) for line in problems
        )
        write_all(lost, compression, flush_every=1000)
        assert lost.read_bytes() == undisturbed
        shutil.rmtree(folder)
    assert len(done_counts) >= 4


def _after_power_loss(
    events: list[Written | Synced], made: bytes, path: Path, rng: random.Random
) -> dict[str, bytes]:
    images = {path: bytearray(made)}
    for file in {event.path for event in events}:
        image = images.setdefault(file, bytearray())
        own = [event for event in events if event.path == file]
        synced = max(
            (place for place, event in enumerate(own) if isinstance(event, Synced)), default=-1
        )
        writes = [event for event in own[: synced + 1] if isinstance(event, Written)]
        later = [event for event in own[synced + 1 :] if isinstance(event, Written)]
        for event in rng.sample(later, rng.randint(0, len(later))):
            begin, end = 0, len(event.content)
            if rng.random() < 0.5:
                begin, end = sorted(rng.choices(range(end + 1), k=2))
            writes.append(Written(file, event.offset + begin, event.content[begin:end]))
        for write in writes:
            end = write.offset + len(write.content)
            image.extend(bytes(max(0, end - len(image))))
            image[write.offset : end] = write.content
    return {file.name: bytes(image) for file, image in images.items()}
