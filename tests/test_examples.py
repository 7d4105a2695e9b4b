"""The worked examples run: their commands and their code, in order, on the example photos."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mlsp import Scorer
from pages import ROOT, code_blocks


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the example photos, in which `mlsp` and `python` are those of this run."""
    photos = tmp_path / "examples"
    photos.mkdir()
    for path in (ROOT / "examples").iterdir():
        if path.suffix in (".png", ".jpg"):
            shutil.copy(path, photos)
    programs = tmp_path / ".programs"
    programs.mkdir()
    for name, call in {"mlsp": "-m mlsp", "python": "", "pip": "-c pass"}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {call} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_page(name: str) -> None:
    """Run the blocks of `sh` and `python` of a page, in order; those of `text` are shown only."""
    steps = [block for block in code_blocks(ROOT / "examples" / name) if block.language != "text"]
    for block in steps:
        program = {"sh": ["bash", "-ec"], "python": ["python", "-c"]}[block.language]
        done = subprocess.run([*program, block.text], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"line {block.line}: {block.text}\n{done.stderr}"
    assert len(steps) >= 3


def test_a_shoot_is_scored_picked_and_rated(workplace: Path) -> None:
    run_page("score_a_shoot.md")
    assert (workplace / "shoot" / "report.html").is_file()
    assert (workplace / "why" / "clock_motion.quality.png").is_file()
    assert "xmp:Rating" in (workplace / "selection" / "coffee.png.xmp").read_text("utf-8")


def test_the_shoot_has_the_scores_that_its_page_shows() -> None:
    scorer = Scorer()
    page = (ROOT / "examples" / "score_a_shoot.md").read_text("utf-8")
    rows = re.findall(r"^\d  shoot/(\S+) .*?(\d\.\d{3}) +(\d+) +(\d\.\d{3}) +(\d+)$", page, re.M)
    assert len(rows) == 3
    for name, *shown in rows:
        scores = scorer.score_one(ROOT / "examples" / name).scores
        quality, beauty = scores["quality"], scores["beauty"]
        found = (quality.value, quality.percentile, beauty.value, beauty.percentile)
        # Processors differ in their last bits.
        for number, value, most in zip(shown, found, (0.01, 2, 0.05, 2), strict=True):
            assert float(number) == pytest.approx(value, abs=most), name


def test_a_million_photos_have_a_row_each(workplace: Path) -> None:
    run_page("a_million_photos.md")
    assert list((workplace / "scores").glob("*.parquet"))


def test_the_readme_learns_from_own_ratings(workplace: Path) -> None:
    """Photos of two kinds, of which one is liked; the block runs as it stands there."""
    (workplace / "photos").mkdir()
    rows = ["photo,rating"]
    for number in range(32):
        name, liked = ("coffee.png", 4) if number % 2 else ("hubble_deep_field.jpg", 2)
        with Image.open(workplace / "examples" / name) as photo:
            left, top = 10 * number, 6 * number
            photo.crop((left, top, left + 96, top + 64)).save(workplace / f"photos/{number}.png")
        rows.append(f"{number}.png,{liked + number / 100}")
    (workplace / "ratings.csv").write_text("\n".join(rows))
    (block,) = [block for block in code_blocks(ROOT / "README.md") if "mlsp train" in block.text]
    done = subprocess.run(["bash", "-ec", block.text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ranked = [line.split("\t")[0] for line in done.stdout.splitlines() if ".png\t" in line]
    assert len(ranked) == 32
    assert all(int(Path(photo).stem) % 2 for photo in ranked[:12])


@pytest.mark.network
def test_the_readme_sets_up_and_scores(tmp_path: Path) -> None:
    """Its first block, in a copy of the repository: installs what it needs from a package registry."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        copy = tmp_path / "mlsp" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy)
    (tmp_path / "python3").symlink_to(sys.executable)
    block = next(code_blocks(ROOT / "README.md"))
    environment = {name: os.environ[name] for name in os.environ if name != "PYTHONPATH"}
    done = subprocess.run(
        ["bash", "-ec", block.text],
        cwd=tmp_path / "mlsp",
        env=environment | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "6 scored in " in done.stderr


def test_the_notebook_learns_sharpness(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its code cells run in one namespace, in order, as a kernel runs them."""
    file = ROOT / "examples" / "train_on_your_ratings.ipynb"
    notebook = json.loads(file.read_text("utf-8"))
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            code = compile("".join(cell["source"]), f"{file.name}, cell {number}", "exec")
            exec(code, namespace)  # noqa: S102 - our own
    namespace["photos"].close()
    namespace["scorer"].close()
    assert namespace["ridge"].trained_.test.srcc > 0.8
    # Drawn on the same photos, in groups.
    assert (
        namespace["difference"].low < namespace["difference"].value < namespace["difference"].high
    )
    assert namespace["explanation"].contributions.any()
    assert [result.source.name for result in namespace["ranked"]][-1] == "clock_motion.png"
    assert (workplace / "sharpness" / "model.json").is_file()


def test_the_notebook_shows_what_its_cells_print() -> None:
    """It was run before it was committed, from top to bottom, and no cell failed."""
    notebook = json.loads((ROOT / "examples" / "train_on_your_ratings.ipynb").read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert all(output["output_type"] != "error" for cell in code for output in cell["outputs"])
