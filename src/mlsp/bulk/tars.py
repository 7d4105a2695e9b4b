"""Photos in tars, as WebDataset stores them. A tar is a piece: it can only be read from start to end."""

from __future__ import annotations

import lzma
import posixpath
import tarfile
import zlib
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from tarfile import (  # type: ignore[attr-defined]  # typeshed lacks the first
    EOFHeaderError,
    HeaderError,
    ReadError,
    TarFile,
)
from typing import Self

from mlsp.base.errors import SettingsError
from mlsp.bulk.listed_photos import suffix
from mlsp.bulk.records import ShardError, SourcePhoto
from mlsp.bulk.stores import absolute, open_file, size_of, written
from mlsp.photos import PHOTO_SUFFIXES

_MAX_BYTES = 2 * 1024**3
# One after the other, as on Linux; more lead in circles.
_MAX_LINKS = 40
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)


class _CheckedHeader(tarfile.TarInfo):
    """Header of a file in a tar; damage is an error, not the end of the tar as for `tarfile`."""

    @classmethod
    def fromtarfile(cls, tarfile: TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile)
        except EOFHeaderError:
            # The mark at the end.
            raise
        except HeaderError as error:
            raise ReadError(f"{error} where a file or the tar's end was expected") from error


@dataclass(frozen=True, slots=True)
class TarPhotos:
    """The photos in a tar.

    Attributes:
        tar: path or URL, as it was given.
        location: where workers find it.
        size_bytes: of the tar; -1 where the store does not say.
    """

    tar: str
    location: str
    size_bytes: int

    @property
    def names(self) -> tuple[str]:
        """Id of the tar: the photos in it have ids below it."""
        return (self.tar,)

    @property
    def photo_count(self) -> None:
        """None: unknown before the tar is read."""
        return

    def identity(self) -> object:
        """Return the name and size of the tar."""
        return [self.tar, self.size_bytes]

    def first(self, count: int) -> None:
        """None: a piece of a larger file is another."""

    def read(self, rows: Container[int] | None = None) -> Iterator[SourcePhoto]:
        """Read the photos; see `mlsp.bulk.records.Piece`.

        An id is the photo's name in the tar, behind the tar's; where a name is there again, the second is `name#2` and so on.

        Yields:
            The photos, then those that are links to files in the tar. Where the tar is damaged, what was before the damage, and one
            photo with the tar's name that says so.
        """
        try:
            links: dict[str, str] = {}
            count = 0
            damage = None
            try:
                for photo in self._photos(links, rows):
                    if photo is not None:
                        yield photo
                    count += 1
            except _DAMAGE as error:
                damage = error
            last = count + len(links)
            yield from self._read_links(
                {
                    name: self._end_of(target, links)
                    for row, (name, target) in enumerate(links.items(), count)
                    if rows is None or row in rows
                }
            )
        except SettingsError as error:
            # It was there when the run began.
            raise ShardError(str(error)) from error
        except OSError as error:
            raise ShardError(f"{self.tar} cannot be read: {error}") from error
        if damage is not None and (rows is None or last in rows):
            reason = f"the tar is damaged or truncated after {count} photos: {damage}; what follows cannot be read"
            yield SourcePhoto(self.tar, None, reason)

    def _photos(
        self, links: dict[str, str], rows: Container[int] | None
    ) -> Iterator[SourcePhoto | None]:
        """Read the photos that are files, None for those not wanted, and note where those that are links lead to, by their ids."""
        seen: Counter[str] = Counter()
        row = 0
        with self._opened() as tar:
            for member in tar:
                if not _is_photo(member):
                    continue
                name = written(f"{self.tar}/{_clean(member.name)}")
                seen[name] += 1
                photo_id = f"{name}#{seen[name]}" if seen[name] > 1 else name
                if member.isfile():
                    is_wanted = rows is None or row in rows
                    yield _read_member(tar, member, photo_id) if is_wanted else None
                    row += 1
                else:
                    links[photo_id] = _target(member)

    @contextmanager
    def _opened(self) -> Iterator[TarFile]:
        with (
            open_file(self.location) as file,
            tarfile.open(fileobj=file, mode="r|*", tarinfo=_CheckedHeader) as tar,
        ):
            yield tar

    def _end_of(self, target: str, links: Mapping[str, str]) -> str:
        """Name in the tar of the file that a link leads to, perhaps by other links."""
        for _ in range(_MAX_LINKS):
            following = links.get(written(f"{self.tar}/{target}"))
            if following is None:
                break
            target = following
        return target

    def _read_links(self, links: Mapping[str, str]) -> Iterator[SourcePhoto]:
        """Read what links lead to, in a second pass through the tar.

        Args:
            links: name in the tar of what each leads to, by its id.
        """
        waiting: dict[str, list[str]] = {}
        for photo_id, target in links.items():
            waiting.setdefault(target, []).append(photo_id)
        if not waiting:
            return
        with suppress(*_DAMAGE), self._opened() as tar:
            for member in tar:
                name = _clean(member.name)
                if member.isfile() and name in waiting:
                    content = _read_member(tar, member, name)
                    for photo_id in waiting.pop(name):
                        yield replace(content, id=photo_id)
        for target, photo_ids in waiting.items():
            reason = f"it is a link to {written(target)!r}, which is no file in the tar"
            yield from (SourcePhoto(photo_id, None, reason) for photo_id in photo_ids)


def _is_photo(member: tarfile.TarInfo) -> bool:
    base = member.name.rsplit("/", 1)[-1]
    is_file = member.isfile() or member.islnk() or member.issym()
    return is_file and not base.startswith(".") and suffix(base) in PHOTO_SUFFIXES


def _clean(name: str) -> str:
    return name.removeprefix("./")


def _target(link: tarfile.TarInfo) -> str:
    """Name in the tar of what a link leads to: a hard one counts from the tar's root, a symbolic one from its own folder."""
    folder = "" if link.islnk() else posixpath.dirname(link.name)
    return _clean(posixpath.normpath(posixpath.join(folder, link.linkname)))


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> SourcePhoto:
    if member.size > _MAX_BYTES:
        reason = f"the file has {member.size:,} bytes, more than the {_MAX_BYTES:,} that are read"
        return SourcePhoto(name, None, reason)
    file = tar.extractfile(member)
    if file is None:
        return SourcePhoto(name, None, "the tar has no content for it")
    return SourcePhoto(name, file.read(), None)


@dataclass(frozen=True, slots=True)
class TarSource:
    """One tar; plain or compressed.

    Attributes:
        location: path or URL.
    """

    location: str

    def pieces(self, size: int) -> Iterator[TarPhotos]:
        """Return the tar as one piece, whatever the size; see `mlsp.bulk.sources.Source`.

        Raises:
            SettingsError: there is no such tar.
        """
        del size
        size_bytes = size_of(self.location)
        if size_bytes is None:
            raise SettingsError(f"there is no tar {self.location}")
        yield TarPhotos(written(self.location), absolute(self.location), size_bytes)
