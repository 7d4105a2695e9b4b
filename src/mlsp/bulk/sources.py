"""Inputs as users name them -> shards: folders, photos, tables, tars, in any mixture.

A source is a path or URL, with braces (`{000..099}`, `{train,test}`) or wildcards (`*`, `?`, `[0-9]`) for several. By its ending it
is a tar (.tar, .tar.gz, .tgz), a table (.csv, .jsonl, .parquet), a photo, or else a folder of photos.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from mlsp.base.errors import SettingsError
from mlsp.bulk.listed_photos import FolderSource, suffix
from mlsp.bulk.records import Piece, Shard
from mlsp.bulk.stores import glob, is_url, is_web, local
from mlsp.bulk.table_rows import TABLE_SUFFIXES
from mlsp.bulk.tables import TableColumns, TableSource
from mlsp.bulk.tars import TarSource
from mlsp.photos import PHOTO_SUFFIXES

TAR_ENDINGS = (".tar", ".tar.gz", ".tgz")
# Keeps {0..999999999} from filling the memory.
_MAX_NAMES = 100_000
_BRACES = re.compile(r"\{([^{}]+)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Input as a user named it.

    Attributes:
        sources: paths and URLs.
        columns: of tables.
        recursive: also photos in folders of folders.

    Raises:
        SettingsError: `sources` is one text, or something in it is none.
    """

    sources: tuple[str, ...]
    columns: TableColumns = field(default_factory=TableColumns)
    recursive: bool = True

    def __post_init__(self) -> None:
        are_several = isinstance(self.sources, tuple | list)
        if not are_several or not all(isinstance(source, str) for source in self.sources):
            raise SettingsError(
                f"expected a tuple of paths and URLs, each a str, got {self.sources!r}"
            )


class _Part(Protocol):
    """Part of an input: a folder, table or tar."""

    def pieces(self, size: int) -> Iterator[Piece]:
        """Cut it into pieces of `size` photos, lazily and always the same."""


@dataclass(frozen=True, slots=True)
class Source:
    """An input.

    Attributes:
        parts: in the order in which they were named.
    """

    parts: tuple[_Part, ...]

    def shards(self, size: int) -> Iterator[Shard]:
        """Cut the input into shards, lazily and without reading photos.

        Args:
            size: photos a shard; a tar is a shard of its own, however many it has.

        Raises:
            SettingsError: size is below 1, or a part cannot be listed.
            ShardError: a store cannot be reached.
        """
        if size < 1:
            raise SettingsError(f"a shard needs at least 1 photo, got {size}")
        pieces = (piece for part in self.parts for piece in part.pieces(size))
        return (Shard(number, piece) for number, piece in enumerate(pieces))


def open_source(spec: SourceSpec) -> Source:
    """Resolve an input to its sources; only folders with wildcards are listed.

    Raises:
        SettingsError: a source does not exist, or columns are named where there is no table.
    """
    parts: list[_Part] = []
    for given in spec.sources:
        parts += [_part(name, spec) for name in expand(local(given))]
    if spec.columns.are_named and not any(isinstance(part, TableSource) for part in parts):
        raise SettingsError(
            f"columns are named, but no source is a table: none ends in {' or '.join(TABLE_SUFFIXES)}"
        )
    return Source(tuple(parts))


def _part(name: str, spec: SourceSpec) -> _Part:
    is_folder = not is_url(name) and os.path.isdir(name)
    if not is_folder and name.lower().endswith(TAR_ENDINGS):
        return TarSource(name)
    if not is_folder and suffix(name) in TABLE_SUFFIXES:
        return TableSource(name, spec.columns)
    # A missing photo gets a row with an error; a missing folder was most likely misspelt.
    if not is_url(name) and not os.path.lexists(name) and suffix(name) not in PHOTO_SUFFIXES:
        raise SettingsError(
            f"there is no {name}: name folders, photos, tables ({', '.join(TABLE_SUFFIXES)}) or tars"
        )
    return FolderSource(name, spec.recursive)


def expand(pattern: str) -> list[str]:
    """Expand braces and wildcards.

    Returns:
        At least one name, in the order of the braces; what wildcards find is sorted. A local file that is really called so is itself.

    Raises:
        SettingsError: nothing matches, or there are too many names.

    Examples:
        >>> expand("s3://bucket/{a,b}-{08..10}.tar")[:4]
        ['s3://bucket/a-08.tar', 's3://bucket/a-09.tar', 's3://bucket/a-10.tar', 's3://bucket/b-08.tar']
    """
    if not is_url(pattern) and os.path.lexists(pattern):
        return [pattern]
    names = [""]
    position = 0
    for match in _BRACES.finditer(pattern):
        options = _options(match[1])
        if len(names) * len(options) > _MAX_NAMES:
            raise SettingsError(f"{pattern} expands to more than {_MAX_NAMES:,} names: split it")
        before = pattern[position : match.start()]
        names = [f"{name}{before}{option}" for name in names for option in options]
        position = match.end()
    names = [name + pattern[position:] for name in names]
    # A question mark in an address of the web begins a query.
    if is_web(pattern) or not re.search(r"[*?\[]", pattern):
        return names
    found = [file for name in names for file in glob(name)]
    if not found:
        raise SettingsError(f"nothing matches {pattern}")
    return found


def _options(text: str) -> list[str]:
    bounds = _RANGE.fullmatch(text)
    if bounds is None:
        return text.split(",")
    first, last = bounds[1], bounds[2]
    if int(last) - int(first) >= _MAX_NAMES:
        raise SettingsError(f"{{{text}}} expands to more than {_MAX_NAMES:,} names: split it")
    if int(last) < int(first):
        raise SettingsError(f"{{{text}}} counts down: write the smaller number first")
    # As in a shell, 000..099 keeps its zeros.
    width = len(first) if first.startswith("0") else 0
    return [f"{number:0{width}d}" for number in range(int(first), int(last) + 1)]
