"""What a search for photos left out, in one line: nothing is left out in silence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from mlsp.base.text import printable
from mlsp.photos.finding import Found

VIDEO_SUFFIXES = frozenset((
    ".3gp", ".avi", ".crm", ".insv", ".lrv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".webm", ".wmv",
))  # fmt: skip
# Pictures that are not read, and what to do.
_PICTURES = {
    ".psb": "large Photoshop files, which are not read: save as TIFF",
}
_MAX_NAMED = 6


@dataclass(slots=True)
class LeftOut:
    """What a search left out.

    Attributes:
        files: files that are no photos by their names, by their endings in lower case; empty for a name without one.
        folders: names of folders of systems and programs, each once.
        excluded: files and folders that a pattern of the user named.
    """

    files: Counter[str] = field(default_factory=Counter)
    folders: dict[str, None] = field(default_factory=dict)
    excluded: int = 0

    def add(self, found: Found) -> None:
        """Add a file or folder that is left out."""
        if found.kind == "folder":
            self.folders[found.path.name] = None
        elif found.kind == "excluded":
            self.excluded += 1
        else:
            self.files[found.path.suffix.lower()] += 1

    def __str__(self) -> str:
        """Return it in words: empty where nothing was left out.

        Examples:
            >>> str(LeftOut(Counter({".mp4": 3, ".txt": 2}), {"@eaDir": None}))
            '3 videos (.mp4), 2 .txt; @eaDir'
        """
        groups = [
            _shortened([*self._pictures(), *self._videos(), *self._others()]),
            _shortened(list(self.folders)),
        ]
        if self.excluded:
            groups.append(f"{self.excluded:,} by --exclude")
        return printable("; ".join(group for group in groups if group))

    def _videos(self) -> list[str]:
        endings = sorted(VIDEO_SUFFIXES.intersection(self.files))
        count = sum(self.files[ending] for ending in endings)
        word = "video" if count == 1 else "videos"
        return [f"{count:,} {word} ({', '.join(endings)})"] if endings else []

    def _pictures(self) -> list[str]:
        return [
            f"{self.files[ending]:,} {ending} ({words})"
            for ending, words in _PICTURES.items()
            if ending in self.files
        ]

    def _others(self) -> list[str]:
        return [
            f"{count:,} {ending or 'without an ending'}"
            for ending, count in self.files.most_common()
            if ending not in VIDEO_SUFFIXES and ending not in _PICTURES
        ]


def _shortened(names: list[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(names if more <= 0 else [*names[:_MAX_NAMED], f"{more} more kinds"])
