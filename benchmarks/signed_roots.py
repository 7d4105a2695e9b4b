"""What heads in closed form lose where features below 0 count as 0, as they did: on features that have both signs.

    python benchmarks/signed_roots.py --biq2021 FOLDER [--photos 2000]

The features are means of the outputs of EfficientNet-Lite0's blocks, which end without an activation as those of transformers do, of
photos of BIQ2021 reduced to 256 pixels. Ridge and kernel head learn from three quarters of the photos; the SRCC is that of the others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mlsp.backbones import backbone
from mlsp.backbones.weights.loading import load_network
from mlsp.base.arrays import Float32Array
from mlsp.evaluation.intervals import paired_difference
from mlsp.evaluation.metrics import srcc
from mlsp.models.heads import KernelHead, RidgeHead
from mlsp.photos import DecodeSettings, read_photo
from mlsp.ratings.datasets import load_ratings
from mlsp.ratings.splits import split_rows

NETWORK = "efficientnet_lite0"
SIDE = 256


def block_outputs(network: nn.Module, photo: Tensor) -> Float32Array:
    """Means of the outputs of all blocks, (C,), of a preprocessed photo."""
    x = network.stem(photo)  # type: ignore[operator]
    means = []
    for block in network.blocks:  # type: ignore[union-attr]
        _, x = block(x)
        means.append(x.mean((2, 3))[0])
    return torch.cat(means).numpy()


def main() -> None:
    """Print a row for each head."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--biq2021", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--photos", type=int, default=2000, help="drawn from the train photos")
    arguments = parser.parse_args()
    table = load_ratings("biq2021", arguments.biq2021)
    learned = split_rows(table).train
    rows = np.random.default_rng(0).permutation(learned)[: arguments.photos]
    spec = backbone(NETWORK)
    network, _ = load_network(spec)
    found = []
    with torch.inference_mode():
        for row in rows:
            photo = read_photo(table.photos[row], settings=DecodeSettings(longest_side=SIDE))
            pixels = torch.from_numpy(photo.pixels.copy()).permute(2, 0, 1)[None].float()
            scale, offset = (
                torch.tensor(part).reshape(-1, 1, 1)
                for part in (spec.preprocessing.scale, spec.preprocessing.offset)
            )
            found.append(block_outputs(network, pixels * scale + offset))
    features, mos = np.stack(found), table.mos[rows]
    part = len(rows) * 3 // 4
    print(f"{len(rows)} photos, {features.shape[1]} channels; {(features < 0).mean():.0%} below 0")
    print("| head | as 0 | signed square roots | difference |\n|---|---|---|---|")
    for head in (RidgeHead(), KernelHead()):
        before, after = (
            head.fit(some[:part], mos[:part]).predict(some[part:])
            for some in (np.maximum(features, 0), features)
        )
        gain = paired_difference(srcc, after, before, mos[part:])
        print(
            f"| {type(head).__name__} | {srcc(before, mos[part:]):.3f} | {srcc(after, mos[part:]):.3f} |"
            f" {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] |"
        )


if __name__ == "__main__":
    main()
