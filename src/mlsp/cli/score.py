"""`mlsp score`."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.bulk_options import (
    BulkOptions,
    BytesColumn,
    Dataset,
    IdColumn,
    On,
    PathColumn,
    RayCpus,
    RayWorkers,
    RetryFailed,
    ShardSize,
    UrlColumn,
)
from mlsp.cli.options import MaxMegapixels, Quiet, ScoringDevice, Workers
from mlsp.cli.star_options import OverwriteRatings, StarThresholds, Xmp, XmpNames, give_stars


def score(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Photos, and folders of photos.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            metavar="FILE",
            help="Write a report, by its ending: .html, .csv, .jsonl, .parquet.",
        ),
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", "-n", metavar="N", min=1, help="Only the N first.")
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            "--sort", metavar="COLUMN", help="Sort by overall, a score such as quality, or photo."
        ),
    ] = "overall",
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME|DIR", help="Model; see `mlsp models`.")
    ] = "default",
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", help="Also photos in subfolders.")
    ] = True,
    device: ScoringDevice = "auto",
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help="auto, float32 or bfloat16. auto: bfloat16 where the processor has it.",
        ),
    ] = "auto",
    workers: Workers = None,
    max_megapixels: MaxMegapixels = 250,
    use_cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Remember scores between runs.")
    ] = True,
    quiet: Quiet = False,
    xmp: Xmp = False,
    star_thresholds: StarThresholds = None,
    xmp_names: XmpNames = None,
    overwrite_ratings: OverwriteRatings = False,
    dataset: Dataset = None,
    on: On = None,
    shard_size: ShardSize = None,
    id_column: IdColumn = None,
    path_column: PathColumn = None,
    url_column: UrlColumn = None,
    bytes_column: BytesColumn = None,
    retry_failed: RetryFailed = False,
    ray_workers: RayWorkers = None,
    ray_cpus: RayCpus = None,
) -> None:
    """Score photos and rank them.

    Each photo gets a quality (technical, 0 to 1) and a beauty (1 to 7), each with its percentile among the photos that people
    rated, and overall, the mean of the percentiles. Scores go to stdout, everything else to stderr. A second run, or one after an
    interruption, scores only what is new.
    """
    from mlsp.base.errors import SettingsError
    from mlsp.base.results import ScoreFailure
    from mlsp.base.text import printable
    from mlsp.cli.progress import RunProgress
    from mlsp.culling.xmp.report import xmp_settings
    from mlsp.photos import find_photos
    from mlsp.reports import check_output, check_sort, errors_path, sort_results, write_report
    from mlsp.reports.table import print_table
    from mlsp.scoring.cache import open_caches
    from mlsp.scoring.results import ScoreResult
    from mlsp.scoring.scorer import Scorer

    stars = xmp_settings(
        xmp, thresholds=star_thresholds, names=xmp_names, overwrite=overwrite_ratings
    )
    max_pixels = round(max_megapixels * 1e6)
    bulk = BulkOptions(
        dataset,
        on,
        shard_size,
        id_column,
        path_column,
        url_column,
        bytes_column,
        retry_failed,
        ray_workers,
        ray_cpus,
    )
    if bulk.are_meant(paths):
        if stars is not None:
            raise SettingsError("a data set's photos get no sidecars: leave out --xmp or --dataset")
        from mlsp.bulk import ScorerSettings
        from mlsp.cli.bulk import score_into_dataset

        scorer_settings = ScorerSettings(model, device, precision, workers, max_pixels)
        score_into_dataset(
            paths,
            bulk,
            scorer_settings,
            recursive=recursive,
            output=output,
            top=top,
            quiet=quiet,
        )
        return
    if output is not None:
        check_output(output)
    photos = list(find_photos(map(Path, paths), recursive=recursive))
    if not photos:
        where = ", ".join(map(printable, paths))
        typer.echo(f"mlsp: no photos found in {where}", err=True)
        raise typer.Exit(2)
    scored: list[ScoreResult] = []
    failed: list[ScoreFailure] = []
    with open_caches(enabled=use_cache) as caches:
        scorer = Scorer(
            model,
            device=device,
            precision=precision,
            workers=workers,
            cache=caches,
            max_pixels=max_pixels,
        )
        heads = tuple(head.name for head in scorer.model.heads)
        check_sort(sort, heads)
        with (
            RunProgress(
                len(photos), done_word="scored", quiet=quiet, goes_on=use_cache
            ) as progress,
            # Closed on Ctrl-C too, so that what is queued is dropped.
            contextlib.closing(scorer.score(photos)) as results,
        ):
            for result in results:
                (scored if isinstance(result, ScoreResult) else failed).append(result)  # type: ignore[arg-type]
                progress.advance(result)
    ranked = sort_results(scored, sort, heads=heads, top=top)
    outputs: list[Path] = []
    if output is not None:
        outputs = [output, errors_path(output)] if failed else [output]
        with RunProgress(
            len(ranked), done_word="shown", quiet=quiet or output.suffix.lower() != ".html"
        ) as pictures:
            write_report(
                output,
                ranked,
                failed,
                model_name=scorer.model.name,
                heads=heads,
                on_picture=pictures.advance,
            )
    elif ranked:
        print_table(ranked, model_name=scorer.model.name, heads=heads, stream=sys.stdout)
    progress.summarise(len(scored), len(failed), outputs)
    failed += give_stars(ranked, stars, by=sort, quiet=quiet)
    if failed:
        raise typer.Exit(1)
