"""Registry of what an evaluation measures of a model: the metric, and its words in every report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mlsp.evaluation.intervals import Metric
from mlsp.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    kendall,
    mae,
    plcc,
    rmse,
    srcc,
)


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of every evaluation.

    Attributes:
        label: its name for people.
        meaning: what it means, in a sentence.
        metric: of (predicted, actual), or with `has_threshold` of (predicted, actual, threshold=).
        has_threshold: whether the metric tells high photos from low ones.
        is_share: whether it is shown as a percentage.
    """

    label: str
    meaning: str
    metric: Callable[..., float]
    has_threshold: bool = False
    is_share: bool = False

    def at(self, threshold: float) -> Metric:
        """Return the metric as a function of (predicted, actual) alone."""
        return partial(self.metric, threshold=threshold) if self.has_threshold else self.metric


# By their names in the JSON file, in the order of every report.
MEASURES = {
    "srcc": Measure(
        "SRCC", "Same order as people? Spearman's rank correlation: 1 the same, 0 none.", srcc
    ),
    "plcc": Measure("PLCC", "On a straight line with people? Pearson's correlation.", plcc),
    "kendall": Measure(
        "Kendall's τ", "Pairs of photos in the right order minus those in the wrong one.", kendall
    ),
    "accuracy": Measure(
        "Accuracy",
        "Photos on the right side of the threshold.",
        accuracy,
        has_threshold=True,
        is_share=True,
    ),
    "balanced_accuracy": Measure(
        "Balanced accuracy",
        "Mean of the accuracies among high and low photos.",
        balanced_accuracy,
        has_threshold=True,
        is_share=True,
    ),
    "rmse": Measure(
        "RMSE", "Root of the mean squared error, in the ratings' unit. Lower is better.", rmse
    ),
    "mae": Measure("MAE", "Mean absolute error, in the ratings' unit. Lower is better.", mae),
}
