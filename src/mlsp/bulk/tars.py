"""Photos in tars, as WebDataset stores them. A tar is a piece: it can only be read from start to end."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
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

_MOST_BYTES = 2 * 1024**3


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

    def read(self) -> Iterator[SourcePhoto]:
        """Read the photos; see `mlsp.bulk.records.Piece`.

        An id is the photo's name in the tar, behind the tar's; where a name is there again, the second is `name#2` and so on.

        Yields:
            The photos. Where the tar is damaged, what was before the damage, and one photo with the tar's name that says so.
        """
        seen: Counter[str] = Counter()
        try:
            with (
                open_file(self.location) as file,
                tarfile.open(fileobj=file, mode="r|*", tarinfo=_CheckedHeader) as tar,
            ):
                for member in tar:
                    base = member.name.rsplit("/", 1)[-1]
                    if (
                        not member.isfile()
                        or base.startswith(".")
                        or suffix(base) not in PHOTO_SUFFIXES
                    ):
                        continue
                    name = written(f"{self.tar}/{member.name.removeprefix('./')}")
                    again = f"#{seen[name] + 1}" if seen[name] else ""
                    photo = _read_member(tar, member, name + again)
                    seen[name] += 1
                    yield photo
        except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
            count = seen.total()
            reason = f"the tar is damaged or truncated after {count} photos: {error}; what follows cannot be read"
            yield SourcePhoto(self.tar, None, reason)
        except SettingsError as error:
            # It was there when the run began.
            raise ShardError(str(error)) from error
        except OSError as error:
            raise ShardError(f"{self.tar} cannot be read: {error}") from error


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> SourcePhoto:
    if member.size > _MOST_BYTES:
        reason = f"the file has {member.size:,} bytes, more than the {_MOST_BYTES:,} that are read"
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
