"""Ridge on ratings and a Bradley-Terry model on comparisons, both at once, shrunk towards the default's heads.

A photo's utility is `components · w + crowd · c + b`. The fit minimises

    Σ (rating - utility)² / (2 σ²)  +  Σ log(1 + exp(-s (utility of the better - utility of the worse)))
    + penalty/2 |w|²  +  κ/2 |c - c₀|²

With few judgements the last two terms decide: `w` is 0 and `c` is that of the crowd. With more judgements they count less. The penalty is chosen by leaving each group of photos out in turn, in closed form: one Newton step from the fit with all of them
(for ratings that is exact, for comparisons very nearly).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float64Array

# From "only the crowd's heads, reweighted" to "each photo counts".
PENALTIES = (np.inf, 128.0, 32.0, 16.0, 8.0, 4.0, 2.0)
# The best penalty for few judgements is mostly chance, and which penalties suit people is known. In doublings from 1: the usual
# penalty, its deviation, and the one that stands for an infinite penalty.
_USUAL_DOUBLINGS = 3.0
_DOUBLINGS_DEVIATION = 1.0
_MAX_DOUBLINGS = 8.0
# Variance of a rating around what the user means, for ratings of variance 1: people rate the same photo differently the next time.
NOISE = 0.6
# Slope of the logistic function per unit of utility, for ratings of variance 1 and that noise on each of the two sides.
_STEEPNESS = 1.6
# Weight of all of the default's heads together for an average user, and its precision.
_CROWD = 0.5
_CROWD_PRECISION = 6.0
_BIAS_PRECISION = 1e-4
_MAX_STEPS = 20
_MIN_STEP = 1e-4


@dataclass(frozen=True, slots=True)
class Observations:
    """Ratings and comparisons of photos, as rows of a design matrix.

    Attributes:
        rating_rows: (ratings,) photos.
        ratings: (ratings,) of about variance 1.
        better: (comparisons,) photos.
        worse: (comparisons,) photos.
    """

    rating_rows: NDArray[np.intp]
    ratings: Float64Array
    better: NDArray[np.intp]
    worse: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.rating_rows) + len(self.better)

    def chosen(self, ratings: NDArray[np.bool_], comparisons: NDArray[np.bool_]) -> Observations:
        """Return those ratings and comparisons that are marked."""
        return Observations(
            self.rating_rows[ratings],
            self.ratings[ratings],
            self.better[comparisons],
            self.worse[comparisons],
        )


@dataclass(frozen=True, slots=True)
class Utility:
    """A fitted utility function.

    Attributes:
        components: (D,) weights of the components.
        crowd: (H,) weights of the default's heads.
        bias: added for ratings.
        penalty: the one that was chosen.
        left_out_loss: half the squared error of ratings over their noise, and the log loss of comparisons, summed, each predicted by a
            fit without its group; the penalty was chosen by it.
    """

    components: Float64Array
    crowd: Float64Array
    bias: float
    penalty: float
    left_out_loss: float

    def of(self, photos: Float64Array, crowd: Float64Array) -> Float64Array:
        """Return the utility of photos, (N,), without the bias, which differs from fold to fold and does not rank."""
        return np.asarray(photos @ self.components + crowd @ self.crowd)


def fit_utility(
    photos: Float64Array,
    crowd: Float64Array,
    observations: Observations,
    groups: NDArray[np.intp],
    *,
    penalties: tuple[float, ...] = PENALTIES,
) -> Utility:
    """Fit the utility of photos, with the penalty that predicts left-out groups best.

    Args:
        photos: (N, D) components.
        crowd: (N, H) the default's heads, each of about variance 1 over photos; H may be 0.
        observations: ratings and comparisons of some of them.
        groups: (observations,) ratings first; equal numbers are left out together.
        penalties: to choose from, descending: the first of equally good ones is taken.
    """
    design = np.hstack([crowd, np.ones((len(photos), 1)), photos])
    rows = np.vstack(
        [design[observations.rating_rows], design[observations.better] - design[observations.worse]]
    )
    blocks = _blocks(groups)
    heads = crowd.shape[1]
    best: tuple[float, float, float, Float64Array] = (np.inf, np.inf, np.inf, np.zeros(heads + 1))
    start = np.zeros(rows.shape[1])
    start[:heads] = _CROWD / max(heads, 1)
    for penalty in penalties:
        used = heads + 1 if np.isinf(penalty) else rows.shape[1]
        precision = np.full(used, penalty)
        precision[:heads] = _CROWD_PRECISION * max(heads, 1)
        precision[heads] = _BIAS_PRECISION
        weights, loss = _fit(rows[:, :used], observations, start[:used], precision, heads, blocks)
        doublings = min(np.log2(penalty), _MAX_DOUBLINGS) - _USUAL_DOUBLINGS
        cost = loss + float(doublings**2) / (2 * _DOUBLINGS_DEVIATION**2)
        if cost < best[0]:
            best = (cost, loss, penalty, weights)
        start[:used] = weights
    _, loss, penalty, weights = best
    of_components = np.zeros(photos.shape[1])
    of_components[: len(weights) - heads - 1] = weights[heads + 1 :]
    return Utility(of_components, weights[:heads], float(weights[heads]), penalty, loss)


def _fit(
    rows: Float64Array,
    observations: Observations,
    start: Float64Array,
    precision: Float64Array,
    heads: int,
    blocks: list[NDArray[np.intp]],
) -> tuple[Float64Array, float]:
    """Return the weights for a penalty, and the loss of left-out observations."""
    centre = np.zeros(rows.shape[1])
    centre[:heads] = _CROWD / max(heads, 1)
    weights = start.copy()
    for _ in range(_MAX_STEPS):
        slope, curvature, _ = _loss(rows @ weights, observations)
        hessian = (rows * curvature[:, None]).T @ rows
        hessian[np.diag_indices_from(hessian)] += precision
        inverse = np.linalg.inv(hessian)
        step = inverse @ (rows.T @ slope + precision * (weights - centre))
        weights = weights - step
        if not len(observations.better) or np.abs(step).max() < _MIN_STEP:
            break
    utility = rows @ weights
    slope, curvature, _ = _loss(utility, observations)
    spread = rows @ inverse
    leverage = np.einsum("ij,ij->i", spread, rows)
    left_out = utility + slope * leverage / np.maximum(1 - curvature * leverage, 1e-3)
    for block in blocks:
        # A group is left out as a whole.
        among = spread[block] @ rows[block].T
        shrunk = np.eye(len(block)) - among * curvature[block]
        left_out[block] = utility[block] + np.linalg.solve(shrunk, among @ slope[block])
    return weights, float(_loss(left_out, observations)[2].sum())


def _loss(
    utility: Float64Array, observations: Observations
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return the first and second derivative of each observation's loss, and the loss."""
    rated = len(observations.rating_rows)
    error = utility[:rated] - observations.ratings
    margin = _STEEPNESS * utility[rated:]
    # Of the wrong answer; 1/(1 + e^margin) without overflow.
    wrong = np.exp(-np.logaddexp(0, margin))
    slope = np.concatenate([error / NOISE, -_STEEPNESS * wrong])
    curvature = np.concatenate(
        [np.full(rated, 1 / NOISE), _STEEPNESS**2 * np.maximum(wrong * (1 - wrong), 1e-6)]
    )
    loss = np.concatenate([error**2 / (2 * NOISE), np.logaddexp(0, -margin)])
    return slope, curvature, loss


def _blocks(groups: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Return the indices of each group that has several."""
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return [part for part in parts if len(part) > 1]
