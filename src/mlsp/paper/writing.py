"""Results beside the paper's as Markdown, CSV and a plot."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from PIL.PngImagePlugin import PngInfo

from mlsp.base.atomic_file import (
    atomic_write,
    atomic_write_text,
    check_replaceable,
    check_writable,
    has_mark,
)
from mlsp.evaluation.records import JudgedPhoto
from mlsp.paper.claims import PairResult, check_claims
from mlsp.paper.extremes import Extremes, contact_sheet, find_extremes
from mlsp.paper.plots import line_figure, rows_figure
from mlsp.paper.records import METRICS, Outcome
from mlsp.paper.tables import EXPERIMENTS

_TITLES = {"srcc": "SRCC", "plcc": "PLCC", "accuracy": "accuracy", "emd": "EMD"}
_CSV_METRICS = tuple(_TITLES)
_CSV_HEADER = (
    *("label", "backbone", "views"),
    *(f"{name}{end}" for name in _CSV_METRICS for end in ("", "_low", "_high", "_mean", "_sd")),
    *(f"paper_{name}" for name in _CSV_METRICS),
    *("ratio", "paper_ratio", "seeds", "note"),
)
_PHOTOS_HEADER = ("photo", "mos", "score", "error", "of")
_PAIRS_HEADER = (
    *("claim", "better", "worse", "photos"),
    *("first", "second", "difference", "low", "high", "p_value", "verdict"),
)
_TEXT = "Ours with 95 % bootstrap intervals over the test photos; the paper's are of AVA."
_SOFTWARE = "mlsp experiment"
# Of files of ours, by which an earlier one is known.
_MARKS = {
    ".md": (_TEXT,),
    ".csv": ("label,backbone,views,srcc,", ",".join(_PHOTOS_HEADER), ",".join(_PAIRS_HEADER)),
    ".png": (f"Software\0{_SOFTWARE}",),
}
_BYTES_TO_MARK = 1024


def check_outcome_files(folder: Path, name: str) -> None:
    """Check, before hours of training, that `write_outcomes` can write its files, and replaces none of the user's.

    Args:
        folder: of the results, which need not be there.
        name: key of `EXPERIMENTS`.

    Raises:
        OutputError: a file cannot be written, or is the user's.
    """
    text, *others = _files(folder, name)
    if not folder.is_dir():
        return
    check_writable(text)
    check_replaceable(text, _is_ours)
    for path in others:
        check_writable(path)
        # Pictures of version 0.1.0 have no mark; its text has.
        check_replaceable(
            path, lambda path: _is_ours(path) or (path.suffix == ".png" and _is_ours(text))
        )


def _files(folder: Path, name: str) -> tuple[Path, ...]:
    """Return the text, the table, the pictures, and for claims the table of the pairs."""
    pictures = ("fig8.png", "fig9.png") if name == "fig8" else (f"{name}.png",)
    pairs = ("claims-pairs.csv",) if name == "claims" else ()
    return tuple(folder / file for file in (f"{name}.md", f"{name}.csv", *pictures, *pairs))


def _is_ours(path: Path) -> bool:
    return any(has_mark(path, mark.encode(), within=_BYTES_TO_MARK) for mark in _MARKS[path.suffix])


def write_outcomes(
    folder: Path,
    name: str,
    outcomes: Sequence[Outcome],
    groups: Mapping[str, str] | None = None,
    *,
    photos: Mapping[str, Path] | None = None,
) -> tuple[Path, ...]:
    """Write NAME.md, NAME.csv and NAME.png in place of earlier ones, see `check_outcome_files`; for claims also `claims-pairs.csv`, for fig8 also `fig9.png`.

    Args:
        folder: that exists.
        name: key of `EXPERIMENTS`.
        outcomes: of its rows.
        groups: see `mlsp.paper.check_claims`.
        photos: files by the photos' names, for the contact sheets of fig8.

    Returns:
        The files.

    Raises:
        OSError: one cannot be written.
    """
    text, table, *others = _files(folder, name)
    tested = check_claims(outcomes, groups) if name == "claims" else ()
    extremes = find_extremes(outcomes, photos) if name == "fig8" else None
    with atomic_write_text(text) as file:
        file.write(as_markdown(name, outcomes, tested))
    with atomic_write_text(table) as file:
        writer = csv.writer(file)
        if name == "fig8":
            writer.writerow(_PHOTOS_HEADER)
            writer.writerows(
                (one.photo_id, one.rating, one.score, one.error, of)
                for of, one in _shown_photos(extremes)
            )
        else:
            writer.writerow(_CSV_HEADER)
            writer.writerows(_csv_row(outcome) for outcome in outcomes)
    if name == "fig8":
        if extremes is None:
            return text, table
        _write_sheets(others, extremes)
        return (text, table, *others)
    plot, *pairs = others
    figure = (line_figure if name == "fig7" else rows_figure)(outcomes)
    with atomic_write(plot) as binary:
        figure.savefig(binary, format="png", dpi=110, metadata={"Software": _SOFTWARE})
    for path in pairs:
        _write_pairs(path, tested)
    return (text, table, *others)


def _write_sheets(paths: Sequence[Path], extremes: Extremes) -> None:
    marks = PngInfo()
    marks.add_text("Software", _SOFTWARE)
    kinds = (("smallest", extremes.smallest), ("largest", extremes.largest))
    for path, (kind, shown) in zip(paths, kinds, strict=True):
        title = (
            f"Figure {path.stem[-1]}: high-rated test photos with the {kind} errors; score, and people's rating in brackets"
            f"\n{extremes.model}"
        )
        with atomic_write(path) as binary:
            contact_sheet(title, shown).save(binary, format="png", pnginfo=marks)


def _write_pairs(path: Path, tested: Sequence[PairResult]) -> None:
    with atomic_write_text(path) as file:
        writer = csv.writer(file)
        writer.writerow(_PAIRS_HEADER)
        for one in tested:
            values = [getattr(one, field) for field in _PAIRS_HEADER[3:]]
            writer.writerow((one.claim.text, one.better, one.worse, *map(_cell, values)))


def as_markdown(name: str, outcomes: Sequence[Outcome], tested: Sequence[PairResult] = ()) -> str:
    """Return a table of our numbers and the paper's; for fig8 also the photos, for claims the pairs.

    Args:
        name: key of `EXPERIMENTS`.
        outcomes: of its rows.
        tested: see `mlsp.paper.check_claims`.
    """
    metrics = [metric for metric in (*METRICS, "emd") if metric != "emd" or _has_emd(outcomes)]
    seeds = max(len(outcome.repeats) for outcome in outcomes)
    lines = [f"# {EXPERIMENTS[name].title}", ""]
    lines += [
        _TEXT + (f" Below: mean and standard deviation over {seeds} seeds." * (seeds > 1)),
        "",
    ]
    heads = [f"{_TITLES[metric]} {whose}" for metric in metrics for whose in ("ours", "paper")]
    heads += ["SRCC/accuracy ours", "paper"]
    lines.append(f"| row | network | views | {' | '.join(heads)} | note |")
    lines.append("|---" * (len(heads) + 4) + "|")
    for outcome in outcomes:
        row = outcome.row
        cells: list[str] = []
        for metric in metrics:
            cells += _cells(outcome, metric)
        cells += [_ratio_text(_ratio(outcome)), _ratio_text(row.paper.ratio)]
        views = row.views if row.backbone else ""
        lines.append(
            f"| {row.label} | {row.backbone} | {views} | {' | '.join(cells)} | {outcome.note} |"
        )
    if name == "fig8":
        extremes = find_extremes(outcomes)
        if extremes is not None:
            lines += ["", f"Photos by {extremes.model}"]
        lines += ["", "| photo | MOS | score | error | of |", "|---|---|---|---|---|"]
        for of, one in _shown_photos(extremes):
            lines.append(
                f"| {one.photo_id} | {one.rating:.3f} | {one.score:.3f} | {one.error:+.3f} | {of} |"
            )
    if tested:
        lines += ["", *_claim_lines(tested)]
    return "\n".join(lines) + "\n"


def _cells(outcome: Outcome, metric: str) -> tuple[str, str]:
    """Return our number with its interval and its spread over seeds, and the paper's."""
    paper = outcome.row.paper
    text = partial(_text, metric=metric, decimals=paper.decimals)
    ours = outcome.result.numbers.get(metric) if outcome.result else None
    cell = "–"
    if ours is not None and math.isfinite(ours.value):
        cell = f"{text(ours.value)} [{text(ours.low)}, {text(ours.high)}]"
    spread = outcome.spread(metric)
    if spread is not None:
        cell += f"<br>{text(spread[0])} ± {text(spread[1])}"
    return cell, text(getattr(paper, metric))


