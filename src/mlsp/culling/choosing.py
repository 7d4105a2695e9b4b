"""The best of a burst by all that is known of its shots: the score, sharpness at full size, eyes; and why, in words.

bursts ─ members of each decoded at full size ─ CloseUp ─ points on the score's scale ─ order and reasons ─ Burst

Weights are those of docs/decisions/031.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from mlsp.base.content_cache import NullCache
from mlsp.base.errors import EngineError, PhotoError
from mlsp.base.machine import usable_cores
from mlsp.base.parallel import map_in_order
from mlsp.culling.bursts import RANKING_HEAD, Burst, ScoredShot
from mlsp.culling.close_ups import CloseUp
from mlsp.culling.duplicates import name_beside
from mlsp.culling.looking import CloseUps, look_closely
from mlsp.scoring.results import ScoreResult

# Points, of the 100 between both ends of the score's scale.
_CLOSED_EYES = 20.0
_BLUR_DOUBLED = 10.0
# More than four times the least blur is spoilt, however much more it is.
_MAX_DOUBLINGS = 2.0
_MAX_WORKERS = 4
# Differences in words: what is seen at a glance.
_SHARPER = math.log2(1.05)
_MIN_SCORE = 0.5


@dataclass(frozen=True, slots=True)
class _Points:
    """What a shot has, in points: more is better.

    Attributes:
        score: position on the scale of the score that ranks.
        eyes: 0, less for closed eyes.
        blur: 0 for the sharpest of the burst, less for others.
    """

    score: float
    eyes: float
    blur: float

    @property
    def total(self) -> float:
        return self.score + self.eyes + self.blur


def choose(
    bursts: Sequence[Burst],
    *,
    faces: bool = True,
    workers: int | None = None,
    max_pixels: int | None = None,
    cache: CloseUps | None = None,
) -> Generator[Burst, None, None]:
    """Look at the shots of bursts at full size, and rank each burst by score, sharpness and eyes.

    Args:
        bursts: a shot that stands alone and those of a set are not looked at.
        faces: whether to look for faces.
        workers: photos decoded at the same time; by default one per core, at most four, each of which may take some hundred MB.
        max_pixels: photos with more are not looked at.
        cache: of what was seen; None caches nothing.

    Yields:
        One burst for each, in their order; its shots have `close_up` and `reason`. Close the generator to stop early.

    Raises:
        ModelError: a network of faces is damaged.
    """
    kept = NullCache[CloseUp]() if cache is None else cache

    def look(photo: Path) -> CloseUp | None:
        try:
            return look_closely(photo, kept, faces=faces, max_pixels=max_pixels)
        except (PhotoError, EngineError):
            # It was scored: the file has gone or changed since, or memory is short. It keeps its rank by score.
            return None

    photos = (shot.scored.source for burst in bursts if burst.competes for shot in burst.shots)
    with closing(
        map_in_order(look, photos, workers=workers or min(usable_cores(), _MAX_WORKERS))
    ) as found:
        for burst in bursts:
            if burst.competes:
                yield rank_closely(burst, list(islice(found, len(burst.shots))))
            else:
                yield burst


def rank_closely(burst: Burst, close_ups: Sequence[CloseUp | None]) -> Burst:
    """Rank a burst by score, sharpness and eyes.

    Args:
        burst: of several shots.
        close_ups: of its shots, in their order; None where a photo could not be looked at.

    Returns:
        The burst in its new order, with close-ups and reasons.
    """
    points = _points(burst.shots, close_ups)
    order = sorted(
        range(len(points)), key=lambda index: (burst.shots[index].is_copy, -points[index].total)
    )
    first, second = order[:2]
    chosen = []
    for index in order:
        # The best is told from the next best, the others from the best.
        other = second if index == first else first
        reason = _reason(points, close_ups, index, other, is_better=index == first)
        if burst.shots[index].is_copy:
            chosen.append(replace(burst.shots[index], close_up=close_ups[index]))
            continue
        name = name_beside(
            burst.shots[other].scored.source, burst.shots[index].scored.source, stem=True
        )
        chosen.append(
            replace(burst.shots[index], close_up=close_ups[index], reason=f"{reason} {name}")
        )
    return Burst(tuple(chosen))


def _points(shots: Sequence[ScoredShot], close_ups: Sequence[CloseUp | None]) -> list[_Points]:
    """Return the points of each shot. What could not be looked at is neither for nor against a shot; one without edges has none left."""
    blurs = sorted(found.blur for found in close_ups if found and found.blur is not None)
    least, typical = (blurs[0], blurs[len(blurs) // 2]) if blurs else (1.0, 1.0)
    points = []
    for shot, found in zip(shots, close_ups, strict=True):
        blur = typical if found is None else found.blur
        doublings = _MAX_DOUBLINGS if blur is None else min(math.log2(blur / least), _MAX_DOUBLINGS)
        is_closed = found is not None and found.closed_eyes > 0
        points.append(
            _Points(_position(shot.scored), -_CLOSED_EYES * is_closed, -_BLUR_DOUBLED * doublings)
        )
    return points


def _position(scored: ScoreResult) -> float:
    """Return the score that ranks bursts, 0…100."""
    score = scored.scores.get(RANKING_HEAD)
    if score is not None:
        return score.position
    # What is no photo has no overall score, and comes last.
    return scored.overall if scored.is_photo else -100.0


def _reason(
    points: Sequence[_Points],
    close_ups: Sequence[CloseUp | None],
    index: int,
    other: int,
    *,
    is_better: bool,
) -> str:
    """Say why a shot comes before or after another, whose name follows.

    Eyes first, then sharpness, which people see at once; the score is named where neither speaks for the order.
    """
    sign = 1 if is_better else -1
    eyes, blur, score = (
        sign * (getattr(points[index], name) - getattr(points[other], name))
        for name in ("eyes", "blur", "score")
    )
    if eyes > 0:
        return "eyes open, closed in" if is_better else "eyes closed, open in"
    if blur >= _BLUR_DOUBLED * _SHARPER:
        both = close_ups[index], close_ups[other]
        of_eyes = " eyes" if all(found and found.subject == "eyes" for found in both) else ""
        return f"{'sharper' if is_better else 'softer'}{of_eyes} than"
    if score >= _MIN_SCORE:
        return f"{'higher' if is_better else 'lower'} score than"
    return "about as good as"
