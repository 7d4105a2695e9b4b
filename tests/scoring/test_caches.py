from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from children import start_child
from first_edition import first_edition_file
from mlsp.base.content_cache import NullCache
from mlsp.scoring.cache import (
    CachedFeatures,
    CachedScores,
    FeatureCache,
    ScoreCache,
    default_cache_path,
    default_feature_cache_path,
    open_caches,
)

KEY = "f" * 64 + ":bfloat16:0.1.0"
SCORES = CachedScores({"quality": 0.1234567891234, "beauty": 4.567890123}, 4000, 3000)

posix_only = pytest.mark.skipif(
    os.name != "posix", reason="signals, limits and permissions of POSIX"
)


def sha256(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def numbered(number: int) -> CachedScores:
    return CachedScores({"quality": number / 7}, number, number + 1)


def fill(path: Path, count: int, key: str = KEY) -> None:
    with ScoreCache.open(path) as cache:
        for number in range(count):
            cache.put(sha256(number), key, numbered(number))


def known(path: Path, count: int, key: str = KEY) -> list[int]:
    with ScoreCache.open(path) as cache:
        return [n for n in range(count) if cache.get(sha256(n), key) == numbered(n)]


def test_what_was_put_is_known_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "scores.sqlite"
    with ScoreCache.open(path) as cache:
        assert cache.get(sha256(1), KEY) is None
        cache.put(sha256(1), KEY, SCORES)
        assert cache.get(sha256(1), KEY) == SCORES
    with ScoreCache.open(path) as cache:
        found = cache.get(sha256(1), KEY)
        assert found == SCORES
        assert found is not None
        assert list(found.values) == ["quality", "beauty"]
        assert cache.get(sha256(2), KEY) is None
        assert cache.get(sha256(1), KEY + "x") is None


def test_models_are_kept_apart_and_the_last_put_counts(tmp_path: Path) -> None:
    with ScoreCache.open(tmp_path / "c") as cache:
        cache.put(sha256(1), "model a", numbered(1))
        cache.put(sha256(1), "model b", numbered(2))
        cache.put(sha256(1), "model a", numbered(3))
        assert cache.get(sha256(1), "model a") == numbered(3)
        assert cache.get(sha256(1), "model b") == numbered(2)


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoreCache]:
    with ScoreCache.open(tmp_path_factory.mktemp("shared") / "c") as cache:
        yield cache


# A slash is in no name of a head, classifier or label.
_NAMES = st.text().filter(lambda name: "/" not in name)


@given(
    values=st.dictionaries(_NAMES, st.integers(0, 2**64 - 1), max_size=5),
    width=st.integers(0, 2**32 - 1),
    height=st.integers(0, 2**32 - 1),
)
def test_values_are_kept_bit_for_bit(
    shared_cache: ScoreCache, values: dict[str, int], width: int, height: int
) -> None:
    floats = {
        name: struct.unpack("<d", struct.pack("<Q", bits))[0] for name, bits in values.items()
    }
    shared_cache.put(sha256(1), KEY, CachedScores(floats, width, height))
    found = shared_cache.get(sha256(1), KEY)
    assert found is not None
    assert (found.width, found.height, list(found.values)) == (width, height, list(floats))
    assert struct.pack(f"<{len(values)}d", *found.values.values()) == struct.pack(
        f"<{len(values)}Q", *values.values()
    )


def test_a_closed_cache_remembers_nothing_and_raises_nothing(tmp_path: Path) -> None:
    with ScoreCache.open(tmp_path / "c") as cache:
        cache.put(sha256(1), KEY, SCORES)
    cache.close()
    cache.put(sha256(2), KEY, SCORES)
    assert cache.get(sha256(1), KEY) is None
    with ScoreCache.open(tmp_path / "c") as cache:
        assert cache.get(sha256(2), KEY) is None


def test_the_null_cache_remembers_nothing() -> None:
    with NullCache[CachedScores]() as cache:
        cache.put(sha256(1), KEY, SCORES)
        assert cache.get(sha256(1), KEY) is None


