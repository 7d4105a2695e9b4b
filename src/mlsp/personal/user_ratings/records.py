"""Records of a file of ratings."""

from __future__ import annotations

from dataclasses import dataclass

from mlsp.culling.marks import Flag, Label, Marks


@dataclass(frozen=True, slots=True)
class UserRating:
    """A user's rating of a photo.

    Attributes:
        content_sha256: of the photo's file, in hexadecimal digits.
        photo: its path when it was rated.
        stars: 1…5, or None.
        flag: `pick`, `reject` or None.
        rated_at: seconds since 1970, UTC.
        label: colour label, or None. Without stars, flag and label the user took away what the photo's files say.
    """

    content_sha256: str
    photo: str
    stars: int | None
    flag: Flag | None
    rated_at: float
    label: Label | None = None

    @property
    def marks(self) -> Marks:
        """Stars, flag and label."""
        return Marks(self.stars, self.flag, self.label)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The better of two photos.

    Attributes:
        better_sha256: of the better photo's file.
        worse_sha256: of the worse photo's file.
        better: path of the better photo when they were compared.
        worse: path of the worse one.
        compared_at: seconds since 1970, UTC.
    """

    better_sha256: str
    worse_sha256: str
    better: str
    worse: str
    compared_at: float


@dataclass(frozen=True, slots=True)
class Change:
    """A rating, ratings given together, or a comparison that was undone.

    Attributes:
        text: in words.
        content_sha256s: of the rated photos, or of the two that were compared.
        is_comparison: whether it is one.
    """

    text: str
    content_sha256s: tuple[str, ...]
    is_comparison: bool = False


@dataclass(frozen=True, slots=True)
class NewRating:
    """A rating to be stored.

    Attributes:
        content_sha256: of the photo's file, in hexadecimal digits.
        photo: its path.
        marks: stars, flag and label; with none of them the rating is deleted.
        shown: what the user saw before, where that is not the stored rating: what the photo's files say.
        keep_empty: keep a rating without anything: the user took away what the photo's files say.
    """

    content_sha256: str
    photo: str
    marks: Marks
    shown: Marks | None = None
    keep_empty: bool = False
