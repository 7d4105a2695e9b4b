"""Signed square roots of features: what heads in closed form weigh."""

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