def test_size_and_speed(tmp_path: Path) -> None:
    with ScoreCache.open(tmp_path / "c") as cache:
        for number in range(20_000):
            cache.put(sha256(number), KEY, SCORES)
        # The fastest of many rounds: other work on this machine slows some, never speeds one up.
        fastest = min(
            _seconds_a_get(cache, range(first, first + 100)) for first in range(0, 20_000, 100)
        )
    # Measured 102: key 32, value 48, SQLite's own 5, and pages that are about four fifths full.
    assert (tmp_path / "c").stat().st_size / 20_000 < 110
    assert fastest < 50e-6


def _seconds_a_get(cache: ScoreCache, numbers: range) -> float:
    keys = [sha256(number) for number in numbers]
    started = time.perf_counter()
    for key in keys:
        assert cache.get(key, KEY) is not None
    return (time.perf_counter() - started) / len(keys)


def test_what_is_cached_follows_a_photo(tmp_path: Path) -> None:
    for key in ("one", "other"):
        fill(tmp_path / "c", 3, key=key)
    with ScoreCache.open(tmp_path / "c") as cache:
        cache.put(sha256(10), "one", numbered(7))
        cache.follow([(sha256(0), sha256(10)), (sha256(1), sha256(11)), (sha256(8), sha256(18))])
        for key in ("one", "other"):
            found = [cache.get(sha256(number), key) for number in (0, 1, 10, 11, 8, 18)]
            assert found == [numbered(0), numbered(1), numbered(0), numbered(1), None, None]
    cache.follow([(sha256(2), sha256(12))])
    assert known(tmp_path / "c", 3, key="one") == [0, 1, 2]


def test_only_the_models_last_used_are_kept(tmp_path: Path) -> None:
    for number in range(12):
        fill(tmp_path / "c", 3, key=f"model {number}")
    for number in range(12):
        assert known(tmp_path / "c", 3, key=f"model {number}") == ([0, 1, 2] if number >= 4 else [])
    with contextlib.closing(sqlite3.connect(tmp_path / "c")) as database:
        assert database.execute("SELECT count(*) FROM scores").fetchone() == (8 * 3,)


def test_a_model_that_is_looked_up_counts_as_used(tmp_path: Path) -> None:
    for number in range(8):
        fill(tmp_path / "c", 1, key=f"model {number}")
    with contextlib.closing(sqlite3.connect(tmp_path / "c")) as database:
        database.execute("UPDATE models SET used = used - 200000 + id")
        database.commit()
    assert known(tmp_path / "c", 1, key="model 0") == [0]
    fill(tmp_path / "c", 1, key="new model")
    assert known(tmp_path / "c", 1, key="model 0") == [0]
    assert known(tmp_path / "c", 1, key="model 1") == []


def test_several_threads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wrong: list[int] = []
    with ScoreCache.open(tmp_path / "c") as cache:

        def work(first: int) -> None:
            for number in range(first, first + 200):
                cache.put(sha256(number), KEY, numbered(number))
                if cache.get(sha256(number), KEY) != numbered(number):
                    wrong.append(number)

        threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 1600, 200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert known(tmp_path / "c", 1600) == list(range(1600))
    assert caplog.messages == []


WRITER = """
import sys
from pathlib import Path
sys.path.append("../support")
from test_caches import KEY, numbered, sha256
from mlsp.scoring.cache import ScoreCache
first, last = int(sys.argv[2]), int(sys.argv[3])
sys.stdin.readline()
with ScoreCache.open(Path(sys.argv[1])) as cache:
    for number in range(first, last):
        cache.put(sha256(number), KEY, numbered(number))
        print(number, flush=True)
"""


