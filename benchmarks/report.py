"""How long the HTML report of many photos takes to write, how large it is, and how a browser copes with it.

    python benchmarks/report.py PHOTOS [--photos 5000] [--json FILE]

The photos of the folder are used in turn, with made-up scores: the scoring itself is not measured. The browser is a Chromium without a
window, through playwright; without one its rows are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mlsp.photos import find_photos
from mlsp.reports import write_report
from mlsp.reports.html_report import picture_size
from mlsp.reports.rows import ReportModel
from mlsp.scoring.results import Score, ScoreResult

if TYPE_CHECKING:
    from playwright.sync_api import Page

Row: TypeAlias = dict[str, float | int | str]

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
STEPS = 300

# Scroll by a fourth of a window a frame; then to places far from each other; then filter and sort. Milliseconds until each is on
# the screen.
SCROLL = """async (steps) => {
    const frame = () => new Promise(requestAnimationFrame);
    const took = [];
    for (let step = 0; step < steps; step += 1) {
        const before = performance.now();
        window.scrollBy(0, 200);
        await frame();
        took.push(performance.now() - before);
    }
    return took;
}"""
JUMP = """async (steps) => {
    const frame = () => new Promise(requestAnimationFrame);
    const height = document.documentElement.scrollHeight;
    const took = [];
    for (let step = 0; step < steps / 5; step += 1) {
        const before = performance.now();
        window.scrollTo(0, height * ((step * 37) % 60) / 60);
        await frame();
        await frame();
        took.push(performance.now() - before);
    }
    return took;
}"""
FILTER = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    const text = document.querySelector("input[type=search]");
    const sort = document.querySelector("[aria-label='Sort by']");
    const took = [];
    for (const [input, type, values] of [[text, "input", ["1", "12", "1", ""]], [sort, "change", ["photo", "captured", "overall"]]]) {
        for (const value of values) {
            const before = performance.now();
            input.value = value;
            input.dispatchEvent(new Event(type));
            await frame();
            await frame();
            took.push(performance.now() - before);
        }
    }
    return took;
}"""


def made_up(folder: Path, photos: int) -> list[ScoreResult]:
    """The folder's photos with scores that mean nothing, best first."""
    found = list(find_photos([folder]))
    draw = random.Random(0)
    results = []
    for source in islice(cycle(found), photos):
        first, second = (100 * draw.betavariate(2, 2) for _ in range(2))
        scores = {"quality": Score(first / 100, first), "beauty": Score(1 + 0.06 * second, second)}
        results.append(ScoreResult(source, scores, 512, 512))
    return sorted(results, key=lambda result: -result.overall)


def row(what: str, value: float, unit: str) -> Row:
    """One line of the table."""
    return {"what": what, "value": round(value, 3 if value < 1 else 1), "unit": unit}


def times(what: str, took: list[float]) -> list[Row]:
    """Median, 95 % and worst of several times."""
    ordered = sorted(took)
    places = {"median": len(took) // 2, "95 %": int(0.95 * len(took)), "worst": -1}
    return [row(f"{what}, {name}", ordered[place], "ms") for name, place in places.items()]


def write(folder: Path, photos: int, path: Path) -> list[Row]:
    """Write the report, and say what it took."""
    results = made_up(folder, photos)
    started, used = time.perf_counter(), time.process_time()
    write_report(path, results, [], ReportModel("made up", ("quality", "beauty")))
    wall, processor = time.perf_counter() - started, time.process_time() - used
    size = picture_size(photos)
    return [
        row("photos", photos, ""),
        row("cores", os.cpu_count() or 0, ""),
        row("write", wall, "s"),
        row("write, of the processors", processor, "s"),
        row("most memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, "MB"),
        row("file", path.stat().st_size / 1e6, "MB"),
        row("longest side of a picture", size.longest_side, "pixels"),
        row("most bytes of a picture", size.max_bytes, "bytes"),
    ]


def look(page: Page, path: Path) -> list[Row]:
    """Open the report in a browser, and say how it goes."""
    started = time.perf_counter()
    page.goto(path.as_uri(), wait_until="commit")
    page.wait_for_selector(".g-card img[src]")
    first = time.perf_counter() - started
    page.wait_for_load_state("load")
    loaded = time.perf_counter() - started
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    return [
        row("first paint", paint, "ms"),
        row("first photo", 1000 * first, "ms"),
        row("all read", 1000 * loaded, "ms"),
        *times("frame while scrolling", page.evaluate(SCROLL, STEPS)),
        *times("jump far away", page.evaluate(JUMP, STEPS)),
        *times("filter or sort", page.evaluate(FILTER)),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=5000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.html")
        rows = write(arguments.folder, arguments.photos, path)
        browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
        if browser is not None:
            from playwright.sync_api import sync_playwright

            with sync_playwright() as playwright:
                opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
                rows += look(opened.new_page(viewport={"width": 1280, "height": 800}), path)
                opened.close()
    for line in rows:
        print(" | ".join(str(cell) for cell in line.values()))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
