"""Registry of records by name, to which a program and installed packages can add."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from mlsp.base.errors import SettingsError

_Record = TypeVar("_Record")


class Registry(Mapping[str, _Record], Generic[_Record]):
    """Records by name: our own, those added in this process, and those of installed packages.

    A package adds a record by an entry point of the group, whose name is the record's. Its module is imported when the record is asked
    for; `in` and iteration only read names.

    Args:
        noun: what a record is of, for messages.
        group: of entry points.
        own: our own records, whose names nobody else can take.
        check: takes a name and the object that an entry point names, and returns the record; raises SettingsError if it is none.

    Examples:
        >>> numbers = Registry("number", "mlsp.doctest", {"one": 1}, lambda name, found: int(str(found)))
        >>> numbers.add("two", 2)
        >>> list(numbers), numbers["two"]
        (['one', 'two'], 2)
    """

    def __init__(
        self,
        noun: str,
        group: str,
        own: Mapping[str, _Record],
        check: Callable[[str, object], _Record],
    ) -> None:
        self._noun, self._group, self._check = noun, group, check
        self.own = frozenset(own)
        self._records = dict(own)
        self._read_from: list[str] = []
        self._points: Mapping[str, EntryPoint] = {}

    def add(self, name: str, record: _Record) -> None:
        """Add a record for this process; one of the same name that was added before is replaced.

        Raises:
            SettingsError: the name is empty or one of ours.
        """
        if not name or name in self.own:
            raise SettingsError(
                f"a {self._noun} cannot be registered as {name!r}: choose a name that mlsp does not use itself"
            )
        self._records[name] = record

    def discard(self, name: str) -> None:
        """Take a record out again that was added; nothing happens where there is none."""
        if name not in self.own:
            self._records.pop(name, None)

    def __getitem__(self, name: str) -> _Record:
        """Return a record.

        Raises:
            KeyError: there is none of this name.
            SettingsError: a package's record cannot be imported or used; it names the package.
        """
        if name not in self._records:
            self._records[name] = self._loaded(name, self._packaged[name])
        return self._records[name]

    def __contains__(self, name: object) -> bool:
        return name in self._records or name in self._packaged

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*self._records, *self._packaged))

    def __len__(self) -> int:
        return len(self._records.keys() | self._packaged.keys())

    @property
    def _packaged(self) -> Mapping[str, EntryPoint]:
        # Reading the metadata of all packages takes tens of milliseconds.
        if self._read_from != sys.path:
            self._read_from = list(sys.path)
            self._points = {point.name: point for point in entry_points(group=self._group)}
        return self._points

    def _loaded(self, name: str, point: EntryPoint) -> _Record:
        package = point.dist.name if point.dist else "an installed package"
        try:
            return self._check(name, point.load())
        # Whatever its import raises, the user needs to know whose it is.
        except Exception as error:
            raise SettingsError(
                f"{self._noun} {name!r} of the package {package} cannot be used: {type(error).__name__}: {error}:"
                " update the package or uninstall it"
            ) from error
