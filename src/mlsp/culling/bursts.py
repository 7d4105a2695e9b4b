"""Bursts: groups of shots of the same moment, the best of each first.

Shot ──┬ camera_data ─────────┐
       └ Scorer.features ─ embedding_of ┴ pairs within seconds, or much alike ─ group_embeddings ─ rank within the group ─ Burst

Scores within a moment differ by little, and are less reliable there: docs/decisions/016 has how often the best of a burst is
the one that people like best, and where the thresholds come from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import SettingsError, unknown_name
from mlsp.base.results import ScoreFailure
from mlsp.culling.burst_pairs import SimilarGroups, similar_pairs
from mlsp.culling.close_ups import CloseUp
from mlsp.culling.duplicates import find_originals, name_beside
from mlsp.culling.embeddings import embedding_channels, embedding_of
from mlsp.culling.sets import Frame, SetKind, ShotSet, find_sets
from mlsp.culling.shots import Shot
from mlsp.photos.camera_data import camera_data
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer

# The thresholds are calibrated on the first network, and mean the same for the next; others' features lie nearer together, or further
# apart.
CALIBRATED_BACKBONES = (
    "efficientnet_lite0",
    "efficientnet_lite2_overview_and_detail256",
    "efficientnet_lite2_two_scales256",
)
# What people look at first in shots of one moment.
RANKING_HEAD = "quality"
# Cameras that shoot faster write fractions of a second. So many photos of one second are an album whose date was set by hand.
_MAX_OF_ONE_MOMENT = 40
# Of an export or a thumbnail to its original.
_COPY_SIMILARITY = 0.95


@dataclass(frozen=True, slots=True)
class BurstSettings:
    """Thresholds of a burst.

    Attributes:
        within_seconds: maximum time between two photos of a burst.
        similarity: minimum mean similarity of the photos of a burst, 0…1, where their times are known.
        similarity_without_time: the same where the time of one of two photos is not known.

    Raises:
        SettingsError: a value is out of range.
    """

    within_seconds: float = 10
    similarity: float = 0.80
    similarity_without_time: float = 0.88

    def __post_init__(self) -> None:
        # Written so that NaN fails as well.
        if not 0 <= self.within_seconds <= 86_400:
            raise SettingsError(
                f"within_seconds must be from 0 to 86400, a day, got {self.within_seconds}"
            )
        for name in ("similarity", "similarity_without_time"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise SettingsError(f"{name} must be above 0 and at most 1, got {value}")


@dataclass(frozen=True, slots=True)
class ScoredShot:
    """A scored shot, with its time and embedding.

    Attributes:
        shot: its files.
        scored: its first photo and the scores of that.
        captured: when it was taken, by its camera's clock; None where the file has no time.
        embedding: (C,) of length 1; the scalar product of two is how similar the photos are, 0…1.
        close_up: what it shows at full size; None where it was not looked at.
        reason: why it is the best of its burst, or what the best has more of, such as `sharper eyes than IMG_7`; empty where it
            was not looked at.
        is_from_camera: whether it has a camera's data, which exports, thumbnails and what messengers send have lost.
        is_copy: whether it is a copy of another shot of its burst: a file of the same content, or the same picture without a camera's data.
    """

    shot: Shot
    scored: ScoreResult
    captured: datetime | None
    embedding: Float32Array
    close_up: CloseUp | None = None
    reason: str = ""
    is_from_camera: bool = True
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class Burst:
    """Shots of the same moment.

    Attributes:
        shots: at least one, the best first; those of a set in the order in which they were taken; copies last.
        kind: kind of the set that they are; None for shots that compete with each other.
    """

    shots: tuple[ScoredShot, ...]
    kind: SetKind | None = None

    @property
    def is_alone(self) -> bool:
        """Whether it is one shot only, perhaps with copies."""
        return sum(not shot.is_copy for shot in self.shots) == 1

    def best(self, count: int) -> tuple[ScoredShot, ...]:
        """Return the best shots, in rank order and without copies; all of a set."""
        originals = tuple(shot for shot in self.shots if not shot.is_copy)
        return originals if self.kind else originals[:count]

    @property
    def competes(self) -> bool:
        """Whether some of its shots may be left: it is neither one shot nor a set."""
        return not self.is_alone and self.kind is None


def take_shots(
    scorer: Scorer, shots: Sequence[Shot]
) -> Generator[ScoredShot | ScoreFailure, None, None]:
    """Score shots, each by its first photo, and read their times and embeddings.

    Args:
        scorer: scores them; with a feature cache, what was scored before is not computed again.
        shots: read lazily.

    Yields:
        One result per shot, in their order. Close the generator to stop early.
    """
    channels = embedding_channels(scorer.model.feature_spec)
    with closing(scorer.scores_and_features([shot.photo for shot in shots])) as results:
        for shot, result in zip(shots, results, strict=True):
            if isinstance(result, ScoreFailure):
                yield result
                continue
            scored, found = result
            embedding = embedding_of(found.features, channels)
            scored = replace(scored, files=shot.files)
            about = camera_data(found.source)
            yield ScoredShot(
                shot, scored, about.captured, embedding, is_from_camera=about.is_from_camera
            )


def group_bursts(
    shots: Sequence[ScoredShot],
    settings: BurstSettings = BurstSettings(),
    *,
    by: str | None = None,
    sets: Sequence[ShotSet] = (),
) -> list[Burst]:
    """Group shots of the same moment, and rank each group.

    Args:
        shots: of one model.
        settings: thresholds.
        by: head to rank by, or `overall`; by default quality, and overall for a model without it.
        sets: as `find_shot_sets` finds them; their shots are kept together, and in no other burst.

    Returns:
        Each shot in one burst, many in one of their own, a copy in that of its original; in the order of their first shots but for
        copies.

    Raises:
        SettingsError: the model has no head `by`.
    """
    if not shots:
        return []
    value = _ranking(shots[0].scored, by)
    originals = _originals(shots)
    copies: dict[int, list[ScoredShot]] = {}
    for index, original in enumerate(originals):
        if original != index:
            copies.setdefault(original, []).append(_as_copy(shots[index], shots[original]))
    groups: list[tuple[list[int], SetKind | None]] = [
        (list(found.members), found.kind) for found in sets
    ]
    in_sets = {index for found in sets for index in found.members}
    others = [
        index
        for index, original in enumerate(originals)
        if original == index and index not in in_sets
    ]
    if others:
        embeddings = np.stack([shots[index].embedding for index in others])
        captured = [shots[index].captured for index in others]
        numbers = group_embeddings(embeddings, captured, settings)
        of_moments: dict[int, list[int]] = {}
        for number, index in zip(numbers.tolist(), others, strict=True):
            of_moments.setdefault(number, []).append(index)
        groups += [(members, None) for members in of_moments.values()]
    bursts = []
    for members, kind in groups:
        group = [shots[index] for index in members]
        if kind is None:
            # Stable: among equals the one that came first. A copy never beats its original.
            group = sorted(
                _with_exports(group), key=lambda shot: (shot.is_copy, -value(shot.scored))
            )
        group += [copy for index in members for copy in copies.get(index, ())]
        bursts.append((min(members), Burst(tuple(group), kind)))
    return [burst for _, burst in sorted(bursts, key=lambda one: one[0])]


def _originals(shots: Sequence[ScoredShot]) -> list[int]:
    return find_originals(
        [shot.shot.photo for shot in shots],
        [shot.scored.content_sha256 for shot in shots],
        [shot.captured.date() if shot.captured else None for shot in shots],
    )


def _as_copy(shot: ScoredShot, original: ScoredShot) -> ScoredShot:
    name = name_beside(original.scored.source, shot.scored.source)
    return replace(shot, is_copy=True, reason=f"a copy of {name}")


def _with_exports(group: Sequence[ScoredShot]) -> list[ScoredShot]:
    """Mark the exports of a group: pictures without a camera's data that look like one with them."""
    originals = [shot for shot in group if shot.is_from_camera]
    found = []
    for shot in group:
        if originals and not shot.is_from_camera:
            nearest = max(originals, key=lambda one: float(one.embedding @ shot.embedding))
            if float(nearest.embedding @ shot.embedding) >= _COPY_SIMILARITY:
                shot = _as_copy(shot, nearest)
        found.append(shot)
    return found


