"""`mlsp pick`."""

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
    Faces,
    MaxMegapixels,
    Model,
    Pairs,
    Photos,
    Quiet,
    RatingsFile,
    Recursive,
    Workers,
)

if TYPE_CHECKING:
    from mlsp.base.results import ScoreFailure
    from mlsp.cli.progress import RunProgress
    from mlsp.culling.bursts import Burst, ScoredShot
    from mlsp.culling.shots import Shot
    from mlsp.scoring.scorer import Scorer


def pick(
    paths: Photos,
    best: Annotated[
        int,
        typer.Option("--best", "-n", metavar="N", min=1, help="Photos to pick from each burst."),
    ] = 1,
    copy_to: Annotated[
        Path | None,
        typer.Option("--copy-to", metavar="DIR", help="Copy the picked photos into this folder."),
    ] = None,
    link_to: Annotated[
        Path | None,
        typer.Option(
            "--link-to",
            metavar="DIR",
            help="Put symbolic links to the picked photos into this folder.",
        ),
    ] = None,
    hard_link_to: Annotated[
        Path | None,
        typer.Option(
            "--hard-link-to",
            metavar="DIR",
            help="Put the picked photos into this folder as hard links, on the same drive; sidecars are copied.",
        ),
    ] = None,
    rated: Annotated[
        str | None,
        typer.Option(
            "--rated",
            metavar="WHAT",
            help="Pick by what people gave, here or in other programs, not by scores: picked, rejected, unrated, 4+ or 4 stars, or a"
            " colour label; several separated by commas.",
        ),
    ] = None,
    ratings: RatingsFile = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Print only the picked photos' names, one per line.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            readable=False,
            metavar="FILE.csv",
            help="Write a table of all photos with burst, rank and scores.",
        ),
    ] = None,
    xmp_keywords: Annotated[
        str | None,
        typer.Option(
            "--xmp-keywords",
            metavar="WHAT",
            help="Write keywords into XMP sidecars: score, rank (place in the burst), burst; several separated by commas.",
        ),
    ] = None,
    bursts_only: Annotated[
        bool, typer.Option("--bursts-only", help="Leave out photos that stand alone.")
    ] = False,
    split_sets: Annotated[
        bool,
        typer.Option(
            "--split-sets",
            help="Take exposure brackets, panoramas and focus stacks for bursts; otherwise all their shots are picked.",
        ),
    ] = False,
    within_seconds: Annotated[
        float,
        typer.Option(
            "--within-seconds",
            metavar="S",
            help="Maximum time between two photos of a burst, in seconds.",
        ),
    ] = 10,
    similarity: Annotated[
        float,
        typer.Option(
            "--similarity", metavar="X", help="Minimum similarity of two photos of a burst, 0 to 1."
        ),
    ] = 0.80,
    similarity_without_time: Annotated[
        float,
        typer.Option(
            "--similarity-without-time",
            metavar="X",
            help="Minimum similarity where a photo's time is not known.",
        ),
    ] = 0.88,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="COLUMN",
            help="Rank by overall or a score such as beauty alone; by default by quality, sharpness at full size and open eyes.",
        ),
    ] = None,
    model: Model = "default",
    recursive: Recursive = True,
    exclude: Exclude = None,
    pairs: Pairs = "on",
    faces: Faces = "on",
    workers: Workers = None,
    max_megapixels: MaxMegapixels = 250,
    use_cache: Cache = True,
    quiet: Quiet = False,
) -> None:
    """Pick the best photo of each burst of shots of one moment.

    Bursts are found by capture time and by what the photos show. Shots of a burst are looked at in full size: the sharpest with open
    eyes comes first, unless its quality is lower. Photos that stand alone are picked too. A raw photo and its JPEG are
    one shot, which is picked with all its files, sidecars too. No photo is moved, changed or deleted, and no file is overwritten;
    after an interruption the same command continues.

    Examples:
        mlsp pick holiday/ --copy-to best/
        mlsp pick holiday/ --rated picked,4+ --list
    """
    from mlsp.cli.inputs import find_shots, switch
    from mlsp.cli.pick_rated import pick_rated
    from mlsp.cli.placing import put_into
    from mlsp.culling.bursts import BurstSettings, check_ranking, find_shot_sets, group_bursts
    from mlsp.culling.xmp.keywords import BURST_KEYWORDS, keyword_kinds
    from mlsp.reports.burst_report import (
        describe_pick,
        print_bursts,
        print_names,
        write_burst_report,
    )
    from mlsp.reports.rows import ReportModel
    from mlsp.scoring.cache import open_caches
    from mlsp.scoring.scorer import Scorer

    folder = _folder(copy_to, link_to, hard_link_to, list_)
    is_link = folder is not None and copy_to is None
    place = functools.partial(
        put_into, paths=paths, link=is_link, hard=hard_link_to is not None, quiet=quiet
    )
    look_for_faces = switch("--faces", faces)
    settings = BurstSettings(within_seconds, similarity, similarity_without_time)
    kinds = keyword_kinds(xmp_keywords, BURST_KEYWORDS)
    _check_options(output, rated, is_by_score=bursts_only or by is not None or bool(kinds))
    find = functools.partial(
        find_shots, paths, recursive=recursive, exclude=exclude, pairs=pairs, quiet=quiet
    )
    if rated is not None:
        pick_rated(find(folder=folder).shots, rated, ratings, folder, place, quiet=quiet)
        return
    max_pixels = round(max_megapixels * 1e6)
    with open_caches(enabled=use_cache) as caches:
        scorer = Scorer(model, workers=workers, cache=caches, max_pixels=max_pixels)
        heads = tuple(head.name for head in scorer.model.heads)
        check_ranking(by, heads)
        scored, failed, progress = _take(
            scorer, find(folder=folder).shots, quiet=quiet, goes_on=use_cache
        )
    sets = [] if split_sets else find_shot_sets(scored)
    bursts = group_bursts(scored, settings, by=by, sets=sets)
    if by is None:
        bursts = _choose(
            bursts,
            faces=look_for_faces,
            workers=workers,
            max_pixels=max_pixels,
            use_cache=use_cache,
            quiet=quiet,
        )
    if bursts_only:
        bursts = [burst for burst in bursts if not burst.is_alone]
    best_shots = [found.shot for burst in bursts for found in burst.best(best)]
    picked = {shot.photo for shot in best_shots}
    reported = ReportModel(scorer.model.name, heads)
    outputs: list[Path] = []
    new: list[bool] = []
    if folder is not None:
        new = place([shot.files for shot in best_shots], folder, failed)
        outputs.append(folder)
    if output is not None:
        outputs += write_burst_report(output, bursts, picked, failed, reported)
    try:
        if list_:
            names = [photo for shot in best_shots for photo in shot.photos]
            print_names(names, stream=sys.stdout)
        elif output is None and bursts:
            print_bursts(bursts, picked, reported, stream=sys.stdout)
    finally:
        # Also where nobody reads the table to its end, as `head` does not.
        progress.summarise(len(scored), len(failed), outputs)
        if not quiet:
            verb = "linked" if is_link else "copied"
            typer.echo(describe_pick(bursts, len(picked), are_new=new, verb=verb), err=True)
        failed += _tag(bursts, kinds, by=by, quiet=quiet)
    if failed:
        raise typer.Exit(1)


