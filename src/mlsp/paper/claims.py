"""Claims of the paper as pairs of rows, of which the first is to be better, and their tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlsp.evaluation.intervals import paired_difference
from mlsp.evaluation.metrics import srcc
from mlsp.paper.records import Outcome

# The usual level; a claim tested by several pairs has no correction, as all pairs are shown.
_CHANCE = 0.05
# Single-1FC and Single-3FC of Table 2 differ by .032, Single-3FC with features and fine-tuned by .018.
_AS_GOOD = 0.02
_MIN_SHARED = 10
_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper.

    Attributes:
        text: in a few words.
        pairs: labels of rows, (the better, the worse).
        paper: the paper's SRCC of both, in words.
        as_good: the first is only to be no worse than the second, by .02 at most.
    """

    text: str
    pairs: tuple[tuple[str, str], ...]
    paper: str
    as_good: bool = False


@dataclass(frozen=True, slots=True)
class PairResult:
    """A pair of a claim, tested on the photos that both rows have.

    Attributes:
        claim: whose.
        better: label of the row that is to be the better.
        worse: of the other.
        photos: that both have; 0 where one did not run.
        first: SRCC of the row that is to be the better; NaN where one did not run.
        second: of the other.
        difference: of both.
        low: end of its 95 % interval.
        high: other end.
        p_value: two-sided.
        verdict: `holds`, `contrary`, `open`, or why it was not tested.
    """

    claim: Claim
    better: str
    worse: str
    photos: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float
    verdict: str


_NARROW = ("Single-1FC", "Single-3FC", "Ridge", "Kernel ridge")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "full size beats 256×256",
        tuple((label, f"{label}, 256×256") for label in _NARROW),
        ".722 over .668",
    ),
    Claim(
        "more levels beat fewer",
        tuple((label, f"{label} (5)") for label in _NARROW),
        ".644 over .570",
    ),
    Claim(
        "wide beats narrow",
        (
            ("Pool-3FC", "Single-3FC"),
            ("Pool-3FC, released form", "Single-3FC"),
            ("Pool-3FC (5), released form", "Single-3FC (5)"),
        ),
        ".752 over .740",
    ),
    Claim(
        "views help",
        tuple((f"{label}, views", label) for label in _NARROW),
        ".729 over .722",
    ),
    Claim("3FC beats 1FC", (("Single-3FC", "Single-1FC"),), ".676 over .644"),
    Claim(
        "features are as good as fine-tuning",
        tuple(
            (f"{label}, 256×256, views", f"{label}, 256×256, views, fine-tuned")
            for label in ("Single-1FC", "Single-3FC")
        ),
        ".644 and .680, .676 and .658",
        as_good=True,
    ),
    Claim(
        "Single-3FC is as good as Multi-3FC",
        (("Single-3FC", "Multi-3FC"),),
        ".676 and .673",
        as_good=True,
    ),
)


def check_claims(
    outcomes: Sequence[Outcome], groups: Mapping[str, str] | None = None, *, seed: int = 0
) -> tuple[PairResult, ...]:
    """Test each pair of each claim.

    Args:
        outcomes: of the rows of `claims`.
        groups: of photos, by their names, if whole groups are to be drawn.
        seed: of the draws.
    """
    by_label = {one.row.label: one for one in outcomes}
    return tuple(
        _tested(claim, by_label[better], by_label[worse], groups, seed)
        for claim in CLAIMS
        for better, worse in claim.pairs
    )


def _tested(
    claim: Claim, better: Outcome, worse: Outcome, groups: Mapping[str, str] | None, seed: int
) -> PairResult:
    labels = better.row.label, worse.row.label
    nan = float("nan")
    lacking = [one.row.label for one in (better, worse) if one.result is None]
    if better.result is None or worse.result is None:
        return PairResult(
            claim, *labels, 0, *(nan,) * 6, f"not tested: no result of {' and '.join(lacking)}"
        )
    first = dict(zip(better.result.photo_ids, better.result.scores, strict=True))
    second = dict(zip(worse.result.photo_ids, worse.result.scores, strict=True))
    mos = dict(zip(better.result.photo_ids, better.result.mos, strict=True))
    shared = [photo for photo in first if photo in second]
    if len(shared) < _MIN_SHARED:
        return PairResult(
            claim, *labels, len(shared), *(nan,) * 6, f"not tested: {len(shared)} photos in both"
        )
    one, other, actual = (
        np.array([values[photo] for photo in shared]) for values in (first, second, mos)
    )
    found = paired_difference(
        srcc,
        one,
        other,
        actual,
        resamples=_RESAMPLES,
        seed=seed,
        groups=None if groups is None else [groups[photo] for photo in shared],
    )
    values = (found.value, found.low, found.high, found.p_value)
    verdict = _verdict(claim, found.low, found.high, found.p_value)
    return PairResult(
        claim, *labels, len(shared), srcc(one, actual), srcc(other, actual), *values, verdict
    )


def _verdict(claim: Claim, low: float, high: float, p_value: float) -> str:
    # Written so that NaN is open.
    if claim.as_good:
        if low > -_AS_GOOD:
            return "holds"
        return "contrary" if high < -_AS_GOOD else "open"
    if p_value < _CHANCE:
        return "holds" if low > 0 else "contrary"
    return "open"
