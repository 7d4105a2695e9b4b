"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

Workers: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-w",
        metavar="N",
        min=1,
        help="Photos at a time; by default one more than the cores.",
        show_default=False,
    ),
]
Device: TypeAlias = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
ScoringDevice: TypeAlias = Annotated[
    str,
    typer.Option(
        "--device",
        help="auto, cpu or cuda. auto is cpu; cuda needs torch and the network's published weights.",
    ),
]
# The upper end keeps `inf` out, which is no number of pixels.
MaxMegapixels: TypeAlias = Annotated[
    float, typer.Option("--max-megapixels", min=0.001, max=1e6, help="Refuse larger photos.")
]
Quiet: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="No progress and no summary; failed photos are still named."
    ),
]
