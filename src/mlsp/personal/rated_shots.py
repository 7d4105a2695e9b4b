"""Shots by what people gave them: on the page of `mlsp serve`, and in other programs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, get_args

from mlsp.base.digests import file_sha256
from mlsp.base.errors import PhotoError, SettingsError, SidecarError
from mlsp.base.results import ScoreFailure
from mlsp.culling.marks import Label, Marks, newer_marks
from mlsp.culling.shots import Shot
from mlsp.culling.xmp import Folders, read_shot_marks
from mlsp.personal.user_ratings import UserRating, UserRatings

Condition: TypeAlias = Callable[[Marks], bool]

_STARS = re.compile(r"([1-5])(\+?)")
_WORDS: dict[str, Condition] = {
    "picked": lambda marks: marks.flag == "pick",
    "rejected": lambda marks: marks.flag == "reject",
    "unrated": lambda marks: marks.stars is None and marks.flag is None,
}


@dataclass(frozen=True, slots=True)
class RatedShots:
    """Shots that were asked for.

    Attributes:
        shots: in their order.
        failed: those whose marks could not be read.
    """

    shots: tuple[Shot, ...]
    failed: tuple[ScoreFailure, ...]


def rated_condition(wanted: str) -> Condition:
    """Read which marks are wanted.

    Args:
        wanted: one or several of `picked`, `rejected`, `unrated`, `4` for four stars, `4+` for four and more, and a colour label,
            separated by commas: a shot is wanted that is one of them. Rejected shots are so only if `rejected` is there.

    Raises:
        SettingsError: one is something else.

    Examples:
        >>> [rated_condition("picked,4+")(marks) for marks in (Marks(5), Marks(3), Marks(3, "pick"), Marks(5, "reject"))]
        [True, False, True, False]
    """
    words = [word.strip().lower() for word in wanted.split(",")]
    conditions = [_condition(word, wanted) for word in words]
    with_rejected = "rejected" in words

    def is_wanted(marks: Marks) -> bool:
        if marks.flag == "reject" and not with_rejected:
            return False
        return any(condition(marks) for condition in conditions)

    return is_wanted


def rated_shots(
    shots: Iterable[Shot], condition: Condition, *, ratings: Path | None = None
) -> RatedShots:
    """Find the shots whose marks meet a condition. No photo is scored.

    Args:
        shots: all of them.
        condition: from `rated_condition`.
        ratings: file of the ratings of `mlsp serve`; None, or a file that is not there, for none. A photo that was moved or
            renamed since is found by its content, and another one that has its name now is not taken for it.

    Raises:
        RatingsError: that file cannot be used.
    """
    rated: list[UserRating] = []
    known: dict[str, Marks] = {}
    if ratings is not None and ratings.exists():
        with UserRatings.open(ratings) as file:
            rated, known = file.ratings(), file.found()
    own_of = _OwnMarks(rated)
    found: list[Shot] = []
    failed: list[ScoreFailure] = []
    folders = Folders()
    for shot in shots:
        photo = shot.absolute().photo
        try:
            marks = read_shot_marks(shot.photos, folders=folders)
        except SidecarError as error:
            failed.append(ScoreFailure(shot.photo, PhotoError(str(error))))
            continue
        if condition(newer_marks(own_of(photo), marks, known.get(str(photo)))):
            found.append(shot)
    return RatedShots(tuple(found), tuple(failed))


class _OwnMarks:
    """What the user gave photos in `mlsp serve`: to their content, which is read only where it may have changed.

    Args:
        rated: all ratings, oldest first.
    """

    def __init__(self, rated: Sequence[UserRating]) -> None:
        newest = {one.photo: one for one in rated}
        changed = {photo: _changed_at(Path(photo)) for photo in newest}
        self._by_path = {
            photo: one.marks for photo, one in newest.items() if changed[photo] <= one.rated_at
        }
        self._by_content = {one.content_sha256: one.marks for one in rated}
        # Of a photo that is not where it was, the name or the folder is still the same: others need not be read.
        self._names = {
            Path(one.photo).name
            for one in rated
            if one.photo not in self._by_path or newest[one.photo] is not one
        }
        self._folders = {Path(photo).parent for photo, time in changed.items() if time == math.inf}

    def __call__(self, photo: Path) -> Marks | None:
        if str(photo) in self._by_path:
            return self._by_path[str(photo)]
        if photo.name in self._names or photo.parent in self._folders:
            with suppress(OSError):
                return self._by_content.get(file_sha256(photo))
        return None


def _changed_at(photo: Path) -> float:
    """Return when a file changed, in seconds since 1970; infinity where it is not there."""
    try:
        status = photo.stat()
    except (OSError, ValueError):
        return math.inf
    # A copy keeps the time of the original, but not when it came to be here.
    return max(status.st_mtime, status.st_ctime)


def _condition(word: str, wanted: str) -> Condition:
    if word in _WORDS:
        return _WORDS[word]
    if word in get_args(Label):
        return lambda marks: marks.label == word
    stars = _STARS.fullmatch(word)
    if stars is None:
        colours = ", ".join(get_args(Label))
        raise SettingsError(
            f"--rated takes picked, rejected, unrated, stars such as 4 or 4+, and labels ({colours}), separated by commas;"
            f" got {wanted!r}"
        )
    number = int(stars[1])
    if stars[2]:
        return lambda marks: (marks.stars or 0) >= number
    return lambda marks: marks.stars == number
