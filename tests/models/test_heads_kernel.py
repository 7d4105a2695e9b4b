"""The kernel head is scikit-learn's kernel ridge regression, and survives its way to ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge

from mlsp.base.errors import SettingsError
from mlsp.evaluation.metrics import srcc
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.onnx_export import export_head
from mlsp.models.heads import KernelHead, KernelSettings, RidgeSettings, fit_kernel, fit_ridge
from mlsp.models.heads.square_roots import standardised_roots

LEVELS = (5, 3)
SETTINGS = KernelSettings(components=8, steepness=0.5, penalty=0.05)


def rated(photos: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features, and ratings that no linear head can learn: how far the first root is from its mean."""
    features = np.random.default_rng(seed).gamma(2.0, size=(photos, sum(LEVELS)))
    roots = np.sqrt(features)
    mos = 3 - np.abs(roots[:, 0] - np.sqrt(2)) + 0.1 * roots[:, 6]
    return features.astype(np.float32), mos


def predict(head: torch.nn.Module, features: np.ndarray) -> np.ndarray:
    scores: np.ndarray = head(torch.from_numpy(features[:, None, None, :])).numpy()
    return scores


def test_is_kernel_ridge_regression_in_half_whitened_components() -> None:
    features, mos = rated(60)
    new, _ = rated(20, seed=1)
    roots = standardised_roots(features, mos, LEVELS, even_levels=True)
    _, singular, directions = np.linalg.svd(roots.values.astype(np.float64), full_matrices=False)
    basis = directions.T / np.sqrt(singular)
    known = roots.values @ basis
    norm = np.sqrt((known**2).sum(axis=1).mean())
    unknown = (np.sqrt(new) - roots.mean) * roots.scale @ basis

    def likeness(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        squares = ((first[:, None] - second[None]) ** 2).sum(axis=2) / norm**2
        kernel: np.ndarray = np.exp(-SETTINGS.steepness * np.sqrt(squares + 1e-4))
        return kernel

    expected = KernelRidge(alpha=SETTINGS.penalty, kernel="precomputed")
    expected.fit(likeness(known, known), mos - mos.mean())
    head = fit_kernel(features, mos, LEVELS, SETTINGS)
    np.testing.assert_allclose(
        predict(head, new), expected.predict(likeness(unknown, known)) + mos.mean(), atol=2e-4
    )


def test_learns_what_a_linear_head_cannot() -> None:
    features, mos = rated(600)
    new, actual = rated(300, seed=1)
    linear = fit_ridge(features, mos, LEVELS, RidgeSettings(alpha=1e-3, even_levels=True))
    assert srcc(predict(linear, new), actual) < 0.5
    assert srcc(predict(fit_kernel(features, mos, LEVELS, SETTINGS), new), actual) > 0.9


def test_compares_with_fewer_photos_than_it_learns_from() -> None:
    features, mos = rated(600)
    new, actual = rated(300, seed=1)
    whole = predict(fit_kernel(features, mos, LEVELS, SETTINGS), new)
    # The equations of Nyström with all photos drawn have the same solution.
    for support, least, agreement in ((599, 0.9999, 0.9), (150, 0.95, 0.85)):
        settings = KernelSettings(components=8, steepness=0.5, penalty=0.05, support=support)
        head = fit_kernel(features, mos, LEVELS, settings)
        assert head.support.shape == (support, 8)
        assert srcc(predict(head, new), whole) > least
        assert srcc(predict(head, new), actual) > agreement


def test_exported_it_predicts_the_same(tmp_path: Path) -> None:
    features, mos = rated(50)
    head = fit_kernel(features, mos, LEVELS, SETTINGS)
    export_head(head, sum(LEVELS), tmp_path / "head.onnx", grid=1)
    exported = OpenVinoHead(tmp_path / "head.onnx").predict(features[:, None, None, :])
    np.testing.assert_allclose(exported, predict(head, features), atol=1e-5)


def test_the_same_photos_give_the_same_head() -> None:
    features, mos = rated(50)
    first, second = (fit_kernel(features, mos, LEVELS, SETTINGS) for _ in range(2))
    assert isinstance(first, KernelHead)
    for name, array in first.state_dict().items():
        assert torch.equal(array, second.state_dict()[name])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"components": 0},
            "a kernel head needs at least 1 component and 2 photos, got 0 and 10000",
        ),
        (
            {"penalty": float("nan")},
            "steepness and penalty must be above 0, got 0.3 and nan",
        ),
    ],
)
def test_refuses_settings_out_of_range(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        KernelSettings(**arguments)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_refuses_photos_that_cannot_be_told_apart() -> None:
    with pytest.raises(SettingsError) as caught:
        fit_kernel(np.ones((5, 8), np.float32), np.arange(5.0), LEVELS)
    assert str(caught.value) == "all photos have the same features: there is nothing to learn from"