def find_shot_sets(shots: Sequence[ScoredShot]) -> list[ShotSet]:
    """Find the brackets, panoramas and focus stacks among shots but for copies of one file; see `mlsp.culling.sets`."""
    indices = [index for index, original in enumerate(_originals(shots)) if index == original]
    frames = [Frame(shots[index].shot.photo, shots[index].captured) for index in indices]
    return [
        replace(found, members=tuple(indices[member] for member in found.members))
        for found in find_sets(frames)
    ]


def group_embeddings(
    embeddings: Float32Array,
    captured: Sequence[datetime | None],
    settings: BurstSettings = BurstSettings(),
) -> NDArray[np.int64]:
    """Group photos by what they show and when they were taken.

    Two photos may be joined if they were taken within the time and are similar enough, or, where one has no time, if they are very
    similar. The most similar are joined first, together with their groups, as long as the mean similarity between the groups is
    high enough, so that no chain of small steps joins different photos.

    Args:
        embeddings: (photos, C), each of length 1.
        captured: when each was taken, None where that is not known.
        settings: thresholds.

    Returns:
        (photos,) group of each photo: the index of its first photo.
    """
    seconds = _seconds(captured)
    pairs = similar_pairs(
        embeddings,
        seconds,
        within_seconds=settings.within_seconds,
        similarity=settings.similarity,
        similarity_without_time=settings.similarity_without_time,
    )
    groups = SimilarGroups(embeddings)
    for one, other, minimum in zip(
        pairs.one.tolist(), pairs.other.tolist(), pairs.minimum.tolist(), strict=True
    ):
        groups.join(one, other, minimum)
    numbers = np.fromiter(map(groups.root, range(len(embeddings))), np.int64, len(embeddings))
    _, first, group = np.unique(numbers, return_index=True, return_inverse=True)
    return first[group].astype(np.int64)


