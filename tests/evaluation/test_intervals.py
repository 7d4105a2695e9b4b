from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import ArrayLike
from scipy import stats

from mlsp.base.errors import SettingsError
from mlsp.evaluation.intervals import bootstrap_interval, paired_difference
from mlsp.evaluation.metrics import accuracy, balanced_accuracy, emd, plcc, rmse, srcc


def _slow_srcc(predicted: ArrayLike, actual: ArrayLike) -> float:
    """Not `srcc` itself, so it takes the way of any metric."""
    return srcc(predicted, actual)


def _rated(photos: int, seed: int, noise: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    actual = rng.normal(size=photos)
    return actual + rng.normal(0, noise, photos), actual


@given(
    arrays.arrays(np.int64, (2, 20), elements=st.integers(0, 6)),
    st.sampled_from([None, [0] * 5 + [1] * 3 + [2] * 12]),
)
def test_drawn_srcc_is_srcc_of_the_drawn(pair: np.ndarray, groups: list[int] | None) -> None:
    predicted, actual = pair
    fast = bootstrap_interval(srcc, predicted, actual, resamples=100, groups=groups)
    slow = bootstrap_interval(_slow_srcc, predicted, actual, resamples=100, groups=groups)
    np.testing.assert_allclose(
        [fast.value, fast.low, fast.high], [slow.value, slow.low, slow.high], atol=1e-9
    )


def test_agrees_with_scipy() -> None:
    predicted, actual = _rated(100, 1)
    ours = bootstrap_interval(rmse, predicted, actual, resamples=4000)
    theirs = stats.bootstrap(
        (predicted, actual),
        lambda first, second: rmse(first, second),
        paired=True,
        vectorized=False,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    # Both ends are themselves random, by about a fiftieth of the interval.
    tolerance = 0.06 * (theirs.high - theirs.low)
    assert ours.value == rmse(predicted, actual)
    assert ours.low == pytest.approx(theirs.low, abs=tolerance)
    assert ours.high == pytest.approx(theirs.high, abs=tolerance)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """The PLCC of an endless stream of such photos is known: 1 / sqrt(1 + noise²)."""
    truth = 1 / np.sqrt(1 + 0.5**2)
    held = [
        interval.low <= truth <= interval.high
        for interval in (
            bootstrap_interval(plcc, *_rated(150, seed), confidence=0.8, resamples=200)
            for seed in range(300)
        )
    ]
    # 300 trials at .8 have a standard deviation of .023; the percentile bootstrap itself is a little short.
    assert 0.73 < np.mean(held) < 0.87


def test_groups_are_drawn_whole() -> None:
    """Ten copies of each photo tell no more than one: only the grouped interval knows."""
    predicted, actual = _rated(60, 3)
    single = bootstrap_interval(srcc, predicted, actual)
    copies = [np.repeat(side, 10) for side in (predicted, actual)]
    grouped = bootstrap_interval(srcc, *copies, groups=np.repeat(np.arange(60), 10).tolist())
    blind = bootstrap_interval(srcc, *copies)
    assert (grouped.low, grouped.high) == pytest.approx((single.low, single.high), abs=1e-12)
    assert blind.high - blind.low < 0.5 * (grouped.high - grouped.low)


def test_seeds_repeat_and_differ() -> None:
    sides = _rated(50, 4)
    assert bootstrap_interval(srcc, *sides, seed=1) == bootstrap_interval(srcc, *sides, seed=1)
    assert bootstrap_interval(srcc, *sides, seed=1) != bootstrap_interval(srcc, *sides, seed=2)


def test_more_confidence_is_wider_and_more_photos_narrower() -> None:
    def width(photos: int, confidence: float) -> float:
        interval = bootstrap_interval(srcc, *_rated(photos, 6), confidence=confidence)
        return interval.high - interval.low

    assert width(100, 0.8) < width(100, 0.95) < width(100, 0.99)
    assert width(400, 0.95) == pytest.approx(width(100, 0.95) / 2, rel=0.35)


def test_draws_without_the_metric_are_left_out() -> None:
    predicted, actual = np.arange(6.0), np.array([0, 0, 0, 0, 0, 9])
    interval = bootstrap_interval(partial(balanced_accuracy, threshold=4), predicted, actual)
    # A third of the draws lacks the one high photo.
    assert interval.value == pytest.approx(1)
    assert (interval.low, interval.high) == (1, 1)


def test_what_is_not_defined_has_no_interval() -> None:
    interval = bootstrap_interval(srcc, np.ones(5), np.arange(5))
    assert np.isnan([interval.value, interval.low, interval.high]).all()
    compared = paired_difference(srcc, np.ones(5), np.arange(5), np.arange(5))
    assert np.isnan([compared.value, compared.low, compared.high, compared.p_value]).all()


def test_distributions_are_drawn_by_photo() -> None:
    rng = np.random.default_rng(7)
    predicted, actual = rng.random((2, 40, 10))
    interval = bootstrap_interval(emd, predicted, actual)
    assert interval.low < interval.value == emd(predicted, actual) < interval.high


def test_equal_models_do_not_differ() -> None:
    predicted, actual = _rated(80, 8)
    compared = paired_difference(srcc, predicted, 2 * predicted + 1, actual)
    assert (compared.value, compared.low, compared.high, compared.p_value) == (0, 0, 0, 1)


def test_a_much_better_model_is_told_and_signs_follow_the_order() -> None:
    good, actual = _rated(200, 9, noise=0.3)
    bad = _rated(200, 10, noise=2)[0] - _rated(200, 10, noise=2)[1] + actual
    compared = paired_difference(srcc, good, bad, actual, resamples=999)
    assert compared.value == pytest.approx(srcc(good, actual) - srcc(bad, actual))
    assert 0 < compared.low < compared.value < compared.high
    assert compared.p_value == pytest.approx(2 / 1000)
    turned = paired_difference(srcc, bad, good, actual, resamples=999)
    assert (turned.value, turned.low, turned.high, turned.p_value) == pytest.approx(
        (-compared.value, -compared.high, -compared.low, compared.p_value)
    )


def test_pairing_tells_what_two_intervals_cannot() -> None:
    predicted, actual = _rated(300, 11, noise=1)
    better = predicted + 0.08 * (actual - predicted)
    intervals = [bootstrap_interval(srcc, side, actual) for side in (better, predicted)]
    assert intervals[0].low < intervals[1].value < intervals[0].value < intervals[1].high
    assert paired_difference(srcc, better, predicted, actual).p_value < 0.01


def test_models_of_equal_worth_are_rarely_told_apart() -> None:
    p_values = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        actual = rng.normal(size=100)
        first, second = actual + rng.normal(0, 0.7, (2, 100))
        p_values.append(paired_difference(srcc, first, second, actual, resamples=200).p_value)
    # Expected .1 and .5; 200 trials have standard deviations of .021 and .035.
    assert 0.04 < np.mean(np.array(p_values) < 0.1) < 0.17
    assert 0.39 < np.mean(np.array(p_values) < 0.5) < 0.61


def test_accuracy_takes_its_threshold_by_partial() -> None:
    interval = bootstrap_interval(partial(accuracy, threshold=0.0), *_rated(100, 12))
    assert 0.5 < interval.low < interval.value < interval.high <= 1


def test_20000_photos_take_seconds() -> None:
    predicted, actual = _rated(20_000, 13)
    started = time.process_time()
    bootstrap_interval(srcc, predicted, actual.round(2), resamples=200)
    # Took 0.1 s of one core; 2,000 resamples must stay far below a minute.
    assert time.process_time() - started < 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"confidence": 1.0}, "^confidence must lie between 0 and 1, got 1.0$"),
        ({"resamples": 99}, "^an interval needs at least 100 resamples, got 99$"),
        ({"groups": ["a"]}, "^expected one group for each of 3 photos, got 1$"),
        (
            {"groups": ["a"] * 3},
            "^all photos are in one group, so there is nothing to draw: leave the groups out$",
        ),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        bootstrap_interval(srcc, [1, 2, 3], [1, 2, 3], **settings)
    with pytest.raises(SettingsError, match=message):
        paired_difference(srcc, [1, 2, 3], [3, 2, 1], [1, 2, 3], **settings)


def test_sides_of_different_length() -> None:
    message = r"^expected two vectors of one length, at least 2, got shapes \(2,\) and \(3,\)$"
    with pytest.raises(SettingsError, match=message):
        bootstrap_interval(srcc, [1, 2], [1, 2, 3])
    with pytest.raises(SettingsError, match=message):
        paired_difference(srcc, [1, 2, 3], [1, 2], [1, 2, 3])


def test_sides_of_different_length_are_refused_whatever_the_metric() -> None:
    with pytest.raises(
        SettingsError,
        match=r"^expected as many scores as ratings, got shapes \(2,\) and \(3,\)$",
    ):
        bootstrap_interval(lambda _predicted, _actual: 0.0, [1, 2], [1, 2, 3])
