"""Results beside the paper's as Markdown, CSV and a plot."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from mlsp.base.atomic_file import atomic_write, atomic_write_text
from mlsp.paper.claims import PairResult, check_claims
from mlsp.paper.plots import line_figure, rows_figure
from mlsp.paper.records import METRICS, Outcome
from mlsp.paper.tables import EXPERIMENTS

# The paper's: 5,000 of 19,928 test photos, of which 40 of either kind.
_HIGH_RATED, _SHOWN = 5000 / 19928, 40


def write_outcomes(
    folder: Path,
    name: str,
    outcomes: Sequence[Outcome],
    groups: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Write NAME.md, NAME.csv and NAME.png; for claims also `claims-pairs.csv`.

    Args:
        folder: that exists.
        name: key of `EXPERIMENTS`.
        outcomes: of its rows.
        groups: see `mlsp.paper.check_claims`.

    Returns:
        The files.

    Raises:
        OSError: one cannot be written.
    """
    text, table, plot = (folder / f"{name}.{suffix}" for suffix in ("md", "csv", "png"))
    tested = check_claims(outcomes, groups) if name == "claims" else ()
    with atomic_write_text(text) as file:
        file.write(as_markdown(name, outcomes, tested))
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
        figure = (line_figure if name == "fig7" else rows_figure)(outcomes)
        figure.savefig(binary, format="png", dpi=110)
    if not tested:
        return text, table, plot
    pairs = folder / f"{name}-pairs.csv"
    with atomic_write_text(pairs) as file:
        writer = csv.writer(file)
        fields = ("photos", "first", "second", "difference", "low", "high", "p_value", "verdict")
        writer.writerow(("claim", "better", "worse", *fields))
        for one in tested:
            values = [getattr(one, field) for field in fields]
            writer.writerow((one.claim.text, one.better, one.worse, *map(_cell, values)))
    return text, table, plot, pairs


def as_markdown(name: str, outcomes: Sequence[Outcome], tested: Sequence[PairResult] = ()) -> str:
    """Return a table of our numbers and the paper's; for fig8 also the photos, for claims the pairs.

    Args:
        name: key of `EXPERIMENTS`.
        outcomes: of its rows.
        tested: see `mlsp.paper.check_claims`.
    """
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
            text = partial(_text, metric=metric, decimals=row.paper.decimals)
            if ours is None:
                cells.append("–")
            else:
                cells.append(f"{text(ours.value)} [{text(ours.low)}, {text(ours.high)}]")
            cells.append(text(getattr(row.paper, metric)))
        views = row.views if row.backbone else ""
        note = outcome.result.how if outcome.result else outcome.reason
        lines.append(f"| {row.label} | {row.backbone} | {views} | {' | '.join(cells)} | {note} |")
    if name == "fig8":
        lines += ["", "| photo | MOS | score | error | of |", "|---|---|---|---|---|"]
        for of, (photo, mos, score) in _selected(outcomes):
            lines.append(f"| {photo} | {mos:.3f} | {score:.3f} | {score - mos:+.3f} | {of} |")
    if tested:
        lines += ["", *_claim_lines(tested)]
    return "\n".join(lines) + "\n"


def _claim_lines(tested: Sequence[PairResult]) -> list[str]:
    lines = [
        "SRCC of both rows of a pair on the same photos. A claim holds where the 95 % interval of the difference is above 0,"
        " or above -.02 for `as good`; contrary: below; open: neither.",
        "",
        "| claim | the paper's | better | worse | SRCC | difference | p | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in tested:
        cells = ("–", "–", "–")
        if math.isfinite(one.difference):
            cells = (
                f"{one.first:.3f} and {one.second:.3f}",
                f"{one.difference:+.3f} [{one.low:+.3f}, {one.high:+.3f}]",
                f"{one.p_value:.3f}",
            )
        claim = one.claim
        texts = (claim.text, claim.paper, one.better, one.worse, *cells, one.verdict)
        lines.append(f"| {' | '.join(texts)} |")
    return lines


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.6f}" if math.isfinite(value) else ""
    return value


def _selected(outcomes: Sequence[Outcome]) -> list[tuple[str, tuple[str, float, float]]]:
    """Return the photos of Fig. 8 and 9, of the row whose validation photos agree best."""
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


def _text(value: float | None, *, metric: str, decimals: int) -> str:
    """Return a number as the paper prints it: accuracies in per cent."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{decimals}%}" if metric == "accuracy" else f"{value:.3f}"
