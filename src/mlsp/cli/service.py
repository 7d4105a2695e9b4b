"""`mlsp service`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from mlsp.cli.options import (
    Cache,
    MaxMegapixels,
    Model,
    Port,
    Precision,
    ScoringDevice,
    Workers,
)


def service(
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Port = 8000,
    model: Model = "default",
    device: ScoringDevice = "auto",
    precision: Precision = "auto",
    workers: Workers = None,
    max_megapixels: MaxMegapixels = 100,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", metavar="N", help="Maximum size of a request in bytes.")
    ] = 50_000_000,
    max_photos: Annotated[
        int,
        typer.Option("--max-photos", metavar="N", help="Maximum number of photos in a request."),
    ] = 32,
    queue_size: Annotated[
        int,
        typer.Option(
            "--queue",
            metavar="N",
            help="Maximum number of waiting photos; more are answered with 503.",
        ),
    ] = 256,
    batch_photos: Annotated[
        int | None,
        typer.Option(
            "--batch",
            metavar="N",
            help="Maximum number of waiting photos of one size that the network computes together; by default 16 with --device cuda, else 1.",
        ),
    ] = None,
    batch_wait_ms: Annotated[
        float,
        typer.Option(
            "--batch-wait-ms",
            metavar="MS",
            help="Time that a photo is held back for others to join it, in milliseconds.",
        ),
    ] = 0,
    timeout_s: Annotated[
        float,
        typer.Option(
            "--timeout", metavar="SECONDS", help="Maximum time until a photo has its scores."
        ),
    ] = 30,
    drain_s: Annotated[
        float,
        typer.Option(
            "--drain",
            metavar="SECONDS",
            help="Time for requests in progress when the service ends.",
        ),
    ] = 30,
    no_token: Annotated[
        bool,
        typer.Option(
            "--no-token", help="Listen for other machines although MLSP_SERVICE_TOKEN is not set."
        ),
    ] = False,
    use_cache: Cache = False,
) -> None:
    """Score photos over HTTP, for other programs.

    POST a photo to /v1/scores. Where the environment variable MLSP_SERVICE_TOKEN is set, callers send it as their token. Needs the
    service extra.

    Examples:
        mlsp service
        mlsp service --port 8080 --max-photos 100 --queue 1000
    """
    from mlsp.base.errors import MissingExtraError
    from mlsp.base.machine import usable_cores
    from mlsp.scoring.cache import Caches, open_caches
    from mlsp.scoring.scorer import Scorer
    from mlsp.serving.service import ServiceSettings

    try:
        from mlsp.serving.service.serving import check_access, serve_http
    except ModuleNotFoundError as error:
        raise MissingExtraError("The HTTP service", "service") from error

    settings = ServiceSettings(
        token=os.environ.get("MLSP_SERVICE_TOKEN"),
        max_bytes=max_bytes,
        max_photos=max_photos,
        queue_size=queue_size,
        batch_photos=batch_photos,
        batch_wait_ms=batch_wait_ms,
        timeout_s=timeout_s,
        drain_s=drain_s,
    )
    check_access(host, settings, is_open=no_token)
    with open_caches(enabled=use_cache) as caches:
        count = usable_cores() + 1 if workers is None else workers
        with Scorer(
            model,
            device=device,
            precision=precision,
            workers=count,
            cache=Caches(caches.scores),
            max_pixels=round(max_megapixels * 1e6),
            # Nobody waits for it any longer.
            decode_seconds=timeout_s,
        ) as scorer:
            serve_http(
                scorer,
                host=host,
                port=port,
                workers=count,
                settings=settings,
                started=lambda address: typer.echo(address),
            )
