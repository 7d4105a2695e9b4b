"""Records that pass between sources, drivers and results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlsp.base.errors import MlspError


class ShardError(MlspError):
    """A shard cannot be read or written now; another try may succeed."""


@dataclass(frozen=True, slots=True)
class SourcePhoto:
    """A photo of an input.

    Attributes:
        id: its name in the results.
        content: of its file; None where it cannot be read.
        error: why it cannot be read; None where it can.
        is_temporary: whether another try may succeed where this one failed.
    """

    id: str
    content: bytes | None
    error: str | None
    is_temporary: bool = False


class Piece(Protocol):
    """A few photos of an input that one worker reads; small, and can be pickled."""

    @property
    def names(self) -> Sequence[str]:
        """Names that must be unique in the whole input: ids of photos, or that of a tar."""

    @property
    def photo_count(self) -> int | None:
        """Number of photos; None if it is known only after reading."""

    def identity(self) -> object:
        """Return a value for JSON that identifies the piece."""

    def first(self, count: int) -> Piece | None:
        """Return the piece of its first photos; None where they cannot be told apart from the others."""

    def read(self, rows: Container[int] | None = None) -> Iterator[SourcePhoto]:
        """Read its photos, a few ahead of the caller.

        Args:
            rows: positions of the photos that are wanted; None for all.

        Yields:
            Each photo once, in a fixed order, also those that cannot be read.

        Raises:
            ShardError: what holds the photos cannot be reached.
        """


@dataclass(frozen=True, slots=True)
class Shard:
    """A numbered piece of the input.

    Attributes:
        number: position in the input, from 0.
        piece: its photos.
        rows: positions of the photos to score, in their order; None for all.
    """

    number: int
    piece: Piece
    rows: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        """Name of its file in the results: its number and a hash of its identity. Stays the same as long as the input does."""
        identity = json.dumps(self.piece.identity(), ensure_ascii=True)
        return f"{self.number:06d}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"

    def read(self) -> Iterator[SourcePhoto]:
        """Read the photos that are to be scored; see `Piece.read`."""
        return self.piece.read(None if self.rows is None else frozenset(self.rows))

    def begins_with(self, name: str, photos: int | None) -> bool:
        """Return whether it is the shard of this name and number of photos, or begins with its photos."""
        if self.name == name:
            return True
        before = None if photos is None else self.piece.first(photos)
        return before is not None and Shard(self.number, before).name == name


@dataclass(frozen=True, slots=True)
class ShardReport:
    """Outcome of a shard.

    Attributes:
        name: of the shard.
        photos: rows that were written.
        failed: rows among them that have an error.
        temporary: rows among those for which another try may succeed.
        error: why nothing was written; None where it was.
    """

    name: str
    photos: int
    failed: int
    temporary: int = 0
    error: str | None = None
