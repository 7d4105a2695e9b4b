"""Ours beside the paper's: Markdown, CSV and a plot."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mlsp.atomic_file import atomic_write, atomic_write_text
from mlsp.experiments.records import METRICS, Outcome
from mlsp.experiments.tables import EXPERIMENTS

# The paper's: 5,000 of 19,928 test photos, of which 40 of either kind.
_HIGH_RATED, _SHOWN = 5000 / 19928, 40


def write_outcomes(folder: Path, name: str, outcomes: Sequence[Outcome]) -> tuple[Path, ...]:
    """Write NAME.md, NAME.csv and NAME.png.

    Args:
        folder: that exists.
        name: key of `EXPERIMENTS`.
        outcomes: of its rows.

    Returns:
        The files.

    Raises:
        OSError: one cannot be written.
    """
    text, table, plot = (folder / f"{name}.{suffix}" for suffix in ("md", "csv", "png"))
    with atomic_write_text(text) as file:
        file.write(as_markdown(name, outcomes))
    with atomic_write_text(table) as file:
        writer = csv.writer(file)
        if name == "fig8":
            writer.writerow(("photo", "mos", "score", "error", "of"))
            writer.writerows((*photo, photo[2] - photo[1], of) for of, photo in _selected(outcomes))
        else:
            names = [f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")]
            papers = [f"paper_{metric}" for metric in METRICS]
            header = ("label", "backbone", "views", *names, *papers, "note")
            writer.writerow(header)
            writer.writerows(_csv_row(outcome) for outcome in outcomes)
    with atomic_write(plot) as binary:
        figure = Figure(figsize=(8, 1.5 + 0.3 * len(outcomes)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        for place, outcome in enumerate(outcomes):
            paper = outcome.row.paper.srcc
            if paper is not None:
                axes.plot([paper], [place], "x", color="tab:orange")
            ours = outcome.result.numbers.get("srcc") if outcome.result else None
            if ours is not None and math.isfinite(ours.value):
                axes.plot([ours.low, ours.high], [place, place], color="tab:blue")
                axes.plot([ours.value], [place], "o", color="tab:blue")
        axes.set_yticks(
            range(len(outcomes)), [f"{one.row.label} {one.row.backbone}" for one in outcomes]
        )
        axes.invert_yaxis()
        axes.set_xlabel("SRCC (dot: ours with its 95 % interval; cross: the paper's, on AVA)")
        figure.savefig(binary, format="png", dpi=110)
    return text, table, plot


def as_markdown(name: str, outcomes: Sequence[Outcome]) -> str:
    """A table of ours and the paper's; for fig8 also the photos."""
    lines = [f"# {EXPERIMENTS[name].title}", ""]
    lines += [
        "Ours with 95 % bootstrap intervals over the test photos; the paper's are of AVA.",
        "",
    ]
    heads = [
        f"{metric} {whose}"
        for metric in ("SRCC", "PLCC", "accuracy")
        for whose in ("ours", "paper")
    ]
    lines.append(f"| row | network | views | {' | '.join(heads)} | note |")
    lines.append("|---" * (len(heads) + 4) + "|")
    for outcome in outcomes:
        row, cells = outcome.row, []
        for metric in METRICS:
            ours = outcome.result.numbers.get(metric) if outcome.result else None
            paper = getattr(row.paper, metric)
            if ours is None:
                cells.append("–")
            else:
                cells.append(f"{_text(ours.value)} [{_text(ours.low)}, {_text(ours.high)}]")
            cells.append("–" if paper is None else f"{paper:.3f}")
        views = row.views if row.backbone else ""
        note = outcome.result.how if outcome.result else outcome.reason
        lines.append(f"| {row.label} | {row.backbone} | {views} | {' | '.join(cells)} | {note} |")
    if name == "fig8":
        lines += ["", "| photo | MOS | score | error | of |", "|---|---|---|---|---|"]
        for of, (photo, mos, score) in _selected(outcomes):
            lines.append(f"| {photo} | {mos:.3f} | {score:.3f} | {score - mos:+.3f} | {of} |")
    return "\n".join(lines) + "\n"


def _selected(outcomes: Sequence[Outcome]) -> list[tuple[str, tuple[str, float, float]]]:
    """Photos of Fig. 8 and 9, of the row whose validation photos agree best."""
    results = [one.result for one in outcomes if one.result and one.result.scores]
    if not results:
        return []
    best = max(
        results, key=lambda result: (not math.isnan(result.validation_srcc), result.validation_srcc)
    )
    photos = sorted(
        zip(best.photo_ids, best.mos, best.scores, strict=True), key=lambda photo: -photo[1]
    )
    highest = photos[: max(1, round(len(photos) * _HIGH_RATED))]
    by_error = sorted(highest, key=lambda photo: abs(photo[2] - photo[1]))
    shown = min(_SHOWN, len(highest) // 2)
    return [("smallest errors", photo) for photo in by_error[:shown]] + [
        ("largest errors", photo) for photo in by_error[::-1][:shown]
    ]


def _csv_row(outcome: Outcome) -> list[str]:
    cells = [
        outcome.row.label,
        outcome.row.backbone,
        outcome.row.views if outcome.row.backbone else "",
    ]
    for metric in METRICS:
        ours = outcome.result.numbers.get(metric) if outcome.result else None
        values = (math.nan,) * 3 if ours is None else (ours.value, ours.low, ours.high)
        cells += [f"{value:.6f}" if math.isfinite(value) else "" for value in values]
    papers = [getattr(outcome.row.paper, metric) for metric in METRICS]
    cells += ["" if paper is None else str(paper) for paper in papers]
    return [*cells, outcome.result.how if outcome.result else outcome.reason]


def _text(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "–"