def _folder(
    copy_to: Path | None, link_to: Path | None, hard_link_to: Path | None, list_: bool
) -> Path | None:
    folders = [folder for folder in (copy_to, link_to, hard_link_to) if folder is not None]
    if len(folders) + list_ > 1:
        raise typer.BadParameter("--copy-to, --link-to, --hard-link-to and --list: choose one")
    return folders[0] if folders else None


def _check_options(output: Path | None, rated: str | None, *, is_by_score: bool) -> None:
    from mlsp.personal.rated_shots import rated_condition
    from mlsp.reports import check_output

    if rated is not None and (is_by_score or output is not None):
        raise typer.BadParameter(
            "--rated picks without scores: --output, --bursts-only, --by and --xmp-keywords do not go with it"
        )
    if rated is not None:
        rated_condition(rated)
    if output is not None:
        check_output(output, suffixes=(".csv",))


def _take(
    scorer: Scorer, shots: Sequence[Shot], *, quiet: bool, goes_on: bool
) -> tuple[list[ScoredShot], list[ScoreFailure], RunProgress]:
    from mlsp.cli.progress import RunProgress
    from mlsp.culling.bursts import CALIBRATED_BACKBONES, ScoredShot, take_shots

    network = scorer.model.feature_spec.backbone
    if network not in CALIBRATED_BACKBONES and not quiet:
        typer.echo(
            f"mlsp: similarities of {network} may need other thresholds than those of {CALIBRATED_BACKBONES[0]}: --similarity",
            err=True,
        )
    scored: list[ScoredShot] = []
    failed: list[ScoreFailure] = []
    with (
        RunProgress(len(shots), done_word="scored", quiet=quiet, goes_on=goes_on) as progress,
        # Closed on Ctrl-C too, so that what is queued is dropped.
        contextlib.closing(take_shots(scorer, shots)) as results,
    ):
        for result in results:
            if isinstance(result, ScoredShot):
                scored.append(result)
                progress.advance(result.scored)
            else:
                failed.append(result)
                progress.advance(result)
    return scored, failed, progress


def _choose(
    bursts: list[Burst],
    *,
    faces: bool,
    workers: int | None,
    max_pixels: int,
    use_cache: bool,
    quiet: bool,
) -> list[Burst]:
    from mlsp.cli.progress import RunProgress
    from mlsp.culling.choosing import choose
    from mlsp.culling.looking import open_close_ups

    competing = sum(len(burst.shots) for burst in bursts if burst.competes)
    chosen: list[Burst] = []
    with (
        RunProgress(competing, done_word="looked at", quiet=quiet, goes_on=use_cache) as progress,
        open_close_ups(enabled=use_cache) as cache,
        contextlib.closing(
            choose(bursts, faces=faces, workers=workers, max_pixels=max_pixels, cache=cache)
        ) as results,
    ):
        for burst in results:
            chosen.append(burst)
            for shot in burst.shots if burst.competes else ():
                progress.advance(shot.scored)
    return chosen


def _tag(
    bursts: list[Burst], kinds: Sequence[str], *, by: str | None, quiet: bool
) -> list[ScoreFailure]:
    if not kinds:
        return []
    from mlsp.cli.keywords import give_keywords
    from mlsp.culling.xmp.journal import Journal
    from mlsp.culling.xmp.tagging import tag_bursts

    with Journal("mlsp pick --xmp-keywords") as journal:
        return give_keywords(tag_bursts(bursts, kinds, by=by), journal, quiet=quiet)