def start_writer(path: Path, first: int, last: int) -> subprocess.Popen[str]:
    return start_child(
        [sys.executable, "-c", WRITER, path, str(first), str(last)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent,
    )


def test_several_processes_begin_one_file(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path / "c", first, first + 150) for first in (0, 150, 300, 450)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        assert writer.communicate()[1] == ""
    assert known(tmp_path / "c", 600) == list(range(600))


@posix_only
def test_what_was_put_outlives_a_killed_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with start_writer(tmp_path / "c", 0, 10**9) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
        said = [int(writer.stdout.readline()) for _ in range(300)]
        writer.send_signal(signal.SIGKILL)
    assert writer.returncode == -signal.SIGKILL
    assert said == list(range(300))
    assert known(tmp_path / "c", 300) == said
    assert caplog.messages == []


def _overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def _flip_a_score(path: Path) -> None:
    packed = struct.pack("<d", 5 / 7)
    content = path.read_bytes()
    assert content.count(packed) == 1
    _overwrite(path, content.index(packed), struct.pack("<d", 6 / 7))


def _drop_a_table(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE scores")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(b"no database" * 1000), "file is not a database"),
        (lambda path: os.truncate(path, 3 * 4096), "database disk image is malformed"),
        (lambda path: _overwrite(path, 4096, b"\xff" * (path.stat().st_size - 4096)), "database disk image is malformed"),
        (_flip_a_score, "a row does not match its checksum"),
        (_drop_a_table, "no such table: scores"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: object, reason: str
) -> None:
    path = tmp_path / "scores.sqlite"
    fill(path, 1000)
    assert callable(damage)
    damage(path)
    damaged = path.read_bytes()
    with ScoreCache.open(path) as cache:
        wrong = [n for n in range(1000) if cache.get(sha256(n), KEY) not in (None, numbered(n))]
        assert wrong == []
        cache.put(sha256(1), KEY, SCORES)
        cache.put(sha256(2), KEY, SCORES)
        assert cache.get(sha256(2), KEY) == SCORES
    assert caplog.messages == [
        f"the cache of scores {path} is damaged ({reason}): it was set aside as scores.sqlite.damaged, and a new one begun"
    ]
    assert (tmp_path / "scores.sqlite.damaged").read_bytes() == damaged
    with ScoreCache.open(path) as cache:
        assert cache.get(sha256(2), KEY) == SCORES


def test_damage_found_while_putting(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path / "c", 1)
    _drop_a_table(tmp_path / "c")
    with ScoreCache.open(tmp_path / "c") as cache:
        cache.put(sha256(1), KEY, SCORES)
        cache.put(sha256(2), KEY, SCORES)
        assert cache.get(sha256(2), KEY) == SCORES
    assert len(caplog.messages) == 1
    assert (tmp_path / "c.damaged").exists()


def test_each_damaged_file_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for content in (b"first", b"second", b"third"):
        (tmp_path / "c").write_bytes(content * 1000)
        ScoreCache.open(tmp_path / "c").close()
    assert (tmp_path / "c.damaged").read_bytes() == b"first" * 1000
    assert (tmp_path / "c.2.damaged").read_bytes() == b"second" * 1000
    assert (tmp_path / "c.3.damaged").read_bytes() == b"third" * 1000
    assert len(caplog.messages) == 3


def test_a_damaged_files_log_goes_with_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c"
    fill(path, 1000)
    with ScoreCache.open(path) as cache:
        cache.put(sha256(1), KEY, SCORES)
        log = Path(f"{path}-wal").read_bytes()
    path.write_bytes(b"no database" * 1000)
    Path(f"{path}-wal").write_bytes(log)
    with ScoreCache.open(path) as cache:
        cache.put(sha256(2), KEY, SCORES)
        assert cache.get(sha256(1), KEY) is None
        assert cache.get(sha256(2), KEY) == SCORES
    assert (tmp_path / "c.damaged-wal").read_bytes() == log
    assert len(caplog.messages) == 1


def test_another_programs_database_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "c")) as database:
        database.execute("CREATE TABLE photos (name)")
    before = (tmp_path / "c").read_bytes()
    with ScoreCache.open(tmp_path / "c") as cache:
        cache.put(sha256(1), KEY, SCORES)
        assert cache.get(sha256(1), KEY) is None
    assert caplog.messages == [
        f"scores are not cached in {tmp_path / 'c'}: it is a database of another program"
    ]
    assert (tmp_path / "c").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["c"]


