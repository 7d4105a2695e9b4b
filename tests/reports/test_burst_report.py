"""Bursts on a terminal: what is left out where it is narrow."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from mlsp.culling.bursts import Burst, ScoredShot
from mlsp.culling.shots import Shot
from mlsp.reports.burst_report import burst_table, print_bursts, render_bursts
from mlsp.reports.rows import ReportModel
from mlsp.scoring.results import Score, ScoreResult

HEADS = ("quality", "beauty")


def shot(name: str, reason: str) -> ScoredShot:
    photo = Path("holiday/2024/beach") / name
    scores = {head: Score(0.731, 55.0) for head in HEADS}
    scored = ScoreResult(photo, scores, 100, 100)
    embedding = np.ones(1, np.float32)
    return ScoredShot(
        Shot(photo), scored, datetime(2024, 5, 1, 10, 20, 30), embedding, reason=reason
    )


def burst_of(*reasons: str) -> Burst:
    return Burst(
        tuple(shot(f"IMG_{number}.jpg", reason) for number, reason in enumerate(reasons, 1))
    )


def lines(width: int, *reasons: str) -> list[str]:
    burst = burst_of(*reasons)
    stream = io.StringIO()
    console = Console(file=stream, width=width)
    picked = {burst.shots[0].scored.source}
    console.print(render_bursts([burst], picked, heads=HEADS, console=console))
    return stream.getvalue().splitlines()


REASONS = (
    "sharper eyes than IMG_2",
    "softer eyes than IMG_1, which is the one that everybody likes",
)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (120, ("2024-05-01 10:20:30", "0.731", "sharper eyes than IMG_2", "beach/IMG_1.jpg")),
        (90, ("  10:20:30", "0.731", "sharper eyes than IMG_2", "/IMG_1.jpg")),
        (80, ("  10:20:30", "sharper eyes than IMG_2", "beach/IMG_1.jpg")),
        (60, ("2024-05-01 10:20:30", "0.731", "IMG_1.jpg")),
    ],
)
def test_a_terminal_shows_what_it_has_room_for(width: int, shown: tuple[str, ...]) -> None:
    _, _, first, second = lines(width, *REASONS)
    assert all(part in first for part in shown)
    assert ("0.731" in first) == ("0.731" in shown)
    assert ("sharper" in first) == ("sharper eyes than IMG_2" in shown)
    assert "✓" in first
    assert "✓" not in second
    assert len(first) <= width
    assert len(second) <= width


def test_scores_and_date_stay_where_there_are_no_reasons() -> None:
    *_, first, _ = lines(80, "", "")
    assert "2024-05-01 10:20:30" in first
    assert "0.731" in first


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_the_first_and_how_many_more_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        bursts = [burst_of(*REASONS)] * 25
        print_bursts(bursts, set(), ReportModel("m", HEADS), stream=stream)
    shown = terminal.getvalue()
    assert shown.count("sharper eyes") == 10
    assert "… 15 more (--output FILE.csv writes all)" in shown.splitlines()[-1]
    assert len(pipe.getvalue().splitlines()) == 51


def test_numbers_are_those_of_the_terminal() -> None:
    """What stands alone is no burst, also with copies, and a copy has no rank."""
    best, second, other = burst_of("sharper", "softer", "a copy of IMG_1").shots
    copy = replace(other, is_copy=True)
    bursts = [Burst((best,)), Burst((best, copy)), Burst((best, second, copy)), burst_of("", "")]
    table = burst_table(bursts, set(), ReportModel("m", HEADS))
    places = [table.names.index(name) for name in ("burst", "rank")]
    assert [tuple(row[place] for place in places) for row in table.texts()] == [
        ("", ""),
        *[("", "")] * 2,
        *[("1", "1"), ("1", "2"), ("1", "")],
        *[("2", "1"), ("2", "2")],
    ]
