"""The kernel head is scikit-learn's kernel ridge regression, and survives its way to ONNX."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.kernel_ridge import KernelRidge

from mlsp.base.errors import SettingsError
from mlsp.evaluation.metrics import srcc
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.onnx_export import export_head
from mlsp.models.heads import (
    Differences,
    KernelHead,
    KernelMetric,
    KernelNetworks,
    RidgeHead,
    fit_kernel_with_pairs,
    fit_kernels,
)
from mlsp.models.heads.square_roots import standardised_roots

LEVELS = (5, 3)
SETTINGS = KernelHead(components=8, steepness=0.5, penalty=0.05, level_channels=LEVELS)
NETWORKS = KernelNetworks(share=0.4, count=2, widths=(32, 8), epochs=20, dropout=0.0)


def rated(photos: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features, and ratings that no linear head can learn: how far the first root is from its mean."""
    features = np.random.default_rng(seed).gamma(2.0, size=(photos, sum(LEVELS)))
    roots = np.sqrt(features)
    mos = 3 - np.abs(roots[:, 0] - np.sqrt(2)) + 0.1 * roots[:, 6]
    return features.astype(np.float32), mos


def fit_kernel(features: np.ndarray, mos: np.ndarray, **changes: Any) -> KernelHead:
    head: KernelHead = clone(SETTINGS).set_params(**changes).fit(features, mos)
    return head


