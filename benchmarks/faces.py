"""How often closed eyes are seen, how often open ones are taken for closed, how often it cannot be told; and what faces cost.

    python benchmarks/faces.py --oasis FOLDER --biq2021 FOLDER [--json FILE]

`face_labels.csv` has faces of OASIS (900 photos, every face of at least 40 pixels) and of BIQ2021 (about a tenth of its photos, at least 56
pixels), labelled by eye, without a look at what is measured here: eyes open (an iris is seen), closed (none is: lids down, as in a blink or
a look at the floor), unclear (dark glasses, profile, too dark or blurred, slits), none (no human face). Which photos chose the limits is
decided by their names; the others never did. Faces that the detector missed are not in it, so it says nothing of those.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from mlsp.culling.faces import Face, face_finder
from mlsp.photos import read_photo
from mlsp.scoring.scorer import Scorer

LABELS = Path(__file__).with_name("face_labels.csv")
# Between the labelled centre of a face and the one found, as a share of the photo.
NEAR = 0.04
TIMED = 40


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--oasis", type=Path, required=True, help="folder of the photos")
    parser.add_argument("--biq2021", type=Path, required=True, help="folder of the photos")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with LABELS.open(encoding="utf-8", newline="") as stream:
        labelled = defaultdict(list)
        for row in csv.DictReader(stream):
            labelled[row["file"]].append(row)
    counts: dict[str, Counter[tuple[str, str]]] = {"chose limits": Counter(), "held out": Counter()}
    photos = []
    for name, rows in labelled.items():
        photo = next(
            (
                path
                for folder in (arguments.oasis, arguments.biq2021)
                if (path := folder / name).is_file()
            ),
            None,
        )
        if photo is None:
            raise SystemExit(f"{name} is in neither folder")
        photos.append(photo)
        faces = face_finder().find(read_photo(photo).pixels)
        for row in rows:
            face = nearest(faces, float(row["x"]), float(row["y"]))
            counts[half(name)][row["eyes"], face.eyes_state if face else "not found"] += 1
    found = {name: summary(name, count) for name, count in counts.items()}
    found["cost"] = cost(photos[:: max(1, len(photos) // TIMED)])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def half(name: str) -> str:
    """Which half of the photos a name belongs to."""
    is_odd = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2
    return "held out" if is_odd else "chose limits"


def nearest(faces: tuple[Face, ...], x: float, y: float) -> Face | None:
    """The face at a labelled place."""

    def distance(face: Face) -> float:
        return float(np.hypot((face.left + face.right) / 2 - x, (face.top + face.bottom) / 2 - y))

    face = min(faces, key=distance, default=None)
    return face if face is not None and distance(face) < NEAR else None


def summary(name: str, counts: Counter[tuple[str, str]]) -> dict[str, Any]:
    """Shares of one half."""

    def number(label: str, *states: str) -> int:
        return sum(
            count for (was, state), count in counts.items() if was == label and state in states
        )

    every = ("open", "closed", "unclear", "not found")
    clear = number("open", *every) + number("closed", *every)
    told = number("closed", "closed") + number("open", "closed")
    row = {
        "faces": sum(counts.values()),
        "open": number("open", *every),
        "closed": number("closed", *every),
        "unclear": number("unclear", *every),
        "closed: recall": round(number("closed", "closed") / number("closed", *every), 3),
        "closed: precision": round(number("closed", "closed") / told, 3),
        "closed: taken for open": round(number("closed", "open") / number("closed", *every), 3),
        "open: taken for closed": round(number("open", "closed") / number("open", *every), 3),
        "abstains": round(
            sum(number(label, "unclear", "not found") for label in ("open", "closed")) / clear, 3
        ),
        "unclear: called closed": round(number("unclear", "closed") / number("unclear", *every), 3),
        "counts": {
            f"{label} -> {state}": count for (label, state), count in sorted(counts.items())
        },
    }
    print(name, "  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def cost(photos: list[Path]) -> dict[str, float]:
    """Seconds of a processor for a photo's faces, beside those for its score."""
    scorer = Scorer(workers=1)
    pixels = [read_photo(photo).pixels for photo in photos]
    for photo in photos[:2]:
        scorer.score_one(photo)
    seconds = {}
    for name, work in (
        ("faces", lambda: [face_finder().find(some) for some in pixels]),
        ("score", lambda: [scorer.score_one(photo) for photo in photos]),
    ):
        before = time.process_time()
        work()
        seconds[name] = round((time.process_time() - before) / len(photos), 4)
    seconds["faces / score"] = round(seconds["faces"] / seconds["score"], 2)
    print("  ".join(f"{key} {value}" for key, value in seconds.items()))
    return seconds


if __name__ == "__main__":
    main()
