"""Plots of a table's rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mlsp.paper.records import Estimate, Outcome

_OURS, _PAPERS = "tab:blue", "tab:orange"


def rows_figure(outcomes: Sequence[Outcome]) -> Figure:
    """Plot the SRCC of each row, one below the other, beside the paper's."""
    figure = Figure(figsize=(8, 1.5 + 0.3 * len(outcomes)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for index, outcome in enumerate(outcomes):
        paper = outcome.row.paper.srcc
        if paper is not None:
            axes.plot([paper], [index], "x", color=_PAPERS)
        ours = _srcc(outcome)
        if ours is not None:
            axes.plot([ours.low, ours.high], [index, index], color=_OURS)
            axes.plot([ours.value], [index], "o", color=_OURS)
    axes.set_yticks(
        range(len(outcomes)), [f"{one.row.label} {one.row.backbone}" for one in outcomes]
    )
    axes.invert_yaxis()
    axes.set_xlabel("SRCC (dot: ours with its 95 % interval; cross: the paper's, on AVA)")
    return figure


def line_figure(outcomes: Sequence[Outcome]) -> Figure:
    """Plot the SRCC over the number of levels, from the last, as Fig. 7 does."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    paper_head = outcomes[0].row.head
    for number, head in enumerate(dict.fromkeys(one.row.head for one in outcomes)):
        there = [
            (one.row.last_levels or 0, found)
            for one in outcomes
            if one.row.head == head and (found := _srcc(one))
        ]
        if not there:
            continue
        levels = [count for count, _ in there]
        values = [found.value for _, found in there]
        lows, highs = [found.low for _, found in there], [found.high for _, found in there]
        colour = _OURS if head == paper_head else f"C{number + 1}"
        axes.fill_between(levels, lows, highs, color=colour, alpha=0.2, linewidth=0)
        whose = "ours" if head == paper_head else head
        axes.plot(levels, values, "o-", color=colour, label=f"{whose}, with its 95 % interval")
    papers = [
        (one.row.last_levels or 0, one.row.paper.srcc)
        for one in outcomes
        if one.row.paper.srcc is not None
    ]
    if papers:
        axes.plot(*zip(*papers, strict=True), "x", color=_PAPERS, label="the paper's, on AVA")
    if axes.lines:
        axes.legend()
    axes.set_xlim(0.5, max(one.row.last_levels or 0 for one in outcomes) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("levels, from the last")
    axes.set_ylabel("SRCC")
    return figure


def _srcc(outcome: Outcome) -> Estimate | None:
    found = outcome.result.numbers.get("srcc") if outcome.result else None
    return found if found is not None and math.isfinite(found.value) else None
