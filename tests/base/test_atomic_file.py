from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from children import start_child
from mlsp.base.atomic_file import atomic_write, atomic_write_text, folder_beside

posix_only = pytest.mark.skipif(
    os.name != "posix", reason="signals, permission bits and links of POSIX"
)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_writes_a_new_file(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"\r\n\x00")
        assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin").read_bytes() == b"\r\n\x00"
    assert names(tmp_path) == ["a.bin"]


def test_the_old_file_is_there_until_the_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with atomic_write_text(tmp_path / "a.txt") as file:
        file.write("new")
        file.flush()
        assert (tmp_path / "a.txt").read_text() == "old"
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("write", [atomic_write, atomic_write_text])
def test_an_exception_leaves_the_old_file_alone(
    tmp_path: Path, write: object, error: type[BaseException]
) -> None:
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(error):  # noqa: PT012 - the block is what is tested
        if write is atomic_write:
            with atomic_write(tmp_path / "a.txt") as binary:
                binary.write(b"half")
                raise error
        with atomic_write_text(tmp_path / "a.txt") as text:
            text.write("half")
            raise error
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_text_that_cannot_be_encoded_leaves_the_old_file_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    with (
        pytest.raises(UnicodeEncodeError, match="surrogates not allowed"),
        atomic_write_text(tmp_path / "a.txt") as file,
    ):
        file.write("\udcff")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    with atomic_write_text(tmp_path / "a.txt", errors="surrogateescape") as file:
        file.write("é\n\r\n\udcff")
    assert (tmp_path / "a.txt").read_bytes() == b"\xc3\xa9\n\r\n\xff"


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "gone" / "a.bin"):
        pytest.fail("the block must not begin")


def test_a_name_as_long_as_it_may_be(tmp_path: Path) -> None:
    with atomic_write(tmp_path / ("x" * 255)) as file:
        file.write(b"long")
    assert names(tmp_path) == ["x" * 255]


@posix_only
def test_a_new_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "a.bin") as file:
            file.write(b"new")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o640


@posix_only
def test_a_private_file_stays_private(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"old")
    (tmp_path / "a.bin").chmod(0o600)
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"new")
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o600


@posix_only
def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    (tmp_path / "real" / "a.bin").write_bytes(b"old")
    for target in ("a.bin", "not there yet.bin"):
        link = tmp_path / "links" / target
        link.symlink_to(Path("..", "real", target))
        with atomic_write(link) as file:
            file.write(b"new")
        assert link.is_symlink()
        assert (tmp_path / "real" / target).read_bytes() == b"new"
    assert names(tmp_path / "real") == ["a.bin", "not there yet.bin"]
    assert names(tmp_path / "links") == ["a.bin", "not there yet.bin"]


@posix_only
def test_a_full_disk_leaves_the_old_file_alone(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"old")
    program = """
import resource, sys
from pathlib import Path
from mlsp.base.atomic_file import atomic_write
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with atomic_write(Path(sys.argv[1])) as file:
        file.write(bytes(200_000))
except OSError as error:
    sys.exit(f"OSError {error.errno}")
"""
    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "a.bin"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (1, "OSError 27\n")
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


@posix_only
def test_a_killed_process_leaves_the_old_file_alone(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"old")
    program = """
import sys, time
from pathlib import Path
from mlsp.base.atomic_file import atomic_write
with atomic_write(Path(sys.argv[1])) as file:
    file.write(bytes(200_000))
    file.flush()
    print("half", flush=True)
    time.sleep(60)
"""
    with start_child(
        [sys.executable, "-c", program, tmp_path / "a.bin"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    left = [name for name in names(tmp_path) if name != "a.bin"]
    assert len(left) == 1
    assert left[0].startswith(".mlsp-")


def test_errors_name_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    missing = tmp_path / "no" / "a.bin"
    with pytest.raises(FileNotFoundError) as caught, atomic_write(missing):
        pytest.fail("the folder is missing")
    assert str(caught.value) == f"[Errno 2] No such file or directory: {str(missing)!r}"
    with pytest.raises(FileNotFoundError) as caught, atomic_write_text(missing):
        pytest.fail("the folder is missing")
    assert caught.value.filename == str(missing)


@posix_only
def test_errors_of_the_last_step_name_the_file_too(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught, atomic_write(tmp_path) as file:
        file.write(b"whole")
    assert str(caught.value) == f"[Errno 21] Is a directory: {str(tmp_path)!r}"
    assert names(tmp_path) == []
    assert names(tmp_path.parent).count(tmp_path.name) == 1
    assert not list(tmp_path.parent.glob(".mlsp-*"))


def test_errors_of_other_files_in_the_block_pass_as_they_are(tmp_path: Path) -> None:
    other = tmp_path / "other"
    with (
        pytest.raises(FileNotFoundError) as caught,
        atomic_write(tmp_path / "a.bin") as file,
    ):
        file.write(other.read_bytes())
    assert caught.value.filename == str(other)


def test_a_folder_beside_goes_and_its_errors_name_the_file(tmp_path: Path) -> None:
    with folder_beside(tmp_path / "page") as folder:
        assert folder.parent == tmp_path
        (folder / "a.bin").touch()
    assert names(tmp_path) == []
    missing = tmp_path / "no" / "page"
    with pytest.raises(FileNotFoundError) as caught, folder_beside(missing):
        pytest.fail("the folder is missing")
    assert caught.value.filename == str(missing)
