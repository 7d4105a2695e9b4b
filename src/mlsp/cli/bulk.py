"""`mlsp bulk`."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlsp.cli.options import (
    RAY_PANEL,
    MaxMegapixels,
    Model,
    On,
    Precision,
    Quiet,
    RayCpus,
    Recursive,
    RetryFailed,
    ScoringDevice,
    Workers,
)

if TYPE_CHECKING:
    from mlsp.bulk import BulkJob, BulkSettings, ShardReport
    from mlsp.bulk.ray_cluster import RaySettings
    from mlsp.bulk.shard_scoring import ResultRow
    from mlsp.cli.bulk_progress import BulkProgress

EXIT_UNFINISHED = 3

_column = functools.partial(typer.Option, metavar="NAME", rich_help_panel="Tables")


def bulk(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Photos, folders, tables (.csv, .jsonl, .parquet) or .tar archives, on disk or as URLs; {000..099} and * match several.",
        ),
    ],
    dataset: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR|URL",
            help="Folder or URL of the Parquet files; continued where an earlier run ended.",
        ),
    ],
    shard_size: Annotated[
        int,
        typer.Option("--shard-size", metavar="N", min=1, help="Photos per file of the data set."),
    ] = 1000,
    retry_failed: RetryFailed = False,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep",
            metavar="CONDITION",
            help="Keep the photos of which this holds, such as 'quality_percentile>=60' or kind==people; several must all hold.",
        ),
    ] = None,
    kept: Annotated[
        Path | None,
        typer.Option(
            "--kept",
            metavar="FILE",
            readable=False,
            help="Where to: names (.txt), rows (.parquet), or the photos themselves (.tar).",
        ),
    ] = None,
    model: Model = "default",
    recursive: Recursive = True,
    device: ScoringDevice = "auto",
    precision: Precision = "auto",
    workers: Workers = None,
    max_megapixels: MaxMegapixels = 250,
    quiet: Quiet = False,
    id_column: Annotated[
        str | None,
        _column(
            "--id-column", help="Column with a name for each photo; by default id, if there is one."
        ),
    ] = None,
    path_column: Annotated[
        str | None,
        _column("--path-column", help="Column with paths, relative to the table's folder."),
    ] = None,
    url_column: Annotated[
        str | None,
        _column("--url-column", help="Column with URLs."),
    ] = None,
    bytes_column: Annotated[
        str | None,
        _column(
            "--bytes-column", help="Column with the photos' files; in base64 in .csv and .jsonl."
        ),
    ] = None,
    on: On = None,
    ray_workers: Annotated[
        int | None,
        typer.Option(
            "--ray-workers",
            metavar="N",
            min=1,
            help="Maximum number of workers; by default as many as there is room for. A cluster that can grow is asked for more.",
            rich_help_panel=RAY_PANEL,
        ),
    ] = None,
    ray_cpus: RayCpus = None,
) -> None:
    """Score thousands to millions of photos into a data set of Parquet files.

    Columns are those of mlsp score, and error. Interrupted or killed, the same command continues with the first file that is not
    there yet. Exits with 1 where photos failed, in this run or in an earlier one, with 3 where photos or shards could not be reached:
    then the same command tries those again. Needs the bulk extra, a cluster the ray extra.

    Examples:
        mlsp bulk photos.csv --id-column key --path-column file --output table-scores/
        mlsp bulk photos/ --output scores/ --keep 'quality_percentile>=60' --kept good.txt
    """
    from mlsp.base.errors import SettingsError
    from mlsp.base.text import printable
    from mlsp.bulk import BulkSettings, ScorerSettings, ShardError, SourceSpec, TableColumns
    from mlsp.bulk.keeping import check_kept
    from mlsp.bulk.ray_cluster import RaySettings

    cluster = None
    if on is not None:
        cluster = RaySettings.parse(
            on, workers=ray_workers, cpus_per_worker=ray_cpus, gpus_per_worker=int(device == "cuda")
        )
    elif ray_workers is not None or ray_cpus is not None:
        raise SettingsError("--ray-workers and --ray-cpus are for a cluster: add --on ray")
    settings = BulkSettings(
        SourceSpec(
            tuple(sources),
            TableColumns(id_column, path_column, url_column, bytes_column),
            recursive,
        ),
        dataset,
        shard_size,
        ScorerSettings(model, device, precision, workers, round(max_megapixels * 1e6)),
        retry_failed,
    )
    if (keep is None) != (kept is None):
        raise SettingsError("--keep and --kept go together: which photos, and the file for them")
    if kept is not None:
        check_kept(kept)
    try:
        is_all_scored = _score(settings, cluster, keep or (), kept, quiet=quiet)
    except ShardError as error:
        typer.echo(
            f"mlsp: not finished: {printable(str(error))}; the same command goes on", err=True
        )
        raise typer.Exit(EXIT_UNFINISHED) from error
    if not is_all_scored:
        raise typer.Exit(1)


def _score(
    settings: BulkSettings,
    cluster: RaySettings | None,
    keep: Sequence[str],
    kept: Path | None,
    *,
    quiet: bool,
) -> bool:
    """Score what is to do, and keep what passes; return whether no photo failed, now or earlier."""
    from mlsp.bulk import prepare
    from mlsp.bulk.keeping import Condition, write_kept
    from mlsp.cli.bulk_progress import BulkProgress, listing_status

    with listing_status(quiet=quiet) as show_listed:
        job = prepare(settings, on_photos=show_listed)
    conditions = [Condition.parse(text, job.dataset.columns) for text in keep]
    with BulkProgress(job, quiet=quiet, by_row=cluster is None) as progress:
        for report in _run(job, progress, cluster):
            progress.add(report)
    progress.summarise()
    progress.print_failed_earlier(job.failed_earlier)
    if progress.print_unfinished(job.shards_missing()):
        raise typer.Exit(EXIT_UNFINISHED)
    if kept is not None:
        progress.print_kept(write_kept(job, conditions, kept), kept)
    return not (progress.failed or job.failed_earlier)


def _run(
    job: BulkJob, progress: BulkProgress, cluster: RaySettings | None
) -> Iterator[ShardReport]:
    if cluster is not None:
        from mlsp.bulk.ray_driver import run_on_ray

        return run_on_ray(job, cluster)
    from mlsp.bulk import run_local

    def count(row: ResultRow) -> None:
        progress.count(1, failed=int(row.error is not None))

    return run_local(job, on_row=count)
