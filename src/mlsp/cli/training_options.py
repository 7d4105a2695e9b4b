"""Options of the commands that train, each defined once, as in `mlsp.cli.options`: they follow recipes and heads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Recipe = Annotated[
    str,
    typer.Option(
        "--recipe",
        metavar="NAME",
        help="paper, released; small: for hundreds or thousands of photos; components: for learning on --components.",
    ),
]
MoreDropout = Annotated[
    bool,
    typer.Option("--more-dropout", help="The paper's +do: dropout rates of .5, .5 and .75."),
]
First = Annotated[
    int | None,
    typer.Option(
        "--first", metavar="X", min=1, help="Width of a 3FC's first layer; by default the paper's."
    ),
]
Column = Annotated[
    int | None,
    typer.Option(
        "--column",
        metavar="N",
        min=2,
        help="Channels of each column of Pool-3FC, even; by default the paper's 1024.",
    ),
]
Memory = Annotated[
    float | None,
    typer.Option(
        "--memory",
        metavar="GB",
        min=0,
        max=1e6,
        help="Maximum size of the features to hold in memory, in gigabytes; larger ones are read while training. By default half of the machine's memory.",
    ),
]
Distribution = Annotated[
    bool,
    typer.Option(
        "--distribution",
        help="Learn the distribution of the votes, as NIMA does, instead of their mean.",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        "--epochs",
        metavar="N",
        min=1,
        help="Maximum number of epochs; by default the recipe's. A higher one continues a finished run.",
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch", metavar="N", min=2, help="Photos per training step; by default the recipe's."
    ),
]
Components = Annotated[
    int | None,
    typer.Option(
        "--components",
        metavar="N",
        min=1,
        help="Learn on N principal components of each level: a fraction of the work on wide features. The head that comes out reads all channels.",
    ),
]
TrainPrecision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="NAME",
        help="float32, or bfloat16 for the large matrix products.",
    ),
]
RunFolder = Annotated[
    Path | None,
    typer.Option(
        "--run-folder",
        metavar="DIR",
        help="Folder of what an interrupted run continues from, log.csv and curves.png; by default the model's with .run added.",
    ),
]
OtherBackbone = Annotated[
    str | None,
    typer.Option(
        "--backbone", "-b", metavar="NAME", help="Network to take instead of the paper's."
    ),
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds",
        metavar="N",
        min=1,
        help="Train each head N times, with other seeds, and report the mean and spread over them.",
    ),
]