def _has_emd(outcomes: Sequence[Outcome]) -> bool:
    return any(one.row.paper.emd is not None for one in outcomes)


def _ratio(outcome: Outcome) -> float | None:
    """Return SRCC over accuracy; None where one is not known."""
    numbers = outcome.result.numbers if outcome.result else {}
    if "srcc" not in numbers or not numbers.get("accuracy") or outcome.row.kind == "size":
        # The SRCC of width and height is not of what the accuracy is of.
        return None
    return numbers["srcc"].value / numbers["accuracy"].value


def _ratio_text(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.2f}"


def _shown_photos(extremes: Extremes | None) -> list[tuple[str, JudgedPhoto]]:
    if extremes is None:
        return []
    return [("smallest errors", one) for one in extremes.smallest] + [
        ("largest errors", one) for one in extremes.largest
    ]


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


def outcome_cells(outcome: Outcome) -> dict[str, object]:
    """Return the cells of a row by their columns: texts, and numbers as they are, NaN where there is none."""
    row, numbers = outcome.row, outcome.result.numbers if outcome.result else {}
    cells: list[object] = [row.label, row.backbone, row.views if row.backbone else ""]
    for metric in _CSV_METRICS:
        ours = numbers.get(metric)
        values = (math.nan,) * 3 if ours is None else (ours.value, ours.low, ours.high)
        cells += (*values, *(outcome.spread(metric) or (math.nan,) * 2))
    papers = [getattr(row.paper, metric) for metric in _CSV_METRICS]
    known = [*papers, _ratio(outcome), row.paper.ratio]
    cells += [math.nan if number is None else number for number in known]
    cells += [len(outcome.repeats) or int(outcome.result is not None), outcome.note]
    return dict(zip(_CSV_HEADER, cells, strict=True))


def _csv_row(outcome: Outcome) -> list[object]:
    papers = {f"paper_{metric}" for metric in _CSV_METRICS}
    return [
        # The paper's as it prints them.
        cell if name in papers and cell == cell else _cell(cell)
        for name, cell in outcome_cells(outcome).items()
    ]


def _text(value: float | None, *, metric: str, decimals: int) -> str:
    """Return a number as the paper prints it: accuracies in per cent."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{decimals}%}" if metric == "accuracy" else f"{value:.3f}"
