"""A user's ratings and comparisons, from the file of `mlsp serve`, a table, or sidecars.

Stars count as they are; without stars, a pick counts as 5 and a reject as 1. Unrated photos (0 stars) are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlsp.base.errors import PhotoError, RatingsError, SidecarError
from mlsp.base.results import ScoreFailure
from mlsp.base.tables import read_table, reading_table
from mlsp.photos.listing import PHOTO_COLUMNS

PICK, REJECT = 5.0, 1.0
_LOWEST, _HIGHEST = 1.0, 5.0
# The rating of rejected photos in XMP, and in tables made from it.
_XMP_REJECT = -1.0
_STARS_COLUMNS = ("rating", "stars")
_FLAGS = {"pick": PICK, "reject": REJECT}


@dataclass(frozen=True, slots=True)
class PhotoReference:
    """A photo as a judgement names it.

    Attributes:
        path: where it is, or was.
        content_sha256: of its file; empty where the source has none.
    """

    path: Path
    content_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Judgements:
    """Ratings and comparisons, oldest first.

    Attributes:
        ratings: photos and stars, 1…5.
        comparisons: the better photo and the worse one.
        failed: photos whose rating could not be read.
    """

    ratings: tuple[tuple[PhotoReference, float], ...] = ()
    comparisons: tuple[tuple[PhotoReference, PhotoReference], ...] = ()
    failed: tuple[ScoreFailure, ...] = ()

    def __add__(self, other: Judgements) -> Judgements:
        return Judgements(
            self.ratings + other.ratings,
            self.comparisons + other.comparisons,
            self.failed + other.failed,
        )

    def photos(self) -> list[PhotoReference]:
        """Return the photos that were judged, each once."""
        rated = (photo for photo, _ in self.ratings)
        return list(
            dict.fromkeys((*rated, *(photo for pair in self.comparisons for photo in pair)))
        )


def judged_stars(stars: float | None, flag: str | None) -> float | None:
    """Return the stars that a rating counts as; None for neither stars nor flag.

    Examples:
        >>> judged_stars(4, "pick"), judged_stars(None, "pick"), judged_stars(None, "reject"), judged_stars(None, None)
        (4.0, 5.0, 1.0, None)
    """
    return _FLAGS.get(flag or "") if stars is None else float(stars)


def read_judgements(source: Path, *, photos: Path | None = None) -> Judgements:
    """Read a ratings file of `mlsp serve`, or a table, by its ending `.csv`.

    Args:
        source: the file; it is not changed.
        photos: folder to which the paths of a table are relative; None: the table's.

    Raises:
        RatingsError: it is missing or cannot be used.
    """
    if source.suffix.lower() == ".csv":
        return _read_table(source, source.parent if photos is None else photos)
    if not source.is_file():
        raise RatingsError(
            f"there is no ratings file {source}: rate photos with `mlsp serve FOLDER` first, or give a table of ratings, or"
            " --from-xmp and your photos"
        )
    from mlsp.personal.user_ratings import UserRatings

    with UserRatings.open(source) as file:
        ratings, comparisons = file.ratings(), file.comparisons()
    rated = (
        (PhotoReference(Path(one.photo), one.content_sha256), judged_stars(one.stars, one.flag))
        for one in ratings
    )
    return Judgements(
        tuple((photo, stars) for photo, stars in rated if stars is not None),
        tuple(
            (
                PhotoReference(Path(one.better), one.better_sha256),
                PhotoReference(Path(one.worse), one.worse_sha256),
            )
            for one in comparisons
        ),
    )


def read_sidecar_judgements(paths: Iterable[Path]) -> Judgements:
    """Read the stars and flags that people gave photos, from their XMP sidecars, or the XMP or EXIF data inside them.

    Stars that `mlsp score --xmp` wrote are left out: from its own scores no taste can be learned.

    Returns:
        Ratings of shots: of a raw photo and its JPEG the latter counts, with the rating of whichever has one. A damaged
        sidecar is a failure, since the rating may be in it.

    Raises:
        RatingsError: there are no photos, or none is rated.
    """
    from mlsp.culling.shots import find_shots
    from mlsp.culling.xmp import Folders, read_shot_marks

    given, folders = list(paths), Folders()
    found: list[tuple[PhotoReference, float]] = []
    failed: list[ScoreFailure] = []
    shots = find_shots(given).shots
    for shot in shots:
        try:
            marks = read_shot_marks(shot.photos, folders=folders)
        except SidecarError as error:
            failed.append(ScoreFailure(shot.photo, PhotoError(str(error))))
            continue
        stars = judged_stars(marks.stars, marks.flag)
        if stars is not None:
            found.append((PhotoReference(shot.photo), stars))
    if not found:
        where = ", ".join(map(str, given))
        raise RatingsError(
            f"none of {len(shots)} photos in {where} has stars, a pick or a reject in its XMP or EXIF data that a person gave it: let your photo software"
            " write XMP, and rate photos in it"
        )
    return Judgements(ratings=tuple(found), failed=tuple(failed))


def _read_table(path: Path, folder: Path) -> Judgements:
    with reading_table(path, RatingsError):
        names, cells = read_table(path, "A table of ratings")
    # Spreadsheets end a table with lines of commas.
    rows = [(f"table {path}, {position}", row) for position, row in cells if any(row)]
    for where, row in rows:
        if len(row) != len(names):
            raise RatingsError(f"{where}: expected {len(names)} values, got {len(row)}")
    if "better" in names and "worse" in names:
        return Judgements(comparisons=tuple(_compared(names, rows, folder)))
    photo = next((name for name in PHOTO_COLUMNS if name in names), None)
    if photo is None or not {*_STARS_COLUMNS, "flag"}.intersection(names):
        raise RatingsError(
            f"table {path} has the columns {', '.join(map(repr, names)) or 'of no header'}: expected photo and rating, or better"
            " and worse"
        )
    return Judgements(ratings=tuple(_rated(names, rows, folder, photo)))


def _compared(
    names: Sequence[str], rows: Iterable[tuple[str, list[str]]], folder: Path
) -> Iterable[tuple[PhotoReference, PhotoReference]]:
    for where, row in rows:
        values = dict(zip(names, row, strict=True))
        if not values["better"] or not values["worse"]:
            raise RatingsError(f"{where}: expected two photos")
        yield (
            PhotoReference(folder / values["better"], values.get("better_sha256", "")),
            PhotoReference(folder / values["worse"], values.get("worse_sha256", "")),
        )


def _rated(
    names: Sequence[str], rows: Iterable[tuple[str, list[str]]], folder: Path, photo: str
) -> Iterable[tuple[PhotoReference, float]]:
    column = next((name for name in _STARS_COLUMNS if name in names), None)
    for where, row in rows:
        values = dict(zip(names, row, strict=True))
        if not values[photo]:
            raise RatingsError(f"{where}: the photo is missing")
        text = values[column].strip().lower() if column else ""
        flag = values.get("flag", "").strip().lower()
        if text in _FLAGS:
            text, flag = "", text
        if flag not in {"", *_FLAGS}:
            raise RatingsError(f"{where}: expected the flag pick or reject, got {flag!r}")
        stars = judged_stars(_number(where, text) if text else None, flag)
        if stars:
            yield (
                PhotoReference(folder / values[photo], values.get("content_sha256", "")),
                stars,
            )


def _number(where: str, text: str) -> float:
    try:
        stars = float(text)
    except ValueError:
        stars = math.nan
    if stars == _XMP_REJECT:
        return REJECT
    # Written so that NaN fails as well.
    if not (stars == 0 or _LOWEST <= stars <= _HIGHEST):
        raise RatingsError(
            f"{where}: expected 1 to 5 stars (0 for none, -1 for a reject, or pick or reject), got {text!r}:"
            " mlsp train learns from ratings on any scale"
        )
    return stars
