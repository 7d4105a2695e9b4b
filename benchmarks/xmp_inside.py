"""What becomes of real photos when XMP is written into them: pixels, other tags, and the way back.

    python benchmarks/xmp_inside.py FOLDER [--sample N]

Each photo that can be read is copied, gets stars, a pick flag and a label inside, and is taken back. Counted are photos whose pixels
changed, whose other tags changed as exiftool reads them (offsets and lengths left out), and that are not the same bytes afterwards.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from mlsp.base.errors import PhotoError, SidecarError
from mlsp.culling.marks import Marks
from mlsp.culling.xmp import rate_shot
from mlsp.culling.xmp.journal import Journal, runs
from mlsp.culling.xmp.undoing import undo
from mlsp.photos import find_photos, read_photo

_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".dng", ".heic", ".heif", ".hif", ".avif"}
# Of the XMP itself, and of what moves.
_OF_XMP = ("XMP-", "PNG:", "File:", "ExifTool:", "SourceFile")
_MOVES = ("Offset", "Length", "Start", "MediaDataSize")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=int)
    arguments = parser.parse_args()
    photos = [p for p in find_photos([arguments.folder]) if p.suffix.lower() in _SUFFIXES]
    random.Random(0).shuffle(photos)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for photo in photos[: arguments.sample]:
            copy = Path(shutil.copy(photo, Path(folder, f"photo{photo.suffix}")))
            outcome = tried(copy, Path(folder, "stars"))
            counts[outcome] += 1
            if outcome.startswith("DIFFERENT"):
                print(f"{photo}: {outcome}", flush=True)
            copy.unlink()
    for outcome, count in sorted(counts.items()):
        print(f"{count}\t{outcome}")


def tried(photo: Path, stars: Path) -> str:
    """Return what became of a photo."""
    before = photo.read_bytes()
    try:
        pixels = read_photo(photo).pixels.tobytes()
    except PhotoError:
        return "not a photo that can be read"
    tags = other_tags(photo)
    try:
        with Journal("benchmark", folder=stars) as journal:
            done = rate_shot([photo], Marks(5, "pick", "green"), inside=True, note=journal.note)
    except SidecarError as error:
        return str(error).partition("left alone: ")[2][:50]
    if done.status != "written":
        return done.status
    if read_photo(photo).pixels.tobytes() != pixels:
        return "DIFFERENT pixels"
    changed = [key for key, value in other_tags(photo).items() if tags.get(key) != value]
    if changed:
        return f"DIFFERENT tags {changed}"
    undo(next(runs(stars)))
    return (
        "written and taken back" if photo.read_bytes() == before else "DIFFERENT bytes after undo"
    )


def other_tags(photo: Path) -> dict[str, str]:
    """Return the tags of a photo but those of XMP, and those that say where something is."""
    command = ["exiftool", "-j", "-G1", "-b", "-x", "System:all", str(photo)]
    text = subprocess.run(command, capture_output=True, check=False).stdout
    (found,) = json.loads(text.decode(errors="replace"))
    return {
        key: str(value)
        for key, value in found.items()
        if not key.startswith(_OF_XMP) and not any(word in key for word in _MOVES)
    }


if __name__ == "__main__":
    main()
