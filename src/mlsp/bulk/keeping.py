"""The photos of a data set that pass a condition: their names, rows or files, in the order of the input."""

from __future__ import annotations

import io
import operator
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from mlsp.base.atomic_file import atomic_write, check_replaceable
from mlsp.base.errors import OutputError, PhotoError, SettingsError, unknown_name
from mlsp.bulk.job import BulkJob
from mlsp.bulk.records import Shard
from mlsp.bulk.result_files import TEXT_COLUMNS
from mlsp.photos import PHOTO_SUFFIXES
from mlsp.photos.formats import photo_format
from mlsp.reports.formats import check_report_replaceable

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"\s*(\w+)\s*(>=|<=|==|!=|>|<)\s*(.*?)\s*")
# Comment of the first file in a tar, by which a tar of ours is known.
_TAR_MARK = "mlsp bulk"
# No head can be called so.
_ROW = "#"


@dataclass(frozen=True, slots=True)
class Condition:
    """Comparison of a column with a value; what is empty never passes.

    Attributes:
        column: its name.
        operator: one of `>=`, `<=`, `==`, `!=`, `>`, `<`.
        value: a text for `photo`, `kind` and `model`, else a number.
    """

    column: str
    operator: str
    value: str | float

    @classmethod
    def parse(cls, text: str, columns: Sequence[str]) -> Condition:
        """Parse a condition such as `quality_percentile>=60` or `kind==people`.

        Raises:
            SettingsError: it is none, or of another column.
        """
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise SettingsError(
                f"{text!r} is no condition: expected a column, one of {' '.join(_OPERATORS)}, and a value, such as quality_percentile>=60"
            )
        column, sign, value = found.groups()
        known = [name for name in columns if name not in {"faults", "error"}]
        if column not in known:
            raise SettingsError(f"condition {text!r}: {unknown_name('column', column, known)}")
        if column in TEXT_COLUMNS:
            return cls(column, sign, value)
        try:
            return cls(column, sign, float(value))
        except ValueError:
            raise SettingsError(f"condition {text!r}: expected a number, got {value!r}") from None

    def expression(self) -> Any:
        """Return it as pyarrow's expression."""
        import pyarrow.compute as pc

        return _OPERATORS[self.operator](pc.field(self.column), self.value)


def check_kept(path: Path) -> None:
    """Refuse a file of kept photos of an unknown kind, or one that would replace something else.

    A list of names is the same as any other: it is compared when it is written.

    Raises:
        SettingsError: its ending is none of those.
        OutputError: a file is there that is not of kept photos.
    """
    if path.suffix.lower() not in _WRITERS:
        raise SettingsError(
            f"{path} has an unknown ending, expected {', '.join(_WRITERS)}: names of photos, rows, or the photos themselves"
        )
    if path.suffix.lower() == ".parquet":
        check_report_replaceable(path)
    elif path.suffix.lower() == ".tar":
        check_replaceable(path, _is_kept_tar)


def write_kept(job: BulkJob, conditions: Sequence[Condition], path: Path) -> int:
    """Write the photos of a complete data set that pass all conditions, whole or not at all.

    Args:
        job: whose shards are all done.
        conditions: at least one.
        path: `.txt`, a name a line; `.parquet`, their rows; or `.tar`, their files, read once more.

    Returns:
        Number of photos.

    Raises:
        OutputError: it cannot be written, would replace another file, or a photo can no longer be read.
        SettingsError: the ending is unknown, or the input changed.
        ShardError: a store cannot be reached.
    """
    check_kept(path)
    count = 0

    def passing() -> Iterator[tuple[Shard, Any]]:
        nonlocal count
        for shard, table in _passing(job, conditions):
            count += len(table)
            yield shard, table

    try:
        if path.suffix.lower() == ".txt" and path.exists() and path.stat().st_size:
            _check_same_names(path, _passing(job, conditions))
        with atomic_write(path) as file:
            _WRITERS[path.suffix.lower()](file, passing())
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    return count


def _passing(job: BulkJob, conditions: Sequence[Condition]) -> Iterator[tuple[Shard, Any]]:
    """Yield each shard and the table of its rows that pass, whose positions are in a column of their own."""
    import pyarrow as pa

    every, *others = (condition.expression() for condition in conditions)
    for one in others:
        every &= one
    for shard in job.source.shards(job.settings.shard_size):
        table = job.dataset.read(shard.name)
        yield shard, table.append_column(_ROW, pa.array(range(len(table)))).filter(every)


def _check_same_names(path: Path, passing: Iterable[tuple[Shard, Any]]) -> None:
    names = (f"{name}\n".encode() for _, table in passing for name in table[0].to_pylist())
    with path.open("rb") as found:
        if any(one != other for one, other in zip_longest(found, names)):
            raise OutputError(
                f"{str(path)!r} exists and has other names, so it is not replaced: name another file, or delete it first"
            )


def _is_kept_tar(path: Path) -> bool:
    try:
        with tarfile.open(path, "r:") as tar:
            first = tar.next()
    except tarfile.TarError:
        return False
    return first is None or first.pax_headers.get("comment") == _TAR_MARK


def _write_names(file: BinaryIO, passing: Iterable[tuple[Shard, Any]]) -> None:
    for _, table in passing:
        for name in table[0].to_pylist():
            if "\n" in name:
                raise OutputError(f"photo {name!r} has a line break in its name: write .parquet")
            file.write(f"{name}\n".encode())


def _write_rows(file: BinaryIO, passing: Iterable[tuple[Shard, Any]]) -> None:
    import pyarrow.parquet as pq

    writer = None
    for _, table in passing:
        rows = table.drop_columns([_ROW]).replace_schema_metadata()
        writer = writer or pq.ParquetWriter(file, rows.schema, compression="zstd")
        writer.write_table(rows)
    if writer is not None:
        writer.close()


def _write_tar(file: BinaryIO, passing: Iterable[tuple[Shard, Any]]) -> None:
    with tarfile.open(fileobj=file, mode="w") as tar:
        for shard, table in passing:
            rows = frozenset(table[_ROW].to_pylist())
            for photo in shard.piece.read(rows) if rows else ():
                if photo.content is None:
                    raise OutputError(f"{photo.id} can no longer be read: {photo.error}")
                member = tarfile.TarInfo(_member_name(photo.id, photo.content))
                member.size = len(photo.content)
                if not tar.getmembers():
                    member.pax_headers = {"comment": _TAR_MARK}
                tar.addfile(member, io.BytesIO(photo.content))


def _member_name(name: str, content: bytes) -> str:
    """Name in a tar that never leads out of the folder in which it is unpacked, and that has a photo's ending."""
    parts = PurePosixPath(name.partition("://")[2] or name).parts
    inside = "/".join(part for part in parts if part not in ("/", "..", "."))
    if PurePosixPath(inside).suffix.lower() in PHOTO_SUFFIXES:
        return inside
    try:
        ending = photo_format(content).lower()
    except PhotoError:
        return inside
    return f"{inside}.{'jpg' if ending == 'jpeg' else ending}"


_WRITERS: Mapping[str, Callable[[BinaryIO, Iterable[tuple[Shard, Any]]], None]] = {
    ".txt": _write_names,
    ".parquet": _write_rows,
    ".tar": _write_tar,
}
