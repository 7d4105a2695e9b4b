"""Records of a model: its heads, their agreement with people, its card."""

from __future__ import annotations

import bisect
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from mlsp.base.digests import file_sha256

HeadForm = Literal["roots", "other"]

_HEAD_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Names that a report's columns already have.
_RESERVED_NAMES = frozenset({"photo", "overall", "width", "height", "model"})


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of a head's scores with people's ratings.

    Attributes:
        photos: description of the photos on which it was measured.
        photo_count: their number.
        srcc: Spearman's rank correlation, -1…1.
        plcc: Pearson's correlation, -1…1.
    """

    photos: str
    photo_count: int
    srcc: float
    plcc: float


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """One head of a model.

    Attributes:
        name: column in reports.
        file: ONNX file in the model's folder.
        sha256: of the file.
        meaning: of a high score, in a few words.
        lowest: lower end of the ratings' scale.
        highest: upper end of it.
        ratings: that it learned from, with source and licence.
        quantiles: scores of the rated photos at even steps from the minimum to the maximum, predicted by heads that had not
            seen them. Empty where no rated photos were at hand; then there are no percentiles.
        agreement: with people, measured; empty where it was not.
        form: `roots` where the score is linear in the square roots of features, with the arrays `weight` (C,) and `bias` () of its graph;
            `other` where it is not linear; None where its model does not state it.
    """

    name: str
    file: str
    sha256: str
    meaning: str
    lowest: float
    highest: float
    ratings: str
    quantiles: tuple[float, ...]
    agreement: tuple[Agreement, ...]
    form: HeadForm | None = None

    def with_file(self, folder: Path) -> HeadRecord:
        """Return this record with the SHA-256 of its file in a folder."""
        return replace(self, sha256=file_sha256(folder / self.file))

    def percentile(self, value: float) -> float:
        """Return the share of the rated photos whose score is lower, 0…100, by linear interpolation between quantiles.

        Returns:
            NaN where there are no quantiles.

        Examples:
            >>> HeadRecord("h", "", "", "", 0, 1, "", (0.0, 0.5, 1.0), ()).percentile(0.25)
            25.0
        """
        if math.isnan(value) or not self.quantiles:
            return math.nan
        above = bisect.bisect_right(self.quantiles, value)
        if above == 0:
            return 0.0
        if above == len(self.quantiles):
            return 100.0
        low, high = self.quantiles[above - 1], self.quantiles[above]
        steps = above - 1 + (value - low) / (high - low)
        return 100 * steps / (len(self.quantiles) - 1)

    def position(self, value: float) -> float:
        """Return the position of a score on the scale of the ratings: 0 at its lower end, 100 at its upper.

        Examples:
            >>> HeadRecord("h", "", "", "", 1, 10, "", (), ()).position(5.5)
            50.0
        """
        return 100 * (value - self.lowest) / (self.highest - self.lowest)


@dataclass(frozen=True, slots=True)
class Card:
    """Facts that a user should know before believing a model.

    Attributes:
        summary: one sentence.
        networks: with their training data and licences.
        limits: photos and uses that it was not tested on or is not good for.
        license: of the model.
    """

    summary: str
    networks: tuple[str, ...]
    limits: tuple[str, ...]
    license: str


def check_head(head: HeadRecord) -> None:
    """Raise ValueError if a head's record cannot be used."""
    if not _HEAD_NAME.fullmatch(head.name) or head.name in _RESERVED_NAMES:
        raise ValueError(f"head name {head.name!r}: lower-case letters, digits and _ are allowed")
    texts = (head.file, head.sha256, head.meaning, head.ratings)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"texts of {head.name!r}: expected strings")
    if head.form not in (None, *get_args(HeadForm)):
        raise ValueError(f"form {head.form!r} of {head.name!r}: unknown")
    numbers = (head.lowest, head.highest, *head.quantiles)
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
        raise ValueError(f"numbers of {head.name!r}: expected finite ones")
    if head.lowest >= head.highest:
        raise ValueError(f"scale of {head.name!r}: {head.lowest} is not below {head.highest}")
    if len(head.quantiles) == 1 or list(head.quantiles) != sorted(head.quantiles):
        raise ValueError(f"quantiles of {head.name!r}: expected none, or at least two, ascending")
