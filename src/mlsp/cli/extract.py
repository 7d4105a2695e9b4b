"""`mlsp extract`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlsp.cli.options import Device, MaxMegapixels, Quiet

if TYPE_CHECKING:
    from mlsp.bulk.ray_extraction import RayExtraction

_PANEL = "On a Ray cluster (--on)"


def extract(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="PATH|TABLE",
            help="A folder of photos, with its subfolders; or a .csv or .parquet table with a column photo or image of paths relative "
            "to the table's folder.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.h5",
            help="The feature file; is continued if it is there.",
            show_default=False,
        ),
    ],
    backbone: Annotated[
        str,
        typer.Option(
            "--backbone",
            "-b",
            metavar="NAME",
            help="Network; see `mlsp backbones`.",
            show_default=False,
        ),
    ],
    grid: Annotated[
        str, typer.Option("--grid", help="narrow (1×1), wide (5×5), or both of one pass.")
    ] = "wide",
    views: Annotated[
        str,
        typer.Option(
            "--views",
            help="whole, whole_mirrored, or corners8: crops of 7/8 at the corners and their mirror images.",
        ),
    ] = "whole",
    levels: Annotated[
        str,
        typer.Option(
            "--levels",
            help="all; last5, say, for the last five; or names from `mlsp backbones NAME`, with commas.",
        ),
    ] = "all",
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="Trained weights; by default the published ones.",
            show_default=False,
        ),
    ] = None,
    longest_side: Annotated[
        int | None,
        typer.Option(
            "--longest-side",
            metavar="N",
            min=1,
            help="Reduce larger photos to N pixels; by default none, as in the paper.",
            show_default=False,
        ),
    ] = None,
    resize: Annotated[
        str | None,
        typer.Option(
            "--resize",
            metavar="WxH",
            help="Bring every photo to this size, whatever its proportions: 256x256 for the paper's Table 2.",
            show_default=False,
        ),
    ] = None,
    dtype: Annotated[
        str, typer.Option("--dtype", help="float16, float32 or uint8_level.")
    ] = "float16",
    compression: Annotated[
        str, typer.Option("--compression", help="none or zstd; lossless.")
    ] = "none",
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Only the I-th of N parts, into a file of its own; join them by `mlsp features merge`.",
            show_default=False,
        ),
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option("--retry-failed", help="Try photos again that failed in an earlier run."),
    ] = False,
    device: Device = "auto",
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help="auto, float32, bfloat16 or float16. auto: bfloat16 where the processor has it.",
        ),
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            "-w",
            metavar="N",
            min=1,
            help="Photos at a time; by default one more than the cores. With --on, most Ray workers at a time; by default as many as "
            "there is room for.",
            show_default=False,
        ),
    ] = None,
    max_megapixels: MaxMegapixels = 250,
    quiet: Quiet = False,
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="WHERE",
            help="Compute on a Ray cluster: local, one of its own on this machine for this run; ray, the one that runs on this machine; "
            "HOST:PORT; or ray://HOST:PORT. Photos must have the same path on all machines.",
            rich_help_panel=_PANEL,
            show_default=False,
        ),
    ] = None,
    ray_cpus: Annotated[
        int | None,
        typer.Option(
            "--ray-cpus",
            metavar="N",
            min=1,
            help="Cores of each worker; by default 2, with --on local and --workers an equal share.",
            rich_help_panel=_PANEL,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Extract the features of photos into a file, for training and for other tools.

    Interrupted or killed, the same command goes on where it was. Photos that fail are named, noted in the file and left out,
    also by the next run, unless it is told to retry them.
    """
    # Imported here, so that other commands need not wait for HDF5.
    from mlsp.base.errors import SettingsError
    from mlsp.base.results import ScoreFailure
    from mlsp.cli.progress import RunProgress
    from mlsp.features.extraction.plan import plan_network
    from mlsp.features.extraction.run import Extraction, Shard
    from mlsp.features.extraction.settings import NetworkSettings
    from mlsp.photos.listing import list_photos

    settings = NetworkSettings(
        backbone,
        grid=grid,
        views=views,
        levels=levels,
        weights=weights,
        longest_side=longest_side,
        resize=resize,
        dtype=dtype,
        compression=compression,
        device=device,
        precision=precision,
    )
    part = Shard(1, 1) if shard is None else Shard.parse(shard)
    max_pixels = round(max_megapixels * 1e6)
    run: Extraction | RayExtraction
    if on is None:
        if ray_cpus is not None:
            raise SettingsError("--ray-cpus is for a cluster: add --on ray")
        photos = part.of(list_photos(source))
        run = Extraction(
            plan_network(settings).open(),
            photos,
            output,
            retry_failed=retry_failed,
            workers=workers,
            max_pixels=max_pixels,
        )
    else:
        from mlsp.bulk.ray_cluster import RaySettings
        from mlsp.bulk.ray_extraction import RayExtraction

        cluster = RaySettings.parse(on, workers=workers, cpus_per_worker=ray_cpus)
        photos = part.of(list_photos(source))
        run = RayExtraction(
            plan_network(settings),
            photos,
            output,
            cluster,
            retry_failed=retry_failed,
            max_pixels=max_pixels,
        )
    with run as extraction:
        earlier = extraction.photos_failed_earlier
        if extraction.photos_to_do < len(photos) and not quiet:
            typer.echo(
                f"mlsp: {len(photos) - extraction.photos_to_do} of {len(photos)} photos were extracted earlier"
                + (f", {earlier} of them failed: --retry-failed tries them again" * (earlier > 0)),
                err=True,
            )
        done = failed = 0
        with RunProgress(extraction.photos_to_do, done_word="extracted", quiet=quiet) as progress:
            for result in extraction.results():
                failed += isinstance(result, ScoreFailure)
                done += not isinstance(result, ScoreFailure)
                progress.advance(result)
    progress.summarise(done, failed, [output])
    extraction.check_complete()
    if failed or earlier:
        raise typer.Exit(1)
