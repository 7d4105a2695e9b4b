"""The service under load, beside the scorer alone; and a soak.

    python benchmarks/service.py FOLDER [--seconds 15] [--soak-seconds 600] [--json FILE]

FOLDER holds photos; 64 of them are sent. Load comes from wrk, which takes little from the cores that it shares with the service. The scorer alone scores the
same photos from memory, in as many threads. `--soak-seconds` mixes good photos with damaged, small and foreign ones and watches memory.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mlsp.engines import usable_cores
from mlsp.photos import find_photos
from mlsp.scoring import Scorer

CLIENTS = (1, 8, 64)
PHOTOS = 64
# Each thread of wrk sends the photos in turn.
_LUA = """
local photos = {{{paths}}}
local bodies, next = {{}}, 0
function init()
  for i, path in ipairs(photos) do
    local file = io.open(path, "rb")
    bodies[i] = wrk.format("POST", "/v1/scores", {{["Content-Type"] = "image/jpeg"}}, file:read("*a"))
    file:close()
  end
end
function request()
  next = next % #bodies + 1
  return bodies[next]
end
function done(summary, latency)
  local function ms(p) return latency:percentile(p) / 1000 end
  io.write(string.format("RESULT %d %d %d %f %f %f\\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout, ms(50), ms(95), ms(99)))
end
"""


def alone(scorer: Scorer, contents: list[bytes], seconds: float) -> float:
    """Photos/s of the scorer without HTTP."""
    workers = usable_cores() + 1
    deadline = time.perf_counter() + seconds
    count = 0
    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        while time.perf_counter() < deadline:
            count += len(list(pool.map(lambda content: scorer.score_content(content), contents)))
    return count / (time.perf_counter() - started)


def under_load(address: str, script: Path, clients: int, seconds: float) -> dict[str, float]:
    """What wrk measures."""
    done = subprocess.run(
        [
            "wrk",
            "-t",
            "1",
            "-c",
            str(clients),
            "-d",
            f"{seconds:g}s",
            "--timeout",
            "60s",
            "-s",
            str(script),
            address,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"RESULT (\d+) (\d+) (\d+) ([\d.]+) ([\d.]+) ([\d.]+)", done.stdout)
    if found is None:
        raise SystemExit(done.stdout + done.stderr)
    requests, microseconds, errors, *latencies = map(float, found.groups())
    p50, p95, p99 = latencies
    return {
        "photos_per_s": requests / microseconds * 1e6,
        "errors": errors,
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
    }


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    text = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+)", text)
    return int(match[1]) / 1024 if match else float("nan")


def soak(address: str, pid: int, contents: list[bytes], seconds: float) -> dict[str, Any]:
    """Send good and bad photos, and watch memory and answers."""
    bad = {
        b"no photo": 415,
        b"": 400,
        contents[0][: len(contents[0]) // 2]: 422,
        b"\xff\xd8\xff" + bytes(5000): 422,
    }
    jobs = [(content, 200) for content in contents] + list(bad.items()) * 4
    wrong: dict[str, int] = {}
    counts: dict[int, int] = {}
    samples: list[float] = []

    def send(job: tuple[bytes, int]) -> None:
        content, expected = job
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{address}/v1/scores",
            data=content,
            method="POST",
            headers={"Content-Type": "image/jpeg"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                answer.read()
                status = answer.status
        except urllib.error.HTTPError as error:
            error.read()
            status = error.code
        counts[status] = counts.get(status, 0) + 1
        if status != expected:
            wrong[f"{status} for {expected}"] = wrong.get(f"{status} for {expected}", 0) + 1

    deadline = time.monotonic() + seconds
    with ThreadPoolExecutor(8) as pool:
        while time.monotonic() < deadline:
            list(pool.map(send, jobs))
            samples.append(memory_mb(pid))
    fifth = max(1, len(samples) // 5)
    return {
        "seconds": seconds,
        "answers": {str(status): count for status, count in sorted(counts.items())},
        "wrong": wrong,
        "memory_mb_first_fifth": statistics.mean(samples[:fifth]),
        "memory_mb_last_fifth": statistics.mean(samples[-fifth:]),
    }


def main() -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--soak-seconds", type=float, default=0)
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("needs wrk: install the package wrk")
    photos = [path for path, _ in zip(find_photos([settings.folder]), range(PHOTOS), strict=False)]
    contents = [photo.read_bytes() for photo in photos]
    scorer = Scorer.load()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlsp", "service", "--port", "0", "--queue", "512"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    found: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "load": []}
    try:
        address = process.stdout.readline().strip() if process.stdout else ""
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "photos.lua"
            paths = ", ".join(json.dumps(str(photo.resolve())) for photo in photos)
            script.write_text(_LUA.format(paths=paths))
            alone(scorer, contents, 3)
            under_load(address, script, 8, 3)
            for clients in CLIENTS:
                bare = alone(scorer, contents, settings.seconds)
                row = {"clients": clients, **under_load(address, script, clients, settings.seconds)}
                row["scorer_alone_photos_per_s"] = bare
                row["share"] = row["photos_per_s"] / bare
                found["load"].append(row)
                print(", ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
        if settings.soak_seconds:
            found["soak"] = soak(address, process.pid, contents, settings.soak_seconds)
            print(json.dumps(found["soak"]), flush=True)
    finally:
        process.terminate()
        process.wait()
    if settings.json is not None:
        settings.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
