"""Changes of a file's bytes, and the way back."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

# Start and end of what is replaced, and by what.
Change: TypeAlias = tuple[int, int, bytes]


def with_changes(content: bytes, changes: list[Change]) -> bytes:
    """Return a file with changes, which are ascending and do not overlap."""
    parts, at = [], 0
    for start, end, new in changes:
        parts += [content[at:start], new]
        at = end
    return b"".join([*parts, content[at:]])


def changes_back(after: bytes, before: bytes) -> list[Change]:
    """Return the changes that make a file what it was before.

    Args:
        after: the file now: something in it was replaced, or something was replaced and the end has grown.
        before: the file as it was.
    """
    start = _first_difference(after, before)
    longest = min(len(after), len(before)) - start
    end = min(longest, _first_difference(after[::-1], before[::-1]))
    one: list[Change] = [(start, len(after) - end, before[start : len(before) - end])]
    if len(after) < len(before):
        return one
    # Where the end has grown, what lies between is the same in its place.
    last = max(start, len(before) - _first_difference(after[: len(before)][::-1], before[::-1]))
    two = [(start, last, before[start:last]), (len(before), len(after), b"")]
    return min(one, two, key=lambda changes: sum(len(old) for _, _, old in changes))


def _first_difference(one: bytes, other: bytes) -> int:
    """Return how many bytes are the same at the start of both."""
    size = min(len(one), len(other))
    are_other = np.frombuffer(one, np.uint8, size) != np.frombuffer(other, np.uint8, size)
    first = int(are_other.argmax()) if size else 0
    return first if size and are_other[first] else size
