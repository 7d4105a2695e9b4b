"""Which kind of photo each of some public collections' photos is."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_OASIS_CATEGORIES = {
    "Animal": "animals",
    "Object": "food_and_objects",
    "Person": "people",
    "Scenery": "scenery",
}
# Themes of OASIS's scenery that show buildings.
_BUILDINGS = frozenset(
    [
        "Bar",
        "Bridge",
        "Building",
        "City",
        "Hallway",
        "House",
        "Jail",
        "Memorial",
        "Prison",
        "Skyscraper",
        "Street",
    ]
)
# First letters of the names of Vessel's photos: exteriors, interiors, art, landscapes; else faces.
_VESSEL = {
    "ae": "architecture",
    "ai": "architecture",
    "ar": "art_and_text",
    "eq": "scenery",
}
_ANIMALS = range(398)
_FOOD = (*range(924, 970), *range(985, 999))
_SCENERY = (970, 972, 973, 974, 975, 976, 977, 978, 979, 980)
_ARCHITECTURE = (
    406, 410, 425, 437, 442, 449, 483, 497, 498, 525, 538, 562, 580, 598, 624, 660, 663, 668, 682, 698, 706, 727, 743, 762, 821, 832, 839,
    853, 858, 873, 884, 888, 900, 915,
)  # fmt: skip
_NEITHER = (*range(981, 985), 921, 922, 916, 971, *range(914, 924))


def oasis_kinds(table: Path, names: Sequence[str]) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Return the kind and the number of the theme of OASIS's photos, by their names without ending.

    Args:
        table: OASIS.csv.
        names: such as `Acorns 1`.
    """
    with table.open(encoding="latin1", newline=None) as file:
        category = {row["Theme"].strip(): row["Category"] for row in csv.DictReader(file)}
    themes = [name.rsplit(" ", 1)[0] for name in names]
    kinds = [_OASIS_CATEGORIES.get(category.get(name.strip(), ""), "") for name in names]
    kinds = [
        "architecture" if kind == "scenery" and theme in _BUILDINGS else kind
        for kind, theme in zip(kinds, themes, strict=True)
    ]
    return np.array(kinds), np.unique(themes, return_inverse=True)[1]


def vessel_kinds(names: Sequence[str]) -> NDArray[np.str_]:
    """Return the kinds of Vessel's photos by their file names."""
    return np.array([_VESSEL.get(name[:2], "people") for name in names])


def imagenet_kinds(
    features: NDArray[np.float32], weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.str_]:
    """Return the kinds of photos of which the network's own classifier is sure; empty where it is not.

    Args:
        features: (photos, C) means of the last convolution.
        weight: (1000, C) of the published classifier of ImageNet's classes.
        bias: (1000,)
    """
    logits = features @ weight.T + bias
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    of_kind = {
        "animals": odds[:, _ANIMALS].sum(axis=1),
        "scenery": odds[:, _SCENERY].sum(axis=1),
        "architecture": odds[:, _ARCHITECTURE].sum(axis=1),
        "food_and_objects": odds[:, 398:].sum(axis=1)
        - odds[:, [*_SCENERY, *_ARCHITECTURE, *_NEITHER]].sum(axis=1),
    }
    names, shares = np.array(list(of_kind)), np.stack(list(of_kind.values()), axis=1)
    return np.where(shares.max(axis=1) >= 0.7, names[shares.argmax(axis=1)], "")
