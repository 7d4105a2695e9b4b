from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from sklearn import metrics as sklearn_metrics

from mlsp.base.errors import SettingsError
from mlsp.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    default_threshold,
    emd,
    kendall,
    mae,
    majority_accuracy,
    plcc,
    rmse,
    srcc,
)


def _rated(levels: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(levels)
    predicted = rng.integers(0, levels, 200)
    return predicted, predicted + rng.integers(0, levels, 200)


@pytest.mark.parametrize("levels", [3, 1000], ids=["many ties", "few ties"])
def test_agrees_with_scipy_and_sklearn(levels: int) -> None:
    predicted, actual = _rated(levels)
    expected = {
        srcc: stats.spearmanr(predicted, actual).statistic,
        plcc: stats.pearsonr(predicted, actual).statistic,
        kendall: stats.kendalltau(predicted, actual).statistic,
        rmse: sklearn_metrics.root_mean_squared_error(actual, predicted),
        mae: sklearn_metrics.mean_absolute_error(actual, predicted),
    }
    for metric, value in expected.items():
        assert metric(predicted, actual) == pytest.approx(value, abs=1e-12), metric.__name__
    threshold = levels / 2
    high, high_predicted = actual > threshold, predicted > threshold
    assert accuracy(predicted, actual, threshold=threshold) == pytest.approx(
        sklearn_metrics.accuracy_score(high, high_predicted), abs=1e-12
    )
    assert balanced_accuracy(predicted, actual, threshold=threshold) == pytest.approx(
        sklearn_metrics.balanced_accuracy_score(high, high_predicted), abs=1e-12
    )


def test_kendall_by_its_definition() -> None:
    predicted, actual = _rated(3)
    rows, columns = np.triu_indices(len(predicted), 1)
    first = np.sign(predicted[rows] - predicted[columns])
    second = np.sign(actual[rows] - actual[columns])
    tau_b = (first * second).sum() / np.sqrt((first != 0).sum() * (second != 0).sum())
    assert kendall(predicted, actual) == pytest.approx(tau_b, abs=1e-12)


def test_srcc_sees_ranks_only_and_plcc_does_not() -> None:
    scores = np.linspace(0, 3, 20)
    assert srcc(np.exp(scores), scores) == pytest.approx(1)
    assert plcc(np.exp(scores), scores) < 0.95


@pytest.mark.parametrize("metric", [srcc, plcc, kendall])
def test_constant_scores_have_no_correlation(
    metric: Callable[[list[int], list[int]], float],
) -> None:
    assert np.isnan(metric([1, 1, 1], [1, 2, 3]))


def test_equal_to_the_threshold_is_low_for_scores_and_ratings() -> None:
    predicted, actual = [5.0, 5.1, 5.0, 4.9], [5.0, 5.0, 5.1, 5.1]
    # Low and low; high and low; low and high; low and high.
    assert accuracy(predicted, actual, threshold=5) == 0.25
    assert balanced_accuracy(predicted, actual, threshold=5) == (0 / 2 + 1 / 2) / 2
    assert majority_accuracy([5, 5, 5, 5.1], threshold=5) == 0.75


def test_ava_baseline_is_the_share_of_high_photos() -> None:
    """The paper's section 4.2: assigning all test photos to the high class is right for 71.08 %."""
    actual = np.where(np.arange(10_000) < 7_108, 5.5, 5.0)
    all_high = np.full(10_000, 9.0)
    assert majority_accuracy(actual, threshold=5) == pytest.approx(0.7108)
    assert accuracy(all_high, actual, threshold=5) == pytest.approx(0.7108)
    assert balanced_accuracy(all_high, actual, threshold=5) == 0.5


def test_balanced_accuracy_needs_both_sides() -> None:
    assert np.isnan(balanced_accuracy([1, 9], [6, 7], threshold=5))
    assert np.isnan(balanced_accuracy([1, 9], [2, 3], threshold=5))


@pytest.mark.parametrize("power", [1, 2, 3])
def test_emd_by_a_slow_loop(power: int) -> None:
    rng = np.random.default_rng(power)
    predicted, actual = rng.random((7, 10)), rng.integers(0, 50, (7, 10)) + 1
    total = 0.0
    for one, other in zip(predicted, actual, strict=True):
        p, q = one / one.sum(), other / other.sum()
        total += (
            sum(abs(p[: k + 1].sum() - q[: k + 1].sum()) ** power for k in range(10)) / 10
        ) ** (1 / power)
    assert emd(predicted, actual, power=power) == pytest.approx(total / 7, abs=1e-12)


def test_emd_of_power_1_is_the_wasserstein_distance_over_the_bins() -> None:
    one, other = [0.1, 0.2, 0.7, 0.0], [0.4, 0.0, 0.1, 0.5]
    expected = stats.wasserstein_distance(range(4), range(4), one, other) / 4
    assert emd([one], [other], power=1) == pytest.approx(expected, abs=1e-12)


_VECTORS = st.integers(2, 30).flatmap(
    lambda n: st.tuples(
        *[arrays.arrays(np.float64, n, elements=st.integers(-5, 5).map(float)) for _ in range(2)]
    )
)
_VOTES = st.tuples(
    *[
        arrays.arrays(np.int64, (3, 5), elements=st.integers(0, 9)).map(lambda v: v + np.eye(3, 5))
        for _ in range(2)
    ]
)


@given(_VECTORS)
def test_properties_of_correlations(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, actual = pair
    for metric in (srcc, plcc, kendall):
        value = metric(predicted, actual)
        np.testing.assert_allclose(metric(actual, predicted), value, atol=1e-9)
        np.testing.assert_allclose(metric(-predicted, actual), -value, atol=1e-9)
        np.testing.assert_allclose(metric(2 * predicted + 3, actual), value, atol=1e-9)
        if not np.isnan(value):
            assert -1 - 1e-9 <= value <= 1 + 1e-9
    for metric in (srcc, kendall):
        np.testing.assert_allclose(
            metric(predicted**3, actual), metric(predicted, actual), atol=1e-9
        )


@given(_VECTORS, st.integers(-4, 4))
def test_properties_of_errors_and_accuracies(
    pair: tuple[np.ndarray, np.ndarray], threshold: int
) -> None:
    predicted, actual = pair
    assert 0 <= mae(predicted, actual) <= rmse(predicted, actual) + 1e-12
    assert rmse(actual, actual) == mae(actual, actual) == 0
    baseline = majority_accuracy(actual, threshold=threshold)
    assert 0.5 <= baseline <= 1
    assert accuracy(actual, actual, threshold=threshold) == 1
    constants = [np.full_like(actual, threshold + side) for side in (0, 1)]
    assert max(
        accuracy(constant, actual, threshold=threshold) for constant in constants
    ) == pytest.approx(baseline)


@given(_VOTES)
def test_properties_of_emd(pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = pair
    distance = emd(first, second)
    assert 0 <= emd(first, second, power=1) <= distance + 1e-12 <= 1 + 1e-12
    assert distance == pytest.approx(emd(second, first))
    assert emd(3 * first, second) == pytest.approx(distance)
    assert emd(first, first) == 0
    assert emd(first[:, ::-1], second[:, ::-1]) == pytest.approx(distance)


@pytest.mark.parametrize(
    ("predicted", "actual", "message"),
    [
        (
            [1, 2],
            [1, 2, 3],
            r"^expected two vectors of one length, at least 2, got shapes \(2,\) and \(3,\)$",
        ),
        (
            [1],
            [1],
            r"^expected two vectors of one length, at least 2, got shapes \(1,\) and \(1,\)$",
        ),
        ([1, float("nan")], [1, 2], "^scores and ratings must be finite numbers$"),
    ],
)
def test_bad_vectors(predicted: list[float], actual: list[float], message: str) -> None:
    for metric in (srcc, plcc, kendall):
        with pytest.raises(SettingsError, match=message):
            metric(predicted, actual)


def test_errors_need_one_photo_only() -> None:
    assert rmse([1], [3]) == mae([1], [3]) == 2
    with pytest.raises(
        SettingsError,
        match=r"^expected two vectors of one length, at least 1, got shapes \(0,\) and \(0,\)$",
    ):
        rmse([], [])


@pytest.mark.parametrize(
    ("predicted", "power", "message"),
    [
        (
            [[1, 2]],
            2,
            r"^expected two arrays of one shape \(photos, bins\), got shapes \(1, 2\) and \(1, 3\)$",
        ),
        (
            [[0, 0, 0]],
            2,
            "^distributions must be finite shares or counts, none negative and not all 0 in a row$",
        ),
        (
            [[3, -1, 0]],
            2,
            "^distributions must be finite shares or counts, none negative and not all 0 in a row$",
        ),
        (
            [[1, float("inf"), 0]],
            2,
            "^distributions must be finite shares or counts, none negative and not all 0 in a row$",
        ),
        ([[1, 2, 3]], 0.5, "^the power of an EMD must be at least 1, got 0.5$"),
    ],
)
def test_bad_distributions(predicted: list[list[float]], power: float, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        emd(predicted, [[1, 2, 3]], power=power)


BARE = """
import sys
for name in ("torch", "scipy", "pandas", "sklearn", "openvino"):
    sys.modules[name] = None
from mlsp.evaluation.intervals import bootstrap_interval
from mlsp.evaluation.metrics import accuracy, emd, kendall, plcc, srcc
print(srcc([1, 2, 3], [1, 3, 2]), round(plcc([1, 2, 3], [1, 3, 2]), 3), round(kendall([1, 2, 3], [1, 3, 2]), 3))
print(accuracy([4, 6], [6, 6], threshold=5), emd([[1, 0]], [[0, 1]], power=1))
print(bootstrap_interval(srcc, [1, 2, 3], [1, 2, 3]).value)
"""


def test_metrics_need_numpy_alone() -> None:
    done = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0.5", "0.5", "0.333", "0.5", "0.5", "1.0"]


def test_the_threshold_is_the_papers_on_its_scale_and_the_middle_of_others() -> None:
    assert default_threshold(1, 10) == 5
    assert default_threshold(1, 5) == 3
