"""Targets of a head, its loss, and scores of its outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mlsp.base.arrays import Float64Array
from mlsp.base.errors import SettingsError
from mlsp.models.heads import HeadSpec, emd_squared, mean_of_bins
from mlsp.ratings.table import RatingTable

# Of a share of a bin, so that its logarithm is a number.
_MIN_SHARE = 1e-12
# Where a head begins: an empty bin must still be within its reach.
_MIN_SHARE_AT_FIRST = 1e-3


@dataclass(frozen=True, slots=True)
class Targets:
    """Values that a head learns from a table.

    Attributes:
        spec: of the head.
        values: (photos, 1) MOS mapped to 1…10, or (photos, bins) shares of the votes; for every row of the table.
    """

    spec: HeadSpec
    values: Tensor

    @classmethod
    def of(cls, ratings: RatingTable, spec: HeadSpec) -> Targets:
        """Targets of a table for a head.

        Raises:
            SettingsError: the head has another scale or other bins than the table.
            RatingsError: the head learns distributions and the table has only means.
        """
        if (spec.lowest, spec.highest) != (ratings.lowest, ratings.highest):
            raise SettingsError(
                f"the head scores from {spec.lowest:g} to {spec.highest:g}, {ratings.name} is rated from {ratings.lowest:g} to"
                f" {ratings.highest:g}: give the head the ratings' scale"
            )
        if spec.output == "distribution":
            votes = ratings.votes
            if spec.bins != ratings.bins:
                raise SettingsError(
                    f"the head has the bins {spec.bins}, {ratings.name} the bins {ratings.bins}: give the head the ratings' bins"
                )
            shares = votes / votes.sum(axis=1, keepdims=True)
            return cls(spec, torch.from_numpy(shares.astype(np.float32)))
        mos = spec.to_paper_scale(ratings.mos)
        return cls(spec, torch.from_numpy(mos.astype(np.float32))[:, None])

    def mean_outputs(self, rows: NDArray[np.intp]) -> Tensor:
        """Outputs of a head that gives every photo the mean of these photos' targets.

        Returns:
            (outputs,), see `ScoreHead.outputs`: of a distribution the logits of its shares.
        """
        mean = self.values[torch.from_numpy(rows)].mean(dim=0)
        if self.spec.output == "distribution":
            return mean.clamp(min=_MIN_SHARE_AT_FIRST).log()
        return mean

    def loss(self, outputs: Tensor, values: Tensor) -> Tensor:
        """Mean over the photos: squared error (section 3.2), or the earth mover's distance of NIMA.

        Args:
            outputs: (N, 1) or (N, bins), see `ScoreHead.outputs`.
            values: rows of `self.values`, of the same shape.
        """
        if self.spec.output == "distribution":
            return emd_squared(outputs, values)
        return functional.mse_loss(outputs, values)


def mean_over_views(outputs: Tensor, spec: HeadSpec) -> Tensor:
    """Average the outputs of a photo's views.

    Args:
        outputs: (N, V, outputs).
        spec: of the head.

    Returns:
        (N, outputs) means; of a distribution the mean of the probabilities, as logits.
    """
    if spec.output == "distribution":
        return outputs.softmax(dim=2).mean(dim=1).clamp(min=_MIN_SHARE).log()
    return outputs.mean(dim=1)


def scores_of(outputs: Tensor, spec: HeadSpec) -> Float64Array:
    """(N, outputs) -> (N,) scores on the ratings' scale."""
    doubles = outputs.double()
    if spec.output == "distribution":
        scores: Float64Array = mean_of_bins(doubles, spec.bins or ()).numpy()
        return scores
    values: Float64Array = spec.from_paper_scale(doubles[:, 0]).numpy()
    return values