def test_a_newer_versions_file_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(tmp_path / "c", 1)
    with contextlib.closing(sqlite3.connect(tmp_path / "c")) as database:
        database.execute("PRAGMA user_version = 2")
    with ScoreCache.open(tmp_path / "c") as cache:
        cache.put(sha256(1), KEY, SCORES)
        assert cache.get(sha256(1), KEY) is None
    assert caplog.messages == [
        f"scores are not cached in {tmp_path / 'c'}: it is of a newer version of mlsp (schema 2, this one knows 1)"
    ]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("file/c", "[Errno 17] File exists: '{folder}/file'"),
        ("folder", "unable to open database file"),
    ],
)
def test_a_place_where_no_file_can_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str, reason: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with ScoreCache.open(tmp_path / path) as cache:
        cache.put(sha256(1), KEY, SCORES)
        assert cache.get(sha256(1), KEY) is None
    assert caplog.messages == [
        f"scores are not cached in {tmp_path / path}: {reason.format(folder=tmp_path)}"
    ]


@pytest.fixture
def unprivileged_folder() -> Iterator[Path]:
    """A folder, while this process is not root's, for whom nothing is write-protected."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if os.geteuid() != 0:
            yield folder
            folder.chmod(0o700)
            return
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(0)


@posix_only
def test_a_folder_that_is_not_writable(
    unprivileged_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unprivileged_folder.chmod(0o500)
    path = unprivileged_folder / "c"
    with ScoreCache.open(path) as cache:
        cache.put(sha256(1), KEY, SCORES)
        assert cache.get(sha256(1), KEY) is None
    assert caplog.messages == [f"scores are not cached in {path}: unable to open database file"]


@posix_only
def test_a_file_that_is_not_writable_is_still_read(
    unprivileged_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = unprivileged_folder / "c"
    fill(path, 5)
    path.chmod(0o400)
    with ScoreCache.open(path) as cache:
        cache.put(sha256(9), KEY, SCORES)
        cache.put(sha256(9), KEY, SCORES)
        assert cache.get(sha256(9), KEY) is None
        assert cache.get(sha256(3), KEY) == numbered(3)
    assert caplog.messages == [
        f"new scores are not cached in {path}: attempt to write a readonly database"
    ]


@posix_only
def test_a_full_disk_stops_writing_only(tmp_path: Path) -> None:
    program = """
import resource, sys
from pathlib import Path
sys.path.append("../support")
from test_caches import KEY, numbered, sha256
from mlsp.scoring.cache import ScoreCache
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
with ScoreCache.open(Path(sys.argv[1])) as cache:
    for number in range(1000):
        cache.put(sha256(number), KEY, numbered(number))
    print(sum(cache.get(sha256(number), KEY) == numbered(number) for number in range(1000)))
