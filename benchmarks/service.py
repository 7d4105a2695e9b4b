"""The service under load, beside the scorer alone; and a soak.

    python benchmarks/service.py FOLDER [--batch 1 4 8] [--batch-wait-ms 0] [--clients 1 8 64] [--seconds 15] [--rounds 1] [--soak-seconds 600] [--json FILE]

FOLDER holds photos; 64 of them are sent. Load comes from wrk, which takes little from the cores that it shares with the service. The scorer alone scores the
same photos from memory, in as many threads, photo by photo. Each size of batch has a service of its own; they are loaded in turn, in another order each round, so that what else the
machine does falls on all alike. Photos join batches only if they have one size, so FOLDER's should. `--soak-seconds` mixes good photos with damaged, small and foreign
ones and watches the memory of the first service.
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
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlsp.base.machine import usable_cores
from mlsp.photos import find_photos
from mlsp.scoring.scorer import Scorer

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


@dataclass(frozen=True)
class Served:
    """A service that runs."""

    batch: int
    address: str
    process: subprocess.Popen[str]

    def count(self, metric: str) -> float:
        """Read a metric; 0 before it has a value."""
        with urllib.request.urlopen(f"{self.address}/metrics", timeout=60) as answer:  # noqa: S310
            text = answer.read().decode()
        match = re.search(rf"^{re.escape(metric)} (\S+)", text, re.MULTILINE)
        return float(match[1]) if match else 0

    def finish(self) -> None:
        """Wait until it has scored what wrk no longer waits for."""
        while self.count("mlsp_photos_in_service"):
            time.sleep(0.05)

    def work(self) -> tuple[float, float, float, float]:
        """So far: processor seconds, photos scored, and runs of the network in batches and photos in those."""
        return (
            processor_s(self.process.pid),
            self.count('mlsp_photos_total{outcome="scored"}'),
            self.count("mlsp_batch_photos_count"),
            self.count("mlsp_batch_photos_sum"),
        )


@contextmanager
def serving(batch: int, wait_ms: float) -> Iterator[Served]:
    """Run `mlsp service`."""
    command = [sys.executable, "-m", "mlsp", "service", "--port", "0", "--queue", "512"]
    command += ["--batch", str(batch), "--batch-wait-ms", str(wait_ms)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = process.stdout.readline().strip() if process.stdout else ""
        if not address:
            raise SystemExit(f"{' '.join(command)} did not start")
        yield Served(batch, address, process)
    finally:
        process.terminate()
        process.wait()


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


def processor_s(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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


def measured(
    served: Served, script: Path, clients: int, seconds: float, bare: float
) -> dict[str, float]:
    """One row of the table."""
    before = served.work()
    row = {
        "clients": clients,
        "batch": served.batch,
        **under_load(served.address, script, clients, seconds),
    }
    served.finish()
    processor, photos, runs, in_runs = (
        now - then for now, then in zip(served.work(), before, strict=True)
    )
    row["scorer_alone_photos_per_s"] = bare
    row["share"] = row["photos_per_s"] / bare
    # What other processes do to the wall clock hardly moves this.
    row["processor_ms_a_photo"] = 1000 * processor / photos if photos else float("nan")
    row["photos_a_run"] = in_runs / runs if runs else 1
    row["memory_mb"] = memory_mb(served.process.pid)
    return row


def main() -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batch", type=int, nargs="+", default=[1])
    parser.add_argument("--batch-wait-ms", type=float, default=0)
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--soak-seconds", type=float, default=0)
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("needs wrk: install the package wrk")
    photos = [path for path, _ in zip(find_photos([settings.folder]), range(PHOTOS), strict=False)]
    contents = [photo.read_bytes() for photo in photos]
    scorer = Scorer()
    found: dict[str, Any] = {
        "cores": usable_cores(),
        "batch_wait_ms": settings.batch_wait_ms,
        "load": [],
    }
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        script = Path(folder) / "photos.lua"
        paths = ", ".join(json.dumps(str(photo.resolve())) for photo in photos)
        script.write_text(_LUA.format(paths=paths))
        services = [
            stack.enter_context(serving(batch, settings.batch_wait_ms)) for batch in settings.batch
        ]
        alone(scorer, contents, 3)
        for served in services:
            under_load(served.address, script, max(settings.clients), 3)
            served.finish()
        for number in range(settings.rounds):
            for clients in settings.clients:
                bare = alone(scorer, contents, settings.seconds)
                for served in services[:: -1 if number % 2 else 1]:
                    row = measured(served, script, clients, settings.seconds, bare)
                    found["load"].append(row)
                    print(", ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
        if settings.soak_seconds:
            first = services[0]
            found["soak"] = soak(first.address, first.process.pid, contents, settings.soak_seconds)
            print(json.dumps(found["soak"]), flush=True)
    if settings.json is not None:
        settings.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
