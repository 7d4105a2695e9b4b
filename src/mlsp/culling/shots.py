"""A shot: one press of the shutter, whatever files the camera made of it. Every command that looks at people's photos begins here.

paths ─ find_files ─┬ photos ─ one name in one folder, or one id and time ─┐
                    ├ sidecars and videos of a photo's name ────────────── Shot ─┐
                    └ what else there is ─ LeftOut ───────────────────────────── ShotList
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlsp.base.results import ScoreFailure
from mlsp.culling.left_out import LeftOut
from mlsp.photos.camera_data import CameraData, camera_data
from mlsp.photos.files import PHOTO_SUFFIXES, RAW_SUFFIXES
from mlsp.photos.finding import Found, find_files
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer

# In the order in which a shot's photos are preferred for its score: as people saw it on the camera first.
_KINDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("JPEG", frozenset((".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"))),
    ("HEIC", frozenset((".heic",))),
    # As cameras call theirs.
    ("HEIF", frozenset((".heif", ".hif"))),
    ("JXL", frozenset((".jxl",))),
    ("TIFF", frozenset((".tif", ".tiff"))),
    ("RAW", RAW_SUFFIXES),
)
_PREFERENCE = [name for name, _ in _KINDS]
_KIND_OF = {suffix: name for name, suffixes in _KINDS for suffix in suffixes}
# Of Adobe's programs and all that follow them, RawTherapee, ART, DxO, Apple, ON1; the thumbnail and the spoken note of cameras.
_SIDECARS = frozenset((".xmp", ".pp3", ".arp", ".dop", ".aae", ".on1", ".thm", ".wav"))
_LIVE_VIDEOS = frozenset((".mov", ".mp4"))
# Two files of a shot are written within moments.
_SAME_SHOT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Shot:
    """One press of the shutter.

    Attributes:
        photo: the file that is scored: the JPEG, else the HEIC, the TIFF or the raw photo.
        others: its other photos, in this order too.
        companions: its sidecars, and the video of a live photo.
    """

    photo: Path
    others: tuple[Path, ...] = ()
    companions: tuple[Path, ...] = ()

    @property
    def photos(self) -> tuple[Path, ...]:
        """All its photos, the scored one first."""
        return (self.photo, *self.others)

    @property
    def files(self) -> tuple[Path, ...]:
        """All its files, the scored one first."""
        return (*self.photos, *self.companions)

    @property
    def formats(self) -> str:
        """Formats of its photos, and whether it has a video: `RAW+JPEG`, `HEIC+video`; empty for one photo alone."""
        return shot_formats(self.files)

    def absolute(self) -> Shot:
        """Return it with absolute paths."""
        photos, companions = (
            tuple(Path(os.path.abspath(file)) for file in files)
            for files in (self.photos, self.companions)
        )
        return Shot(photos[0], photos[1:], companions)


@dataclass(frozen=True, slots=True)
class ShotList:
    """The shots among files and folders.

    Attributes:
        shots: in the order in which `find_photos` finds the first photo of each.
        left_out: what else is there.
    """

    shots: tuple[Shot, ...]
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def photos(self) -> list[Path]:
        """The photo of each shot that is scored, in order."""
        return [shot.photo for shot in self.shots]


def find_shots(
    paths: Iterable[str | Path],
    *,
    recursive: bool = True,
    exclude: Sequence[str] = (),
    pairs: bool = True,
    wanted: Callable[[Path], bool] = lambda _: True,
) -> ShotList:
    """Find the shots among files and folders.

    Args:
        paths: files and folders.
        recursive: look into the folders of folders too.
        exclude: patterns of names to leave out; see `mlsp.photos.finding.find_files`.
        pairs: whether photos of one name in one folder are one shot; else each is a shot of its own.
        wanted: whether the photos of a folder are listed.

    Returns:
        The shots, and what is left out.
    """
    photos: list[Path] = []
    others: list[Found] = []
    left_out = LeftOut()
    for found in find_files(paths, recursive=recursive, exclude=exclude):
        if not wanted(found.path.parent):
            continue
        if found.kind in ("folder", "excluded"):
            left_out.add(found)
        elif found.kind == "other" or (found.is_given and _may_be_companion(found.path)):
            others.append(found)
        else:
            photos.append(found.path)
    groups = group_photos(photos) if pairs else [(photo,) for photo in photos]
    companions: dict[Path, list[Path]] = defaultdict(list)
    owner = _owners(groups)
    alone: list[Shot] = []
    for found in others:
        photo = owner(found.path)
        if photo is not None:
            companions[photo].append(found.path)
        elif found.is_given:
            # Reading it says what is wrong.
            alone.append(Shot(found.path))
        else:
            left_out.add(found)
    shots = [Shot(group[0], group[1:], tuple(companions[group[0]])) for group in groups]
    return ShotList((*shots, *alone), left_out)


def score_shots(
    scorer: Scorer, shots: Sequence[Shot]
) -> Generator[ScoreResult | ScoreFailure, None, None]:
    """Score shots, each by its first photo.

    Yields:
        One result per shot, in their order, with the shot's files. Close the generator to stop early.
    """
    with closing(scorer.score([shot.photo for shot in shots])) as results:
        for shot, result in zip(shots, results, strict=True):
            yield replace(result, files=shot.files) if isinstance(result, ScoreResult) else result


def shot_photos(result: ScoreResult) -> tuple[Path, ...]:
    """Return the photos of the shot that a result is of, itself first; without its sidecars and its video."""
    others = (file for file in result.files if file.suffix.lower() in PHOTO_SUFFIXES)
    return tuple(dict.fromkeys((result.source, *others)))


def shot_formats(files: Iterable[Path]) -> str:
    """Return the formats of a shot's photos, and whether it has a video; empty for one photo alone.

    Examples:
        >>> shot_formats([Path("1.jpg"), Path("1.cr3"), Path("1.xmp")]), shot_formats([Path("1.jpg")])
        ('RAW+JPEG', '')
    """
    endings = {file.suffix.lower() for file in files}
    found = [name for name, suffixes in reversed(_KINDS) if suffixes & endings]
    found += ["video"] if _LIVE_VIDEOS & endings else []
    return "+".join(found) if len(found) > 1 else ""


def group_photos(
    photos: Sequence[Path], *, data: Callable[[Path], CameraData] = camera_data
) -> list[tuple[Path, ...]]:
    """Group the photos of each shot: a raw photo and its JPEG, HEIC or TIFF, or a JPEG and its HEIC.

    They have one name in one folder and were not taken at different times; or another name, and one ImageUniqueID, or one fraction
    of a second, of one camera. PNG, WebP and other formats are no camera's: such photos are exports, and shots of their own.

    Args:
        photos: in any order, each once.
        data: reads what the camera wrote about a photo; of those that may be of one shot only.

    Returns:
        Each photo once, those of a shot with the one to score first; in the order of their first photos.
    """
    order = {photo: position for position, photo in enumerate(photos)}
    named: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for photo in photos:
        if _kind(photo):
            named[photo.parent, photo.stem.casefold()].append(photo)
    groups: dict[Path, tuple[Path, ...]] = {}
    alone: dict[Path, list[Path]] = defaultdict(list)
    for group in named.values():
        found = _of_one_time(_of_one_name(group), data)
        for photo in found:
            groups[photo] = found
        for photo in group:
            if photo not in groups:
                alone[photo.parent].append(photo)
    for folder in alone.values():
        for pair in _of_one_id(folder, data):
            groups |= dict.fromkeys(pair, pair)
    whole = dict.fromkeys(groups.get(photo, (photo,)) for photo in photos)
    return sorted(whole, key=lambda group: min(order[photo] for photo in group))


def _kind(photo: Path) -> str | None:
    return _KIND_OF.get(photo.suffix.lower())


def _of_one_name(group: Sequence[Path]) -> tuple[Path, ...]:
    """Return the photos of a group that may be one shot by their formats, in the order of preference; none where no two may."""
    kinds = [_kind(photo) for photo in group]
    if len({photo.suffix.lower() for photo in group}) < len(group) or kinds.count("JPEG") > 1:
        # IMG_1.JPG and img_1.jpg, or a.jpg and a.jpeg: which of them is the raw photo's nobody can tell.
        return ()
    if "RAW" not in kinds:
        group = [photo for photo in group if _kind(photo) in ("JPEG", "HEIC", "HEIF")]
    ordered = tuple(sorted(group, key=lambda photo: _PREFERENCE.index(str(_kind(photo)))))
    return ordered if len(ordered) > 1 else ()


def _of_one_time(group: tuple[Path, ...], data: Callable[[Path], CameraData]) -> tuple[Path, ...]:
    """Return the photos of a group that were not taken at another time than its first one; counters of cameras begin anew."""
    if not group:
        return ()
    first, *others = ((photo, data(photo).original) for photo in group)
    same = [
        photo
        for photo, time in others
        if time is None
        or first[1] is None
        or abs((time - first[1]).total_seconds()) <= _SAME_SHOT_SECONDS
    ]
    return (first[0], *same) if same else ()


def _of_one_id(
    folder: Sequence[Path], data: Callable[[Path], CameraData]
) -> Iterator[tuple[Path, ...]]:
    """Yield the pairs of raw photos and others of a folder whose names differ."""
    if len({_kind(photo) == "RAW" for photo in folder}) < 2:
        return
    found: dict[tuple[object, ...], list[Path]] = defaultdict(list)
    for photo in folder:
        about = data(photo)
        if about.original is None or about.camera is None:
            continue
        # A second alone is no id: a camera takes many shots in it.
        if about.unique_id or about.original.microsecond:
            found[about.camera, about.original, about.unique_id].append(photo)
    for group in found.values():
        kinds = [_kind(photo) for photo in group]
        if "RAW" in kinds and len(kinds) == len(set(kinds)) > 1:
            yield tuple(sorted(group, key=lambda photo: _PREFERENCE.index(str(_kind(photo)))))


def _may_be_companion(path: Path) -> bool:
    return path.suffix.lower() in _SIDECARS | _LIVE_VIDEOS


def _owners(groups: Iterable[tuple[Path, ...]]) -> Callable[[Path], Path | None]:
    """Return a function from a file to the first photo of the group that it belongs to; None for a file of none."""
    by_name: dict[tuple[Path, str], Path] = {}
    by_stem: dict[tuple[Path, str], Path] = {}
    for group in groups:
        for photo in group:
            by_name[photo.parent, photo.name.casefold()] = group[0]
            stem = photo.parent, photo.stem.casefold()
            # IMG_1.xmp is the raw photo's where --pairs off leaves it alone, as for Adobe's programs.
            if stem not in by_stem or _kind(photo) == "RAW":
                by_stem[stem] = group[0]

    def owner(path: Path) -> Path | None:
        key = path.parent, path.stem.casefold()
        suffix = path.suffix.lower()
        if suffix in _LIVE_VIDEOS:
            return by_stem.get(key)
        return by_name.get(key, by_stem.get(key)) if suffix in _SIDECARS else None

    return owner