"""
    path = tmp_path / "c"
    run = subprocess.run(
        [sys.executable, "-c", program, path],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=True,
    )
    assert re.fullmatch(
        rf"new scores are not cached in {path}: (database or disk is full|disk I/O error)\n",
        run.stderr,
    )
    assert 10 < int(run.stdout) < 1000
    assert len(known(path, 1000)) >= int(run.stdout)


def test_a_file_that_stays_locked_stops_writing_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlsp.base.sqlite.BUSY_SECONDS", 0.2)
    fill(tmp_path / "c", 5)
    with ScoreCache.open(tmp_path / "c") as cache:
        with contextlib.closing(sqlite3.connect(tmp_path / "c", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            cache.put(sha256(9), KEY, SCORES)
            assert cache.get(sha256(3), KEY) == numbered(3)
        cache.put(sha256(8), KEY, SCORES)
    assert caplog.messages == [f"new scores are not cached in {tmp_path / 'c'}: database is locked"]


def test_a_short_lock_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path / "c", 5)
    with ScoreCache.open(tmp_path / "c") as cache:
        with contextlib.closing(
            sqlite3.connect(tmp_path / "c", isolation_level=None, check_same_thread=False)
        ) as other:
            other.execute("BEGIN IMMEDIATE")
            release = threading.Timer(0.3, other.execute, ["COMMIT"])
            release.start()
            cache.put(sha256(9), KEY, SCORES)
            release.join()
        assert cache.get(sha256(9), KEY) == SCORES
    assert caplog.messages == []


def test_a_file_that_another_process_is_beginning_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.closing(
        sqlite3.connect(tmp_path / "c", isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.3, other.execute, ["COMMIT"])
        release.start()
        with ScoreCache.open(tmp_path / "c") as cache:
            release.join()
            cache.put(sha256(9), KEY, SCORES)
            assert cache.get(sha256(9), KEY) == SCORES
    assert caplog.messages == []


def test_the_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLSP_CACHE_DIR", str(tmp_path))
    assert default_cache_path() == tmp_path / "scores.sqlite"
    monkeypatch.setenv("MLSP_CACHE_DIR", "~/here")
    assert default_cache_path() == Path.home() / "here" / "scores.sqlite"
    monkeypatch.setenv("MLSP_CACHE_DIR", "")
    assert default_cache_path().parts[-2:] == ("mlsp", "scores.sqlite")
    assert default_cache_path().is_absolute()


def features(number: int, channels: int = 64) -> CachedFeatures:
    values = np.random.default_rng(number).standard_normal((1, 1, 1, channels))
    return CachedFeatures(values.astype(np.float16), 4000 + number, 3000)


def test_features_are_remembered_bit_for_bit(tmp_path: Path) -> None:
    with FeatureCache.open(tmp_path / "features.sqlite") as cache:
        for number in range(3):
            cache.put(sha256(number), KEY, features(number))
    with FeatureCache.open(tmp_path / "features.sqlite") as cache:
        for number in range(3):
            found = cache.get(sha256(number), KEY)
            assert found is not None
            assert found.values.dtype == np.float16
            np.testing.assert_array_equal(found.values, features(number).values)
            assert (found.width, found.height) == (4000 + number, 3000)
        assert cache.get(sha256(1), "another network") is None


def test_damaged_features_are_no_features(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "features.sqlite"
    with FeatureCache.open(path) as cache:
        cache.put(sha256(1), KEY, features(1))
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        (row,) = database.execute("SELECT value FROM features").fetchone()
        database.execute("UPDATE features SET value = ?", (row[:-1] + bytes([row[-1] ^ 1]),))
    with FeatureCache.open(path) as cache:
        assert cache.get(sha256(1), KEY) is None
    assert caplog.messages == [
        f"the cache of features {path} is damaged (a row does not match its checksum):"
        " it was set aside as features.sqlite.damaged, and a new one begun"
    ]


def test_a_file_of_features_does_not_grow_over_its_limit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FeatureCache, "max_bytes", 100_000)
    path = tmp_path / "features.sqlite"
    with FeatureCache.open(path) as cache:
        for number in range(40):
            cache.put(sha256(number), KEY, features(number, 4000))
        assert cache.get(sha256(0), KEY) is not None
        assert cache.get(sha256(39), KEY) is None
    assert path.stat().st_size < 120_000
    assert caplog.messages == [
        f"new features are not cached in {path}: it has reached its limit of 0 GB; delete the file to begin anew"
    ]


def test_both_caches_are_opened_in_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLSP_CACHE_DIR", str(tmp_path))
    with open_caches() as caches:
        caches.features.put(sha256(1), KEY, features(1))
        caches.scores.put(sha256(1), KEY, SCORES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features.sqlite", "scores.sqlite"]
    assert default_feature_cache_path() == tmp_path / "features.sqlite"
    with open_caches(enabled=False) as caches:
        assert caches.scores.get(sha256(1), KEY) is None


def test_caches_of_the_first_edition_are_read(tmp_path: Path) -> None:
    one, two = (hashlib.sha256(content).hexdigest() for content in (b"one", b"two"))
    with ScoreCache.open(first_edition_file("scores.sqlite", tmp_path)) as scores:
        assert scores.get(one, "model a") == CachedScores(
            {"quality": 0.5, "beauty": 4.25}, 640, 480
        )
        assert scores.get(two, "model a") == CachedScores({"quality": 0.1, "beauty": 2.0}, 30, 50)
    with FeatureCache.open(first_edition_file("features.sqlite", tmp_path)) as features:
        found = features.get(one, "network")
    assert found is not None
    assert (found.width, found.height) == (640, 480)
    np.testing.assert_array_equal(found.values, np.arange(6).reshape(1, 1, 1, 6))
