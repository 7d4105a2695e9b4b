"""Copies of photos, and links to them, in another folder. Nothing is moved, deleted or overwritten.

copy ─ temporary file beside the target ─ fsync ─ times ─ hard link to the target's name, which fails where there is one
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import functools
import itertools
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from mlsp.base.atomic_file import make_output_folder
from mlsp.base.durability import replace_file, sync_file
from mlsp.base.errors import OutputError, SettingsError, UnreadablePhotoError
from mlsp.base.results import ScoreFailure
from mlsp.culling.shots import ShotList, find_shots
from mlsp.photos.files import PHOTO_SUFFIXES

_BYTES_AT_ONCE = 1 << 20
# Error numbers of file systems without hard links, those of memory cards above all.
_NO_HARD_LINKS = frozenset(
    (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EXDEV)
)


@dataclass(frozen=True, slots=True)
class Placed:
    """A file of a shot that has its copy or link.

    Attributes:
        source: the file.
        target: its copy, or the link to it.
        is_new: False where an earlier run made it.
        differs: whether the folder has the shot with another sidecar or video, changed there or here since; it stays.
    """

    source: Path
    target: Path
    is_new: bool
    differs: bool = False


def find_for(
    folder: Path | None,
    paths: Sequence[Path],
    *,
    recursive: bool = True,
    exclude: Sequence[str] = (),
    pairs: bool = True,
) -> ShotList:
    """Find the shots to pick from, and make the folder for the picked ones, before photos are scored.

    Args:
        folder: for the copies or links; None for neither.
        paths: files and folders to pick from.
        recursive: as for `find_shots`, like the rest.
        exclude: patterns of names to leave out.
        pairs: whether photos of one name in one folder are one shot.

    Returns:
        The shots, as `find_shots` finds them, without what an earlier run put into the folder.

    Raises:
        SettingsError: the folder is one of `paths`.
        OutputError: the folder cannot be made or written to.
    """
    if folder is None:
        return find_shots(paths, recursive=recursive, exclude=exclude, pairs=pairs)
    make_folder(folder, paths)
    wanted = _outside(folder, paths)
    return find_shots(paths, recursive=recursive, exclude=exclude, pairs=pairs, wanted=wanted)


def make_folder(folder: Path, paths: Sequence[Path]) -> None:
    """Make the folder for picked photos.

    Raises:
        SettingsError: the folder is one of `paths`.
        OutputError: it cannot be made or written to.
    """
    # Beside other paths it may come from `photos/*`, which a shell has expanded.
    if all(_real(path) == _real(folder) for path in paths):
        raise SettingsError(
            f"{str(folder)!r} is where the photos are picked from: name another folder for the picked ones"
        )
    make_output_folder(folder, hint="name another")


def _outside(folder: Path, paths: Sequence[Path]) -> Callable[[Path], bool]:
    """Return whether photos of a folder are picked from."""
    inside = _real(folder)
    if not any(inside.is_relative_to(_real(path)) for path in paths):
        return lambda _: True

    # Resolved once per folder, of which there are few.
    @functools.cache
    def is_outside(parent: Path) -> bool:
        return not _real(parent).is_relative_to(inside)

    return is_outside


def place_shots(
    shots: Iterable[Sequence[Path]],
    folder: Path,
    paths: Sequence[Path],
    *,
    link: bool,
    hard: bool = False,
) -> Iterator[Placed | ScoreFailure]:
    """Copy shots into a folder, or link to them, in the folders that they have below `paths`.

    From several folders each keeps its own name; a photo that is itself one of `paths` comes without folders. A copy keeps the times of
    its file and is there whole or not at all. What the folder has already is left: the same photo is not copied again. Where another
    photo has the name of one, all files of its shot get a number: `IMG_1-2.jpg`, `IMG_1-2.jpg.xmp`.

    Args:
        shots: files of each, photos and what belongs to them.
        folder: where to; must exist.
        paths: files and folders that the photos were found in.
        link: make links instead of copies: symbolic ones.
        hard: or second names of the photos themselves. Other files, as sidecars, are copied: programs write into them.

    Yields:
        One result per file, in their order. A file that cannot be read is a `ScoreFailure`.

    Raises:
        OutputError: the folder cannot be written to, or the disk is full; what is done stays.
    """
    for files in shots:
        is_linked = [link and not (hard and not _is_photo(file)) for file in files]
        targets = _targets(
            files, [folder / relative_target(file, paths) for file in files], is_linked
        )
        for file, target, as_link in zip(files, targets, is_linked, strict=True):
            try:
                yield _place(file, target, link=as_link, hard=hard)
            except UnreadablePhotoError as error:
                yield ScoreFailure(file, error)
            except OSError as error:
                verb = "link to" if link else "copy"
                if error.errno == errno.EXDEV:
                    reason = (
                        "it is on another drive, and hard links need one: make copies or symbolic links, or name a folder on the"
                        " photos' drive"
                    )
                else:
                    reason = f"{error.strerror or error}. Nothing is lost: the next try goes on from here"
                raise OutputError(
                    f"cannot {verb} {str(file)!r} in {str(target.parent)!r}: {reason}"
                ) from error


def _is_photo(file: Path) -> bool:
    return file.suffix.lower() in PHOTO_SUFFIXES


def _targets(
    files: Sequence[Path], wanted: Sequence[Path], is_linked: Sequence[bool]
) -> list[Path]:
    """Return where the files of a shot belong: their wanted names, or those with the first number by which no other shot is there."""
    stems = sorted((file.stem for file in files if _is_photo(file)), key=len, reverse=True)
    for number in itertools.count(1):
        targets = [_numbered(target, stems, number) for target in wanted]
        is_same = [
            _is_same(file, target, link=link)
            for file, target, link in zip(files, targets, is_linked, strict=True)
        ]
        is_there = any(same and _is_photo(file) for same, file in zip(is_same, files, strict=True))
        if all(
            same or not os.path.lexists(target) or (is_there and not _is_photo(file))
            for same, target, file in zip(is_same, targets, files, strict=True)
        ):
            return targets
    raise AssertionError("there are always more numbers")


def _numbered(wanted: Path, stems: Sequence[str], number: int) -> Path:
    """Return a name with a number after that of the photo: `IMG_1-2.jpg`, `IMG_1-2.jpg.xmp`."""
    if number == 1:
        return wanted
    stem = next((stem for stem in stems if wanted.name.startswith(stem)), wanted.stem)
    return wanted.with_name(f"{stem}-{number}{wanted.name[len(stem) :]}")


def relative_target(photo: Path, paths: Sequence[Path]) -> PurePath:
    """Return the path of a photo's copy below the folder.

    Examples:
        >>> relative_target(Path("card/a/1.jpg"), [Path("card")]).as_posix()
        'a/1.jpg'
        >>> relative_target(Path("card/a/1.jpg"), [Path("card"), Path("phone")]).as_posix()
        'card/a/1.jpg'
        >>> relative_target(Path("card/a/1.jpg"), [Path("card/a/1.jpg")]).as_posix()
        '1.jpg'
    """
    for path in paths:
        if path != photo and photo.is_relative_to(path):
            below = photo.relative_to(path)
            # `..` in a given path belongs to it; below it there is none.
            return below if len(paths) == 1 else PurePath(path.absolute().name or ".", below)
    return PurePath(photo.name)


def _place(file: Path, target: Path, *, link: bool, hard: bool) -> Placed:
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        return Placed(file, target, is_new=False, differs=not _is_same(file, target, link=link))
    if link and hard:
        os.link(os.path.realpath(file), target)
    elif link:
        target.symlink_to(file.absolute())
    else:
        _copy(file, target)
    return Placed(file, target, is_new=True)


def _copy(file: Path, target: Path) -> None:
    temporary = target.with_name(f".mlsp-{secrets.token_hex(8)}.tmp")
    try:
        _write_copy(file, temporary)
        _give_name(temporary, target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _write_copy(photo: Path, temporary: Path) -> None:
    try:
        source = photo.open("rb")
    except OSError as error:
        raise UnreadablePhotoError(f"the file cannot be copied: {error.strerror}") from error
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with source, open(os.open(temporary, flags, 0o666), "wb") as copy:
        while True:
            try:
                piece = source.read(_BYTES_AT_ONCE)
            except OSError as error:
                raise UnreadablePhotoError(
                    f"the file cannot be copied: {error.strerror}"
                ) from error
            if not piece:
                break
            copy.write(piece)
        copy.flush()
        sync_file(copy.fileno())
    status = photo.stat()
    os.utime(temporary, ns=(status.st_atime_ns, status.st_mtime_ns))
    # Memory cards have no permissions.
    with contextlib.suppress(OSError):
        shutil.copymode(photo, temporary)


def _give_name(temporary: Path, target: Path) -> None:
    """Move a file to a name that is free.

    Raises:
        FileExistsError: it is not.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # An empty file holds the name until the copy replaces it.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        replace_file(temporary, target)


def _is_same(file: Path, target: Path, *, link: bool) -> bool:
    """Return whether a target is there and is the file, or a copy of it where no link is wanted."""
    try:
        if file.samefile(target):
            return True
        # The cache of filecmp would trust sizes and times.
        filecmp.clear_cache()
        return not link and filecmp.cmp(file, target, shallow=False)
    except OSError:
        return False


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
