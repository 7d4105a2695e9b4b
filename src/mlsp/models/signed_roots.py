"""Signed square roots of features: what heads in closed form weigh, and how a feature moves them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from mlsp.base.arrays import Float16Array, Float32Array, Float64Array

_Features = TypeVar("_Features", Float16Array, Float32Array, Float64Array)


def signed_roots(features: _Features) -> _Features:
    """Return √x of features from 0 on, and -√-x below: nothing is lost of networks whose features have both signs.

    Args:
        features: of any shape.

    Examples:
        >>> signed_roots(np.array([4.0, -9.0]))
        array([ 2., -3.])
    """
    roots = np.abs(features)
    np.sqrt(roots, out=roots)
    return np.copysign(roots, features, out=roots)


def mean_gains(features: Float64Array, base: Float64Array) -> Float64Array:
    """Return the gain of signed roots per unit of a feature, on the whole way from one photo's features to another's.

    Times `features - base` it is the difference of the roots: for features from 0 on, √f - √b = (f - b) / (√f + √b).

    Args:
        features: of any shape.
        base: of the same shape.

    Returns:
        0 where both are 0: then so are the maps everywhere, and the gain does not matter.
    """
    roots = np.sqrt(np.abs(features)) + np.sqrt(np.abs(base))
    is_opposite = features * base < 0
    above = np.where(is_opposite, roots, 1.0)
    below = np.where(is_opposite, np.abs(features - base), roots)
    gains: Float64Array = np.divide(above, below, out=np.zeros_like(below), where=below > 0)
    return gains
