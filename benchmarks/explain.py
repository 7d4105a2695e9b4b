"""How well explanations of scores hold where photos are covered in other ways than explanations cover them, and how long they take.

    python benchmarks/explain.py BIQ2021_FOLDER OASIS_FOLDER [--photos 20] [--seed 2] [--json FILE]

So many photos of each folder are drawn. Each is cut into cells, five along its longer side where explanations have seven; each cell is
covered by its own mean colour, by its own pixels in any order, and by the same part of the photo turned by 180°, and the photo is scored
again. Given is Spearman's rank correlation, over the cells of a photo, of what the score lost with what a map says, as a mean over the
photos with its standard error. Beside the explanation: a map drawn by chance, one that says the middle matters most, and how well the
other covers agree with each other, which no map can be expected to exceed by much. Last, how alike the map of the mirrored photo is,
mirrored back.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image

from mlsp.base.arrays import Float64Array, UInt8Array
from mlsp.base.machine import usable_cores
from mlsp.base.parallel import map_in_order
from mlsp.base.ranks import rank_correlation
from mlsp.explaining import Explainer
from mlsp.explaining.occlusion import Cell, cells_of
from mlsp.features.pooling import area_weights
from mlsp.photos import find_photos
from mlsp.scoring.scorer import Scorer

CELLS = 5
COVERS = ("its mean colour", "its pixels in any order", "the photo turned")


def covered(pixels: UInt8Array, cover: str, cells: Sequence[Cell]) -> Iterator[UInt8Array]:
    """Cover one cell after the other."""
    turned, rng = pixels[::-1, ::-1], np.random.default_rng(0)
    for cell in cells:
        photo = pixels.copy()
        part = photo[cell].reshape(-1, 3)
        match cover:
            case "its mean colour":
                photo[cell] = np.rint(part.mean(axis=0))
            case "its pixels in any order":
                photo[cell] = rng.permutation(part).reshape(photo[cell].shape)
            case _:
                photo[cell] = turned[cell]
        yield photo


def effects_of(scorer: Scorer, pixels: UInt8Array) -> dict[str, dict[str, Float64Array]]:
    """Return what each score loses, (rows, columns), by head and cover."""
    shape, cells = cells_of(pixels, CELLS)
    original = scorer.unclipped(pixels)
    found: dict[str, dict[str, Float64Array]] = {head: {} for head in original}
    for cover in COVERS:
        photos = covered(pixels, cover, cells)
        outputs = list(map_in_order(scorer.unclipped, photos, workers=usable_cores() + 1))
        for head, value in original.items():
            values = np.array([output[head] for output in outputs])
            found[head][cover] = value - values.reshape(shape)
    return found


def resized(values: Float64Array, rows: int, columns: int) -> Float64Array:
    """Bring a map to other cells by area means."""
    height, width = values.shape
    means: Float64Array = area_weights(height, rows) @ values @ area_weights(width, columns).T
    return means


def middle_of(rows: int, columns: int) -> Float64Array:
    """Return a map that says the middle matters most."""
    down, across = np.mgrid[:rows, :columns]
    nearness: Float64Array = -np.hypot((down + 0.5) / rows - 0.5, (across + 0.5) / columns - 0.5)
    return nearness


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--photos", type=int, default=20)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--model", default="default")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    photos: list[Path] = []
    for folder in arguments.folders:
        found = sorted(find_photos([folder]))
        photos += [found[i] for i in rng.permutation(len(found))[: arguments.photos]]
    scorer = Scorer(arguments.model)
    explainer = Explainer(scorer)
    explainer.explain(photos[0])
    seconds: list[float] = []
    rows: dict[str, dict[str, list[float]]] = {head: {} for head in explainer.heads}
    for number, photo in enumerate(photos, 1):
        started = time.perf_counter()
        explanations = explainer.explain(photo)
        seconds.append(time.perf_counter() - started)
        pixels = scorer.read(photo).pixels
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            Image.fromarray(pixels[:, ::-1]).save(file.name)
            mirrored = explainer.explain(Path(file.name))
        for head, effects in effects_of(scorer, pixels).items():
            of_head = rows[head]
            shape = next(iter(effects.values())).shape
            contributions = explanations[head].contributions.astype(np.float64)
            maps = {
                "the explanation": resized(contributions, *shape),
                "a map by chance": rng.random(shape),
                "the middle": middle_of(*shape),
            }
            for name, values in maps.items():
                for cover, effect in effects.items():
                    of_head.setdefault(f"{name}: {cover}", []).append(
                        rank_correlation(values, effect)
                    )
            between = [rank_correlation(*pair) for pair in combinations(effects.values(), 2)]
            of_head.setdefault("these covers with each other", []).append(float(np.mean(between)))
            of_head.setdefault("the two covers of the explanation", []).append(
                explanations[head].agreement
            )
            back = mirrored[head].contributions[:, ::-1].astype(np.float64)
            of_head.setdefault("mirrored", []).append(rank_correlation(contributions, back))
        print(f"{number} of {len(photos)}: {seconds[-1]:.2f} s", flush=True)
    result: dict[str, object] = {"photos": len(photos), "median_seconds": float(np.median(seconds))}
    for head, measured in rows.items():
        print(f"\n{head}, {len(photos)} photos")
        for name, numbers in measured.items():
            mean, error = np.nanmean(numbers), np.nanstd(numbers) / np.sqrt(len(numbers))
            above = np.mean(np.array(numbers) > 0)
            print(f"  {mean:+.3f} ± {error:.3f}  above 0 in {above:4.0%}  {name}")
            result[f"{head}: {name}"] = [float(mean), float(error), float(above)]
    print(f"\nmedian {np.median(seconds):.2f} s a photo")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
