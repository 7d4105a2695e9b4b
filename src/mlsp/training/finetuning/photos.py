"""Rated photos -> batches of random views, decoded ahead by several threads; photos that fail are named and left out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import PhotoError
from mlsp.base.parallel import map_in_order
from mlsp.base.results import ScoreFailure, result_or_failure
from mlsp.features.pipeline import check_size
from mlsp.photos import DecodeSettings, read_photo
from mlsp.ratings.table import RatingTable
from mlsp.training.finetuning.network import Piece

Rows = NDArray[np.intp]
# Views of a photo for the network: pixels (H, W, 3) and the row of the table -> (V, h, w, 3).
CutViews = Callable[[UInt8Array, int], UInt8Array]
# Of the views that go through a network at once: 20 of 224×224, or 3 of 629×497.
_PIXELS_AT_ONCE = 1_000_000
# Of a CUDA device's memory, for a pixel in training: 1.6 KB at most were measured in bfloat16, with weights and moments (docs/results/cuda.md).
_CUDA_BYTES_PER_PIXEL = 8 << 10


@dataclass
class PhotoReader:
    """Reads a table's photos as views.

    Attributes:
        table: whose photos.
        decode: how they are read.
        smallest_side: pixels that the network needs of each side of a view.
        workers: photos decoded at the same time.
        on_failure: told of each photo that fails, once.
        failed: rows of photos that failed so far, and why.
    """

    table: RatingTable
    decode: DecodeSettings
    smallest_side: int
    workers: int
    on_failure: Callable[[ScoreFailure], None]
    failed: dict[int, PhotoError] = field(default_factory=dict)

    def views(
        self, rows: Iterable[int], cut: CutViews
    ) -> Generator[tuple[int, UInt8Array], None, None]:
        """Read photos and cut their views.

        Yields:
            Row and views, (V, h, w, 3), in the order of `rows`; photos that fail are left out.
        """

        def read(row: int) -> tuple[int, UInt8Array | ScoreFailure]:
            source = self.table.ratings[row].photo

            def crops() -> UInt8Array:
                photo = read_photo(source, settings=self.decode)
                found = cut(photo.pixels, row)
                height, width = found.shape[1:3]
                check_size(width, height, self.smallest_side, stored=(photo.width, photo.height))
                return found

            return row, result_or_failure(source, crops)

        known = (row for row in map(int, rows) if row not in self.failed)
        results = map_in_order(read, known, workers=self.workers)
        try:
            for row, views in results:
                if isinstance(views, ScoreFailure):
                    if row not in self.failed:
                        self.failed[row] = views.error
                        self.on_failure(views)
                    continue
                yield row, views
        finally:
            results.close()


def photo_rng(seed: int, photo_id: str, *, epoch: int) -> np.random.Generator:
    """Return the random numbers of one photo in one epoch: they do not depend on what else is read, nor on the order.

    Args:
        seed: of the run.
        photo_id: name of the photo.
        epoch: from 1; 0 for views that are the same in every epoch.
    """
    name = hashlib.sha256(photo_id.encode("utf-8", "surrogateescape")).digest()
    return np.random.default_rng([seed, epoch, *np.frombuffer(name[:16], "<u4").tolist()])


def batches(
    views: Iterable[tuple[int, UInt8Array]], size: int
) -> Iterator[list[tuple[int, UInt8Array]]]:
    """Gather what is read into batches.

    Args:
        views: row and one view, (1, h, w, 3), each.
        size: of a batch.

    Yields:
        `size` each. A last one of a single view is left out, because a head's batch norms learn from no less than two; what is
        left out is another photo in every epoch.
    """
    batch: list[tuple[int, UInt8Array]] = []
    for item in views:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if len(batch) > 1:
        yield batch


def views_at_once(height: int, width: int, device: torch.device) -> int:
    """Return the number of views that go through a network at once: few pixels on the CPU, as many as the memory holds on a CUDA device; at least one view."""
    pixels = _PIXELS_AT_ONCE
    if device.type == "cuda":
        memory = torch.cuda.get_device_properties(device).total_memory
        pixels = max(pixels, memory // _CUDA_BYTES_PER_PIXEL)
    return max(1, pixels // (height * width))


def pieces(
    views: Sequence[UInt8Array], *, at_most: int | None, device: torch.device
) -> list[Piece]:
    """Divide a batch into what goes through the network at once: views of one size, few enough for the memory.

    Args:
        views: of the batch, (1, h, w, 3) each.
        at_most: views at once; None for `views_at_once`.
        device: where the network is.
    """
    by_size: dict[tuple[int, ...], list[int]] = {}
    for index, view in enumerate(views):
        by_size.setdefault(view.shape, []).append(index)
    found = []
    for shape, indices in by_size.items():
        count = at_most or views_at_once(shape[1], shape[2], device)
        for start in range(0, len(indices), count):
            chosen = indices[start : start + count]
            joined = torch.from_numpy(np.concatenate([views[index] for index in chosen]))
            found.append(Piece(torch.tensor(chosen, device=device), joined.to(device)))
    return found
