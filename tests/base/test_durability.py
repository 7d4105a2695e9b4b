"""Files survive crashes on every system. Windows and macOS are not at hand: their answers are given to the branches made for them."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from mlsp.base import durability
from mlsp.base.atomic_file import atomic_write
from mlsp.base.durability import replace_file, sync_file, sync_folder


@pytest.fixture
def made(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    made.write_text("new")
    return made


@pytest.mark.parametrize("refusals", [2, 1000])
def test_windows_waits_for_a_program_that_has_the_target_open(
    refusals: int, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = made.with_name("target")
    target.write_text("old")
    replace, asked = os.replace, 0

    def refuse(source: Path, destination: Path) -> None:
        nonlocal asked
        asked += 1
        if asked <= refusals:
            raise PermissionError(errno.EACCES, "it is in use", str(destination))
        replace(source, destination)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(durability, "_REPLACE_SECONDS", 0.2)
    if refusals == 2:
        replace_file(made, target)
        assert (target.read_text(), asked) == ("new", 3)
    else:
        with pytest.raises(PermissionError, match="in use"):
            replace_file(made, target)
        assert (target.read_text(), made.read_text()) == ("old", "new")


def test_elsewhere_a_refusal_is_final(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(source: Path, destination: Path) -> None:
        asked.append((source, destination))
        raise PermissionError(errno.EACCES, "forbidden", str(destination))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError, match="forbidden"), atomic_write(made) as file:
        file.write(b"newer")
    assert (len(asked), made.read_text(), len(list(made.parent.iterdir()))) == (1, "new", 1)


def test_windows_cannot_open_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(path: Path, _flags: int) -> int:
        asked.append(path)
        raise PermissionError(errno.EACCES, "it is a folder", str(path))

    monkeypatch.setattr(os, "open", refuse)
    sync_folder(tmp_path)
    monkeypatch.setattr(sys, "platform", "win32")
    sync_folder(tmp_path)
    assert asked == [tmp_path]


@pytest.mark.skipif(sys.platform == "win32", reason="has no fcntl, whose answers are given here")
@pytest.mark.parametrize("is_network_drive", [False, True])
def test_macos_empties_the_cache_of_the_drive_where_there_is_one(
    is_network_drive: bool, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    calls = []

    def full_sync(descriptor: int, command: int) -> int:
        calls.append(command)
        if is_network_drive:
            raise OSError(errno.ENOTSUP, "not supported")
        return descriptor

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", full_sync)
    monkeypatch.setattr(os, "fsync", calls.append)
    with made.open("rb") as file:
        sync_file(file.fileno())
        assert calls == [51, file.fileno()][: 1 + is_network_drive]
