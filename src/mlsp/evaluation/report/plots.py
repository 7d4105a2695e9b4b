"""Plots of an evaluation as SVG with the colours and fonts of the page, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlsp.base.errors import MissingExtraError
from mlsp.evaluation.metrics import vote_spread

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.figure import Figure
except ImportError as _error:
    raise MissingExtraError("An evaluation page", "research") from _error

if TYPE_CHECKING:
    from mlsp.evaluation import Evaluation, ModelResult, VoteResult

# Stand-ins: each is written into the SVG as such and replaced by what the page calls it.
_INK, _LINE, _ACCENT = "#000001", "#000002", "#000003"
_DENSITY = tuple(f"#00001{level}" for level in range(1, 7))
_PAGE_COLOURS: Mapping[str, str] = {
    _INK: "currentColor",
    _LINE: "var(--line)",
    _ACCENT: "var(--accent)",
    **{colour: f"var(--density-{level})" for level, colour in enumerate(_DENSITY, 1)},
}
_SIZE_INCHES = (4.4, 3.9)
# Up to here each photo is drawn as a point too; beyond, points would be a blot, and the page heavy.
_MAX_POINTS = 1000


def plots(evaluation: Evaluation, model: ModelResult) -> dict[str, str]:
    """Draw one model's plots.

    Returns:
        SVG elements without a description: `scatter`, `calibration`, `residuals` and `errors`; and `votes` and `spread` of a model
        that predicts votes.
    """
    prefix = f"m{evaluation.models.index(model)}"
    scores = np.array([photo.score for photo in model.photos])
    ratings = np.array([photo.rating for photo in model.photos])
    drawn: dict[str, Callable[[Axes], None]] = {
        "scatter": lambda axes: _scatter(axes, scores, ratings),
        "calibration": lambda axes: _calibration(axes, model),
        "residuals": lambda axes: _residuals(axes, scores, ratings, model),
        "errors": lambda axes: _errors(axes, scores - ratings),
    }
    votes = model.votes
    if votes is not None:
        people, predicted = _spreads(model, votes.bins)
        drawn["votes"] = lambda axes: _votes(axes, votes)
        drawn["spread"] = lambda axes: _spread(axes, predicted, people)
    return {name: _svg(draw, f"{prefix}-{name}-") for name, draw in drawn.items()}


def _scatter(axes: Axes, scores: np.ndarray, ratings: np.ndarray) -> None:
    _density(axes, scores, ratings)
    _diagonal(axes, scores, ratings)
    axes.set(xlabel="score of the model", ylabel="mean rating of people")


def _calibration(axes: Axes, model: ModelResult) -> None:
    bins = model.calibration
    x = np.array([each.mean_score for each in bins])
    y = np.array([each.mean_rating for each in bins])
    half = np.nan_to_num(np.array([each.high - each.mean_rating for each in bins]))
    _diagonal(axes, np.append(x, y - half), np.append(x, y + half))
    axes.errorbar(
        x, y, yerr=half, color=_ACCENT, marker="o", markersize=5, capsize=3, linewidth=1.2
    )
    axes.set(xlabel="mean score of the model", ylabel="mean rating of people")


def _residuals(axes: Axes, scores: np.ndarray, ratings: np.ndarray, model: ModelResult) -> None:
    _density(axes, scores, scores - ratings)
    axes.axhline(0, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.plot(
        [each.mean_score for each in model.calibration],
        [each.mean_score - each.mean_rating for each in model.calibration],
        color=_INK,
        marker="o",
        markersize=4,
        linewidth=1.5,
    )
    axes.set(xlabel="score of the model", ylabel="error: score − rating")


def _errors(axes: Axes, errors: np.ndarray) -> None:
    bins = int(np.clip(np.sqrt(len(errors)), 8, 40))
    axes.hist(errors, bins=bins, color=_DENSITY[3], edgecolor="none", rwidth=0.92)
    axes.axvline(0, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set(xlabel="error: score − rating", ylabel="photos")


def _votes(axes: Axes, votes: VoteResult) -> None:
    positions = np.arange(len(votes.bins))
    axes.bar(
        positions, votes.actual, width=0.76, color=_DENSITY[1], edgecolor="none", label="people"
    )
    edges = np.arange(len(votes.bins) + 1) - 0.5
    axes.stairs(votes.predicted, edges, color=_ACCENT, linewidth=1.8, label="model")
    # Of many bins only some are named, so that names do not touch.
    every = max(1, len(votes.bins) // 10)
    axes.set_xticks(positions[::every], [f"{value:g}" for value in votes.bins[::every]])
    axes.set(xlabel="vote", ylabel="share of the votes")
    axes.legend(frameon=False, labelcolor=_INK)


def _spreads(model: ModelResult, bins: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the standard deviations of people's votes and of the model's, (photos,) each."""
    people = np.array([photo.votes for photo in model.photos])
    predicted = np.array([photo.predicted_votes for photo in model.photos])
    return vote_spread(people, bins), vote_spread(predicted, bins)


def _spread(axes: Axes, predicted: np.ndarray, people: np.ndarray) -> None:
    _density(axes, predicted, people)
    _diagonal(axes, predicted, people)
    axes.set(xlabel="spread of the model's votes", ylabel="spread of people's votes")


def _density(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Draw hexagons by how many photos are in them, in six steps of equal ratio; few photos as points as well."""
    hexagons = axes.hexbin(
        x, y, gridsize=int(np.clip(np.sqrt(len(x)), 12, 45)), mincnt=1, linewidths=0.2
    )
    most = float(np.asarray(hexagons.get_array()).max())
    edges = np.unique(np.round(np.geomspace(1, most + 1, len(_DENSITY) + 1)))
    # With few photos a hexagon there are fewer steps than colours.
    steps = np.linspace(0, len(_DENSITY) - 1, max(1, len(edges) - 1)).round().astype(int)
    shown = [_DENSITY[step] for step in steps]
    hexagons.set(
        cmap=ListedColormap(shown),
        norm=BoundaryNorm(edges if len(edges) > 1 else [1, 2], len(shown)),
    )
    if len(x) <= _MAX_POINTS:
        axes.plot(x, y, "o", color=_ACCENT, markersize=2.2, markeredgewidth=0)


def _diagonal(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    edge = 0.03 * (high - low) or 0.5
    limits = (low - edge, high + edge)
    axes.plot(limits, limits, color=_INK, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set(xlim=limits, ylim=limits)


def _svg(draw: Callable[[Axes], None], prefix: str) -> str:
    # Text stays text, and the same plot is the same bytes.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": prefix, "font.size": 10}):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.grid(color=_LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.patch.set_visible(False)
        axes.tick_params(color=_LINE, labelcolor=_INK)
        for label in (axes.xaxis.label, axes.yaxis.label):
            label.set_color(_INK)
        for side, spine in axes.spines.items():
            spine.set(visible=side in ("left", "bottom"), color=_LINE)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return _for_page(stream.getvalue(), prefix)


def _for_page(document: str, prefix: str) -> str:
    """Return the SVG element alone, as wide as its container, with ids of its own and the page's colours."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}", svg)
    svg = re.sub(r'href="#', f'href="#{prefix}', svg)
    return re.sub("#0000[01][0-9]", lambda match: _PAGE_COLOURS.get(match[0], match[0]), svg)
