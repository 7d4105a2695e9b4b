"""`mlsp score --dataset`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mlsp.base.errors import MlspError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlsp.bulk import BulkJob, ScorerSettings, ShardReport
    from mlsp.bulk.ray_cluster import RaySettings
    from mlsp.bulk.shard_scoring import ResultRow
    from mlsp.cli.bulk_options import BulkOptions
    from mlsp.cli.bulk_progress import BulkProgress


def score_into_dataset(
    paths: list[str],
    options: BulkOptions,
    scorer: ScorerSettings,
    *,
    recursive: bool,
    output: Path | None,
    top: int | None,
    quiet: bool,
) -> None:
    """Score photos into a data set; ends with the exit codes of `mlsp score`.

    Raises:
        MlspError: the input, the data set or the cluster cannot be used, or shards remain.
    """
    from mlsp.bulk import BulkSettings, SourceSpec, TableColumns, prepare
    from mlsp.bulk.job import DEFAULT_SHARD_SIZE
    from mlsp.cli.bulk_progress import BulkProgress, Listing

    if options.dataset is None:
        raise SettingsError(
            "URLs and the options for millions of photos need a place for the results: add --dataset DIR_OR_URL"
        )
    if output is not None or top is not None:
        raise SettingsError(
            "a data set is neither ranked nor a report: leave out --output and --top, or --dataset"
        )
    if options.on is None and (options.ray_workers is not None or options.ray_cpus is not None):
        raise SettingsError("--ray-workers and --ray-cpus are for a cluster: add --on ray")
    cluster = None if options.on is None else _cluster(options, scorer)
    columns = TableColumns(
        options.id_column, options.path_column, options.url_column, options.bytes_column
    )
    settings = BulkSettings(
        SourceSpec(tuple(paths), columns, recursive),
        options.dataset,
        DEFAULT_SHARD_SIZE if options.shard_size is None else options.shard_size,
        scorer,
        options.retry_failed,
    )
    with Listing(quiet=quiet) as listing:
        job = prepare(settings, on_photos=listing.advance)
    with BulkProgress(job, quiet=quiet, by_row=cluster is None) as progress:
        for report in _run(job, progress, cluster):
            progress.add(report)
    progress.summarise()
    if progress.shard_errors:
        raise MlspError(
            f"{len(progress.shard_errors)} of {job.survey.shards} shards have no results, the first because"
            f" {progress.shard_errors[0]}. The same command tries them again"
        )
    failed_earlier = job.failed_earlier()
    progress.say_failed_earlier(failed_earlier)
    if progress.failed or failed_earlier:
        raise typer.Exit(1)


def _cluster(options: BulkOptions, scorer: ScorerSettings) -> RaySettings:
    from mlsp.bulk.ray_cluster import RaySettings

    settings = RaySettings.parse(
        str(options.on), workers=options.ray_workers, cpus_per_worker=options.ray_cpus
    )
    return replace(settings, gpus_per_worker=int(scorer.device == "cuda"))


def _run(
    job: BulkJob, progress: BulkProgress, cluster: RaySettings | None
) -> Iterator[ShardReport]:
    from mlsp.bulk import run_local

    if cluster is None:

        def count(row: ResultRow) -> None:
            progress.count(1, failed=int(row.error is not None))

        return run_local(job, on_row=count)
    from mlsp.bulk.ray_driver import run_on_ray

    return run_on_ray(job, cluster)
