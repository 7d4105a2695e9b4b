"""The stars and keywords that `mlsp` gave by itself, out of the sidecars of many photos."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mlsp.base.errors import SidecarError
from mlsp.culling.xmp.journal import Journal
from mlsp.culling.xmp.names import Folders
from mlsp.culling.xmp.rating import remove_rating


@dataclass(slots=True)
class Removed:
    """What became of photos' sidecars.

    Attributes:
        sidecars: that have nothing of ours any longer.
        failed: those that were left alone, and why.
    """

    sidecars: list[Path] = field(default_factory=list)
    failed: list[SidecarError] = field(default_factory=list)

    def __str__(self) -> str:
        text = f"stars: taken out of {len(self.sidecars)} sidecars"
        return f"{text}, {len(self.failed)} left as they are" if self.failed else text


def remove_stars(photos: Iterable[Path]) -> Removed:
    """Take our stars, flags, labels and keywords out of photos' sidecars.

    Args:
        photos: never changed themselves.

    Raises:
        OutputError: what the sidecars have cannot be noted; the rest is not written.
    """
    done, folders = Removed(), Folders()
    with Journal("mlsp stars remove") as journal:
        for photo in photos:
            try:
                done.sidecars += remove_rating(photo, folders=folders, note=journal.note)
            except SidecarError as error:
                done.failed.append(error)
    return done
