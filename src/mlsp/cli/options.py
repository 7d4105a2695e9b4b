"""Arguments and options that several commands share, each defined once: one name, one meaning, one help text.

What one command alone has stands in its signature, as do all defaults. Those of training are in `mlsp.cli.training_options`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# Photos

Photos = Annotated[
    list[Path],
    typer.Argument(metavar="PATH...", readable=False, help="Photos, and folders of photos."),
]
RatingsFile = Annotated[
    Path | None,
    typer.Option(
        "--ratings",
        readable=False,
        metavar="FILE",
        help="File of your ratings; by default the variable MLSP_RATINGS names it, else it is in your data folder.",
    ),
]
Recursive = Annotated[
    bool, typer.Option("--recursive/--no-recursive", help="Look into subfolders too.")
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude",
        metavar="GLOB",
        help="Leave out files and folders of this name, such as '*-edit.jpg'; may be repeated.",
    ),
]
Pairs = Annotated[
    str,
    typer.Option(
        "--pairs",
        metavar="on|off",
        help="on: a raw photo and its JPEG are one shot, scored by the JPEG. off: each file is a shot.",
    ),
]
MaxMegapixels = Annotated[
    # The upper end keeps `inf` out, which is no number of pixels.
    float,
    typer.Option(
        "--max-megapixels", metavar="MP", min=0.001, max=1e6, help="Refuse larger photos."
    ),
]

Faces = Annotated[
    str,
    typer.Option(
        "--faces",
        metavar="on|off",
        help="on: shots of a burst in which a prominent face has its eyes closed come last. off: faces are not looked for.",
    ),
]

# Models and how they run

Model = Annotated[
    str,
    typer.Option(
        "--model", "-m", metavar="NAME|DIR", help="Model to score with; `mlsp models` lists them."
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device", metavar="NAME", help="cpu, cuda, or auto: cuda where there is such a GPU."
    ),
]
ScoringDevice = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help="cpu, cuda, or auto, which is cpu. cuda needs torch and the network's published weights.",
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="NAME",
        help="Arithmetic of the network: float32, bfloat16, or auto: bfloat16 where the processor has it.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-w",
        metavar="N",
        min=1,
        help="Photos in progress at the same time; by default one more than there are cores.",
    ),
]
Cache = Annotated[
    bool, typer.Option("--cache/--no-cache", help="Keep features and scores for later runs.")
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Show no progress and no summary; failed photos are still named."
    ),
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Try photos again that failed in an earlier run.")
]
Port = Annotated[
    int,
    typer.Option(
        "--port", metavar="N", min=0, max=65535, help="Port to listen on; 0 takes a free one."
    ),
]

# Networks and features

Backbone = Annotated[
    str,
    typer.Option("--backbone", "-b", metavar="NAME", help="Network; `mlsp backbones` lists them."),
]
Levels = Annotated[
    str,
    typer.Option(
        "--levels",
        metavar="NAMES",
        help="all; the last few, such as last5; or names from `mlsp backbones NAME`, separated by commas.",
    ),
]
Views = Annotated[
    str,
    typer.Option(
        "--views",
        metavar="NAME",
        help="Crops of each photo: whole, whole_mirrored, or corners8, 7/8 of each side at the four corners and mirrored.",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="Weights of the network; by default the published ones.",
    ),
]
LongestSide = Annotated[
    int | None,
    typer.Option(
        "--longest-side",
        metavar="N",
        min=1,
        help="Reduce larger photos to N pixels; by default photos keep their size, as in the paper.",
    ),
]
Resize = Annotated[
    str | None,
    typer.Option(
        "--resize",
        metavar="WxH",
        help="Bring every photo to this size, whatever its proportions: 256x256 for the paper's Table 2.",
    ),
]

ReadAs = Annotated[
    str,
    typer.Option(
        "--read-as",
        metavar="NAME",
        help="upright: photos are turned by their EXIF orientation and converted to sRGB. released: neither, as the authors' code reads them.",
    ),
]

# Ratings

Ratings = Annotated[
    str,
    typer.Argument(
        metavar="RATINGS",
        help="People's ratings: a .csv or .parquet table, or a data set and its folder, such as ava:FOLDER.",
    ),
]
RatedPhotos = Annotated[
    Path | None,
    typer.Option(
        "--photos",
        metavar="DIR",
        help="Folder of the rated photos; by default that of the table.",
    ),
]
Missing = Annotated[
    str,
    typer.Option(
        "--missing",
        metavar="NAME",
        help="Photos that are missing or unreadable. error: they are named, and are an error. leave-out: they are counted, and left out.",
    ),
]
Lowest = Annotated[
    float | None,
    typer.Option("--lowest", metavar="X", help="Lower end of the scale of a table of ratings."),
]
Highest = Annotated[
    float | None,
    typer.Option("--highest", metavar="X", help="Upper end of the scale of a table of ratings."),
]
Group = Annotated[
    str,
    typer.Option(
        "--group", metavar="COLUMN", help="Column of a table that puts photos into groups."
    ),
]
SplitBy = Annotated[
    str,
    typer.Option(
        "--split",
        metavar="NAME",
        help="given: as in the ratings; random; or group: random, with the photos of a group in one part.",
    ),
]
ValidationShare = Annotated[
    float,
    typer.Option(
        "--validation-share",
        metavar="X",
        help="Part of the photos to choose the best epoch by; of the train photos where the split is given.",
    ),
]
TestShare = Annotated[
    float,
    typer.Option(
        "--test-share",
        metavar="X",
        help="Part of the photos to test on; unused where the split is given.",
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, help="Seed of everything drawn at random.")
]

# Models that are made

ModelFolder = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the new model.")
]
ModelName = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="Name of the model; by default its folder's."),
]

# Ray

RAY_PANEL = "Ray cluster"
On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="WHERE",
        help="Run on a Ray cluster: local, one of its own on this machine for this run; ray, the one that already runs here;"
        " HOST:PORT; or ray://HOST:PORT.",
        rich_help_panel=RAY_PANEL,
    ),
]
RayCpus = Annotated[
    int | None,
    typer.Option(
        "--ray-cpus",
        metavar="N",
        min=1,
        help="Cores per worker; by default 2, or an equal share where --on local has a number of workers.",
        rich_help_panel=RAY_PANEL,
    ),
]
