"""Record and card of a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from mlsp.features.spec import FeatureSpec
from mlsp.models.records import Agreement, Card, HeadRecord
from mlsp.ratings.table import RatingTable
from mlsp.training.measured import Measured

HEAD_NAME = "score"
# Percentiles need no more steps.
_QUANTILES = 101
DEFAULT_LICENSE = "That of the ratings and of the network's weights"


def head_record(
    ratings: RatingTable,
    measured: Sequence[Measured],
    agreement: tuple[Agreement, ...],
    *,
    train: int,
    validation: int,
) -> HeadRecord:
    """Return the record of a trained head.

    Args:
        ratings: what it learned from.
        measured: scores of photos that it did not learn from, for the percentiles.
        agreement: with people.
        train: number of photos that it learned from.
        validation: number of photos that chose the best.
    """
    # As users see them: within the ends of the scale.
    held_out = np.concatenate([part.scores for part in measured])
    held_out = held_out.clip(ratings.lowest, ratings.highest)
    return HeadRecord(
        name=HEAD_NAME,
        file="",
        sha256="",
        meaning=f"what people gave the photos of {ratings.name}, on average",
        lowest=ratings.lowest,
        highest=ratings.highest,
        ratings=f"{ratings.name}: {train} train photos, the best chosen by {validation} others",
        quantiles=tuple(np.quantile(held_out, np.linspace(0, 1, _QUANTILES)).tolist()),
        agreement=agreement,
    )


def trained_card(
    summary: str,
    network: str,
    head: str,
    *,
    ratings: str,
    feature_spec: FeatureSpec,
    left_out: int,
    license_: str,
) -> Card:
    """Return the card of a trained model.

    Args:
        summary: in a sentence.
        network: its name and weights, in a sentence.
        head: its title and training.
        ratings: name of the table.
        feature_spec: has the size of the photos.
        left_out: number of rated photos that could not be used.
        license_: of the model.
    """
    size = "their own size"
    if feature_spec.resize is not None:
        size = f"{feature_spec.resize[0]}×{feature_spec.resize[1]} pixels"
    elif feature_spec.longest_side is not None:
        size = f"at most {feature_spec.longest_side} pixels a side"
    without = f"; {left_out} photos were left out, missing or unreadable" if left_out else ""
    return Card(
        summary=summary,
        networks=(
            network,
            f"{head}; mlsp {version('mlsp')}, torch {version('torch')}{without}",
        ),
        limits=(
            f"It learned from {ratings} alone, photos at {size}; on other photos, and for other people, it is untested.",
            "Agreement on the validation photos is a little too good: they chose what was kept.",
        ),
        license=license_,
    )
