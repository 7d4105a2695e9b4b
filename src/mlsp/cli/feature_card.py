"""What a feature file holds as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.features.store.codec import grid_name

if TYPE_CHECKING:
    from mlsp.features.store.reader import StoreInfo


def info_lines(file: Path, info: StoreInfo) -> Iterator[str]:
    """Lay out what a store holds.

    Args:
        file: of the store.
        info: the store in numbers.

    Yields:
        Lines.
    """
    layout = info.layout
    kind = layout.kind
    yield f"file        {file}"
    yield f"photos      {info.photos}: {info.done} done, {info.failed} failed, {info.pending} pending"
    yield f"network     {kind.backbone}, weights SHA-256 {kind.weights_sha256}"
    yield f"levels      {len(kind.levels)}, {layout.channels} channels: {', '.join(kind.levels)}"
    yield f"views       {kind.views}, {layout.views} a photo"
    size = f"reduced to {kind.longest_side} px" if kind.longest_side else "at their own size"
    if kind.resize:
        size = f"resized to {kind.resize[0]}×{kind.resize[1]}"
    yield f"photo size  {size}"
    grids = ", ".join(f"{grid_name(grid)} {grid}×{grid}" for grid in layout.grids)
    yield f"grids       {grids}"
    yield f"numbers     {layout.dtype}, compression {layout.compression or 'none'}, computed in {layout.precision}"
    yield f"size        {info.size_bytes:,} bytes, {info.disk_bytes:,} on the disk"
