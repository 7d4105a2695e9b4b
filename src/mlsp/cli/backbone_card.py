"""A network's record as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlsp.backbones import BackboneSpec


def backbone_lines(spec: BackboneSpec) -> Iterator[str]:
    """Lay out a network's record as lines.

    Yields:
        Lines.
    """
    yield spec.name
    yield f"  {spec.origin}"
    yield f"  Photos have at least {spec.smallest_side} px on each side."
    yield "Weights, the preferred first:"
    for file in spec.weights:
        yield f"  {file.url} ({file.license})"
        if file.note:
            yield f"    {file.note}"
    yield f"Levels: {len(spec.levels)}, {spec.channels} channels"
    for level in spec.levels:
        yield f"  {level.name}  {level.channels}"
