"""Outputs of a network and its head for photos, as means over several views of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlsp.base.arrays import UInt8Array
from mlsp.photos.crops import cut_views, random_views
from mlsp.ratings.table import RatingTable
from mlsp.training.finetuning.network import FinetunedNetwork
from mlsp.training.finetuning.photos import CutViews, PhotoReader, photo_rng, views_at_once
from mlsp.training.targets import mean_over_views


@dataclass(frozen=True, slots=True)
class Outputs:
    """Outputs for the photos that could be read.

    Attributes:
        rows: of the table, (photos,).
        outputs: means over the views, (photos, 1) on the paper's scale or (photos, bins) logits.
    """

    rows: NDArray[np.intp]
    outputs: Tensor


def predict(
    network: FinetunedNetwork, reader: PhotoReader, rows: Iterable[int], cut: CutViews
) -> Outputs:
    """Compute outputs for photos, each the mean over its views.

    Args:
        network: is left in the mode that it was in.
        reader: of the table.
        rows: of the table.
        cut: the views of a photo.

    Returns:
        In the order of `rows`, without photos that cannot be read; of a distribution the mean of the probabilities, as logits.
    """
    was_learning = network.training
    network.eval()
    done: list[int] = []
    outputs: list[Tensor] = []
    spec = network.head.spec
    with torch.inference_mode():
        for row, views in reader.views(rows, cut):
            parts = [network(chunk) for chunk in _chunks(views, network.pooled.scale.device)]
            done.append(row)
            views_outputs = torch.cat(parts).float().cpu()[None]
            outputs.append(mean_over_views(views_outputs, spec)[0])
    network.train(was_learning)
    stacked = torch.stack(outputs) if outputs else torch.zeros(0, spec.outputs)
    return Outputs(np.array(done, dtype=np.intp), stacked)


def _chunks(views: UInt8Array, device: torch.device) -> list[Tensor]:
    count = views_at_once(views.shape[1], views.shape[2], device)
    # torch takes no negative strides, which mirrored views have.
    whole = torch.from_numpy(np.require(views, requirements=["C", "W"]))
    return [chunk.to(device) for chunk in torch.split(whole, count)]


def seeded_views(table: RatingTable, *, count: int, seed: int, augment: bool) -> CutViews:
    """Return a cutter of random views that are the same every time; of the whole photo without `augment`.

    Args:
        table: gives the photos' names, which the views follow from.
        count: views of a photo.
        seed: of the run.
        augment: see `FinetuneSettings`.
    """

    def cut(pixels: UInt8Array, row: int) -> UInt8Array:
        if not augment:
            return cut_views(pixels, "whole")
        rng = photo_rng(seed, table.ratings[row].photo_id, epoch=0)
        return random_views(pixels, count, rng)

    return cut
