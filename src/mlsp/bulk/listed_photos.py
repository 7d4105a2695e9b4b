"""Photos with a file each: those of folders, and those that a table lists."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from mlsp.base.errors import PhotoError
from mlsp.base.parallel import map_in_order
from mlsp.bulk.photo_contents import read_photo_content
from mlsp.bulk.records import ShardError, SourcePhoto
from mlsp.bulk.stores import (
    is_url,
    is_web,
    join,
    size_of,
    walk,
    written,
)
from mlsp.photos import PHOTO_SUFFIXES
from mlsp.photos.finding import find_photo_paths

# Files read at the same time: a disk gains nothing by many, a fetch is mostly waiting.
_LOCAL_READERS = 2
_REMOTE_READERS = 8
# Photos one after the other that cannot be reached: then the network is away, not a server, or the disk, not a file.
_MAX_AWAY = 20


class ListedPhoto(NamedTuple):
    """A photo and its location.

    Attributes:
        id: its name in the results.
        location: path or URL; empty if a table has none.
        size: of its file in bytes when it was listed; -1 if unknown.
    """

    id: str
    location: str
    size: int = -1

    def read(self) -> SourcePhoto:
        """Read its file; an error is part of the result.

        Raises:
            ShardError: what it is stored on cannot be reached. The web is many servers, of which some are always away.
        """
        if not self.location:
            return SourcePhoto(self.id, None, "its row of the table names no photo")
        try:
            return SourcePhoto(self.id, read_photo_content(self.location), None)
        except PhotoError as error:
            return SourcePhoto(self.id, None, str(error), is_temporary=self._went_away())
        except ShardError as error:
            if not is_web(self.location):
                raise ShardError(f"{self.location}: {error}") from error
            return SourcePhoto(self.id, None, str(error), is_temporary=True)

    def _went_away(self) -> bool:
        """Return whether its file was there when it was listed, and is no longer: a disk may come back."""
        is_file = self.size >= 0 and not is_url(self.location)
        return is_file and not os.path.lexists(self.location)


@dataclass(frozen=True, slots=True)
class ListedPhotos:
    """A piece of an input: photos with a file each, in their order. Columns, because there are millions.

    Attributes:
        names: ids of the photos.
        locations: path or URL of each; empty if a table has none.
        sizes: of each file in bytes; -1 if unknown.
    """

    names: tuple[str, ...]
    locations: tuple[str, ...]
    sizes: tuple[int, ...]

    @property
    def photo_count(self) -> int:
        """Number of photos."""
        return len(self.names)

    def identity(self) -> object:
        """Return ids and sizes: a folder that was copied to another machine stays the same."""
        return list(zip(self.names, self.sizes, strict=True))

    def first(self, count: int) -> ListedPhotos:
        """Return the piece of its first photos."""
        return ListedPhotos(self.names[:count], self.locations[:count], self.sizes[:count])

    def read(self, rows: Container[int] | None = None) -> Iterator[SourcePhoto]:
        """Read the photos' files, several at a time; see `mlsp.bulk.records.Piece`."""
        every = enumerate(map(ListedPhoto, self.names, self.locations, self.sizes))
        photos = [photo for row, photo in every if rows is None or row in rows]
        is_remote = any(is_url(photo.location) for photo in photos)
        readers = _REMOTE_READERS if is_remote else _LOCAL_READERS
        away = 0
        for photo in map_in_order(ListedPhoto.read, photos, workers=readers):
            away = away + 1 if photo.is_temporary else 0
            if away == _MAX_AWAY:
                raise ShardError(
                    f"{away} photos in a row cannot be reached, the last {photo.id}: {photo.error}"
                )
            yield photo


@dataclass(frozen=True, slots=True)
class FolderSource:
    """The photos below a folder, or one photo.

    Attributes:
        location: path or URL of the folder or photo.
        recursive: also photos in folders of the folder.
    """

    location: str
    recursive: bool = True

    def pieces(self, size: int) -> Iterator[ListedPhotos]:
        """Cut the photos into pieces, lazily; see `mlsp.bulk.sources.Source`.

        An id is the photo's path below the folder, behind the folder as it was given.
        """
        photos = self._remote() if is_url(self.location) else self._local()
        while found := list(islice(photos, size)):
            yield ListedPhotos(*zip(*found, strict=True))

    def _local(self) -> Iterator[tuple[str, str, int]]:
        given = str(Path(self.location))
        whole = os.path.normpath(os.path.join("" if os.path.isabs(given) else os.getcwd(), given))
        # What lies below is normal already; to make each of millions of paths absolute again takes long.
        below = os.path.join(whole, "")
        start = 0 if given == os.curdir else len(os.path.join(given, ""))
        for path in find_photo_paths([given], recursive=self.recursive):
            try:
                size = os.stat(path).st_size
            except (OSError, ValueError):
                # Reading it reports the error.
                size = -1
            name = path if os.sep == "/" else path.replace(os.sep, "/")
            yield written(name), whole if path == given else below + path[start:], size

    def _remote(self) -> Iterator[tuple[str, str, int]]:
        if is_web(self.location):
            # The web has no folders.
            yield self.location, self.location, -1
            return
        size = None if self.location.endswith("/") else size_of(self.location)
        if size is not None or suffix(self.location) in PHOTO_SUFFIXES:
            yield self.location, self.location, -1 if size is None else size
            return
        for location, entry in walk(self.location, recursive=self.recursive):
            if suffix(entry.name) in PHOTO_SUFFIXES:
                yield location, location, entry.size_bytes


def suffix(name: str) -> str:
    """Return the suffix of a name, in lower case.

    Examples:
        >>> suffix("a/b.JPEG"), suffix("a.d/b")
        ('.jpeg', '')
    """
    return Path(name).suffix.lower()


def resolved(location: object, folder: str) -> str:
    """Return the location of a photo that a table names.

    Args:
        location: URL, or path; a relative one counts from the table's folder.
        folder: the table's.

    Returns:
        Path or URL; empty where there is none.
    """
    if not isinstance(location, str) or not location:
        return ""
    if is_url(location) or (location.startswith("/") and not is_url(folder)):
        return location
    return join(folder, location)
