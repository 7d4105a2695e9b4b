"""What happens to photos, commands and the service when everything goes wrong: one table of counts.

    python benchmarks/faults.py PHOTOS [--mutations 2000] [--kills 5] [--seconds 20] [--clients 64] [--weights FILE] [--seed 0] [--json FILE]
    python benchmarks/faults.py PHOTOS --short

PHOTOS is a folder; one photo is mutated in every format, a dozen are scored while their command is killed. Equal seeds mutate alike.

- mutations: cut, zeroed, flipped, repeated and swapped bytes, decoded as the service decodes. A photo is read or refused; a decoder
  that crashed, or another error than a `PhotoError`, counts as a crash; a file that was cut, or filled up with zeros, and is read
  otherwise than whole, as false, but for the zeros of formats in which these are pixels;
- kills: SIGKILL at random times, then the same command to its end, whose rows must be those of a run that nothing disturbed. Ratings
  of `mlsp serve` are killed while they are stored; what was stored must be there. `mlsp extract` runs with --weights (Inception v3);
- full disk: files may have a kilobyte only. The command must fail with a message, and leave what it had or nothing;
- service: clients that send headers byte by byte, half a body, scan bombs and mutated photos, a tenth of all, beside good ones, whose
  answers must be those of a quiet service.

Ends with 1 if anything crashed, was lost or false. `--short` is the form that the tests run, in seconds.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
from hostile_clients import Row, besieged, mutated  # type: ignore[import-not-found]
from PIL import Image, ImageOps

from mlsp.base.errors import PhotoError
from mlsp.photos import find_photos, read_photo
from mlsp.photos.decoding_processes import DecodingProcesses

# What writes formats that Pillow does not write.
sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))
from photo_samples import dng, encode, heic, psd

_CRASHED = re.compile(r"its decoder ended")
_STORE_RATINGS = """
import sys
from pathlib import Path
from mlsp.personal.user_ratings.ratings import UserRatings
with UserRatings.open(Path(sys.argv[1])) as ratings:
    for number in range(100_000):
        ratings.rate(f"{number:064x}", f"{number}.jpg", stars=number % 5 + 1, flag=None)
        print(number, flush=True)
"""
_KILOBYTES_OF_DISK = 1
# In which zeros are pixels, or may begin with the last bytes of the first picture.
_UNTOLD = frozenset(("TIFF", "BMP", "PSD", "raw", "AVIF film"))
# To kill a command, which may end before it is killed.
_ATTEMPTS = 4


def encodings(photo: Image.Image) -> dict[str, bytes]:
    """One photo in every format, and in the ways of it that are read differently."""
    turned = {"save_all": True, "append_images": [photo.transpose(Image.Transpose.ROTATE_180)]}
    pixels = np.asarray(photo)
    return {
        "JPEG": encode(photo, "JPEG"),
        "JPEG progressive": encode(photo, "JPEG", progressive=True),
        "JPEG ink": encode(photo.convert("CMYK"), "JPEG"),
        "PNG": encode(photo, "PNG"),
        "WebP": encode(photo, "WEBP"),
        "WebP lossless": encode(photo, "WEBP", lossless=True),
        "TIFF": encode(photo, "TIFF"),
        "TIFF LZW": encode(photo, "TIFF", compression="tiff_lzw"),
        "TIFF Deflate": encode(photo, "TIFF", compression="tiff_adobe_deflate"),
        "HEIC": heic(photo),
        "HEIC tiles": heic(photo, tile_size=64),
        "AVIF": encode(photo, "AVIF"),
        "AVIF film": encode(photo, "AVIF", **turned),
        "BMP": encode(photo, "BMP"),
        "GIF": encode(photo, "GIF"),
        "PSD": psd(pixels, layers=1),
        "raw": dng(pixels.astype(np.uint16) * 257),
    }


def mutations(photo: Image.Image, count: int, rng: random.Random) -> Iterator[Row]:
    """Decode mutated photos of every format."""
    files = encodings(photo)
    with DecodingProcesses(2, seconds=20) as processes:
        for name, content in files.items():
            row = Row(f"mutated {name}")
            whole = read_photo(content).pixels
            for _ in range(count // len(files)):
                changed, fault = mutated(content, rng)
                is_half = fault == "cut" or (fault == "filled" and name not in _UNTOLD)
                row.tries += 1
                try:
                    pixels = processes.read(changed).pixels
                except PhotoError as error:
                    row.crashes += bool(_CRASHED.search(str(error)))
                    row.notes["too slow"] += "takes more than" in str(error)
                except Exception as error:
                    row.crashes += 1
                    row.notes[type(error).__name__] += 1
                else:
                    row.notes["read"] += 1
                    row.false += is_half and not np.array_equal(pixels, whole)
            yield row


def run(
    *arguments: object, environment: dict[str, str], limit: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `mlsp` to its end; with a limit, of files of so many bytes."""

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-m", "mlsp", *map(str, arguments)],
        capture_output=True,
        text=True,
        preexec_fn=limited,
        env={**os.environ, **environment},
    )


def rows_of(output: Path) -> dict[str, object]:
    """Rows of a report, a data set or a feature file, by the photo's name."""
    if output.suffix == ".csv":
        with output.open(newline="") as stream:
            return {row["photo"]: tuple(row.items()) for row in csv.DictReader(stream)}
    if output.suffix == ".h5":
        from mlsp.features.store.store import FeatureStore

        with FeatureStore.open(output) as store:
            return {name: store.read_batch([row]).tobytes() for row, name in enumerate(store.ids)}
    import pyarrow.parquet as pq

    rows = [
        row for file in sorted(output.glob("0*.parquet")) for row in pq.read_table(file).to_pylist()
    ]
    # Twice the same photo is as bad as none.
    return (
        {row["photo"]: row for row in rows} if len({r["photo"] for r in rows}) == len(rows) else {}
    )


