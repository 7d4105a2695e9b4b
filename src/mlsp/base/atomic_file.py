"""Atomic writing: a file is there whole or not at all.

temporary file beside the target ─ write ─ fsync ─ os.replace ─ fsync of the folder
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from mlsp.base.durability import replace_file, sync_file, sync_folder
from mlsp.base.errors import OutputError


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Write a file that replaces the one at `path` when the block ends well.

    Until then, and after any exception, KeyboardInterrupt included, the old file stays as it was and
    the temporary one is deleted. Only a killed process leaves a `.mlsp-*.tmp` behind. A symbolic link
    is followed. The new file has the permission bits of the one it replaces, or else those of the umask.

    Args:
        path: its folder must exist.

    Yields:
        A file to write bytes to; seekable.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full. It names `path`, not the temporary file.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     target = Path(folder, "notes.txt")
        ...     with atomic_write(target) as file:
        ...         _ = file.write(b"whole")
        ...     target.read_bytes()
        b'whole'
    """
    target = Path(os.path.realpath(path))
    # Not named after the target: its name may already be as long as the file system allows.
    temporary = target.with_name(f".mlsp-{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with _naming(path, instead_of=temporary):
        # os.open and not tempfile: the kernel then applies the umask, which no thread can read without changing it.
        descriptor = os.open(temporary, flags, 0o666)
        try:
            with open(descriptor, "wb") as file:
                _keep_permissions(target, temporary)
                yield file
                file.flush()
                sync_file(file.fileno())
            replace_file(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    sync_folder(target.parent)


@contextlib.contextmanager
def atomic_write_text(path: Path, *, errors: str = "strict") -> Iterator[TextIO]:
    """Write UTF-8 text as `atomic_write` does; line ends are written as they are given.

    Args:
        path: its folder must exist.
        errors: treatment of lone surrogates, as for `str.encode`.

    Yields:
        A file to write text to.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full.
    """
    with atomic_write(path) as binary:
        text = io.TextIOWrapper(binary, encoding="utf-8", errors=errors, newline="")
        try:
            yield text
            text.flush()
        finally:
            # The binary file is closed by `atomic_write`, after its fsync. After an exception the rest of the text is lost on
            # purpose, and a disk that is full must not hide that exception by another.
            with contextlib.suppress(OSError):
                text.detach()


@contextlib.contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Make a temporary folder beside `path` for a block, to build in it what is then moved to `path`.

    Args:
        path: its folder must exist.

    Yields:
        The folder, on the same file system as `path`.

    Raises:
        OSError: the folder cannot be made; it names `path`.
    """
    try:
        temporary = tempfile.TemporaryDirectory(dir=path.parent, prefix=".mlsp-")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    with temporary as folder:
        yield Path(folder)


@contextlib.contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside `folder`, which replaces it when the block ends well, and is deleted after any exception.

    Raises:
        OSError: it cannot be made or moved.
    """
    folder = folder.absolute()
    temporary, old = (folder.with_name(f".mlsp-{secrets.token_hex(8)}.tmp") for _ in range(2))
    temporary.mkdir()
    try:
        yield temporary
        if folder.exists():
            folder.rename(old)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def make_output_folder(folder: Path, *, hint: str) -> None:
    """Make a folder where it is missing, and check that files can be written into it.

    Args:
        folder: to be written to.
        hint: what the user may do otherwise, as the end of a sentence.

    Raises:
        OutputError: it cannot be made, or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {str(folder)!r} cannot be made: {error.strerror}: {hint}"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"the folder {str(folder)!r} is not writable: {hint}")


@contextlib.contextmanager
def _naming(path: Path, *, instead_of: Path) -> Iterator[None]:
    """Replace a temporary file's name in errors by that of the file that the user named."""
    try:
        yield
    except OSError as error:
        if error.filename is None or os.fspath(error.filename) != str(instead_of):
            raise
        # OSError makes the subclass that belongs to the number, such as PermissionError.
        raise OSError(error.errno, error.strerror, str(path)) from error


def _keep_permissions(target: Path, temporary: Path) -> None:
    try:
        old = target.stat()
    except FileNotFoundError:
        return
    # A private report does not become public because it was written anew.
    temporary.chmod(stat.S_IMODE(old.st_mode))


def check_writable(path: Path) -> None:
    """Check, before the work is done, that a file can be written.

    Raises:
        OutputError: it cannot be written there.
    """
    # A symbolic link is written through, so what it points to counts.
    target = Path(os.path.realpath(path))
    folder = target.parent
    if not folder.exists():
        reason = f"the folder {str(folder)!r} does not exist: make it first"
    elif not folder.is_dir():
        reason = f"{str(folder)!r} is a file: name a folder"
    elif target.is_dir():
        reason = "it is a folder: name a file"
    elif target.exists() and not target.is_file():
        reason = "it is not an ordinary file: name another"
    elif not os.access(folder, os.W_OK | os.X_OK):
        reason = f"the folder {str(folder)!r} is not writable: name another"
    elif target.exists() and not os.access(target, os.W_OK):
        reason = "the file is write-protected: name another"
    else:
        return
    raise OutputError(f"cannot write {str(path)!r}: {reason}")


def check_replaceable(path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Refuse to replace a file of the user's: one that is neither empty nor an earlier output.

    Args:
        path: a file that may exist.
        is_ours: returns whether a file is an earlier output; of one that it cannot read it may raise OSError or ValueError.

    Raises:
        OutputError: it is the user's.
    """
    if not path.exists() or path.stat().st_size == 0:
        return
    with contextlib.suppress(OSError, ValueError):
        if is_ours(path):
            return
    raise OutputError(
        f"{str(path)!r} exists and was not written by this command, so it is not replaced: name another file, or delete it first"
    )


def has_mark(path: Path, mark: bytes, *, within: int) -> bool:
    """Return whether the first bytes of a file, so many of them, contain a mark; raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return mark in file.read(within)
