"""Options of `mlsp score` for stars in XMP sidecars, and what it says while it writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from mlsp.base.results import ScoreFailure
    from mlsp.culling.xmp.report import XmpSettings
    from mlsp.scoring.results import ScoreResult

_PANEL = "Stars"

Xmp: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--xmp",
        help="Write 1 to 5 stars into XMP sidecars beside the photos, by the percentile of the column of --sort.",
        rich_help_panel=_PANEL,
    ),
]
StarThresholds: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--star-thresholds",
        metavar="P,P,P,P",
        help="Percentiles at which 2, 3, 4 and 5 stars begin; by default 20,45,70,90.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
XmpNames: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--xmp-names",
        metavar="NAMES",
        help="darktable for photo.jpg.xmp, lightroom for photo.xmp, both by default.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
OverwriteRatings: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--overwrite-ratings",
        help="Also where somebody rated the photo by hand; such ratings are kept otherwise.",
        rich_help_panel=_PANEL,
    ),
]


def give_stars(
    ranked: Sequence[ScoreResult], settings: XmpSettings | None, *, by: str, quiet: bool
) -> Sequence[ScoreFailure]:
    """Write sidecars with a progress bar and a summary.

    Args:
        ranked: results.
        settings: how; None for not at all.
        by: the column whose percentile counts.
        quiet: show neither bar nor summary.

    Returns:
        The photos whose sidecar was left alone.
    """
    from mlsp.cli.progress import RunProgress
    from mlsp.culling.xmp.report import write_stars

    if settings is None:
        return ()
    with RunProgress(len(ranked), done_word="rated", quiet=quiet) as progress:
        summary = write_stars(ranked, by=by, settings=settings, on_result=progress.advance)
    if not quiet:
        typer.echo(str(summary), err=True)
    return summary.failed
