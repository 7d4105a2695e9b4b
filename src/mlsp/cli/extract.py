"""`mlsp extract`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlsp.cli.options import (
    Backbone,
    Device,
    Levels,
    LongestSide,
    MaxMegapixels,
    Missing,
    On,
    Quiet,
    RatedPhotos,
    RayCpus,
    ReadAs,
    Resize,
    RetryFailed,
    Views,
    Weights,
    Workers,
)

if TYPE_CHECKING:
    from mlsp.bulk.ray_cluster import RaySettings
    from mlsp.bulk.ray_extraction import RayExtraction


def extract(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PATH|TABLE",
            help="Folder of photos, with its subfolders; a .csv or .parquet table with a column photo or image of paths relative to its folder;"
            " or a data set and its folder, such as ava:FOLDER.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.h5",
            help="Feature file; continued if it is there.",
        ),
    ],
    backbone: Backbone,
    grid: Annotated[
        str,
        typer.Option("--grid", metavar="NAME", help="Pooling: narrow (1×1), wide (5×5), or both."),
    ] = "wide",
    views: Views = "whole",
    levels: Levels = "all",
    weights: Weights = None,
    longest_side: LongestSide = None,
    resize: Resize = None,
    read_as: ReadAs = "upright",
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
            help="Extract only part I of N, into a file of its own; `mlsp features merge` joins them.",
        ),
    ] = None,
    photos: RatedPhotos = None,
    missing: Missing = "error",
    retry_failed: RetryFailed = False,
    device: Device = "auto",
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            metavar="NAME",
            help="Arithmetic of the network: float32, bfloat16, float16, or auto: bfloat16 where the processor has it.",
        ),
    ] = "auto",
    workers: Workers = None,
    max_megapixels: MaxMegapixels = 250,
    quiet: Quiet = False,
    on: On = None,
    ray_cpus: RayCpus = None,
) -> None:
    """Extract the features of photos into a file, for training and for other tools.

    Interrupted or killed, the same command continues. Photos that fail are named, noted in the file and left out, also by the next
    run, unless --retry-failed is given; --missing leave-out only counts them. With --on, --workers is the maximum number of Ray workers, and photos must have the same
    path on all machines.

    Examples:
        mlsp extract photos/ --backbone efficientnet_lite0 --output features.h5
        mlsp extract photos/ --backbone efficientnet_lite0 --grid narrow --views corners8 --output corners.h5
    """
    # Imported here, so that other commands need not wait for HDF5.
    from mlsp.base.errors import SettingsError
    from mlsp.base.results import ScoreFailure
    from mlsp.cli.inputs import leaves_out
    from mlsp.cli.progress import DownloadProgress, RunProgress
    from mlsp.features.extraction.plan import plan_network
    from mlsp.features.extraction.run import Extraction, Shard
    from mlsp.features.extraction.settings import NetworkSettings
    from mlsp.ratings.listing import list_source

    left_out = leaves_out(missing)
    settings = NetworkSettings(
        backbone,
        grid=grid,
        views=views,
        levels=levels,
        weights=weights,
        longest_side=longest_side,
        resize=resize,
        read_as=read_as,
        dtype=dtype,
        compression=compression,
        device=device,
        precision=precision,
    )
    part = Shard(1, 1) if shard is None else Shard.parse(shard)
    max_pixels = round(max_megapixels * 1e6)
    cluster: RaySettings | None = None
    if on is not None:
        from mlsp.bulk.ray_cluster import RaySettings

        cluster = RaySettings.parse(on, workers=workers, cpus_per_worker=ray_cpus)
    elif ray_cpus is not None:
        raise SettingsError("--ray-cpus is for a cluster: add --on ray")
    listed = part.of(list_source(source, photos))
    with DownloadProgress(quiet=quiet) as on_download:
        network = plan_network(settings, on_download=on_download)
    run: Extraction | RayExtraction
    if cluster is None:
        run = Extraction(
            network.open(photos=len(listed)),
            listed,
            output,
            retry_failed=retry_failed,
            workers=workers,
            max_pixels=max_pixels,
        )
    else:
        from mlsp.bulk.ray_extraction import RayExtraction

        run = RayExtraction(
            network,
            listed,
            output,
            cluster,
            retry_failed=retry_failed,
            max_pixels=max_pixels,
        )
    with run as extraction:
        earlier = extraction.photos_failed_earlier
        if extraction.photos_to_do < len(listed) and not quiet:
            typer.echo(
                f"mlsp: {len(listed) - extraction.photos_to_do} of {len(listed)} photos were extracted earlier"
                + (f", {earlier} of them failed: --retry-failed tries them again" * (earlier > 0)),
                err=True,
            )
        done = failed = 0
        with RunProgress(
            extraction.photos_to_do, done_word="extracted", quiet=quiet, leaves_out=left_out
        ) as progress:
            for result in extraction.results():
                failed += isinstance(result, ScoreFailure)
                done += not isinstance(result, ScoreFailure)
                progress.advance(result)
    progress.summarise(done, failed, [output])
    if (failed or earlier) and not left_out:
        raise typer.Exit(1)
