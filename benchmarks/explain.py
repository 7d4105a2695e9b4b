"""How well explanations of scores agree with covering parts of the photos, and how long they take.

    python benchmarks/explain.py BIQ2021_FOLDER OASIS_FOLDER [--photos 20] [--seed 2] [--json FILE]

So many photos of each folder are drawn. Each is cut into cells, seven along its longer side; each cell is covered by the same
part out of focus and by the photo's mean colour, and the photo is scored again. Given is Spearman's rank correlation, over the
cells of a photo, of what the score lost with what a map says, as a mean over the photos with its standard error. Beside the
explanation: a map drawn by chance, one that says the middle matters most, and how well the two covers agree with each other,
which no map can be expected to exceed by much.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from mlsp.base.ranks import rank_correlation
from mlsp.explaining import Explainer, check_by_occlusion
from mlsp.explaining.occlusion import COVERS
from mlsp.photos import find_photos
from mlsp.scoring.scorer import Scorer


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    photos: list[Path] = []
    for folder in arguments.folders:
        found = sorted(find_photos([folder]))
        photos += [found[i] for i in rng.permutation(len(found))[: arguments.photos]]
    scorer = Scorer()
    explainer = Explainer(scorer)
    explainer.explain(photos[0])
    seconds: list[float] = []
    rows: dict[str, dict[str, list[float]]] = {head: {} for head in explainer.heads}
    for number, photo in enumerate(photos, 1):
        started, used = time.perf_counter(), time.process_time()
        explanations = explainer.explain(photo)
        seconds.append(time.perf_counter() - started)
        processor = time.process_time() - used
        for head, check in check_by_occlusion(scorer, explanations).items():
            height, width = check.expected.shape
            down, across = np.mgrid[:height, :width]
            middle = -np.hypot((down + 0.5) / height - 0.5, (across + 0.5) / width - 0.5)
            maps = {
                "explanation": check.expected,
                "chance": rng.random(check.expected.shape),
                "middle": middle,
            }
            of_head = rows[head]
            for name, said in maps.items():
                of_head.setdefault(f"{name}, both covers", []).append(
                    rank_correlation(said, check.effect)
                )
                for cover in COVERS:
                    of_head.setdefault(f"{name}, {cover}", []).append(
                        rank_correlation(said, check.effects[cover])
                    )
            of_head.setdefault("the covers with each other", []).append(
                rank_correlation(*(check.effects[cover] for cover in COVERS))
            )
        print(
            f"{number} of {len(photos)}: {seconds[-1]:.2f} s, {processor:.2f} s of processor time",
            flush=True,
        )
    result: dict[str, object] = {"photos": len(photos), "median_seconds": float(np.median(seconds))}
    for head, measured in rows.items():
        print(f"\n{head}, {len(photos)} photos")
        for name, values in measured.items():
            mean, error = np.nanmean(values), np.nanstd(values) / np.sqrt(len(values))
            above = np.mean(np.array(values) > 0)
            print(f"  {mean:+.3f} ± {error:.3f}  above 0 in {above:4.0%}  {name}")
            result[f"{head}: {name}"] = [float(mean), float(error), float(above)]
    print(f"\nmedian {np.median(seconds):.2f} s a photo")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
