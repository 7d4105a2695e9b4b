"""`mlsp score`."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlsp.cli.options import (
    Cache,
    Exclude,
    MaxMegapixels,
    Model,
    Pairs,
    Photos,
    Precision,
    Quiet,
    Recursive,
    ScoringDevice,
    Weights,
    Workers,
)

if TYPE_CHECKING:
    from mlsp.base.results import ScoreFailure
    from mlsp.culling.xmp.report import XmpSettings
    from mlsp.scoring.results import ScoreResult

# What a terminal shows at once, with the summary below it.
_MAX_ROWS = 30

_star = functools.partial(typer.Option, rich_help_panel="Stars")


def score(
    paths: Photos,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            metavar="FILE",
            help="Write a report in the format of the file's ending: .html, .csv, .jsonl or .parquet.",
        ),
    ] = None,
    top: Annotated[
        str | None,
        typer.Option(
            "--top",
            "-n",
            metavar="N|P%",
            help="Show only the first N, or the best P % of the photos.",
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            "--sort", metavar="COLUMN", help="Sort by overall, a score such as quality, or photo."
        ),
    ] = "overall",
    relative: Annotated[
        bool,
        typer.Option(
            "--relative",
            help="Percentiles among the photos of this run instead of among rated photos.",
        ),
    ] = False,
    preview: Annotated[
        int | None,
        typer.Option(
            "--preview",
            metavar="N",
            min=320,
            max=4096,
            help="Put pictures of N pixels into an HTML report, to be seen full screen without the photos; 1600 takes about 0.3 MB each.",
        ),
    ] = None,
    all_columns: Annotated[
        bool,
        typer.Option(
            "--all-columns",
            help="Also the percentiles among rated photos of all kinds, and the probability of each fault and kind.",
        ),
    ] = False,
    model: Model = "default",
    recursive: Recursive = True,
    exclude: Exclude = None,
    pairs: Pairs = "on",
    weights: Weights = None,
    device: ScoringDevice = "auto",
    precision: Precision = "auto",
    workers: Workers = None,
    max_megapixels: MaxMegapixels = 250,
    use_cache: Cache = True,
    quiet: Quiet = False,
    xmp: Annotated[
        bool,
        _star(
            "--xmp",
            help="Write 1 to 5 stars into XMP sidecars beside the photos, by the percentile of the column of --sort.",
        ),
    ] = False,
    star_thresholds: Annotated[
        str | None,
        _star(
            "--star-thresholds",
            metavar="P,P,P,P",
            help="Percentiles from which a photo gets 2, 3, 4 and 5 stars; by default 20,45,70,90.",
        ),
    ] = None,
    stars_of: Annotated[
        str | None,
        _star(
            "--stars-of",
            metavar="NAME",
            help="rated: stars by percentiles among rated photos, the default; own: among the photos of this run.",
        ),
    ] = None,
    xmp_names: Annotated[
        str | None,
        _star(
            "--xmp-names",
            metavar="NAMES",
            help="darktable for photo.jpg.xmp, lightroom for photo.xmp; by default both.",
        ),
    ] = None,
    xmp_map: Annotated[
        str | None,
        _star(
            "--xmp-map",
            metavar="N=WHAT,...",
            help="What stars become: other stars, pick, reject, a colour label or none, joined by +, such as 5=5+pick,4=green,1=none.",
        ),
    ] = None,
    xmp_keywords: Annotated[
        str | None,
        _star(
            "--xmp-keywords",
            metavar="WHAT",
            help="Also write keywords, mlsp|score|83 and mlsp|rank|07: score, rank or both, separated by a comma.",
        ),
    ] = None,
    xmp_inside: Annotated[
        bool,
        _star(
            "--xmp-inside",
            help="Write into the photos themselves instead: JPEG, PNG, TIFF, DNG, HEIC and AVIF; other raw photos get sidecars.",
        ),
    ] = False,
    overwrite_ratings: Annotated[
        bool,
        _star(
            "--overwrite-ratings",
            help="Replace stars, flags and labels that somebody gave by hand; otherwise they are kept.",
        ),
    ] = False,
) -> None:
    """Score photos and rank them.

    Each photo gets a quality (technical, 0 to 1) and a beauty (1 to 7), each with its percentile among the photos that people
    rated, and overall, the mean of the percentiles; where the model finds them, its faults, and whether it is a photo at all. A raw
    photo and its JPEG are one shot. Scores go to stdout, of which a terminal shows the best 30, everything else to stderr. A second
    run, or one after an interruption, scores only what is new.

    Examples:
        mlsp score holiday/ --top 20
        mlsp score holiday/ --output holiday.html
    """
    from mlsp.cli.inputs import check_local, find_shots
    from mlsp.cli.progress import DownloadProgress, RunProgress
    from mlsp.culling.shots import score_shots
    from mlsp.culling.xmp.report import xmp_settings
    from mlsp.reports import check_output, check_sort, errors_path, sort_results, write_report
    from mlsp.reports.formats import PAGE_SUFFIX
    from mlsp.reports.ranking import Top
    from mlsp.reports.rows import ReportModel
    from mlsp.reports.table import print_table
    from mlsp.scoring.cache import open_caches
    from mlsp.scoring.relative import relative_percentiles
    from mlsp.scoring.results import ScoreResult
    from mlsp.scoring.scorer import Scorer

    stars = xmp_settings(
        xmp,
        thresholds=star_thresholds,
        names=xmp_names,
        overwrite=overwrite_ratings,
        stars_of=stars_of,
        becomes=xmp_map,
        keywords=xmp_keywords,
        inside=xmp_inside,
    )
    wanted = None if top is None else Top.of(top)
    if preview is not None and (output is None or output.suffix.lower() != PAGE_SUFFIX):
        raise typer.BadParameter("--preview is for a report as a page: --output FILE.html")
    if output is not None:
        check_output(output)
    check_local(paths)
    shots = find_shots(paths, recursive=recursive, exclude=exclude, pairs=pairs, quiet=quiet).shots
    scored: list[ScoreResult] = []
    failed: list[ScoreFailure] = []
    with open_caches(enabled=use_cache) as caches:
        with DownloadProgress(quiet=quiet) as on_download:
            scorer = Scorer(
                model,
                device=device,
                precision=precision,
                workers=workers,
                cache=caches,
                max_pixels=round(max_megapixels * 1e6),
                weights=weights,
                on_download=on_download,
            )
        heads = tuple(head.name for head in scorer.model.heads)
        check_sort(sort, heads)
        with (
            RunProgress(len(shots), done_word="scored", quiet=quiet, goes_on=use_cache) as progress,
            # Closed on Ctrl-C too, so that what is queued is dropped.
            contextlib.closing(score_shots(scorer, shots)) as results,
        ):
            for result in results:
                (scored if isinstance(result, ScoreResult) else failed).append(result)  # type: ignore[arg-type]
                progress.advance(result)
    of_own = stars is not None and stars.of_own
    own = relative_percentiles(scored) if relative or of_own else scored
    ranked = sort_results(own if relative else scored, sort, heads=heads, top=wanted)
    reported = ReportModel(scorer.model.name, heads, scorer.model.classifiers)
    outputs: list[Path] = []
    if output is not None:
        outputs = [output, errors_path(output)] if failed else [output]
        with RunProgress(
            len(ranked), done_word="shown", quiet=quiet or output.suffix.lower() != PAGE_SUFFIX
        ) as pictures:
            write_report(
                output,
                ranked,
                failed,
                reported,
                every=all_columns,
                is_relative=relative,
                preview=preview,
                on_picture=pictures.advance,
            )
    elif ranked:
        print_table(
            ranked,
            reported,
            stream=sys.stdout,
            limit=_MAX_ROWS if top is None else None,
            every=all_columns,
        )
    if not quiet:
        full_side = scorer.model.feature_spec.longest_side
        _tell(scored, full_side, names_unranked=output is not None or wanted is not None)
    progress.summarise(len(scored), len(failed), outputs)
    if stars is not None:
        if of_own:
            ranked = sort_results(own, sort, heads=heads, top=wanted)
        failed += _give_stars(ranked, stars, by=sort, use_cache=use_cache, quiet=quiet)
    if failed:
        raise typer.Exit(1)


def _tell(scored: Sequence[ScoreResult], full_side: int | None, *, names_unranked: bool) -> None:
    """Tell what to know about scores; a table names what is no photo itself."""
    from mlsp.reports.table import small_line, unranked_line

    unranked = [result for result in scored if not result.is_photo]
    if unranked and names_unranked:
        typer.echo(unranked_line(unranked), err=True)
    if full_side and (small := sum(result.is_small for result in scored)):
        typer.echo(small_line(small, full_side), err=True)


def _give_stars(
    ranked: Sequence[ScoreResult], settings: XmpSettings, *, by: str, use_cache: bool, quiet: bool
) -> Sequence[ScoreFailure]:
    """Write sidecars with a progress bar and a summary; return the photos whose sidecar was left alone."""
    from mlsp.cli.keywords import give_keywords
    from mlsp.cli.writing import WritingProgress
    from mlsp.culling.xmp.journal import Journal
    from mlsp.culling.xmp.report import write_stars
    from mlsp.culling.xmp.tagging import tag_ranked
    from mlsp.personal.following import follow_photos
    from mlsp.personal.user_ratings import default_user_ratings_path

    with contextlib.ExitStack() as ending, Journal("mlsp score --xmp") as journal:
        if settings.inside:
            # After Ctrl-C, too: what was written is another photo to `mlsp serve`.
            ratings = default_user_ratings_path()
            ending.callback(lambda: follow_photos(journal.path, ratings, use_cache=use_cache))
        photos = sum(result.is_photo for result in ranked)
        with WritingProgress(photos, done_word="rated", quiet=quiet, journal=journal) as progress:
            summary = write_stars(
                ranked, by=by, settings=settings, on_result=progress.advance, note=journal.note
            )
        progress.say_written(summary)
        failed = [*summary.failed]
        if settings.keywords:
            left_alone = {failure.source for failure in failed}
            tagged = tag_ranked(ranked, settings.keywords, by=by)
            failed += give_keywords(
                [one for one in tagged if one.result.source not in left_alone],
                journal,
                convention=settings.convention,
                inside=settings.inside,
                quiet=quiet,
            )
    return failed
