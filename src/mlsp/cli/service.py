"""`mlsp service`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from mlsp.cli.options import MaxMegapixels, ScoringDevice, Workers


def service(
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")
    ] = 8000,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME|DIR", help="Model; see `mlsp models`.")
    ] = "default",
    device: ScoringDevice = "auto",
    precision: Annotated[
        str, typer.Option("--precision", help="auto, float32 or bfloat16.")
    ] = "auto",
    workers: Workers = None,
    max_megapixels: MaxMegapixels = 100,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", metavar="N", help="Of a request.")
    ] = 50_000_000,
    max_photos: Annotated[
        int, typer.Option("--max-photos", metavar="N", help="Of a request.")
    ] = 32,
    queue_size: Annotated[
        int, typer.Option("--queue", metavar="N", help="Photos that may wait; others get a 503.")
    ] = 256,
    batch_photos: Annotated[
        int | None,
        typer.Option(
            "--batch",
            metavar="N",
            help="Photos of one size that go through the network together where they wait anyway; 1 for none. By default 16 with "
            "--device cuda, else none.",
            show_default=False,
        ),
    ] = None,
    batch_wait_ms: Annotated[
        float,
        typer.Option(
            "--batch-wait-ms", metavar="MS", help="Hold a photo back so long for others to join it."
        ),
    ] = 0,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", help="Until a photo has its scores.")
    ] = 30,
    drain_s: Annotated[
        float,
        typer.Option("--drain", metavar="SECONDS", help="For requests in progress at the end."),
    ] = 30,
    no_token: Annotated[
        bool,
        typer.Option(
            "--no-token", help="Serve other machines although MLSP_SERVICE_TOKEN is not set."
        ),
    ] = False,
    use_cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Remember scores.")] = False,
) -> None:
    """Score photos over HTTP, for other programs; needs the service extra.

    POST a photo to /v1/scores. Callers send the token of the environment variable MLSP_SERVICE_TOKEN, if it is set.
    """
    from mlsp.base.errors import MissingExtraError
    from mlsp.base.parallel import usable_cores
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
        scorer = Scorer(
            model,
            device=device,
            precision=precision,
            workers=count,
            cache=Caches(caches.scores),
            max_pixels=round(max_megapixels * 1e6),
        )
        serve_http(
            scorer,
            host=host,
            port=port,
            workers=count,
            settings=settings,
            started=lambda address: typer.echo(address),
        )
