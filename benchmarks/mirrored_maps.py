"""How alike the maps of a photo and of its mirror image are, which nobody would score differently.

    python benchmarks/mirrored_maps.py PHOTO_OR_FOLDER... [--photos 20] [--seed 2]

So many photos are drawn. Given is Spearman's rank correlation, over the positions, of the smoothed map with that of the mirrored
photo, mirrored back: of each photo, and as a mean.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from mlsp.base.ranks import rank_correlation
from mlsp.explaining import Explainer
from mlsp.explaining.picture import smoothed
from mlsp.photos import find_photos, read_photo
from mlsp.scoring.scorer import Scorer


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos_or_folders", type=Path, nargs="+")
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--seed", type=int, default=2)
    arguments = parser.parse_args()
    found = sorted(find_photos(arguments.photos_or_folders))
    drawn = np.random.default_rng(arguments.seed).permutation(len(found))[: arguments.photos]
    explainer = Explainer(Scorer())
    agreements: dict[str, list[float]] = {head: [] for head in explainer.heads}
    with tempfile.TemporaryDirectory() as folder:
        plain, mirrored = Path(folder, "plain.png"), Path(folder, "mirrored.png")
        for photo in (found[index] for index in drawn):
            pixels = read_photo(photo).pixels
            Image.fromarray(pixels).save(plain)
            Image.fromarray(pixels[:, ::-1]).save(mirrored)
            maps = explainer.explain(plain), explainer.explain(mirrored)
            for head, values in agreements.items():
                one, other = (smoothed(each[head].contributions.astype(float)) for each in maps)
                values.append(rank_correlation(one, other[:, ::-1]))
            shown = ", ".join(f"{head} {values[-1]:.2f}" for head, values in agreements.items())
            print(f"{photo.name}: {shown}", flush=True)
    for head, values in agreements.items():
        print(
            f"{head}, {len(values)} photos: mean {np.mean(values):.2f}, from {min(values):.2f} to {max(values):.2f}"
        )


if __name__ == "__main__":
    main()
