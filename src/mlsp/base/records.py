"""Dataclasses as records that stay as they are when fields are added to the class."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def record_of(value: DataclassInstance, *, later: Collection[str]) -> dict[str, Any]:
    """Return the fields of a dataclass by name.

    Args:
        value: the dataclass.
        later: fields with defaults that came later: they are left out where they are as before, so that records, and digests of them, are
            those of earlier versions.

    Examples:
        >>> @dataclasses.dataclass
        ... class Size:
        ...     width: int
        ...     unit: str = "pixels"
        >>> record_of(Size(3), later=("unit",)), record_of(Size(3, "mm"), later=("unit",))
        ({'width': 3}, {'width': 3, 'unit': 'mm'})
    """
    as_before = {
        field.name
        for field in dataclasses.fields(value)
        if field.name in later and getattr(value, field.name) == field.default
    }
    record = dataclasses.asdict(value)
    return {name: content for name, content in record.items() if name not in as_before}
