"""Records of a model: its heads, their agreement with people, its classifiers, its card."""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from mlsp.base.digests import file_sha256

HeadForm = Literal["roots", "kernel", "other"]
ClassifierName = Literal["faults", "kinds"]

# Kind of what is no photo: a screenshot, a document, a chart, a drawing, pure colour or noise.
NOT_PHOTO = "not_photo"

_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Names that a report's columns already have.
_RESERVED_NAMES = frozenset({"photo", "overall", "width", "height", "model"})
_CLASSIFIER_COLUMNS = frozenset({"faults", "kind"})
_MIN_FOR_INTERVAL, _LARGEST_SRCC = 4, 1 - 1e-12
_PERCENTILE_ENDINGS = ("", "_percentile", "_percentile_all")


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of a head's scores with people's ratings.

    Attributes:
        photos: description of the photos on which it was measured.
        photo_count: their number.
        srcc: Spearman's rank correlation, -1…1.
        plcc: Pearson's correlation, -1…1.
    """

    photos: str
    photo_count: int
    srcc: float
    plcc: float

    @property
    def srcc_interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval of `srcc` over photos that are independent; NaN where that is, or of fewer than 4.

        Fisher's z with the variance of Bonett and Wright, Psychometrika 65, 2000.
        """
        if math.isnan(self.srcc) or self.photo_count < _MIN_FOR_INTERVAL:
            return math.nan, math.nan
        # Fisher's z of a perfect correlation is infinite.
        middle = math.atanh(max(-_LARGEST_SRCC, min(_LARGEST_SRCC, self.srcc)))
        half = 1.96 * math.sqrt((1 + self.srcc**2 / 2) / (self.photo_count - 3))
        return math.tanh(middle - half), math.tanh(middle + half)


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """One head of a model.

    Attributes:
        name: column in reports.
        file: ONNX file in the model's folder.
        sha256: of the file.
        meaning: of a high score, in a few words.
        lowest: lower end of the ratings' scale.
        highest: upper end of it.
        ratings: that it learned from, with source and licence.
        quantiles: scores of the rated photos at even steps from the minimum to the maximum, predicted by heads that had not
            seen them; or, for the authors' released heads, the photos' ratings themselves. Empty where no rated photos were at hand;
            then there are no percentiles.
        agreement: with people, measured; empty where it was not.
        form: `roots` where the score is linear in the signed square roots of features, with the arrays `weight` (C,) and `bias` () of its graph;
            `kernel` where it compares with rated photos, in the arrays of `mlsp.models.kernel_form`; `other` where it is of another form;
            None where its model does not state it.
        kind_quantiles: the same as `quantiles`, of the rated photos of one kind, by the kind's name; kinds of which too few photos
            were rated are not in it. Empty where kinds are not told apart.
    """

    name: str
    file: str
    sha256: str
    meaning: str
    lowest: float
    highest: float
    ratings: str
    quantiles: tuple[float, ...]
    agreement: tuple[Agreement, ...]
    form: HeadForm | None = None
    kind_quantiles: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def with_file(self, folder: Path) -> HeadRecord:
        """Return this record with the SHA-256 of its file in a folder."""
        return replace(self, sha256=file_sha256(folder / self.file))

    def percentile(self, value: float) -> float:
        """Return the share of the rated photos whose score is lower, 0…100, by linear interpolation between quantiles.

        Returns:
            NaN where there are no quantiles.

        Examples:
            >>> HeadRecord("h", "", "", "", 0, 1, "", (0.0, 0.5, 1.0), ()).percentile(0.25)
            25.0
        """
        return _percentile(self.quantiles, value)

    def percentile_of_kind(self, value: float, kinds: Mapping[str, float]) -> float:
        """Return the percentile among rated photos of the same kind, 0…100.

        Args:
            value: the score.
            kinds: probability of each kind; `not_photo` is left out.

        Returns:
            The mean of the kinds' percentiles, weighted by their probabilities; a kind without quantiles counts by those of all rated
            photos. The percentile among all where no kind has quantiles of its own.

        Examples:
            >>> head = HeadRecord("h", "", "", "", 0, 1, "", (0.0, 1.0), (), kind_quantiles={"people": (0.0, 0.5)})
            >>> head.percentile(0.25), head.percentile_of_kind(0.25, {"people": 0.5, "animals": 0.5, "not_photo": 0.0})
            (25.0, 37.5)
        """
        weights = {kind: share for kind, share in kinds.items() if kind != NOT_PHOTO}
        total = sum(weights.values())
        if not self.kind_quantiles or not total > 0:
            return self.percentile(value)
        found = (
            share * _percentile(self.kind_quantiles.get(kind, self.quantiles), value)
            for kind, share in weights.items()
        )
        return sum(found) / total

    def position(self, value: float) -> float:
        """Return the position of a score on the scale of the ratings: 0 at its lower end, 100 at its upper.

        Examples:
            >>> HeadRecord("h", "", "", "", 1, 10, "", (), ()).position(5.5)
            50.0
        """
        return 100 * (value - self.lowest) / (self.highest - self.lowest)


