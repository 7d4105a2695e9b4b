from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsp.base.errors import SettingsError
from mlsp.features.pooling import area_weights, narrow_from_wide, pool

REFERENCE = np.load(Path(__file__).parents[1] / "reference" / "area_pool.npz")
SIZES = sorted({name.split("/")[0] for name in REFERENCE.files})


def slow_weights(size: int, grid: int) -> list[list[Fraction]]:
    """The definition, cell by cell and pixel by pixel, in exact fractions."""
    cell = Fraction(size, grid)
    return [
        [
            max(Fraction(0), min((i + 1) * cell, Fraction(j + 1)) - max(i * cell, Fraction(j)))
            / cell
            for j in range(size)
        ]
        for i in range(grid)
    ]


@given(st.integers(1, 80), st.integers(1, 9))
def test_weights_are_the_definition(size: int, grid: int) -> None:
    expected = np.array([[float(weight) for weight in row] for row in slow_weights(size, grid)])
    np.testing.assert_allclose(area_weights(size, grid), expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("grid", [1, 3, 5])
def test_agrees_with_tensorflow(size: str, grid: int) -> None:
    maps, expected = REFERENCE[f"{size}/map"], REFERENCE[f"{size}/{grid}x{grid}"]
    # TensorFlow computes the borders of cells in float32.
    assert np.abs(pool(maps, grid) - expected).max() <= 3e-6 * np.sqrt((expected**2).mean())


@given(st.integers(1, 40), st.integers(1, 40))
def test_mean_of_the_cells_is_the_narrow_feature(height: int, width: int) -> None:
    maps = np.random.default_rng(height * 100 + width).standard_normal((2, height, width, 3))
    np.testing.assert_allclose(narrow_from_wide(pool(maps, 5)), pool(maps, 1), atol=1e-12)
    assert narrow_from_wide(pool(maps.astype(np.float32), 5)).dtype == np.float32


def test_keeps_the_dtype_and_the_leading_axes() -> None:
    assert pool(np.zeros((2, 8, 7, 6, 4), np.float32), 5).dtype == np.float32
    assert pool(np.zeros((2, 8, 7, 6, 4), np.float32), 5).shape == (2, 8, 5, 5, 4)


@pytest.mark.parametrize(("size", "grid"), [(0, 5), (3, 0)])
def test_refuses_empty_axes(size: int, grid: int) -> None:
    message = f"^area pooling needs at least 1 pixel and 1 cell, got {size} and {grid}$"
    with pytest.raises(SettingsError, match=message):
        area_weights(size, grid)
