"""Marks: the decisions of a person about a photo, in the words of photo software."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Flag: TypeAlias = Literal["pick", "reject"]
# The five that Lightroom, darktable and digiKam have in common.
Label: TypeAlias = Literal["red", "yellow", "green", "blue", "purple"]


@dataclass(frozen=True, slots=True)
class Marks:
    """Stars, flag and colour label of a photo.

    Attributes:
        stars: 1…5; None without.
        flag: `pick`, `reject` or None.
        label: colour label; None without.
    """

    stars: int | None = None
    flag: Flag | None = None
    label: Label | None = None

    @property
    def rating(self) -> int | None:
        """The rating of XMP: -1 for a reject, else the stars; None without both."""
        return -1 if self.flag == "reject" else self.stars


NO_MARKS = Marks()


def newer_marks(own: Marks | None, found: Marks, known: Marks | None) -> Marks:
    """Return the marks that count: each is the user's own, unless another program has changed what a photo's files say of it since.

    Args:
        own: given in `mlsp serve`; None for none.
        found: what the files say.
        known: what they said when that was last noted; None if it never was.

    Examples:
        >>> newer_marks(Marks(4), found=Marks(2), known=Marks(2))
        Marks(stars=4, flag=None, label=None)
        >>> newer_marks(Marks(4, "pick"), found=Marks(5), known=Marks(2))
        Marks(stars=5, flag='pick', label=None)
    """
    if own is None:
        return found
    if known is None:
        return own
    return Marks(
        own.stars if found.stars == known.stars else found.stars,
        own.flag if found.flag == known.flag else found.flag,
        own.label if found.label == known.label else found.label,
    )