def label_words(name: str) -> str:
    """Return the name of a fault or kind as people read it.

    Examples:
        >>> label_words("not_photo"), label_words("subject_soft")
        ('not a photo', 'subject soft')
    """
    return "not a photo" if name == NOT_PHOTO else name.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a classifier: a fault, or a kind of photo.

    Attributes:
        name: as programs use it: `subject_soft`.
        meaning: in words that a photographer reads once: "the subject is out of focus".
        threshold: probability from which it is shown. None for a fault that is not precise enough to be shown, and for a kind that needs
            no least probability to be the most probable one.
        precision: share of the photos on which it is shown that have it; None where it was not measured.
        measured_on: what the precision was measured on.
    """

    name: str
    meaning: str
    threshold: float | None = None
    precision: float | None = None
    measured_on: str = ""


@dataclass(frozen=True, slots=True)
class ClassifierRecord:
    """A classifier of a model, which reads the features that the heads read.

    Attributes:
        name: `faults`, whose labels are independent of each other; or `kinds`, of which each photo is one, `not_photo` among them.
        file: ONNX file in the model's folder, from features (N, G, G, C) to probabilities (N, labels); those of kinds add up to 1.
        sha256: of the file.
        labels: in the order of the probabilities.
    """

    name: ClassifierName
    file: str
    sha256: str
    labels: tuple[Label, ...]

    def with_file(self, folder: Path) -> ClassifierRecord:
        """Return this record with the SHA-256 of its file in a folder."""
        return replace(self, sha256=file_sha256(folder / self.file))

    def label(self, name: str) -> Label:
        """Return the label of a name."""
        return next(label for label in self.labels if label.name == name)

    def shown(self, probabilities: Mapping[str, float]) -> tuple[str, ...]:
        """Return the names of the labels that a photo gets.

        Returns:
            Faults that reach their thresholds, the most probable first. Of kinds only the most probable one of those that reach theirs.

        Examples:
            >>> faults = ClassifierRecord("faults", "", "", (Label("soft", "", 0.8), Label("dark", "", 0.5), Label("hazy", "")))
            >>> faults.shown({"soft": 0.81, "dark": 0.9, "hazy": 0.99})
            ('dark', 'soft')
        """
        needed = {
            label.name: label.threshold
            if label.threshold is not None or self.name == "faults"
            else 0.0
            for label in self.labels
        }
        found = [
            name
            for name, threshold in needed.items()
            if threshold is not None and probabilities[name] >= threshold
        ]
        found.sort(key=lambda name: -probabilities[name])
        return tuple(found if self.name == "faults" else found[:1])


@dataclass(frozen=True, slots=True)
class Card:
    """Facts that a user should know before believing a model.

    Attributes:
        summary: one sentence.
        networks: with their training data and licences.
        limits: photos and uses that it was not tested on or is not good for.
        license: of the model.
    """

    summary: str
    networks: tuple[str, ...]
    limits: tuple[str, ...]
    license: str


def check_head(head: HeadRecord) -> None:
    """Raise ValueError if a head's record cannot be used."""
    if not _NAME.fullmatch(head.name) or head.name in _RESERVED_NAMES:
        raise ValueError(f"head name {head.name!r}: lower-case letters, digits and _ are allowed")
    texts = (head.file, head.sha256, head.meaning, head.ratings)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"texts of {head.name!r}: expected strings")
    if head.form not in (None, *get_args(HeadForm)):
        raise ValueError(f"form {head.form!r} of {head.name!r}: unknown")
    if not all(map(_is_finite, (head.lowest, head.highest))):
        raise ValueError(f"numbers of {head.name!r}: expected finite ones")
    if head.lowest >= head.highest:
        raise ValueError(f"scale of {head.name!r}: {head.lowest} is not below {head.highest}")
    _check_quantiles(head.quantiles, f"quantiles of {head.name!r}")
    for kind, quantiles in head.kind_quantiles.items():
        _check_quantiles(quantiles, f"quantiles of {head.name!r} among {kind!r}")


