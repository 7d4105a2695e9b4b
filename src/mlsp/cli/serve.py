"""`mlsp serve`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mlsp.cli.options import (
    Cache,
    Exclude,
    Faces,
    MaxMegapixels,
    Model,
    Pairs,
    Photos,
    Port,
    Quiet,
    RatingsFile,
    Recursive,
    Workers,
)


def serve(
    paths: Photos,
    port: Port = 0,
    open_page: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in the browser.")
    ] = True,
    ratings: RatingsFile = None,
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
    """Rank, compare and rate photos in the browser.

    Prints a link that lets one browser of this machine in, once. Photos appear as they are scored. Nothing is sent anywhere, and no
    photo is changed, moved or deleted. Ctrl-C ends it; your ratings stay. Needs the web extra.

    Examples:
        mlsp serve holiday/
        mlsp serve holiday/ --ratings holiday.sqlite --no-open
    """
    from mlsp.base.errors import MissingExtraError
    from mlsp.base.text import printable
    from mlsp.cli.inputs import find_shots, switch
    from mlsp.culling.looking import open_close_ups
    from mlsp.models.model import load_model
    from mlsp.personal.user_ratings import UserRatings, default_user_ratings_path
    from mlsp.scoring.cache import open_caches
    from mlsp.scoring.scorer import Scorer

    try:
        from mlsp.serving.web.page_controller import PageController
        from mlsp.serving.web.server import open_browser, serve
    except ModuleNotFoundError as error:
        raise MissingExtraError("The page", "web") from error

    look_for_faces = switch("--faces", faces)
    max_pixels = round(max_megapixels * 1e6)
    # Said here and not only on the page.
    _ = load_model(model).backbone
    # One that is missing among others is shown as a photo that failed.
    if not any(os.path.lexists(path) for path in paths):
        typer.echo(f"mlsp: {printable(str(paths[0]))} does not exist", err=True)
        raise typer.Exit(2)
    listed = find_shots(paths, recursive=recursive, exclude=exclude, pairs=pairs, quiet=quiet)
    shots = listed.shots
    with (
        UserRatings.open(ratings or default_user_ratings_path()) as kept,
        open_caches(enabled=use_cache) as caches,
        open_close_ups(enabled=use_cache) as close_ups,
    ):

        def load(name: Path | str) -> Scorer:
            return Scorer(
                name,
                workers=workers,
                cache=caches,
                max_pixels=max_pixels,
            )

        def ready(link: str) -> None:
            typer.echo(link)
            if open_page:
                open_browser(link)
            if not quiet:
                typer.echo(
                    f"{len(shots)} photos. The link works once, in a browser of this machine. Ratings: {printable(str(kept.path))}."
                    " Ctrl-C ends.",
                    err=True,
                )

        controller = PageController(
            shots,
            kept,
            load,
            model=model,
            faces=look_for_faces,
            max_pixels=max_pixels,
            close_ups=close_ups,
            caches=(caches.scores, caches.features, close_ups),
            left_out=str(listed.left_out),
        )
        serve(controller, port=port, ready=ready)
