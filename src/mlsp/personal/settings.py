"""Settings of learning a taste."""

from __future__ import annotations

from dataclasses import dataclass

from mlsp.base.errors import SettingsError


@dataclass(frozen=True, slots=True)
class TasteSettings:
    """Settings of learning a taste.

    Attributes:
        min_judgements: ratings and comparisons, together, that are needed to learn.
        lowest: lower end of the ratings' scale.
        highest: upper end of it.
        folds: per cross-validation.
        repeats: number of cross-validations, each with other folds.
        resamples: bootstrap draws for the intervals.
        confidence: of the intervals, 0…1.
        components: maximum number of principal components of the judged photos.
        seed: of the folds and the bootstrap; equal seeds give equal models.

    Raises:
        SettingsError: a value is out of range.
    """

    min_judgements: int = 30
    lowest: float = 1.0
    highest: float = 5.0
    folds: int = 10
    repeats: int = 2
    resamples: int = 1000
    confidence: float = 0.95
    components: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, minimum in (
            ("min_judgements", self.min_judgements, 2),
            ("folds", self.folds, 2),
            ("repeats", self.repeats, 1),
            ("resamples", self.resamples, 100),
            ("components", self.components, 1),
        ):
            if value < minimum:
                raise SettingsError(f"{name} must be at least {minimum}, got {value}")
        if not self.lowest < self.highest:
            raise SettingsError(
                f"the scale must end above where it begins, got {self.lowest:g} to {self.highest:g}"
            )
        if not 0 < self.confidence < 1:
            raise SettingsError(f"confidence must lie between 0 and 1, got {self.confidence}")
