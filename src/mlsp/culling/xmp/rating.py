"""Write and remove the ratings of photos, and what else `mlsp` gives them by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from mlsp.base.errors import SettingsError, SidecarError
from mlsp.culling.marks import Marks
from mlsp.culling.xmp.files import (
    Convention,
    Note,
    PlannedWrite,
    SidecarFile,
    read_sidecars,
    write_planned,
)
from mlsp.culling.xmp.keywords import keywords_of, with_keywords
from mlsp.culling.xmp.labels import is_flagged_by_hand, is_labelled_by_hand
from mlsp.culling.xmp.names import Folders
from mlsp.culling.xmp.packet import parse_packet
from mlsp.culling.xmp.reading import embedded_packet, rating_inside
from mlsp.culling.xmp.stars import MAX_STARS
from mlsp.culling.xmp.suggesting import is_suggested, with_suggestion, without_suggestion
from mlsp.culling.xmp.targets import Target, plan_changes, read_inside, targets

Status: TypeAlias = Literal["written", "kept", "unchanged", "shared"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of rating a photo.

    Attributes:
        status: `written`; `kept`: the photo has a rating that is not ours; `unchanged`: it has this one already; `shared`:
            its only sidecar would be `photo.xmp`, which belongs to another photo of that name.
        files: that were written.
    """

    status: Status
    files: tuple[Path, ...] = ()


def rate_shot(
    photos: Sequence[Path],
    marks: Marks,
    *,
    overwrite: bool = False,
    convention: Convention = "both",
    folders: Folders | None = None,
    note: Note | None = None,
    inside: bool = False,
) -> Outcome:
    """Write what `mlsp` gives a shot by itself into the sidecars of all its photos; what else is in them stays as it is, byte for byte.

    Args:
        photos: of the shot: a raw photo and its JPEG, say; at least one. They must exist, and are changed only with `inside`.
        marks: what it gets. Of what it does not get, an earlier one of ours is taken away.
        overwrite: also replace stars, a flag or a label that are not ours; else those of one photo, whichever, keep the shot as it is.
        convention: which sidecars are written.
        folders: listings to use again.
        note: told of each file before it is written.
        inside: write into the photos themselves, where that is the place of their XMP; see `mlsp.culling.xmp.targets`.

    Returns:
        The outcome for the shot. It is `shared` only if no photo of it has a sidecar of its own.

    Raises:
        SettingsError: the stars are not 1…5.
        SidecarError: a sidecar is damaged or not XMP, and nothing is written: it may hold the user's rating; or one cannot be written.
            It is left as it was.
    """
    if marks.stars is not None and not 1 <= marks.stars <= MAX_STARS:
        raise SettingsError(f"expected 1 to {MAX_STARS} stars as a rating, got {marks.stars}")

    def keeps(photo: Path, files: Sequence[SidecarFile]) -> bool:
        return _is_given_by_hand(photo, marks, files)

    def plan(photo: Path, files: Sequence[SidecarFile]) -> list[PlannedWrite] | None:
        found = targets(photo, files, convention, inside=inside)
        return (
            plan_changes(found, lambda content: with_suggestion(content, marks)) if found else None
        )

    return write_shot(
        photos,
        plan,
        keeps=None if overwrite else keeps,
        convention=convention,
        folders=folders,
        note=note,
    )


def write_shot(
    photos: Sequence[Path],
    plan: Callable[[Path, Sequence[SidecarFile]], list[PlannedWrite] | None],
    *,
    keeps: Callable[[Path, Sequence[SidecarFile]], bool] | None,
    convention: Convention,
    folders: Folders | None,
    note: Note | None,
) -> Outcome:
    """Write into the sidecars of all photos of a shot. The first is written when it is known what all of them shall have.

    Args:
        photos: of the shot, at least one.
        plan: returns what is to be written about a photo, given its sidecars as they were read; None where it has no file of its own
            to write into.
        keeps: whether what a photo has keeps the shot as it is. Asked of all before one is written: a shot has one rating. None:
            nothing does, and other sidecars than those of the convention are not read.
        convention: which sidecars are written.
        folders: listings to use again.
        note: told of each file before it is written.
    """
    folders = folders or Folders()
    files: dict[Path, Sequence[SidecarFile]] = {}
    if keeps is not None:
        for photo in photos:
            # A rating by hand counts wherever it is, also where it would not be written.
            files[photo] = read_sidecars(photo, "both", folders)
            if keeps(photo, files[photo]):
                return Outcome("kept")
    plans = [
        plan(photo, files[photo] if photo in files else read_sidecars(photo, convention, folders))
        for photo in photos
    ]
    if all(planned is None for planned in plans):
        return Outcome("shared")
    written = write_planned([one for planned in plans for one in planned or ()], note=note)
    return Outcome("written" if written else "unchanged", tuple(written))


def remove_rating(
    photo: Path, *, folders: Folders | None = None, note: Note | None = None
) -> list[Path]:
    """Remove what `mlsp` gave a photo by itself from its sidecars and from itself, and restore what it replaced.

    Returns:
        The files that were written. They say what they did before, in sidecars byte for byte; one that `mlsp` made stays, empty.

    Raises:
        SidecarError: XMP is damaged, or another program has rewritten it since; it is left as it was.
    """
    files = read_sidecars(photo, "both", folders)
    found: list[Target] = [file for file in files if file.content is not None]
    packet = embedded_packet(photo)
    if packet is not None and (is_suggested(packet) or keywords_of(packet)):
        found.append(read_inside(photo))
    return write_planned(plan_changes(found, _without_ours), note=note)


def _without_ours(content: bytes) -> bytes:
    if is_suggested(parse_packet(content)):
        content = without_suggestion(content)
    return with_keywords(content, ())


def _is_given_by_hand(photo: Path, marks: Marks, files: Iterable[SidecarFile]) -> bool:
    """Return whether a person gave a photo what it shall get: stars, a flag or a label, in one of its sidecars or in itself."""
    packets = [file.packet for file in files if file.packet is not None]
    if marks.rating is not None and (
        any(packet.is_by_hand for packet in packets) or rating_inside(photo) is not None
    ):
        return True
    if marks.label is None and marks.flag is None:
        return False
    inside = embedded_packet(photo)
    packets += [] if inside is None else [inside]
    return (marks.label is not None and any(map(is_labelled_by_hand, packets))) or (
        marks.flag is not None and any(map(is_flagged_by_hand, packets))
    )


@dataclass(slots=True)
class Removed:
    """What became of photos and their sidecars.

    Attributes:
        files: that have nothing of ours any longer.
        failed: those that were left alone, and why.
    """

    files: list[Path] = field(default_factory=list)
    failed: list[SidecarError] = field(default_factory=list)

    def __str__(self) -> str:
        text = f"stars: taken out of {len(self.files)} file{'' if len(self.files) == 1 else 's'}"
        left = "it is" if len(self.failed) == 1 else "they are"
        return f"{text}, {len(self.failed)} left as {left}" if self.failed else text


def remove_stars(photos: Iterable[Path], *, note: Note | None = None) -> Removed:
    """Take our stars, flags, labels and keywords out of photos' sidecars, and out of the photos.

    Args:
        photos: written only where they have something of ours inside.
        note: told of each file before it is written. What it raises ends the run.
    """
    done, folders = Removed(), Folders()
    for photo in photos:
        try:
            done.files += remove_rating(photo, folders=folders, note=note)
        except SidecarError as error:
            done.failed.append(error)
    return done
