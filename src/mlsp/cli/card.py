"""A model's card as lines for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.padding import Padding
from rich.text import Text

from mlsp.models.model import Model
from mlsp.models.records import Agreement, ClassifierRecord, HeadRecord, Label, label_words

_CLASSIFIERS = {
    "faults": "faults: what is wrong with a photo",
    "kinds": "kinds: what it shows; percentiles are among its kind, and what is no photo is not ranked",
}


def card_lines(model: Model) -> Iterator[Text | Padding]:
    """Lay out a model's card as paragraphs.

    Yields:
        Paragraphs that a rich console wraps to its width.
    """
    yield Text(f"{model.name} {model.version}", style="bold")
    yield Text(model.card.summary)
    yield Text()
    for head in model.heads:
        yield from _head_lines(head)
    for classifier in model.classifiers:
        yield Text(_CLASSIFIERS[classifier.name], style="bold")
        for label in classifier.labels:
            yield _indented(_label(classifier, label))
        yield Text()
    yield Text("Networks", style="bold")
    for network in model.card.networks:
        yield _indented(network)
    side = model.feature_spec.longest_side
    size = f"reduced to a longest side of {side} pixels" if side else "seen at full size"
    if model.feature_spec.resize:
        size = f"resized to {model.feature_spec.resize[0]}×{model.feature_spec.resize[1]} pixels"
    yield _indented(
        f"Photos are {size} and must have at least {model.smallest_side} on each side;"
        f" {len(model.feature_spec.levels)} levels, views: {model.feature_spec.views}"
    )
    if model.backbone_file is None:
        yield _indented(
            f"The network is not in the model: it reads stored features, by `mlsp predict`; to score photos make it"
            f" again with --weights FILE, the weights of {model.feature_spec.backbone}"
        )
    yield Text()
    yield Text("Limits", style="bold")
    for limit in model.card.limits:
        yield _indented(f"- {limit}")
    yield Text()
    yield Text(f"Licence: {model.card.license}")
    yield Text(f"Folder: {model.folder}")
    yield Text(f"Fingerprint: {model.fingerprint}")


def agreement_line(agreement: Agreement) -> str:
    """How well a new head agrees with people, in a line."""
    low, high = agreement.srcc_interval
    interval = "too few for an interval" if math.isnan(low) else f"{low:.2f}, {high:.2f}"
    return (
        f"SRCC {agreement.srcc:.4f} [{interval}], PLCC {agreement.plcc:.4f} on"
        f" {agreement.photo_count} {agreement.photos}"
    )


def _head_lines(head: HeadRecord) -> Iterator[Text | Padding]:
    yield Text(f"{head.name} ({head.lowest:g} to {head.highest:g}): {head.meaning}", style="bold")
    yield _indented(f"Learned from {head.ratings}")
    if head.agreement:
        yield _indented("Agreement with people (SRCC: Spearman, PLCC: Pearson correlation):")
    else:
        yield _indented("Agreement with people: not measured")
    for agreement in head.agreement:
        yield _indented(
            f"SRCC {agreement.srcc:.3f}  PLCC {agreement.plcc:.3f}  {agreement.photos} ({agreement.photo_count} photos)",
            by=4,
        )
    if not head.quantiles:
        yield _indented("No percentiles: scores of rated photos were not at hand")
    if head.kind_quantiles:
        kinds = ", ".join(map(label_words, head.kind_quantiles))
        yield _indented(f"Percentiles are among photos of the same kind, of {kinds}")
    yield Text()


def _label(classifier: ClassifierRecord, label: Label) -> str:
    parts = [f"{label_words(label.name)}: {label.meaning}"]
    if label.threshold is not None:
        parts.append(f"shown from a probability of {label.threshold:.2f}")
    elif classifier.name == "faults":
        parts.append("never shown, as it is not precise enough")
    if label.precision is not None:
        parts.append(f"precision {label.precision:.2f} on {label.measured_on}")
    return "; ".join(parts)


def _indented(text: str, *, by: int = 2) -> Padding:
    return Padding(Text(text), (0, 0, 0, by))
