"""What is stored of features is within its documented error, and never silently infinite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import FeatureStoreError, SettingsError
from mlsp.features.store.codec import GridCodec, StoredDtype, view_checksums, widen_halves

LEVELS = (5, 3, 8)


def wide(seed: int = 0, scale: float = 1.0) -> Float32Array:
    rng = np.random.default_rng(seed)
    return (scale * rng.normal(size=(2, 5, 5, 16))).astype(np.float32)


def there_and_back(codec: GridCodec, features: Float32Array) -> Float32Array:
    decoded = np.full_like(features, np.nan)
    codec.decode(codec.encode(features), decoded)
    return decoded


def test_float32_is_exact() -> None:
    features = wide(scale=1e30)
    np.testing.assert_array_equal(
        there_and_back(GridCodec(5, LEVELS, "float32"), features), features
    )


def test_float16_rounds_to_nearest() -> None:
    features = wide()
    expected = features.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(
        there_and_back(GridCodec(5, LEVELS, "float16"), features), expected
    )


def test_every_finite_float16_is_widened_exactly() -> None:
    halves = np.arange(65536, dtype="<u2").view("<f2")
    halves = halves[np.isfinite(halves)]
    widened = np.empty(halves.shape, dtype=np.float32)
    widen_halves(halves, widened)
    np.testing.assert_array_equal(
        widened.view(np.uint32), halves.astype(np.float32).view(np.uint32)
    )


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), exponent=st.floats(-3, 4), offset=st.floats(-2, 2))
def test_8_bits_move_no_value_by_more_than_half_a_step(
    seed: int, exponent: float, offset: float
) -> None:
    codec = GridCodec(5, LEVELS, "uint8_level")
    features = wide(seed, 10.0**exponent) + np.float32(offset)
    stored = codec.encode(features)
    ends = np.cumsum(LEVELS)
    for low, high, step in zip(ends - LEVELS, ends, stored["wide_scales"][0, :, 1], strict=True):
        level = features[0, ..., low:high].astype(np.float64)
        assert step == pytest.approx((level.max() - level.min()) / 255, rel=1e-5)
    steps = np.repeat(stored["wide_scales"][..., 1].astype(np.float64), LEVELS, axis=1)
    error = np.abs(there_and_back(codec, features).astype(np.float64) - features)
    # Half a step, and the rounding of float32.
    assert (error <= 0.5 * steps[:, None, None, :] * 1.0001 + 4e-7 * np.abs(features).max()).all()


def test_8_bits_keep_constant_features_and_zeros_after_relu() -> None:
    codec = GridCodec(5, LEVELS, "uint8_level")
    constant = np.full((2, 5, 5, 16), 0.75, dtype=np.float32)
    np.testing.assert_array_equal(there_and_back(codec, constant), constant)
    relu = np.maximum(wide(), 0)
    assert (there_and_back(codec, relu)[relu == 0] == 0).all()


def test_too_large_for_float16_is_refused() -> None:
    features = wide()
    features[0, 0, 0, 0] = 70000
    with pytest.raises(
        FeatureStoreError,
        match=r"^features reach 70000, float16 holds up to 65504, float32 more$",
    ):
        GridCodec(5, LEVELS, "float16").encode(features)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "uint8_level"])
def test_not_finite_is_refused(dtype: StoredDtype, value: float) -> None:
    features = wide()
    features[1, 2, 3, 4] = value
    with pytest.raises(
        FeatureStoreError, match=r"^features hold 1 values that are not finite numbers$"
    ):
        GridCodec(5, LEVELS, dtype).encode(features)


def test_unfit_settings_are_refused() -> None:
    with pytest.raises(
        SettingsError, match=r"^unknown dtype of stored features 'float17': did you"
    ):
        GridCodec(5, LEVELS, "float17")  # type: ignore[arg-type]


def test_checksum_of_a_view_sees_every_part_and_no_other_view() -> None:
    codec = GridCodec(5, LEVELS, "uint8_level")
    stored = codec.encode(wide())
    before = view_checksums(codec.parts, stored)
    for name in ("wide", "wide_scales"):
        changed = {key: array.copy() for key, array in stored.items()}
        changed[name][1].reshape(-1)[3] = 77
        after = view_checksums(codec.parts, changed)
        assert after[0] == before[0]
        assert after[1] != before[1]
