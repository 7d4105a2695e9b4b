"""Evaluations as one self-contained HTML page: styles, plots and photos are in it; there are no scripts."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.base.atomic_file import atomic_write_text
from mlsp.base.errors import MissingExtraError, PhotoError
from mlsp.base.text import printable
from mlsp.evaluation.report.plots import plots
from mlsp.evaluation.report.table import (
    SHARES,
    measured,
    number,
    p_value,
    percent,
    shown_measures,
    signed,
    signed_as,
    vote_baseline,
)
from mlsp.photos.thumbnails import THUMBNAIL_MEDIA_TYPE, thumbnail

try:
    import jinja2
    from markupsafe import Markup
except ImportError as _error:
    raise MissingExtraError("An evaluation page", "research") from _error

if TYPE_CHECKING:
    from mlsp.evaluation import Evaluation, JudgedPhoto

_TEMPLATE = "evaluation.html.j2"
_THUMBNAIL_SIDE = 256
_THUMBNAIL_BYTES = 24_000
# Shown of what may be long; the JSON file has all of it.
_MAX_UNSCORED = 100


def write_evaluation_page(path: Path, evaluation: Evaluation) -> None:
    """Write the page.

    Args:
        path: the file; replaced whole.
        evaluation: what it shows. Photos that cannot be read are shown by their names only.

    Raises:
        OSError: the file cannot be written.
    """
    page = evaluation_page(evaluation)
    with atomic_write_text(path) as stream:
        stream.write(page)


def evaluation_page(evaluation: Evaluation) -> str:
    """Return the page as text; see `write_evaluation_page`."""
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        # A file's name may hold what UTF-8 cannot, or what turns the direction of writing.
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters.update(
        number=number,
        signed=signed,
        signed_as=signed_as,
        percent=percent,
        p_value=p_value,
        amount="{:,}".format,
        position=_position,
        bars=_bars,
        steps=_steps,
        shares=_named_shares,
    )
    template = environment.from_string(
        (resources.files("mlsp.evaluation.report") / _TEMPLATE).read_text("utf-8")
    )
    first = evaluation.models[0]
    return template.render(
        evaluation=evaluation,
        first=first,
        vote_baseline=vote_baseline(evaluation),
        measures=shown_measures(evaluation),
        numbers=[measured(model) for model in evaluation.models],
        percentages=SHARES,
        right_order=(1 + first.numbers["kendall"].value) / 2,
        plots=[
            {name: Markup(svg) for name, svg in plots(evaluation, model).items()}  # noqa: S704
            for model in evaluation.models
        ],
        thumbnails=_thumbnails((*first.best, *first.worst, *first.largest_errors)),
        max_unscored=_MAX_UNSCORED,
        version=version("mlsp"),
    )


def _position(correlation: float, left: float) -> str:
    """Return the position of a correlation on a line of 200 units from `left` to 1."""
    return f"{200 * (correlation - left) / (1 - left):.1f}"


def _bars(shares: Sequence[float], highest: float) -> str:
    """Return an SVG path of bars on 100 × 24 units, the tallest possible as high as `highest`."""
    width = 100 / len(shares)
    return "".join(
        f"M{(index + 0.12) * width:.1f} 24v{-24 * share / highest:.1f}h{0.76 * width:.1f}V24z"
        for index, share in enumerate(shares)
    )


def _steps(shares: Sequence[float], highest: float) -> str:
    """Return an SVG path of steps over the same bars."""
    width = 100 / len(shares)
    return "M0 24" + "".join(
        f"V{24 - 24 * share / highest:.1f}H{(index + 1) * width:.1f}"
        for index, share in enumerate(shares)
    )


def _named_shares(shares: Sequence[float]) -> str:
    return ", ".join(f"{100 * share:.0f} %" for share in shares)


def _thumbnails(photos: Iterable[JudgedPhoto]) -> dict[str, str | None]:
    """Return images by the photos' names; None for those that cannot be read."""
    found: dict[str, str | None] = {}
    for photo in photos:
        if photo.photo_id not in found:
            found[photo.photo_id] = _thumbnail(photo.photo)
    return found


def _thumbnail(path: Path) -> str | None:
    try:
        content = thumbnail(path, longest_side=_THUMBNAIL_SIDE, max_bytes=_THUMBNAIL_BYTES)
    except PhotoError:
        return None
    return f"data:{THUMBNAIL_MEDIA_TYPE};base64,{base64.b64encode(content).decode('ascii')}"
