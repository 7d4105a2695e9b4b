"""Content of a feature file as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.features.store.codec import grid_name

if TYPE_CHECKING:
    from mlsp.features.store.records import StoreInfo


def info_lines(file: Path, info: StoreInfo) -> Iterator[str]:
    """Lay out the content of a store as lines.

    Yields:
        Lines.
    """
    layout = info.layout
    feature_spec = layout.feature_spec
    yield f"file        {file}"
    yield f"photos      {info.photos}: {info.done} done, {info.failed} failed, {info.pending} pending"
    yield f"network     {feature_spec.backbone}, weights SHA-256 {feature_spec.weights_sha256}"
    yield f"levels      {len(feature_spec.levels)}, {layout.channels} channels: {', '.join(feature_spec.levels)}"
    yield f"views       {feature_spec.views}, {layout.views} per photo"
    size = (
        f"reduced to {feature_spec.longest_side} px"
        if feature_spec.longest_side
        else "at their own size"
    )
    if feature_spec.resize:
        size = f"resized to {feature_spec.resize[0]}×{feature_spec.resize[1]}"
    yield f"photo size  {size}{', read as released' * (feature_spec.read_as == 'released')}"
    grids = ", ".join(f"{grid_name(grid)} {grid}×{grid}" for grid in layout.grids)
    yield f"grids       {grids}"
    yield f"numbers     {layout.dtype}, compression {layout.compression or 'none'}, computed in {layout.precision}"
    yield f"size        {info.size_bytes:,} bytes, {info.disk_bytes:,} on the disk"
