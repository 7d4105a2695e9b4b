"""Heads in closed form are scikit-learn estimators."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator

from mlsp.models.heads import KernelHead, KernelNetworks, RidgeHead


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize(
    "head",
    [RidgeHead(), KernelHead(), KernelHead(networks=KernelNetworks(count=1, epochs=2))],
)
def test_passes_the_checks_of_scikit_learn(head: RidgeHead | KernelHead) -> None:
    check_estimator(head)


@pytest.mark.parametrize(
    ("head", "grid"),
    [(RidgeHead(), {"alpha": [1e-4, 1e4]}), (KernelHead(), {"penalty": [1e-2, 1e4]})],
)
def test_is_chosen_by_a_grid_search_in_a_pipeline(
    head: RidgeHead | KernelHead, grid: dict[str, list[float]]
) -> None:
    features = np.random.default_rng(0).gamma(2.0, size=(120, 6))
    mos = np.sqrt(features) @ np.arange(6.0)
    name = type(head).__name__.lower()
    pipeline = make_pipeline(MinMaxScaler(), head)
    search = GridSearchCV(pipeline, {f"{name}__{key}": values for key, values in grid.items()})
    search.fit(features, mos)
    assert list(search.best_params_.values()) == [min(values) for values in grid.values()]
    assert search.score(features, mos) > 0.9
