"""What listing an input before a bulk run takes: time beside a bare reading of the same list, and memory per photo.

    python benchmarks/survey.py [--names 1000000] [--files 100000] [--rounds 3]

Names are made up, and no photo is read: a Parquet and a CSV table of URLs with ids, and a folder of empty files. Each measure is a process
of its own. Times are of the processor, those of a survey and of the bare reading in turn, so that their ratio holds on a busy machine;
medians, with the least and most. Bytes per photo are what the peak of memory grows by from a quarter of the names to all of them.

Bare readings: pyarrow's batches as Python lists, `csv.reader`, `os.walk` with `os.stat`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mlsp.bulk.sources import SourceSpec, open_source
from mlsp.bulk.survey import survey

_SHARD_SIZE = 1000
_PER_FOLDER = 1000


def make(folder: Path, names: int, files: int) -> dict[str, tuple[Path, int]]:
    """Write the lists; returns each with its length, by kind."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    urls = [f"https://photos.example.org/{i // 1000:06d}/{i:09d}.jpg" for i in range(names)]
    ids = [f"photo-{i:09d}" for i in range(names)]
    pq.write_table(pa.table({"url": urls, "id": ids}), folder / "table.parquet")
    with (folder / "table.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("url", "id"), *zip(urls, ids, strict=True)])
    for start in range(0, files, _PER_FOLDER):
        below = folder / "photos" / f"{start:09d}"
        below.mkdir(parents=True)
        for number in range(start, min(start + _PER_FOLDER, files)):
            (below / f"{number:09d}.jpg").touch()
    return {
        "parquet": (folder / "table.parquet", names),
        "csv": (folder / "table.csv", names),
        "folder": (folder / "photos", files),
    }


def read_bare(path: Path) -> None:
    """Read a list, and do nothing with it."""
    if path.suffix == ".parquet":
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(4096, use_threads=False):
                for column in batch.columns:
                    column.to_pylist()
    elif path.suffix == ".csv":
        with path.open(newline="") as stream:
            for _ in csv.reader(stream):
                pass
    else:
        for folder, _, names in os.walk(path):
            for name in names:
                os.stat(os.path.join(folder, name))


def measure(path: Path, is_bare: bool) -> None:
    """Print the seconds of the processor that one pass took, and the peak of memory in bytes."""
    start = time.process_time()
    if is_bare:
        read_bare(path)
    else:
        survey(open_source(SourceSpec((str(path),))), _SHARD_SIZE)
    seconds = time.process_time() - start
    # Not ru_maxrss, which a process takes over from the one that starts it.
    status = Path("/proc/self/status").read_text()
    kilobytes = int(status.partition("VmHWM:")[2].split()[0])
    print(json.dumps((seconds, 1024 * kilobytes)))


def measured(path: Path, *, is_bare: bool = False) -> tuple[float, int]:
    """The same, of a process of its own."""
    command = [sys.executable, __file__, "--measure", str(path), *(["--bare"] if is_bare else [])]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, peak = json.loads(done.stdout)
    return seconds, peak


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.bare)
        return
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as quarter:
        lists = make(Path(whole), options.names, options.files)
        parts = make(Path(quarter), options.names // 4, options.files // 4)
        print(
            f"{'list':10}{'names':>11}{'µs per photo':>24}{'times bare':>12}{'bytes per photo':>17}"
        )
        for kind, (path, count) in lists.items():
            seconds, ratios, peaks = [], [], []
            for _ in range(options.rounds):
                bare = measured(path, is_bare=True)[0]
                used, peak = measured(path)
                seconds.append(used)
                ratios.append(used / bare)
                peaks.append(peak - measured(parts[kind][0])[1])
            each = [1e6 * one / count for one in sorted(seconds)]
            time_text = f"{statistics.median(each):.1f} ({each[0]:.1f} to {each[-1]:.1f})"
            grown = statistics.median(peaks) / (count - parts[kind][1])
            print(
                f"{kind:10}{count:11,}{time_text:>24}{statistics.median(ratios):12.1f}{grown:17.0f}"
            )


if __name__ == "__main__":
    main()