def _seconds(captured: Sequence[datetime | None]) -> NDArray[np.float64]:
    """Return times in seconds; NaN where there is none, or where too many photos share it."""
    counts: dict[datetime, int] = {}
    for time in captured:
        if time is not None and not time.microsecond:
            counts[time] = counts.get(time, 0) + 1
    start = datetime(1970, 1, 1)
    second = timedelta(seconds=1)
    return np.array(
        [
            math.nan
            if time is None or counts.get(time, 0) > _MAX_OF_ONE_MOMENT
            else (time - start) / second
            for time in captured
        ]
    )


def _ranking(example: ScoreResult, by: str | None) -> Callable[[ScoreResult], float]:
    heads = tuple(example.scores)
    if by is None:
        by = RANKING_HEAD if RANKING_HEAD in heads else "overall"
    if by == "overall":
        # What is no photo has none, and comes last.
        return lambda scored: scored.overall if scored.is_photo else -1.0
    check_ranking(by, heads)
    return lambda scored: scored.scores[by].value


def check_ranking(by: str | None, heads: Sequence[str]) -> None:
    """Check, before photos are scored, that bursts can be ranked by a score.

    Raises:
        SettingsError: the model has no such head, and it is not `overall`.
    """
    if by not in (None, "overall", *heads):
        raise SettingsError(unknown_name("score", str(by), ("overall", *heads)))