def check_classifier(classifier: ClassifierRecord) -> None:
    """Raise ValueError if a classifier's record cannot be used."""
    if classifier.name not in get_args(ClassifierName):
        raise ValueError(f"classifier {classifier.name!r}: expected faults or kinds")
    if not all(isinstance(text, str) for text in (classifier.file, classifier.sha256)):
        raise ValueError(f"texts of {classifier.name!r}: expected strings")
    if not classifier.labels:
        raise ValueError(f"classifier {classifier.name!r}: expected at least one label")
    for label in classifier.labels:
        texts = (label.name, label.meaning, label.measured_on)
        if not all(isinstance(text, str) for text in texts) or not _NAME.fullmatch(label.name):
            raise ValueError(
                f"label {label.name!r} of {classifier.name!r}: lower-case letters, digits and _ are allowed"
            )
        for number in (label.threshold, label.precision):
            if number is not None and not (_is_finite(number) and 0 <= number <= 1):
                raise ValueError(
                    f"numbers of label {label.name!r}: expected None or 0 to 1, got {number!r}"
                )


def check_names(heads: Sequence[HeadRecord], classifiers: Sequence[ClassifierRecord]) -> None:
    """Raise ValueError if the names of a model's heads and labels are not all different, or quantiles are of no kind."""
    heads_names = [head.name for head in heads]
    if not heads or len(set(heads_names)) < len(heads_names):
        raise ValueError(f"heads {heads_names}: at least one is needed, each with its own name")
    names = [classifier.name for classifier in classifiers]
    if len(set(names)) < len(names):
        raise ValueError(f"classifiers {names}: expected each name once")
    labels = [label.name for classifier in classifiers for label in classifier.labels]
    columns = [f"{name}{ending}" for name in heads_names for ending in _PERCENTILE_ENDINGS]
    taken = {*columns, *_RESERVED_NAMES, *_CLASSIFIER_COLUMNS}
    wrong = {name for name in labels if labels.count(name) > 1 or name in taken}
    if classifiers and (wrong := wrong | (_CLASSIFIER_COLUMNS & {*columns})):
        raise ValueError(f"labels and heads {sorted(wrong)}: their names are taken already")
    kinds = {
        label.name
        for classifier in classifiers
        if classifier.name == "kinds"
        for label in classifier.labels
        if label.name != NOT_PHOTO
    }
    for head in heads:
        if unknown := sorted({*head.kind_quantiles} - kinds):
            raise ValueError(f"quantiles of {head.name!r} among {unknown}: no such kinds")


def _percentile(quantiles: Sequence[float], value: float) -> float:
    if math.isnan(value) or not quantiles:
        return math.nan
    above = bisect.bisect_right(quantiles, value)
    if above == 0:
        return 0.0
    if above == len(quantiles):
        return 100.0
    low, high = quantiles[above - 1], quantiles[above]
    steps = above - 1 + (value - low) / (high - low)
    return 100 * steps / (len(quantiles) - 1)


def _check_quantiles(quantiles: Sequence[float], what: str) -> None:
    if not all(map(_is_finite, quantiles)):
        raise ValueError(f"{what}: expected finite numbers")
    if len(quantiles) == 1 or list(quantiles) != sorted(quantiles):
        raise ValueError(f"{what}: expected none, or at least two, ascending")


def _is_finite(number: object) -> bool:
    return isinstance(number, int | float) and math.isfinite(number)
