"""The page about `mlsp.research` shows what works, and has all of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import mlsp.research
from pages import ROOT, code_blocks
from training_data import make_store, make_table, planted

PAGE = ROOT / "docs" / "python.md"
PHOTOS = 120


def test_the_reference_has_all_of_research() -> None:
    documented = re.findall(r"^::: mlsp\.research\.(\w+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(documented) == mlsp.research.__all__


def test_the_section_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    monkeypatch.chdir(tmp_path)
    features, mos = planted(PHOTOS, views=2, grid=5)
    make_store(tmp_path / "features.h5", features, grids=(1, 5), failed=(3,))
    lines = [f"{rating.photo_id},{rating.mos}" for rating in make_table(mos)]
    text = "\n".join(["photo,mos", *lines, "elsewhere.jpg,5"])
    (tmp_path / "ratings.csv").write_text(text, "utf-8")
    lines = PAGE.read_text("utf-8").split("\n")
    first, last = (lines.index(title) + 1 for title in ("## Research", "## Your own head"))
    blocks = [block for block in code_blocks(PAGE) if first < block.line < last]
    namespace: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block.text, f"python.md, line {block.line}", "exec"), namespace)  # noqa: S102 - our own
    assert len(blocks) >= 3
    namespace["photos"].close()
    assert namespace["photos"].left_out == ("album/0003.jpg", "elsewhere.jpg")
    assert namespace["regressor"].trained_.test.srcc > 0.5
    assert (tmp_path / "mine" / "model.json").is_file()
