"""Evaluation of one model or two: predictions and ratings in, an `Evaluation` out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from mlsp.base.arrays import Float64Array
from mlsp.base.errors import SettingsError, missing_column
from mlsp.evaluation.intervals import (
    Interval,
    Metric,
    PairedDifference,
    bootstrap_interval,
    paired_difference,
)
from mlsp.evaluation.measures import MEASURES
from mlsp.evaluation.metrics import default_threshold, majority_accuracy
from mlsp.evaluation.model_result import model_result
from mlsp.evaluation.records import Evaluation, Predictions, Unscored
from mlsp.evaluation.settings import EvaluationSettings
from mlsp.evaluation.votes import VotePair, vote_comparison, vote_result
from mlsp.ratings.table import RatingTable

MIN_GROUP_SIZE = 10  # Correlations of fewer photos mean next to nothing.
MAX_GROUPS = 100
# Fewer clusters give the bootstrap too little to vary.
_FEW_GROUPS = 20
_DEFAULTS = EvaluationSettings()


def evaluate(
    predictions: Predictions,
    table: RatingTable,
    *,
    split: str,
    against: Predictions | None = None,
    settings: EvaluationSettings = _DEFAULTS,
) -> Evaluation:
    """Measure how well one model agrees with people, or two on the same photos.

    Args:
        predictions: scores of the table's photos. Photos without one are listed and left out.
        table: the photos to evaluate on, as `choose_split` gives them.
        split: which part of the ratings they are, for the record.
        against: scores of a second model; then only photos that both scored count, and differences are tested.
        settings: threshold, groups, bootstrap and shown photos.

    Returns:
        The evaluation; equal arguments give equal numbers.

    Raises:
        SettingsError: fewer than two photos have scores, or the settings do not fit to the table.
    """
    sources = [predictions] if against is None else [predictions, against]
    column, groups = check_groups(table, settings)
    unscored = _unscored(sources, table)
    missing = {photo.photo_id for photo in unscored}
    rows = [row for row, photo_id in enumerate(table.photo_ids) if photo_id not in missing]
    if len(rows) < 2:
        raise SettingsError(_too_few(sources, table, unscored, len(rows)))
    rated = table.select(rows)
    kept = None if groups is None else [groups[row] for row in rows]
    scores = [
        np.array([source.scores[photo_id] for photo_id in rated.photo_ids]) for source in sources
    ]
    threshold = settings.threshold
    if threshold is None:
        threshold = default_threshold(table.lowest, table.highest)
    metrics = {name: measure.at(threshold) for name, measure in MEASURES.items()}
    drawn_groups = kept if settings.drawn == "groups" else None
    bootstrap = settings.bootstrap(drawn_groups)

    def interval(metric: Metric, predicted: Float64Array, actual: Float64Array) -> Interval:
        return bootstrap_interval(metric, predicted, actual, **bootstrap)

    def difference(
        metric: Metric, first: Float64Array, second: Float64Array, actual: Float64Array
    ) -> PairedDifference:
        return paired_difference(metric, first, second, actual, **bootstrap)

    votes = [VotePair.of(source, rated) for source in sources]

    def baseline(_predicted: ArrayLike, actual: ArrayLike) -> float:
        return majority_accuracy(actual, threshold=threshold)

    high_rated = max(1, len(rated) // 4) if settings.high_rated is None else settings.high_rated
    measured, left_out = _measured_groups(kept)
    return Evaluation(
        ratings=table.name,
        split=split,
        photo_count=len(rated),
        lowest=table.lowest,
        highest=table.highest,
        threshold=threshold,
        baseline=interval(baseline, rated.mos, rated.mos),
        confidence=settings.confidence,
        resamples=settings.resamples,
        seed=settings.seed,
        drawn=settings.drawn,
        group_column=column,
        small_groups=left_out,
        high_rated=min(high_rated, len(rated)),
        models=tuple(
            model_result(
                source,
                rated,
                values,
                numbers={
                    name: interval(metric, values, rated.mos) for name, metric in metrics.items()
                },
                groups=measured,
                settings=settings,
                high_rated=high_rated,
                votes=None if pair is None else vote_result(pair, interval),
            )
            for source, values, pair in zip(sources, scores, votes, strict=True)
        ),
        comparison={
            name: difference(metric, scores[0], scores[1], rated.mos)
            for name, metric in metrics.items()
        }
        | vote_comparison(votes, difference)
        if against is not None
        else None,
        unscored=unscored,
        notes=tuple(_notes(sources, scores, table, split, drawn_groups)),
    )


def check_groups(
    table: RatingTable, settings: EvaluationSettings
) -> tuple[str | None, Sequence[str] | None]:
    """Find the groups of an evaluation, also before photos are scored, which takes long.

    Args:
        table: the photos to evaluate on.
        settings: name the column, and whether groups are drawn.

    Returns:
        The name of the column and each photo's group; None where there are none.

    Raises:
        SettingsError: the table has no such column, or no groups to draw.
    """
    own = [rating.group for rating in table]
    column = settings.group_column
    if column is None and any(own):
        column = "group"
    known = {**table.extra, "group": own} if any(own) else dict(table.extra)
    if column is None:
        if settings.drawn == "groups":
            raise SettingsError(
                f"{table.name} has no groups to draw: name a column of it by --group, or draw photos"
            )
        return None, None
    if column not in known:
        raise SettingsError(missing_column(table.name, column, known, "--group"))
    return column, known[column]


def _unscored(sources: Sequence[Predictions], table: RatingTable) -> tuple[Unscored, ...]:
    reasons: dict[str, str] = {}
    for source in reversed(sources):
        reasons |= {photo.photo_id: photo.reason for photo in source.unscored}
    return tuple(
        Unscored(photo_id, reasons.get(photo_id, "has no score"))
        for photo_id in table.photo_ids
        if not all(photo_id in source.scores for source in sources)
    )


def _too_few(
    sources: Sequence[Predictions],
    table: RatingTable,
    unscored: Sequence[Unscored],
    found: int,
) -> str:
    names = " and ".join(repr(source.name) for source in sources)
    first = f"; the first: {unscored[0].photo_id}: {unscored[0].reason}" if unscored else ""
    return f"{found} of {len(table)} photos of {table.name} have scores of {names}, at least 2 are needed{first}"


def _measured_groups(groups: Sequence[str] | None) -> tuple[Mapping[str, list[int]], int]:
    """Return the rows of each measured group, largest first, and the number of the other groups."""
    rows: dict[str, list[int]] = {}
    for row, group in enumerate(groups or ()):
        rows.setdefault(group, []).append(row)
    large = sorted(
        (item for item in rows.items() if len(item[1]) >= MIN_GROUP_SIZE),
        key=lambda item: (-len(item[1]), item[0]),
    )[:MAX_GROUPS]
    return dict(large), len(rows) - len(large)


def _notes(
    sources: Sequence[Predictions],
    scores: Sequence[Float64Array],
    table: RatingTable,
    split: str,
    drawn_groups: Sequence[str] | None,
) -> Iterator[str]:
    for source, values in zip(sources, scores, strict=True):
        # A split of the table may be another than the one of the training.
        if source.learned_from:
            yield (
                f"{source.head!r} of {source.name!r} learned from {source.learned_from}."
                f" Where the photos evaluated here ({split} of {table.name}) are among them, these numbers flatter it:"
                " only photos that it has not seen tell how good it is."
            )
        low, high = source.scale or (float(values.min()), float(values.max()))
        span = table.highest - table.lowest
        if (source.scale and source.scale != (table.lowest, table.highest)) or (
            low < table.lowest - span / 2 or high > table.highest + span / 2
        ):
            yield (
                f"Scores of {source.head!r} of {source.name!r} go from {low:g} to {high:g}, the ratings' scale from"
                f" {table.lowest:g} to {table.highest:g}. SRCC, PLCC and Kendall's tau hold on any scale; errors, accuracies and"
                " calibration mean something only if the same number means the same on both."
            )
    number = len(set(drawn_groups or ()))
    if drawn_groups is not None and number < _FEW_GROUPS:
        yield (
            f"Whole groups were drawn, but there are only {number}: with fewer than {_FEW_GROUPS} the intervals are too short."
        )
