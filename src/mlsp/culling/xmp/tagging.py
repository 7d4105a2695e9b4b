"""Score, rank and burst of photos, as keywords in their sidecars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mlsp.base.results import ScoreFailure
from mlsp.culling.bursts import Burst
from mlsp.culling.xmp.each_shot import write_each
from mlsp.culling.xmp.files import Convention, Note, read_sidecars, write_planned
from mlsp.culling.xmp.keywords import BURST, RANK, ROOT, SCORE, with_keywords
from mlsp.culling.xmp.names import Folders
from mlsp.culling.xmp.report import percentile_of
from mlsp.culling.xmp.targets import plan_changes, targets
from mlsp.scoring.results import ScoreResult


@dataclass(frozen=True, slots=True)
class TaggedPhoto:
    """A photo and the keywords that it shall have.

    Attributes:
        result: of the photo.
        keywords: `mlsp|score|83` and the like.
    """

    result: ScoreResult
    keywords: tuple[str, ...]


@dataclass(slots=True)
class TagSummary:
    """Counts of what became of shots' keywords.

    Attributes:
        written: shots that got keywords, in the sidecars of all their photos.
        unchanged: shots that had these already.
        failed: shots whose sidecar was left alone, with the reason.
    """

    written: int = 0
    unchanged: int = 0
    failed: list[ScoreFailure] = field(default_factory=list)

    def count(self, files: Sequence[Path]) -> None:
        """Count a shot that was not left alone, by the files that were written for it."""
        self.written += bool(files)
        self.unchanged += not files

    def __str__(self) -> str:
        text = f"keywords: {self.written} written, {self.unchanged} unchanged"
        return f"{text}, {len(self.failed)} failed" if self.failed else text


def tag_ranked(
    ranked: Sequence[ScoreResult], kinds: Sequence[str], *, by: str
) -> list[TaggedPhoto]:
    """Return the keywords of ranked photos; what is no photo gets none.

    Args:
        ranked: best first.
        kinds: of `score` and `rank`; the rank has as many digits as the last, so that names sort as numbers do.
        by: the column that they are ranked by.
    """
    photos = [result for result in ranked if result.is_photo]
    digits = len(str(len(photos)))
    return [
        TaggedPhoto(result, _keywords(kinds, result, by, {RANK: f"{rank:0{digits}}"}))
        for rank, result in enumerate(photos, start=1)
    ]


def tag_bursts(
    bursts: Iterable[Burst], kinds: Sequence[str], *, by: str | None
) -> list[TaggedPhoto]:
    """Return the keywords of the shots of bursts.

    Args:
        bursts: of the folder.
        kinds: of `score`, `rank`, which is the place in the burst, and `burst`, the name of its first file. A shot that stands
            alone has neither rank nor burst, a copy no rank.
        by: the column that the score is of; None for `overall`.
    """
    tagged = []
    for burst in bursts:
        name = min(shot.shot.photo.name for shot in burst.shots)
        for rank, shot in enumerate(burst.shots, start=1):
            place = {} if burst.is_alone else {BURST: Path(name).stem}
            if place and not shot.is_copy:
                place[RANK] = str(rank)
            keywords = _keywords(kinds, shot.scored, by or "overall", place)
            tagged.append(TaggedPhoto(shot.scored, keywords))
    return tagged


def write_keywords(
    tagged: Iterable[TaggedPhoto],
    *,
    convention: Convention = "both",
    inside: bool = False,
    on_result: Callable[[ScoreResult | ScoreFailure], object] | None = None,
    note: Note | None = None,
) -> TagSummary:
    """Replace the keywords of `mlsp` in the sidecars of shots; all others stay. Whose the stars are does not matter."""
    summary = TagSummary()
    write = partial(
        write_photo_keywords, convention=convention, folders=Folders(), note=note, inside=inside
    )
    pairs = ((one.result, one.keywords) for one in tagged)
    summary.failed = write_each(pairs, write, on_outcome=summary.count, on_result=on_result)
    return summary


def write_photo_keywords(
    photos: Iterable[Path],
    keywords: Sequence[str],
    convention: Convention,
    *,
    folders: Folders,
    note: Note | None = None,
    inside: bool = False,
) -> list[Path]:
    """Replace the keywords of `mlsp` of a shot, in the sidecars of its photos or in them, and return the files that were written.

    Raises:
        SidecarError: XMP is damaged or not XMP, and nothing is written; or a file cannot be written.
    """
    found = [
        target
        for photo in photos
        for target in targets(
            photo, read_sidecars(photo, "both", folders), convention, inside=inside
        )
    ]
    planned = plan_changes(found, lambda content: with_keywords(content, keywords))
    return write_planned(planned, note=note)


def _keywords(
    kinds: Sequence[str], result: ScoreResult, by: str, places: Mapping[str, str]
) -> tuple[str, ...]:
    values = dict(places)
    if SCORE in kinds:
        # Two digits, which sort as text.
        values[SCORE] = f"{min(int(percentile_of(result, by)), 99):02}"
    # A bar would begin another level.
    return tuple(
        f"{ROOT}|{kind}|{values[kind].replace('|', '_')}" for kind in kinds if kind in values
    )
