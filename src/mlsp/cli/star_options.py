"""Options of `mlsp score` for stars in XMP sidecars."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

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
