"""How often the sharper of two frames is told, when they differ by half a pixel of blur, one pixel, two.

    python benchmarks/sharpness.py PHOTO... [--subjects OASIS] [--json FILE]

Each PHOTO, at its full size, gives pairs of frames as a burst does: framed differently by up to 3 % on each side, exposed differently by up to
a quarter of a stop, each with noise of its own (3 of 255), saved as JPEG of quality 90; one of them blurred before the noise. The share of
pairs in which the sharp frame has the higher score, the smaller blur, and comes first of its burst.

`--subjects` asks whether blur is measured where the subject is. `subjects.csv` has, in shares of the sides, where subjects are in 48 photos of
OASIS (animals, objects), marked by eye. Each photo is enlarged to 1,536 pixels and becomes frames as above: sharp; subject blurred by 3
pixels; background blurred. The share of pairs in which the frame with the sharp subject measures less blur by 5 % and more, and in which
the other one does. Which photos chose the method is decided by their names.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mlsp.base.arrays import UInt8Array
from mlsp.culling.bursts import Burst, ScoredShot
from mlsp.culling.choosing import rank_closely
from mlsp.culling.close_ups import close_up_of
from mlsp.culling.shots import Shot
from mlsp.photos import read_photo
from mlsp.scoring.scorer import Scorer

SIGMAS = (0.5, 1.0, 2.0)
NOISE = 3
SHIFT = 0.03
STOPS = 0.25
SUBJECTS = Path(__file__).with_name("subjects.csv")
EDGES = ("left", "top", "right", "bottom")
SIDE = 1536
SUBJECT_SIGMA = 3
# A difference of blur that counts.
TOLD = 1.05


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, nargs="*")
    parser.add_argument("--subjects", type=Path, help="folder of OASIS's photos")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    if arguments.photos:
        found["photos"] = whole_photos(arguments.photos)
    if arguments.subjects:
        found["subjects"] = subjects(arguments.subjects)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def whole_photos(photos: list[Path]) -> list[dict[str, Any]]:
    """Measure frames that are blurred everywhere."""
    scorer = Scorer()
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for path in photos:
        image = Image.fromarray(read_photo(path).pixels)
        sharp = seen(scorer, frame(image, 0, rng), "sharp")
        for sigma in SIGMAS:
            soft = seen(scorer, frame(image, sigma, rng), "soft")
            rows.append(
                {
                    "photo": path.name,
                    "megapixels": round(image.width * image.height / 1e6, 1),
                    "subject": sharp[1].subject,
                    "sigma": sigma,
                    "blur": [round(one.blur or 0, 3) for _, one in (sharp, soft)],
                    **judged(sharp, soft),
                }
            )
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    for sigma in SIGMAS:
        of_sigma = [row for row in rows if row["sigma"] == sigma]
        shares = {
            name: round(float(np.mean([row[name] for row in of_sigma])), 3)
            for name in ("by score", "by blur", "chosen")
        }
        print(f"blurred by {sigma} pixels, {len(of_sigma)} pairs: {shares}")
    return rows


def subjects(folder: Path) -> dict[str, dict[str, float]]:
    """Measure frames whose subject or background is blurred."""
    rng = np.random.default_rng(0)
    ratios: dict[str, list[list[float]]] = {"chose method": [], "held out": []}
    with SUBJECTS.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            image = Image.fromarray(read_photo(folder / row["file"]).pixels)
            image = image.resize((SIDE, round(SIDE * image.height / image.width)))
            soft = image.filter(ImageFilter.GaussianBlur(SUBJECT_SIGMA))
            mask = subject_mask(image.size, [float(row[name]) for name in EDGES])
            frames = (
                image,
                Image.composite(image, soft, mask),
                Image.composite(soft, image, mask),
            )
            sharp, soft_background, soft_subject = (
                close_up_of(frame(one, 0, rng), faces=False).blur or np.inf for one in frames
            )
            of_half = ratios[half(row["file"])]
            of_half.append([soft_subject / sharp, soft_subject / soft_background])
    found: dict[str, dict[str, float]] = {}
    for name, of_half in ratios.items():
        for number, other in enumerate(("all sharp", "background soft")):
            values = np.array(of_half)[:, number]
            found[f"{name}, {len(values)} photos: subject soft or {other}"] = {
                "right": round(float((values >= TOLD).mean()), 2),
                "wrong": round(float((values <= 1 / TOLD).mean()), 2),
            }
    for name, shares in found.items():
        print(name, shares)
    return found


def subject_mask(size: tuple[int, int], edges: list[float]) -> Image.Image:
    """Return an ellipse in the box of a subject, with a soft border."""
    mask = Image.new("L", size)
    box = [edge * side for edge, side in zip(edges, size * 2, strict=True)]
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask.filter(ImageFilter.GaussianBlur(SIDE / 64))


def half(name: str) -> str:
    """Which half of the photos a name belongs to."""
    is_odd = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2
    return "held out" if is_odd else "chose method"


def frame(image: Image.Image, sigma: float, rng: np.random.Generator) -> UInt8Array:
    """One frame of a burst."""
    if sigma:
        image = image.filter(ImageFilter.GaussianBlur(sigma))
    left, top = rng.uniform(0, SHIFT, 2) * image.size
    right, bottom = (1 - rng.uniform(0, SHIFT, 2)) * image.size
    pixels = np.asarray(image.crop((int(left), int(top), int(right), int(bottom))), np.float32)
    # A large photo's noise is one tile of noise many times over, at a place of its own.
    tile = rng.normal(0, NOISE, (1024, 1024, 3)).astype(np.float32)
    tile = np.roll(tile, rng.integers(0, 1024, 2), (0, 1))
    repeats = -(-pixels.shape[0] // 1024), -(-pixels.shape[1] // 1024), 1
    noise = np.tile(tile, repeats)[: pixels.shape[0], : pixels.shape[1]]
    noisy = pixels * np.float32(2 ** rng.uniform(-STOPS, 0)) + noise
    stream = io.BytesIO()
    Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)).save(
        stream, "JPEG", quality=90
    )
    return np.asarray(Image.open(stream))


def seen(scorer: Scorer, pixels: UInt8Array, name: str) -> tuple[ScoredShot, Any]:
    """A frame with its score, and what it shows at full size."""
    photo = Path(f"{name}.jpg")
    shot = ScoredShot(
        Shot(photo), scorer.score_one(pixels), datetime(2024, 1, 1), np.ones(1, np.float32)
    )
    return shot, close_up_of(pixels)


def judged(sharp: tuple[ScoredShot, Any], soft: tuple[ScoredShot, Any]) -> dict[str, bool]:
    """Whether the sharp frame is told, by each way."""
    scores = [shot.scored.scores["quality"].value for shot, _ in (sharp, soft)]
    ranked = rank_closely(Burst((soft[0], sharp[0])), [soft[1], sharp[1]])
    return {
        "by score": scores[0] > scores[1],
        "by blur": (sharp[1].blur or np.inf) < (soft[1].blur or np.inf),
        "chosen": ranked.shots[0].shot is sharp[0].shot,
    }


if __name__ == "__main__":
    main()
