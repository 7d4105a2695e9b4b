import numpy as np
import pytest
import torch

from mlsp.base.errors import SettingsError
from mlsp.models.heads import RidgeSettings, fit_ridge, fit_ridges

CHANNELS = (3, 5)


def rated(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.uniform(0, 4, (60, 8)).astype(np.float32)
    return features, np.sqrt(features) @ rng.standard_normal(8) + 3


@pytest.mark.parametrize("even", [False, True])
def test_is_the_minimum_of_the_penalised_squares(even: bool) -> None:
    features, mos = rated()
    mos = mos + np.random.default_rng(9).standard_normal(60)
    head = fit_ridge(features, mos, CHANNELS, RidgeSettings(0.05, even))
    roots = np.sqrt(features.astype(np.float64))
    scale = 1 / roots.std(0) / (np.sqrt(np.repeat([3, 5], [3, 5]) * 2) if even else np.sqrt(8))
    z = (roots - roots.mean(0)) * scale
    weight = np.linalg.solve(z.T @ z + 0.05 * 60 * np.eye(8), z.T @ (mos - mos.mean()))
    expected = z @ weight + mos.mean()
    got = head(torch.from_numpy(features)[:, None, None, :]).numpy()
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_without_noise_it_finds_the_rule() -> None:
    features, mos = rated()
    head = fit_ridge(features, mos, CHANNELS, RidgeSettings(1e-9, even_levels=False))
    unseen, expected = rated(0)
    np.testing.assert_allclose(
        head(torch.from_numpy(unseen)[:, None, None, :]).numpy(), expected, atol=1e-3
    )


def test_a_constant_channel_does_no_harm() -> None:
    features, mos = rated()
    features[:, 0] = 2
    head = fit_ridge(features, mos, CHANNELS, RidgeSettings(0.01, even_levels=True))
    features[0, 0] = 2.1
    scores = head(torch.from_numpy(features)[:, None, None, :]).numpy()
    assert np.abs(scores - mos).max() < 3


def test_shapes_and_numbers_are_checked() -> None:
    features, mos = rated()
    with pytest.raises(
        SettingsError, match=r"^expected features of shape \(60, 9\), got \(60, 8\)$"
    ):
        fit_ridge(features, mos, (3, 6), RidgeSettings(1, even_levels=False))
    features[3, 3] = np.nan
    with pytest.raises(SettingsError, match="^features and ratings must be finite numbers$"):
        fit_ridge(features, mos, CHANNELS, RidgeSettings(1, even_levels=False))


@pytest.mark.parametrize("photos", [60, 6])
def test_several_penalties_are_each_the_minimum(photos: int) -> None:
    """With more photos than channels and with fewer, where the sums are made the other way round."""
    features, mos = (array[:photos] for array in rated())
    roots = np.sqrt(features.astype(np.float64))
    z = (roots - roots.mean(0)) / roots.std(0) / np.sqrt(8)
    penalties = (0.02, 1.5)
    heads = list(fit_ridges(features, mos, CHANNELS, penalties, even_levels=False))
    assert len(heads) == len(penalties)
    for head, alpha in zip(heads, penalties, strict=True):
        weight = np.linalg.solve(z.T @ z + alpha * photos * np.eye(8), z.T @ (mos - mos.mean()))
        got = head(torch.from_numpy(features)[:, None, None, :]).numpy()
        np.testing.assert_allclose(got, z @ weight + mos.mean(), atol=2e-5)


def test_photos_that_are_all_twice_and_hardly_a_penalty() -> None:
    """Singular but for the penalty, which float32 does not see."""
    features, mos = (np.concatenate([array[:4]] * 2) for array in rated())
    (head,) = fit_ridges(features, mos, CHANNELS, [1e-10], even_levels=False)
    scores = head(torch.from_numpy(features)[:, None, None, :]).numpy()
    np.testing.assert_allclose(scores, mos, atol=1e-2)
