"""The stars and keywords that `mlsp` gave by itself, out of the sidecars of many photos, and out of the photos."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mlsp.base.errors import SidecarError
from mlsp.culling.xmp.files import Note
from mlsp.culling.xmp.names import Folders
from mlsp.culling.xmp.rating import remove_rating


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
        text = f"stars: taken out of {len(self.files)} sidecars and photos"
        return f"{text}, {len(self.failed)} left as they are" if self.failed else text


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
