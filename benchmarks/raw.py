"""Raw photos by their embedded preview and developed: time, and scores beside those of the JPEGs of the same shots.

    python benchmarks/raw.py FOLDER      # raw photos with their JPEGs beside them, as cameras write them

Prints for each raw photo the seconds to read it at 512 pixels by its preview and developed, and the overall of JPEG, preview and
developed; then means, and the mean distance of both from the JPEG. A photo without a preview of 1,000 pixels counts as developed only.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

from mlsp.base.errors import PhotoError
from mlsp.culling.shots import find_shots
from mlsp.photos import DecodeSettings, Photo, raw_decoder, read_photo
from mlsp.photos.files import RAW_SUFFIXES
from mlsp.scoring.scorer import Scorer

SETTINGS = DecodeSettings(longest_side=512)


def read(raw: Path, *, preview: bool) -> tuple[Photo, float]:
    """Read a raw photo, and return it with the seconds that took."""
    side = raw_decoder.MIN_PREVIEW_SIDE if preview else 10**9
    with patch.object(raw_decoder, "MIN_PREVIEW_SIDE", side):
        start = time.perf_counter()
        return read_photo(raw, settings=SETTINGS), time.perf_counter() - start


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    scorer = Scorer("default", cache=False)
    seconds: dict[str, list[float]] = {"preview": [], "developed": []}
    apart: dict[str, list[float]] = {"preview": [], "developed": []}
    for shot in find_shots([parser.parse_args().folder]).shots:
        raws = [photo for photo in shot.photos if photo.suffix.lower() in RAW_SUFFIXES]
        if not raws:
            continue
        try:
            found = {name: read(raws[0], preview=name == "preview") for name in seconds}
            jpeg = None if shot.photo in raws else scorer.score_one(shot.photo).overall
        except PhotoError as error:
            print(f"{raws[0].name}: {error}")
            continue
        scores = {
            name: scorer.score_one(photo.pixels).overall for name, (photo, _) in found.items()
        }
        for name, (_, taken) in found.items():
            seconds[name].append(taken)
            if jpeg is not None:
                apart[name].append(abs(scores[name] - jpeg))
        times = ", ".join(f"{name} {taken:.3f} s" for name, (_, taken) in found.items())
        overall = ", ".join(f"{name} {score:.1f}" for name, score in scores.items())
        print(f"{raws[0].name}: {times}; overall: {overall}, JPEG {jpeg or float('nan'):.1f}")
    for name in seconds:
        if seconds[name]:
            line = f"{name}: {fmean(seconds[name]):.3f} s a photo, {len(seconds[name])} photos"
            print(line + (f", {fmean(apart[name]):.1f} from the JPEG" if apart[name] else ""))


if __name__ == "__main__":
    main()
