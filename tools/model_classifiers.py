"""Classifiers of an embedded model: named faults, learned from ladders, and kinds of photos."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from model_features import Copies, Features
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.models.heads import KernelHead
from mlsp.models.heads.roots_classifier import RootsClassifier
from mlsp.models.records import NOT_PHOTO, ClassifierRecord, Label

# A fault is a copy of these ladders from this strength on (at most this one where it is below 0: of JPEG, quality).
_FAULTS: Mapping[str, tuple[str, Mapping[str, Callable[[float], bool]]]] = {
    "soft": (
        "the whole photo is out of focus, or was enlarged",
        {"blur": lambda s: s >= 1.5, "enlarging": lambda s: s >= 2},
    ),
    "subject_soft": (
        "the middle is out of focus, the rest is sharp",
        {"centre_blur": lambda s: s >= 2.5},
    ),
    "motion": ("blurred by motion", {"motion": lambda s: s >= 8}),
    "dark": ("too dark", {"dark": lambda s: s <= -1.8, "black": lambda s: True}),
    "bright": ("too bright", {"bright": lambda s: s >= 1.3}),
    "clipped": ("large parts are plain white", {"bright": lambda s: s >= 2.3}),
    "noisy": (
        "noisy",
        {
            name: lambda s: s >= 11
            for name in ("noise", "grey_noise", "coarse_noise", "compressed_noise")
        }
        | {"photon_noise": lambda s: s >= 20},
    ),
    "compressed": ("compressed too much", {"jpeg": lambda s: s <= 18, "banding": lambda s: s <= 8}),
    "hazy": ("hazy: little contrast", {"haze": lambda s: s >= 0.5}),
    "colour_cast": ("the white balance is off", {"colour_cast": lambda s: s >= 0.9}),
    "tilted": ("tilted", {"tilt": lambda s: s >= 5}),
}
_KINDS: Mapping[str, str] = {
    "people": "people",
    "animals": "animals",
    "scenery": "scenery",
    "architecture": "buildings, inside and out",
    "food_and_objects": "food and objects",
    "art_and_text": "paintings, drawings and writing that were photographed",
    "not_photo": "no photo: a screenshot, a document, a chart, a drawing, a plain colour or noise",
}
# Copies that have some of a fault, which neither have it nor lack it.
_UNDECIDED: Mapping[str, tuple[str, ...]] = {
    "soft": ("motion", "centre_blur", "surroundings_blur", "jpeg"),
    "subject_soft": ("blur", "motion", "enlarging"),
    "motion": ("blur", "enlarging", "centre_blur"),
    "dark": ("haze",),
    "bright": ("haze",),
    "clipped": (),
    "noisy": ("oversharpening",),
    "compressed": ("compressed_noise", "enlarging"),
    "hazy": ("bright",),
    "colour_cast": (),
    "tilted": (),
}
WANTED_PRECISION = 0.9
LEAST_PROBABILITY = 0.96
# Seen on real photos (docs/decisions/053): what is out of focus on purpose is said to be moved below it.
_LEAST_PROBABILITIES = {"motion": 0.98}
NOT_PHOTO_PROBABILITY = 0.8
# Of good rated photos, which have no fault: at most so many may get one.
_FALSE_AMONG_GOOD = 0.002
_EVERY = 4


def fit_faults(
    copies: Copies,
    good: Float32Array,
    shown: frozenset[str],
    space: KernelHead,
) -> tuple[RootsClassifier, ClassifierRecord]:
    """Fit detectors of faults; every fourth photo, with its copies, decides the thresholds.

    Args:
        copies: of train photos.
        good: components of highly rated photos, which have no fault.
        shown: names of the faults that were looked at on real photos and found right often enough.
        space: whose components photos are classified in.

    Returns:
        The detectors, and their record: a threshold has a precision of .9 and more among as many copies with as without the fault, and at
        most 1 in 500 good photos reaches it.
    """
    of_copies = space.project(copies.features)
    judged = copies.photo % _EVERY == 0
    good_judged = np.arange(len(good)) % _EVERY == 0
    weights, biases, labels = [], [], []
    for name, (meaning, ladders) in _FAULTS.items():
        has = np.array(
            [
                kind in ladders and ladders[kind](s)
                for kind, s in zip(copies.kind, copies.strength, strict=True)
            ]
        )
        # In a small copy faults of a photo are as small: real photos with faults would be found less often.
        undecided = np.isin(copies.kind, [*ladders, *_UNDECIDED[name], "small"]) & ~has
        for_fit = ~judged & ~undecided
        x = np.concatenate([of_copies[for_fit], good[~good_judged]])
        y = np.concatenate([has[for_fit], np.zeros(np.sum(~good_judged), dtype=bool)])
        deviation = x.std(axis=0)
        fitted = LogisticRegression(C=0.05, max_iter=400, class_weight="balanced")
        fitted.fit(x / deviation, y)
        weight, bias = fitted.coef_[0] / deviation, fitted.intercept_[0]
        # Calibrated on photos that it did not learn from, as many with as without the fault.
        decided = judged & ~undecided
        calibration = LogisticRegression(C=100, class_weight="balanced")
        calibration.fit((of_copies[decided] @ weight + bias)[:, None], has[decided])
        slope = float(calibration.coef_[0, 0])
        weight, bias = weight * slope, bias * slope + float(calibration.intercept_[0])
        positive = of_copies[judged & has] @ weight + bias
        negative = of_copies[decided & ~has] @ weight + bias
        on_good = good[good_judged] @ weight + bias
        # Never below that, however well copies are told apart: real faults are less plain.
        least_probability = _LEAST_PROBABILITIES.get(name, LEAST_PROBABILITY)
        least = np.log(least_probability / (1 - least_probability))
        limits = np.unique(np.concatenate([positive, on_good, [least]]))
        limits = limits[limits >= least]
        recall = np.array([np.mean(positive >= limit) for limit in limits])
        false = np.array([np.mean(negative >= limit) for limit in limits])
        precision = recall / np.maximum(recall + false, 1e-12)
        allowed = (precision >= WANTED_PRECISION) & (
            np.array([np.mean(on_good >= limit) for limit in limits]) <= _FALSE_AMONG_GOOD
        )
        place = int(np.argmax(allowed)) if allowed.any() else len(limits) - 1
        threshold = float(1 / (1 + np.exp(-limits[place])))
        print(
            f"  {name}: threshold {threshold:.3f}, recall {recall[place]:.2f}, precision {precision[place]:.3f}, of good photos"
            f" {np.mean(on_good >= limits[place]):.4f}",
            flush=True,
        )
        weights.append(weight)
        biases.append(bias)
        labels.append(
            Label(
                name,
                meaning,
                round(threshold, 4) if name in shown else None,
                round(float(precision[place]), 3),
                f"copies of {len(np.unique(copies.photo[judged]))} BIQ2021 train photos that it did not learn from, half of them with the"
                f" fault; finds {recall[place]:.0%}",
            )
        )
    of_components = np.stack(weights, axis=1)
    # Components are linear in the square roots of features.
    weight = (space.scale_[:, None] * space.axes_) @ of_components
    bias = np.array(biases) - (space.mean_ @ space.axes_) @ of_components
    record = ClassifierRecord("faults", "", "", tuple(labels))
    return RootsClassifier(weight, bias, "independent"), record


def fit_kinds(
    collections: Sequence[tuple[Features, NDArray[np.str_], NDArray[np.int64]]], channels: slice
) -> tuple[RootsClassifier, ClassifierRecord]:
    """Fit the classifier of kinds, and measure it on every fourth group of each collection's photos.

    Args:
        collections: of each the features of its photos, their kinds (empty where it is not known), and a number for each, the same
            for photos of one theme.
        channels: of the level that shows best what is in a photo.
    """
    kinds, groups = (np.concatenate(part) for part in list(zip(*collections, strict=True))[1:])
    level = np.concatenate([features[:, channels] for features, _, _ in collections])
    known = kinds != ""
    x, groups = np.sqrt(np.maximum(level[known].astype(np.float32), 0)), groups[known]
    y = np.array([list(_KINDS).index(kind) for kind in kinds[known]])
    unseen = groups % _EVERY == 0
    deviation = np.maximum(x.std(axis=0), 1e-3)

    def fitted(rows: NDArray[np.bool_]) -> tuple[Float64Array, Float64Array]:
        model = LogisticRegression(C=3e-3, max_iter=300, class_weight="balanced")
        model.fit(x[rows] / deviation, y[rows])
        return model.coef_.T / deviation[:, None], model.intercept_

    weight, bias = fitted(~unseen)
    found = (x[unseen] @ weight + bias).argmax(axis=1)
    labels = []
    for number, (name, meaning) in enumerate(_KINDS.items()):
        precision = float(np.mean(y[unseen][found == number] == number))
        recall = float(np.mean(found[y[unseen] == number] == number))
        count = int(np.sum(found == number))
        print(
            f"  {name}: precision {precision:.2f}, recall {recall:.2f} of {count} found", flush=True
        )
        labels.append(
            Label(
                name,
                meaning,
                # What is taken for no photo is not ranked: that needs to be sure.
                NOT_PHOTO_PROBABILITY if name == NOT_PHOTO else None,
                round(precision, 3),
                f"{count} photos of unseen themes; finds {recall:.0%}",
            )
        )
    weight, bias = fitted(np.ones(len(x), dtype=bool))
    whole = np.zeros((collections[0][0].shape[1], len(_KINDS)))
    whole[channels] = weight
    return RootsClassifier(whole, bias, "one"), ClassifierRecord("kinds", "", "", tuple(labels))
