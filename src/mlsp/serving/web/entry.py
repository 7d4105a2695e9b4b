"""A photo of a page, and its row: what a browser is told of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from mlsp.base.results import ScoreFailure
from mlsp.base.text import printable
from mlsp.culling.marks import Marks
from mlsp.culling.sets import SetKind
from mlsp.culling.shots import Shot
from mlsp.photos.camera_data import CameraData
from mlsp.reports.rows import camera_facts, json_number
from mlsp.scoring.results import Score, ScoreResult

FIELDS = (
    "id", "photo", "folder", "captured", "width", "height", "overall", "scores", "failed", "stars", "flag", "version",
    "captured_is_file_time", "label", "formats", "files", "kind", "faults", "is_small", "stack",
    "camera",
)  # fmt: skip
# Enough of the SHA-256 to tell the versions of a photo apart.
_VERSION_DIGITS = 16
StackKind: TypeAlias = Literal["burst", "copies"] | SetKind


@dataclass(frozen=True, slots=True)
class StackPlace:
    """Place of a photo in its stack.

    Attributes:
        stack: number of the stack: that of its first photo.
        rank: 0 for the best; of a set, the order in which they were taken.
        kind: `burst` for shots that compete, `copies` for one shot and its copies, or the kind of a set.
        reason: of its rank, in words; empty where it was not looked at.
        is_copy: whether it is a copy of another one of the stack.
    """

    stack: int
    rank: int
    kind: StackKind
    reason: str
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A photo of the page.

    Attributes:
        id: its number; browsers name photos by nothing else.
        shot: its files; the first is the photo that is scored and shown.
        shown: its path below the folder of all, safe to show.
        folder: of `shown`; empty for the uppermost.
        captured: local time in ISO form.
        captured_is_file_time: whether only the file says so.
        camera: what its camera wrote.
        result: its scores, or why there are none.
        scores: of all columns so far.
    """

    id: int
    shot: Shot
    shown: str
    folder: str
    captured: str | None
    captured_is_file_time: bool
    camera: CameraData
    result: ScoreResult | ScoreFailure
    scores: Mapping[str, Score]

    @property
    def source(self) -> Path:
        """Photo that is scored and shown."""
        return self.shot.photo

    @property
    def sha256(self) -> str:
        """SHA-256 of the file when it was scored; empty if it could not be."""
        return self.result.content_sha256 if isinstance(self.result, ScoreResult) else ""

    @property
    def version(self) -> str:
        """Version of the file: changes when the file does."""
        return self.sha256[:_VERSION_DIGITS]


def json_row(
    entry: Entry, rating: Marks, place: StackPlace | None, columns: Sequence[str]
) -> bytes:
    """Return the values of `FIELDS` of a photo, a JSON array.

    Args:
        entry: the photo.
        rating: the one that counts.
        place: in its stack; None for a photo that stands alone.
        columns: names of the scores, in order.
    """
    result = entry.result
    if isinstance(result, ScoreResult):
        is_photo = result.is_photo
        scores = [_pair(entry.scores.get(name), is_photo=is_photo) for name in columns]
        size = result.width, result.height
        found: tuple[object, ...] = (*size, json_number(result.overall, 4), scores, None)
        labels: tuple[object, ...] = (result.kind, result.faults, result.is_small)
    else:
        found = (None, None, None, [], printable(str(result.error)))
        labels = (None, (), False)
    stack = place and (
        place.stack,
        place.rank,
        place.kind,
        printable(place.reason),
        place.is_copy,
    )
    row = (
        entry.id, entry.shown, entry.folder, entry.captured, *found, rating.stars, rating.flag, entry.version,
        entry.captured_is_file_time, rating.label, entry.shot.formats,
        [printable(file.name) for file in entry.shot.files], *labels, stack, camera_facts(entry.camera),
    )  # fmt: skip
    return json.dumps(row, allow_nan=False, separators=(",", ":")).encode()


def _pair(score: Score | None, *, is_photo: bool) -> tuple[float | None, float | None]:
    if score is None:
        return None, None
    return json_number(score.value, 4), json_number(score.percentile, 1) if is_photo else None
