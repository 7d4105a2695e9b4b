import numpy as np
import pytest
from scipy import stats

from mlsp.errors import SettingsError
from mlsp.metrics import plcc, srcc


@pytest.mark.parametrize("levels", [3, 1000], ids=["many ties", "few ties"])
def test_agrees_with_scipy(levels: int) -> None:
    rng = np.random.default_rng(levels)
    predicted = rng.integers(0, levels, 200)
    actual = predicted + rng.integers(0, levels, 200)
    assert srcc(predicted, actual) == pytest.approx(
        stats.spearmanr(predicted, actual).statistic, abs=1e-12
    )
    assert plcc(predicted, actual) == pytest.approx(
        stats.pearsonr(predicted, actual).statistic, abs=1e-12
    )


def test_srcc_sees_ranks_only_and_plcc_does_not() -> None:
    scores = np.linspace(0, 3, 20)
    assert srcc(np.exp(scores), scores) == pytest.approx(1)
    assert plcc(np.exp(scores), scores) < 0.95


def test_constant_scores_have_no_correlation() -> None:
    assert np.isnan(srcc([1, 1, 1], [1, 2, 3]))


@pytest.mark.parametrize(
    ("predicted", "actual", "message"),
    [
        (
            [1, 2],
            [1, 2, 3],
            r"^expected two vectors of one length, at least 2, got shapes \(2,\) and \(3,\)$",
        ),
        ([1, float("nan")], [1, 2], "^scores and ratings must be finite numbers$"),
    ],
)
def test_bad_vectors(predicted: list[float], actual: list[float], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        srcc(predicted, actual)
