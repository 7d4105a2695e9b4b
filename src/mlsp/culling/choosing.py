"""The best of a burst by all that is known of its shots: the score, sharpness at full size, eyes; and why, in words.

bursts ─ members of each decoded at full size ─ CloseUp ─ points on the score's scale ─ order and reasons ─ Burst

Weights are those of docs/decisions/030.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from mlsp.base.errors import PhotoError
from mlsp.base.parallel import map_in_order, usable_cores
from mlsp.culling.bursts import RANKING_HEAD, Burst, ScoredShot
from mlsp.culling.close_ups import CloseUp, look_closely
from mlsp.scoring.results import ScoreResult

# Points, of the 100 between both ends of the score's scale.
_CLOSED_EYES = 20.0
_BLUR_DOUBLED = 10.0
# More than four times the least blur is spoilt, however much more it is.
_MAX_DOUBLINGS = 2.0
# Differences in words: what is seen at a glance.
_SHARPER = math.log2(1.08)
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
) -> Generator[Burst, None, None]:
    """Look at the shots of bursts at full size, and rank each burst by score, sharpness and eyes.

    Args:
        bursts: a shot that stands alone is not looked at.
        faces: whether to look for faces.
        workers: photos decoded at the same time; by default one per core.
        max_pixels: photos with more are not looked at.

    Yields:
        One burst for each, in their order; its shots have `close_up` and `reason`. Close the generator to stop early.

    Raises:
        ModelError: a network of faces is damaged.
    """

    def look(photo: Path) -> CloseUp | None:
        try:
            return look_closely(photo, faces=faces, max_pixels=max_pixels)
        except PhotoError:
            # It was scored: the file has gone or changed since. It keeps its rank by score.
            return None

    photos = (shot.scored.source for burst in bursts if not burst.is_alone for shot in burst.shots)
    with closing(map_in_order(look, photos, workers=workers or usable_cores())) as found:
        for burst in bursts:
            if burst.is_alone:
                yield burst
            else:
                yield rank_closely(burst, list(islice(found, len(burst.shots))))


def rank_closely(burst: Burst, close_ups: Sequence[CloseUp | None]) -> Burst:
    """Rank a burst by score, sharpness and eyes.

    Args:
        burst: of several shots.
        close_ups: of its shots, in their order; None where a photo could not be looked at.

    Returns:
        The burst in its new order, with close-ups and reasons.
    """
    points = _points(burst.shots, close_ups)
    order = sorted(range(len(points)), key=lambda index: points[index].total, reverse=True)
    first, second = order[:2]
    reasons = {
        index: _reason(points, close_ups, index, first if index != first else second)
        for index in order
    }
    names = [shot.scored.source.stem for shot in burst.shots]
    return Burst(
        tuple(
            replace(
                burst.shots[index],
                close_up=close_ups[index],
                reason=reasons[index].format(names[second if index == first else first]),
            )
            for index in order
        )
    )


def _points(shots: Sequence[ScoredShot], close_ups: Sequence[CloseUp | None]) -> list[_Points]:
    """Return the points of each shot. What is not known of one is neither for nor against it."""
    blurs = sorted(found.blur for found in close_ups if found and found.blur is not None)
    least, typical = (blurs[0], blurs[len(blurs) // 2]) if blurs else (1.0, 1.0)
    points = []
    for shot, found in zip(shots, close_ups, strict=True):
        blur = found.blur if found and found.blur is not None else typical
        doublings = min(math.log2(blur / least), _MAX_DOUBLINGS)
        is_closed = found is not None and found.closed_eyes > 0
        points.append(
            _Points(_position(shot.scored), -_CLOSED_EYES * is_closed, -_BLUR_DOUBLED * doublings)
        )
    return points


def _position(scored: ScoreResult) -> float:
    """Return the score that ranks bursts, 0…100."""
    score = scored.scores.get(RANKING_HEAD)
    return scored.overall if score is None else score.position


def _reason(
    points: Sequence[_Points], close_ups: Sequence[CloseUp | None], index: int, other: int
) -> str:
    """Say in what a shot differs most from another, `{}` for the other's name; empty where in nothing to speak of."""
    eyes, blur, score = (
        getattr(points[index], name) - getattr(points[other], name)
        for name in ("eyes", "blur", "score")
    )
    most = max(eyes, blur, score, key=abs)
    if most == eyes and eyes:
        return "eyes open, closed in {}" if eyes > 0 else "eyes closed, open in {}"
    if most == blur and abs(blur) >= _BLUR_DOUBLED * _SHARPER:
        on_eyes = all(
            found and found.subject == "eyes" for found in (close_ups[index], close_ups[other])
        )
        return ("sharper" if blur > 0 else "softer") + (" eyes" if on_eyes else "") + " than {}"
    if abs(score) >= _MIN_SCORE:
        return ("higher" if score > 0 else "lower") + " score than {}"
    return "much like {}"
