import numpy as np
import pytest
import torch

from mlsp.base.errors import SettingsError
from mlsp.models.heads import RidgeHead, fit_ridges

CHANNELS = (3, 5)


def rated(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.uniform(0, 4, (60, 8)).astype(np.float32)
    return features, np.sqrt(features) @ rng.standard_normal(8) + 3


@pytest.mark.parametrize("even", [False, True])
def test_is_the_minimum_of_the_penalised_squares(even: bool) -> None:
    features, mos = rated()
    mos = mos + np.random.default_rng(9).standard_normal(60)
    head = RidgeHead(0.05, CHANNELS if even else None).fit(features, mos)
    roots = np.sqrt(features.astype(np.float64))
    scale = 1 / roots.std(0) / (np.sqrt(np.repeat([3, 5], [3, 5]) * 2) if even else np.sqrt(8))
    z = (roots - roots.mean(0)) * scale
    weight = np.linalg.solve(z.T @ z + 0.05 * 60 * np.eye(8), z.T @ (mos - mos.mean()))
    expected = z @ weight + mos.mean()
    np.testing.assert_allclose(head.predict(features), expected, atol=2e-5)
    got = head.module()(torch.from_numpy(features)[:, None, None, :]).numpy()
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_channels_are_weighted_as_asked() -> None:
    features, mos = rated()
    weights = np.array([4, 1, 1, 1, 1, 1, 1, 6.0])
    roots = np.sqrt(features.astype(np.float64))
    z = (roots - roots.mean(0)) / roots.std(0) * np.sqrt(weights / weights.sum())
    weight = np.linalg.solve(z.T @ z + 0.05 * 60 * np.eye(8), z.T @ (mos - mos.mean()))
    head = RidgeHead(0.05, channel_weights=weights.tolist()).fit(features, mos)
    np.testing.assert_allclose(head.predict(features), z @ weight + mos.mean(), atol=2e-5)


def test_without_noise_it_finds_the_rule() -> None:
    features, mos = rated()
    head = RidgeHead(1e-9).fit(features, mos)
    unseen, expected = rated(0)
    np.testing.assert_allclose(head.predict(unseen), expected, atol=1e-3)


def test_a_constant_channel_does_no_harm() -> None:
    features, mos = rated()
    features[:, 0] = 2
    head = RidgeHead(0.01, CHANNELS).fit(features, mos)
    features[0, 0] = 2.1
    assert np.abs(head.predict(features) - mos).max() < 3


def test_shapes_and_numbers_are_checked() -> None:
    features, mos = rated()
    with pytest.raises(
        SettingsError, match=r"^expected features of shape \(60, 9\), got \(60, 8\)$"
    ):
        RidgeHead(1, (3, 6)).fit(features, mos)
    features[3, 3] = np.nan
    with pytest.raises(SettingsError, match="^features and ratings must be finite numbers$"):
        next(fit_ridges(features, mos, CHANNELS, [1]))


@pytest.mark.parametrize("photos", [60, 6])
def test_several_penalties_are_each_the_minimum(photos: int) -> None:
    """With more photos than channels and with fewer, where the sums are made the other way round."""
    features, mos = (array[:photos] for array in rated())
    roots = np.sqrt(features.astype(np.float64))
    z = (roots - roots.mean(0)) / roots.std(0) / np.sqrt(8)
    penalties = (0.02, 1.5)
    heads = list(fit_ridges(features, mos, None, penalties))
    assert len(heads) == len(penalties)
    for head, alpha in zip(heads, penalties, strict=True):
        weight = np.linalg.solve(z.T @ z + alpha * photos * np.eye(8), z.T @ (mos - mos.mean()))
        got = head.predict(features)
        np.testing.assert_allclose(got, z @ weight + mos.mean(), atol=2e-5)


def test_photos_that_are_all_twice_and_hardly_a_penalty() -> None:
    """Singular but for the penalty, which float32 does not see."""
    features, mos = (np.concatenate([array[:4]] * 2) for array in rated())
    (head,) = fit_ridges(features, mos, None, [1e-10])
    scores = head.predict(features)
    np.testing.assert_allclose(scores, mos, atol=1e-2)