def commands(photos: Path, weights: Path | None) -> dict[str, tuple[object, ...]]:
    """Commands to kill, each without its output."""
    found: dict[str, tuple[object, ...]] = {
        "score": ("score", photos, "--sort", "photo", "--output", "o.csv"),
        "bulk": ("bulk", photos, "--shard-size", "2", "--output", "o"),
    }
    if weights is not None:
        network = ("--backbone", "inception_v3", "--weights", weights, "--resize", "96x96")
        found["extract"] = ("extract", photos, "--output", "o.h5", *network)
    return found


def disturbed(
    name: str, command: tuple[object, ...], kills: int, rng: random.Random
) -> Iterator[Row]:
    """Run a command on a full disk, kill it, and run it to its end."""
    with tempfile.TemporaryDirectory() as folder:
        output = next(Path(str(part)) for part in command if str(part).startswith("o"))

        def placed(place: str) -> tuple[tuple[object, ...], Path, dict[str, str]]:
            Path(folder, place).mkdir()
            path = Path(folder, place, output)
            arguments = tuple(path if str(part) == str(output) else part for part in command)
            return arguments, path, {"MLSP_CACHE_DIR": str(Path(folder, place, "cache"))}

        arguments, path, environment = placed("undisturbed")
        begun = time.monotonic()
        run(*arguments, environment=environment)
        seconds = time.monotonic() - begun
        expected = rows_of(path)

        killed, full = Row(f"kill {name}"), Row(f"full disk {name}", tries=1)
        arguments, path, environment = placed("disturbed")
        failed = run(*arguments, environment=environment, limit=_KILOBYTES_OF_DISK * 1024)
        full.crashes += "Traceback" in failed.stderr or failed.returncode < 0
        full.notes[f"exit code {failed.returncode}"] += 1
        for _ in range(_ATTEMPTS * kills):
            if killed.tries == kills:
                break
            begun = time.monotonic()
            child = subprocess.Popen(
                [sys.executable, "-m", "mlsp", *map(str, arguments)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=rng.uniform(0.2, 0.8) * seconds)
            if child.poll() is None:
                killed.tries += 1
            else:
                # The machine has become quicker, or less was left to do.
                seconds = min(seconds, time.monotonic() - begun)
            child.kill()
            child.wait()
        done = run(*arguments, environment=environment)
        found = rows_of(path) if path.exists() else {}
        killed.crashes += "Traceback" in done.stderr or done.returncode not in (0, 1)
        killed.lost += len(expected.keys() - found.keys())
        killed.false += sum(
            found[photo] != expected[photo] for photo in found.keys() & expected.keys()
        )
        yield from (full, killed)


def killed_ratings(kills: int, rng: random.Random) -> Row:
    """Kill a program while it stores ratings as `mlsp serve` does."""
    from mlsp.personal.user_ratings.ratings import UserRatings

    row = Row("kill while ratings are stored")
    for _ in range(kills):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "ratings")
            child = subprocess.Popen(
                [sys.executable, "-c", _STORE_RATINGS, str(file)], stdout=subprocess.PIPE, text=True
            )
            wanted = rng.randrange(1, 200)
            for line in child.stdout or ():
                if int(line) >= wanted:
                    break
            child.kill()
            told = wanted + len(child.communicate()[0].split())
            row.tries += 1
            with UserRatings.open(file) as ratings:
                found = {rating.photo: rating.stars for rating in ratings.ratings()}
            row.lost += sum(f"{number}.jpg" not in found for number in range(told + 1))
            row.false += sum(stars != int(Path(name).stem) % 5 + 1 for name, stars in found.items())
    return row


def campaign(options: argparse.Namespace) -> Iterator[Row]:
    """All of it, row by row."""
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        contents = []
        for number, source in enumerate(islice(find_photos([options.photos]), options.count)):
            photo = ImageOps.fit(Image.fromarray(read_photo(source).pixels), (160, 128))
            file = Path(folder, f"{number}.jpg")
            photo.save(file, quality=90)
            contents.append(file.read_bytes())
        if not contents:
            raise SystemExit("no photos found")
        yield from mutations(photo.resize((96, 72)), options.mutations, rng)
        for name, command in commands(Path(folder), options.weights).items():
            if name in options.commands:
                yield from disturbed(name, command, options.kills, rng)
        yield killed_ratings(options.kills, rng)
        yield from besieged(contents, options.clients, options.seconds, rng)


def main() -> None:
    """Run the campaign and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--mutations", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--commands", nargs="*", default=["score", "bulk", "extract"])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--short", action="store_true")
    options = parser.parse_args()
    if options.short:
        options.count, options.mutations, options.kills, options.commands = 4, 240, 1, ["bulk"]
        options.seconds, options.clients = 2, 8
    rows = []
    print(f"{'fault':38}{'tries':>7}{'crashes':>9}{'lost':>6}{'false':>7}  notes")
    for row in campaign(options):
        rows.append(row)
        notes = ", ".join(f"{name} {count:,}" for name, count in row.notes.items() if count)
        print(
            f"{row.fault:38}{row.tries:7,}{row.crashes:9}{row.lost:6}{row.false:7}  {notes}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    if any(row.crashes or row.lost or row.false for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