def kernel_ridge(
    features: np.ndarray, mos: np.ndarray, new: np.ndarray, settings: KernelHead, rank: int
) -> np.ndarray:
    """Scores of new photos by scikit-learn's kernel ridge, in float64, in components that are halfway to equal deviations."""
    levels = settings.level_channels
    roots = np.sqrt(features.astype(np.float64))
    mean, scale = roots.mean(axis=0), standardised_roots(features, mos, levels).scale
    known, unknown = (roots - mean) * scale, (np.sqrt(new.astype(np.float64)) - mean) * scale
    _, singular, directions = np.linalg.svd(known, full_matrices=False)
    basis = (directions.T / np.sqrt(singular))[:, :rank]
    norm = np.sqrt(((known @ basis) ** 2).sum(axis=1).mean())

    def likeness(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        squares = ((first[:, None] - second[None]) ** 2).sum(axis=2) / norm**2
        kernel: np.ndarray = np.exp(-settings.steepness * np.sqrt(squares + 1e-4))
        return kernel

    known, unknown = known @ basis, unknown @ basis
    expected = KernelRidge(alpha=settings.penalty, kernel="precomputed")
    expected.fit(likeness(known, known), mos - mos.mean())
    scores: np.ndarray = expected.predict(likeness(unknown, known)) + mos.mean()
    return scores


def test_is_kernel_ridge_regression_in_half_whitened_components() -> None:
    features, mos = rated(60)
    new, _ = rated(20, seed=1)
    expected = kernel_ridge(features, mos, new, SETTINGS, rank=8)
    np.testing.assert_allclose(fit_kernel(features, mos).predict(new), expected, atol=2e-4)


def few_of_many_channels(photos: int) -> np.ndarray:
    """Photos whose 300 features are far above 0: their roots less the mean leave much rounding."""
    rng = np.random.default_rng(7)
    common = 30 + rng.gamma(2.0, size=(photos, 1))
    features: np.ndarray = common + rng.gamma(2.0, size=(photos, 300))
    return features.astype(np.float32)


@pytest.mark.parametrize("repeated", [0, 15])
@pytest.mark.parametrize("photos", [30, 90])
def test_few_photos_are_compared_in_no_direction_that_is_rounding(
    photos: int, repeated: int
) -> None:
    """Less their mean, n photos differ in n - 1 directions, and in fewer where some are the same."""
    features, new = np.split(few_of_many_channels(photos + 100), [photos])
    mos = features[:, :20].mean(axis=1).astype(np.float64)
    features, mos = (np.concatenate([some, some[:repeated]]) for some in (features, mos))
    head = KernelHead().fit(features, mos)
    ratings_only = np.ones(len(mos))
    same = Differences(features[:5], features[:5], np.zeros(5))
    with_pairs = fit_kernel_with_pairs(
        KernelHead(), features, mos, same, weights=ratings_only, support=np.arange(len(mos))
    )
    for fitted in (head, with_pairs):
        known, unknown = (fitted.project(some).std(axis=0) for some in (features, new))
        assert (unknown / known).max() < 1.5
    expected = kernel_ridge(features, mos, new, KernelHead(), rank=photos - 1)
    np.testing.assert_allclose(head.predict(new), expected, atol=1e-4)


def test_learns_what_a_linear_head_cannot() -> None:
    features, mos = rated(600)
    new, actual = rated(300, seed=1)
    linear = RidgeHead(1e-3, LEVELS).fit(features, mos)
    assert srcc(linear.predict(new), actual) < 0.5
    assert srcc(fit_kernel(features, mos).predict(new), actual) > 0.9


def test_compares_with_fewer_photos_than_it_learns_from() -> None:
    features, mos = rated(600)
    new, actual = rated(300, seed=1)
    whole = fit_kernel(features, mos).predict(new)
    # The equations of Nyström with all photos drawn have the same solution.
    for support, least, agreement in ((599, 0.9999, 0.9), (150, 0.95, 0.85)):
        head = fit_kernel(features, mos, support=support)
        assert head.support_.shape == (support, 8)
        assert srcc(head.predict(new), whole) > least
        assert srcc(head.predict(new), actual) > agreement


def test_exported_it_predicts_the_same(tmp_path: Path) -> None:
    features, mos = rated(50)
    head = fit_kernel(features, mos)
    export_head(head.module(), sum(LEVELS), tmp_path / "head.onnx", grid=1)
    exported = OpenVinoHead(tmp_path / "head.onnx").predict(features[:, None, None, :])
    np.testing.assert_allclose(exported, head.predict(features), atol=1e-5)


def test_the_same_photos_give_the_same_head() -> None:
    features, mos = rated(50)
    first, second = (fit_kernel(features, mos).module() for _ in range(2))
    for name, array in first.state_dict().items():
        assert torch.equal(array, second.state_dict()[name])


def test_several_are_fitted_as_each_alone() -> None:
    features, mos = rated(50)
    settings = [{"steepness": steepness, "penalty": 0.1} for steepness in (0.2, 0.9)]
    heads = [clone(SETTINGS).set_params(**one) for one in settings]
    for together, one in zip(fit_kernels(features, mos, heads), settings, strict=True):
        alone = fit_kernel(features, mos, **one)
        np.testing.assert_array_equal(together.predict(features), alone.predict(features))


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
        KernelHead(**arguments).fit(*rated(5))  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_refuses_photos_that_cannot_be_told_apart() -> None:
    with pytest.raises(SettingsError) as caught:
        fit_kernel(np.ones((5, 8), np.float32), np.arange(5.0))
    assert str(caught.value) == "all photos have the same features: there is nothing to learn from"


def pairs_of(count: int, weight: float = 1.0) -> Differences:
    """Pairs of which the worse one has more of the last channel, which ratings say nothing about."""
    better, _ = rated(count, seed=5)
    worse = better.copy()
    worse[:, 7] += 4
    return Differences(better, worse, np.full(count, 0.5), np.full(count, weight))


def fit_with_pairs(pairs: Differences) -> tuple[KernelHead, np.ndarray, np.ndarray]:
    features, mos = rated(80)
    head = fit_kernel_with_pairs(
        clone(SETTINGS), features, mos, pairs, weights=np.ones(80), support=np.arange(80)
    )
    return head, features, mos


def test_pairs_tell_what_ratings_do_not() -> None:
    features, mos = rated(80)
    alone = fit_kernel(features, mos)
    head, _, _ = fit_with_pairs(pairs_of(60))
    unseen, _ = rated(40, seed=9)
    worse = unseen.copy()
    worse[:, 7] += 4
    assert (head.predict(unseen) - head.predict(worse)).mean() == pytest.approx(0.5, abs=0.15)
    assert abs((alone.predict(unseen) - alone.predict(worse)).mean()) < 0.25
    # And what people said is kept.
    assert srcc(head.predict(features), mos) > 0.8


def test_it_is_the_minimum_of_squares_of_ratings_and_margins() -> None:
    pairs = pairs_of(30, weight=0.7)
    head, features, mos = fit_with_pairs(pairs)

    def likeness(photos: np.ndarray) -> np.ndarray:
        known = head.project(photos)
        squares = ((known[:, None] - head.support_[None]) ** 2).sum(axis=2)
        kernel: np.ndarray = np.exp(-SETTINGS.steepness * np.sqrt(squares + 1e-4))
        return kernel

    def loss(coefficients: np.ndarray) -> float:
        rated_errors = likeness(features) @ coefficients + head.intercept_ - mos
        differences = likeness(pairs.better) - likeness(pairs.worse)
        pair_errors = differences @ coefficients - pairs.margins
        support = head.support_.astype(np.float64)
        squares = ((support[:, None] - support[None]) ** 2).sum(axis=2)
        inner = np.exp(-SETTINGS.steepness * np.sqrt(squares + 1e-4))
        penalty = SETTINGS.penalty * coefficients @ inner @ coefficients
        return float((rated_errors**2).sum() + 0.7 * (pair_errors**2).sum() + penalty)

    least = loss(head.coef_)
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert loss(head.coef_ + 0.01 * rng.standard_normal(len(head.coef_))) > least
    assert len(head.support_) == 80 + 16


def test_a_learned_metric_finds_what_people_rate() -> None:
    """Ratings depend on one channel of many: of few directions, the learned ones hold it, the principal ones do not."""
    rng = np.random.default_rng(3)
    features = rng.gamma(2.0, size=(600, 40)).astype(np.float32)
    mos = 3 - np.abs(np.sqrt(features[:, 0]) - np.sqrt(2))
    new = rng.gamma(2.0, size=(200, 40)).astype(np.float32)
    wanted = 3 - np.abs(np.sqrt(new[:, 0]) - np.sqrt(2))

    def agreement(head: KernelHead) -> float:
        assert head.axes_.shape == (40, 8)
        return srcc(head.predict(new), wanted)

    def with_pairs(metric: KernelMetric | None) -> KernelHead:
        return fit_kernel_with_pairs(
            KernelHead(components=8, penalty=0.05, metric=metric),
            features,
            mos,
            Differences(features[:30], features[:30], np.zeros(30)),
            weights=np.ones(600),
            support=np.arange(600),
        )

    def alone(metric: KernelMetric | None) -> KernelHead:
        return KernelHead(components=8, penalty=0.05, metric=metric).fit(features, mos)

    for fit in (with_pairs, alone):
        assert agreement(fit(KernelMetric(searched=40))) > agreement(fit(None)) + 0.2
    head = alone(KernelMetric(searched=40, photos=300, support=100))
    assert len(head.support_) == 600
    of_module = head.module()(torch.from_numpy(new)[:, None, None, :])
    np.testing.assert_allclose(of_module.detach().ravel(), head.predict(new), atol=1e-4)


def test_pairs_and_weights_are_checked() -> None:
    features, mos = rated(80)
    with pytest.raises(SettingsError, match=r"\b80 photos\b.*\(79,\)"):
        fit_kernel_with_pairs(
            clone(SETTINGS),
            features,
            mos,
            pairs_of(20),
            weights=np.ones(79),
            support=np.arange(80),
        )
    with pytest.raises(SettingsError, match=r"\(3, 8\).*\(2, 8\)"):
        Differences(features[:3], features[:2], np.zeros(3))
    with pytest.raises(SettingsError, match="finite"):
        Differences(features[:3], features[3:6], np.array([0, np.nan, 1]))


def test_in_8_bits_it_predicts_nearly_the_same(tmp_path: Path) -> None:
    features, mos = rated(60)
    head = fit_kernel(features, mos)
    export_head(head.module(in_8_bits=True), sum(LEVELS), tmp_path / "head.onnx", grid=1)
    export_head(head.module(), sum(LEVELS), tmp_path / "whole.onnx", grid=1)
    new, _ = rated(20, seed=1)
    found = OpenVinoHead(tmp_path / "head.onnx").predict(new[:, None, None])
    expected = head.predict(new)
    assert np.abs(found - expected).max() < 0.1 * expected.std()
    assert found.tolist() != pytest.approx(expected.tolist(), abs=1e-6)


def test_networks_learn_what_no_linear_head_can() -> None:
    features, mos = rated(400)
    # Without the kernel.
    head = fit_kernel(features, mos, networks=replace(NETWORKS, share=1.0))
    assert not head.coef_.any()
    new, wanted = rated(200, seed=9)
    linear = RidgeHead().fit(features, mos).predict(new)
    assert srcc(head.predict(new), wanted) > srcc(linear, wanted) + 0.2


def test_networks_share_the_score() -> None:
    features, mos = rated(100)
    kernel, both, alone = (
        fit_kernel(features, mos, networks=some).predict(features)
        for some in (None, NETWORKS, replace(NETWORKS, share=1.0))
    )
    np.testing.assert_allclose(both, 0.6 * kernel + 0.4 * alone, atol=1e-6)


def fit_networks_with_pairs(
    pairs: Differences, weights: np.ndarray, **changes: Any
) -> tuple[KernelHead, np.ndarray, np.ndarray]:
    """Two ratings of each photo, weighted."""
    features, mos = rated(80)
    networks = replace(NETWORKS, share=1.0, epochs=40, **changes)
    head = fit_kernel_with_pairs(
        clone(SETTINGS).set_params(networks=networks),
        np.concatenate([features, features]),
        np.concatenate([mos, mos + 1]),
        pairs,
        weights=weights,
        support=np.arange(80),
    )
    return head, features, mos


@pytest.mark.parametrize(("weight", "least", "most"), [(1.0, 0.35, 0.6), (0.0, -0.2, 0.3)])
def test_networks_learn_from_pairs_by_their_weight(
    weight: float, least: float, most: float
) -> None:
    fitted, _, _ = fit_networks_with_pairs(pairs_of(60), np.ones(160), pair_weight=weight)
    unseen, _ = rated(40, seed=9)
    worse = unseen.copy()
    worse[:, 7] += 4
    assert least < (fitted.predict(unseen) - fitted.predict(worse)).mean() < most


@pytest.mark.parametrize(("weights", "above"), [((1.0, 0.0), 0.0), ((0.0, 1.0), 1.0)])
def test_networks_learn_from_ratings_by_their_weights(
    weights: tuple[float, float], above: float
) -> None:
    head, features, mos = fit_networks_with_pairs(pairs_of(0), np.repeat(weights, 80), dropout=0.1)
    assert (head.predict(features) - mos).mean() == pytest.approx(above, abs=0.1)


def test_networks_of_ratings_that_are_alike_are_left_out() -> None:
    features, _ = rated(50)
    head = fit_kernel(features, np.full(50, 0.1), networks=NETWORKS)
    assert head.networks_ == ()
    np.testing.assert_allclose(head.predict(features), 0.1, atol=1e-6)


def test_networks_of_few_photos_reach_the_ratings() -> None:
    features, mos = rated(60)
    scores = fit_kernel(features, mos, networks=KernelNetworks(share=1.0)).predict(features)
    # How much the ratings rise with the scores.
    assert 0.7 < np.polyfit(scores, mos, 1)[0] < 1.4


def test_seeds_share_no_network_and_leave_torch_as_it_is() -> None:
    features, mos = rated(60)
    state = torch.random.get_rng_state()
    heads = [fit_kernel(features, mos, networks=NETWORKS, seed=seed) for seed in (0, 1)]
    assert torch.equal(torch.random.get_rng_state(), state)
    first, second = ([network.first for network in head.networks_] for head in heads)
    assert all(np.abs(one - other).max() > 0.1 for one in first for other in second)


def test_exported_networks_predict_the_same(tmp_path: Path) -> None:
    features, mos = rated(60)
    head = fit_kernel(features, mos, networks=NETWORKS)
    export_head(head.module(), sum(LEVELS), tmp_path / "head.onnx", grid=1)
    new, _ = rated(20, seed=1)
    found = OpenVinoHead(tmp_path / "head.onnx").predict(new[:, None, None])
    np.testing.assert_allclose(found, head.predict(new), atol=1e-4)
    again = fit_kernel(features, mos, networks=NETWORKS)
    np.testing.assert_array_equal(again.predict(new), head.predict(new))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": 1.2}, r"share.* 0 to 1, got 1\.2"),
        ({"count": 0}, r"at least 1 network.*got 0"),
        ({"epochs": 0}, r"at least 1 .*epoch.*got .*0"),
        ({"widths": (3,)}, r"two hidden layers.*got .*\(3,\)"),
        ({"pair_weight": np.nan}, r"pair weight .* 0 or more, got nan"),
        ({"learning_rate": 0}, r"learning rate must be above 0, got 0"),
    ],
)
def test_settings_of_networks_out_of_range_are_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        replace(NETWORKS, **changes)
