"""Folders -> the photos in them, and what is left out: other files, and the folders of systems and programs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, TypeVar

from mlsp.base.arguments import checked
from mlsp.photos.files import PHOTO_SUFFIXES

# Caches, previews and bins of NAS systems, macOS, Syncthing, digiKam, desktops, Lightroom, Capture One and Aperture.
PROGRAM_FOLDERS = (
    "@eaDir", "@Recycle", "@Recently-Snapshot", "#recycle", "#snapshot", "$RECYCLE.BIN", "System Volume Information",
    "lost+found", "__MACOSX", "*.lrdata", "*.lrcat-data", "*.cocatalog", "*.cosessiondb", "CaptureOne", "*.aplibrary",
    ".stversions", ".dtrash", ".thumbnails", ".Trash", ".Trash-*", ".Trashes",
)  # fmt: skip
# Photos.app keeps the originals in the first, in older libraries in the second; all else are its previews and faces.
_LIBRARY = "*.photoslibrary"
_ORIGINALS = ("originals", "masters")

_Kind = Literal["photo", "other", "folder", "excluded"]
_Key = TypeVar("_Key")

_DIGITS = re.compile("([0-9]+)")


@dataclass(frozen=True, slots=True)
class Found:
    """A file or folder that a search came across.

    Attributes:
        path: below a given path, or a given path itself.
        kind: `photo`; `other`: a file in a folder that is no photo by its name; `folder`: left out, as one of a system or program;
            `excluded`: left out by a pattern of the user.
        is_given: whether it is one of the given paths.
    """

    path: Path
    kind: _Kind
    is_given: bool = False


@checked
def find_photos(
    paths: Iterable[str | Path], *, recursive: bool = True, exclude: Sequence[str] = ()
) -> Iterator[Path]:
    """Find the photos among files and folders, lazily.

    A path that is not a folder is always a photo, whatever its name and even if it is missing: reading it reports what is
    wrong. In a folder the photos are the files with a suffix in `PHOTO_SUFFIXES`, in any case; names that begin with a
    dot and `PROGRAM_FOLDERS` are left out. A folder that cannot be listed comes out itself, so that reading it reports it.

    Args:
        paths: files and folders.
        recursive: look into the folders of folders too.
        exclude: as for `find_files`.

    Yields:
        The given paths in their order, and of each folder first its photos and then its folders, both in natural order
        (`img2` before `img10`). Each real file and folder once, whatever links lead to it.
    """
    return map(Path, find_photo_paths(paths, recursive=recursive, exclude=exclude))


def find_photo_paths(
    paths: Iterable[str | Path], *, recursive: bool = True, exclude: Sequence[str] = ()
) -> Iterator[str]:
    """Find photos as `find_photos` does, where there are so many that a `Path` of each takes too long."""
    for path, kind, _ in _search(paths, recursive, exclude):
        if kind == "photo":
            yield path


def find_files(
    paths: Iterable[str | Path], *, recursive: bool = True, exclude: Sequence[str] = ()
) -> Iterator[Found]:
    """Find the photos among files and folders, and what else is there, lazily.

    Args:
        paths: files and folders.
        recursive: look into the folders of folders too.
        exclude: patterns of names to leave out, such as `*-edit.jpg`; one with `/` is matched to the path below the given folder.
            Case does not count.

    Yields:
        Photos as `find_photos` orders them. What is left out of a folder comes before the folder's photos. Hidden files are not named.
    """
    for path, kind, is_given in _search(paths, recursive, exclude):
        yield Found(Path(path), kind, is_given)


def _search(
    paths: Iterable[str | Path], recursive: bool, exclude: Sequence[str]
) -> Iterator[tuple[str, _Kind, bool]]:
    search = _Search(recursive, [pattern.rstrip("/").casefold() for pattern in exclude])
    for path in map(str, map(Path, paths)):
        # Unlike `Path.is_dir` this is false, and not an error, for a path that may not be looked at.
        if os.path.isdir(path):
            for below, kind in search.below(path):
                yield below, kind, False
        elif search.is_new_file(_real_path(path)):
            yield path, "photo", True


class _Search:
    """A search through folders, which yields each real file and folder once.

    It keeps folders and links, and not each of millions of files: a file without links to it comes with its folder only.
    """

    def __init__(self, recursive: bool, exclude: Sequence[str]) -> None:
        self._recursive = recursive
        self._exclude = exclude
        self._folders: set[tuple[int, int]] = set()
        # Files that were given or that links led to, by their real paths.
        self._reached: set[str] = set()
        # Folders that were listed, by their real paths: the path by which, and the given path above it.
        self._listed: dict[str, tuple[str, str]] = {}
        # The folder that is being listed, and the names that came so far.
        self._current: tuple[str, set[str]] = "", set()

    def is_new_file(self, real_path: str) -> bool:
        """Return whether a file that was given or that a link leads to did not come yet; now it has."""
        return not self._came_with_folder(real_path) and _is_new(real_path, self._reached)

    def _came_with_folder(self, real_path: str) -> bool:
        real_folder, name = os.path.split(real_path)
        current, names = self._current
        if real_folder == current:
            return name in names
        if real_folder not in self._listed or not _is_photo(name):
            return False
        folder, root = self._listed[real_folder]
        return os.path.lexists(real_path) and not self._is_excluded(_prefix(folder) + name, root)

    def below(self, root: str) -> Iterator[tuple[str, _Kind]]:
        # A list and not recursion: folders may be nested deeper than calls.
        waiting = [(root, _real_path(root))]
        while waiting:
            folder, real_folder = waiting.pop()
            try:
                status = os.stat(folder)
                if not _is_new((status.st_dev, status.st_ino), self._folders):
                    continue
                listing = _list_folder(folder)
            except OSError:
                yield folder, "photo"
                continue
            yield from self._files_in(folder, real_folder, listing, root)
            if self._recursive:
                below, left_out = self._folders_in(folder, listing, root)
                yield from left_out
                prefix = _prefix(folder)
                waiting += [
                    (prefix + name, _real_below(prefix, name, real_folder, name in listing.links))
                    for name in reversed(below)
                ]

    def _files_in(
        self, folder: str, real_folder: str, listing: _Listing, root: str
    ) -> Iterator[tuple[str, _Kind]]:
        prefix = _prefix(folder)
        for name in sorted(listing.others, key=_natural):
            yield prefix + name, "other"
        photos = sorted(listing.photos, key=_natural)
        if self._exclude:
            excluded = {name for name in photos if self._is_excluded(prefix + name, root)}
            yield from ((prefix + name, "excluded") for name in photos if name in excluded)
            photos = [name for name in photos if name not in excluded]
        names: set[str] = set()
        self._current = real_folder, names
        for name in photos:
            if name in listing.links:
                is_new = self.is_new_file(_real_path(prefix + name))
            else:
                names.add(name)
                is_new = not (self._reached and os.path.join(real_folder, name) in self._reached)
            if is_new:
                yield prefix + name, "photo"
        self._current = "", set()
        self._listed[real_folder] = folder, root

    def _folders_in(
        self, folder: str, listing: _Listing, root: str
    ) -> tuple[list[str], list[tuple[str, _Kind]]]:
        """Return the names of the folders to look into, and the paths of those that are left out."""
        below: list[str] = []
        left_out: list[tuple[str, _Kind]] = []
        is_library = _matches(os.path.basename(folder), (_LIBRARY,))
        for name in sorted(listing.folders, key=_natural):
            path = _prefix(folder) + name
            if self._is_excluded(path, root):
                left_out.append((path, "excluded"))
            elif is_library and name.casefold() not in _ORIGINALS:
                continue
            elif _matches(name, PROGRAM_FOLDERS):
                left_out.append((path, "folder"))
            elif not name.startswith("."):
                below.append(name)
        return below, left_out

    def _is_excluded(self, path: str, root: str) -> bool:
        if not self._exclude:
            return False
        name = os.path.basename(path).casefold()
        relative = Path(path).relative_to(root).as_posix().casefold()
        return any(
            fnmatchcase(relative if "/" in pattern else name, pattern) for pattern in self._exclude
        )


@dataclass(frozen=True, slots=True)
class _Listing:
    """Names in a folder: of photos, of other files that are not hidden, of folders, and which of all these are links."""

    photos: list[str]
    others: list[str]
    folders: list[str]
    links: set[str]


def _prefix(folder: str) -> str:
    """Return what stands before a name in a folder, so that both are the path that `Path` makes of them."""
    return "" if folder == os.curdir else os.path.join(folder, "")


def _list_folder(folder: str) -> _Listing:
    listing = _Listing([], [], [], set())
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if _is_folder(entry):
                listing.folders.append(name)
            elif name.startswith("."):
                continue
            elif _is_photo(name):
                listing.photos.append(name)
            else:
                listing.others.append(name)
            if entry.is_symlink():
                listing.links.add(name)
    return listing


def _is_photo(name: str) -> bool:
    # `os.path.splitext` asks more, and takes four times as long; of millions of names that is seconds.
    return not name.startswith(".") and name[name.rfind(".") :].lower() in PHOTO_SUFFIXES


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself or into a forbidden folder; with a photo's suffix it is a photo that reading reports.
        return False


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in patterns)


def _real_below(prefix: str, name: str, real_folder: str, is_link: bool) -> str:
    # What is no link lies where its folder lies; asking the file system for each of 100,000 files takes seconds.
    return _real_path(prefix + name) if is_link else os.path.join(real_folder, name)


def _real_path(path: str) -> str:
    try:
        return os.path.realpath(path)
    except ValueError:
        # No file system has such a name (a zero byte); reading reports it.
        return path


def _is_new(key: _Key, seen: set[_Key]) -> bool:
    if key in seen:
        return False
    seen.add(key)
    return True


def _natural(name: str) -> tuple[list[str | int], str]:
    parts: list[str | int] = list(_DIGITS.split(name.casefold()))
    # Text and digits alternate, so numbers are only ever compared to numbers.
    parts[1::2] = map(int, parts[1::2])
    return parts, name
