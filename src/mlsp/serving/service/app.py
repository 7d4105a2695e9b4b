"""The service's routes.

    POST /v1/scores    a photo as the body, or several as multipart/form-data -> scores
    GET  /v1/model     the model's card
    GET  /health       the process lives
    GET  /ready        it takes photos
    GET  /metrics      for Prometheus
    GET  /openapi.json all of this for programs

Every error is `{"error": {"kind", "message"}}`: 400 no photo or a malformed form, 401 no token, 408 sent too slowly, 413 too many bytes, pixels or photos,
415 not in a format that is read, 422 damaged or too small, 503 the queue is full or the service stops, 504 not scored in time. Of several photos each
has its own result or error, and the answer is 200.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from mlsp.base.results import ScoreFailure
from mlsp.features.engines.batching_engine import BatchSettings
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer
from mlsp.serving.service.answers import (
    ErrorAnswer,
    FailedPhoto,
    ModelAnswer,
    PhotoScores,
    Problem,
    ScoresAnswer,
    model_answer,
    photo_scores,
    problem,
)
from mlsp.serving.service.forms import TooManyFilesError, WholeFormParser
from mlsp.serving.service.limits import CLIENT_LEFT, Limits, Refusal
from mlsp.serving.service.scoring_queue import QueueFullError, ScoringQueue
from mlsp.serving.service.settings import ServiceSettings
from mlsp.serving.service.telemetry import LOGGER, Metrics

_LAST_SECONDS = 1
_FORM = "multipart/form-data"
_FIELD = "photos"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_REQUEST_BODY = {
    "required": True,
    "description": "A photo's file; or several, each a part named `photos` of a form.",
    "content": {
        "application/octet-stream": _BINARY,
        "image/*": _BINARY,
        _FORM: {
            "schema": {
                "type": "object",
                "required": [_FIELD],
                "properties": {
                    _FIELD: {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "string", "format": "binary"},
                    }
                },
            }
        },
    },
}
_DESCRIPTIONS = {
    400: "no photo, or a malformed form",
    401: "no token, or a wrong one",
    408: "sent too slowly",
    413: "too many bytes, pixels or photos",
    415: "not in a format that is read",
    422: "damaged, or too small",
    500: "the model gave no score",
    503: "the queue is full",
    504: "not scored in time",
}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": words} for status, words in _DESCRIPTIONS.items()
}
_GUARDED: dict[int | str, dict[str, Any]] = {status: _ERRORS[status] for status in (401, 408, 413)}


class Service:
    """A scorer behind HTTP.

    Args:
        scorer: scores; its cache, if it has one, is used.
        workers: photos decoded and scored at the same time; batches, if the scorer or the settings want them, are filled by more.
        settings: limits.

    Attributes:
        application: for an ASGI server.
        metrics: what has been served.
        is_draining: it is to stop; `/ready` then answers 503.
    """

    def __init__(self, scorer: Scorer, *, workers: int, settings: ServiceSettings) -> None:
        self._model = scorer.model
        self._settings = settings
        self.metrics = Metrics()
        threads = workers
        batches = scorer.batches or BatchSettings(1)
        photos = batches.max_photos if settings.batch_photos is None else settings.batch_photos
        if photos > 1 or scorer.batches is not None:
            batches = replace(batches, max_photos=photos, wait_ms=settings.batch_wait_ms)
            scorer = scorer.in_batches(batches, computing=self.metrics.batches.observe)
            threads = scorer.threads
        self._queue = ScoringQueue(scorer, threads=threads, size=settings.queue_size)
        self.metrics.waiting.set_function(lambda: self._queue.held)
        self.is_draining = False
        self.application = Limits(self._routes(), settings, self.metrics)

    def _routes(self) -> FastAPI:
        app = FastAPI(
            title="mlsp",
            version=version("mlsp"),
            description="Scores photos as people would.",
            docs_url=None,
            redoc_url=None,
            lifespan=self._lifespan,
            redirect_slashes=False,
        )
        app.add_exception_handler(HTTPException, _answer_http_error)
        app.add_exception_handler(Refusal, _answer_refusal)
        app.add_exception_handler(Exception, _answer_fault)
        app.post(
            "/v1/scores",
            responses=_ERRORS,
            openapi_extra={"requestBody": _REQUEST_BODY},
            response_model=PhotoScores | ScoresAnswer,
        )(self._scores)
        app.get("/v1/model", responses=_GUARDED)(self._model_card)
        app.get("/health", response_class=PlainTextResponse)(self._health)
        # Some balancers and monitors ask so.
        app.head("/health", include_in_schema=False)(self._health)
        app.head("/ready", include_in_schema=False)(self._ready)
        app.get(
            "/ready",
            response_class=PlainTextResponse,
            responses={503: {"description": "stopping, or stuck"}},
        )(self._ready)
        app.get("/metrics", response_class=PlainTextResponse, responses=_GUARDED)(self._metrics)
        return app

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        LOGGER.info("ready", extra={"fields": {"model": self._model.name}})
        yield
        self.is_draining = True
        # Whoever waits for a photo has waited its time by now.
        await asyncio.to_thread(self._queue.close, _LAST_SECONDS)
        LOGGER.info("stopped")

    async def _health(self) -> PlainTextResponse:
        """Report that the process lives."""
        return PlainTextResponse("ok")

    async def _ready(self) -> PlainTextResponse:
        """Report that photos are taken."""
        if self.is_draining:
            return PlainTextResponse("stopping", HTTPStatus.SERVICE_UNAVAILABLE)
        if self._queue.is_stuck(self._settings.timeout_s):
            return PlainTextResponse("stuck", HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ok")

    async def _metrics(self) -> Response:
        """Return the metrics, for Prometheus."""
        return Response(self.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    async def _model_card(self) -> ModelAnswer:
        """Return the card of the model that scores."""
        return model_answer(self._model)

    async def _scores(self, request: Request) -> Any:
        """Score a photo, or several."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type == _FORM:
            named = await self._form(request)
            results = await self._score(request, [content for _, content in named])
            return ScoresAnswer(
                results=[
                    self._one_of_several(result, name)
                    for (name, _), result in zip(named, results, strict=True)
                ]
            )
        content = await request.body()
        if not content:
            raise Refusal(
                HTTPStatus.BAD_REQUEST,
                "no_photo",
                f"the request has no body: send a photo's file, or several as {_FORM}, each a part named {_FIELD!r}",
            )
        (result,) = await self._score(request, [content])
        if isinstance(result, ScoreFailure):
            status, error = problem(result)
            raise Refusal(status, error.kind, error.message)
        return photo_scores(result, None, self._model.name)

    async def _form(self, request: Request) -> list[tuple[str, bytes]]:
        """Return names and contents of a form's photos."""
        most = self._settings.max_photos
        parser = WholeFormParser(
            request.headers,
            request.stream(),
            max_files=most,
            max_bytes=self._settings.max_bytes,
        )
        try:
            form = await parser.parse()
        except TooManyFilesError as error:
            raise Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too_many_photos",
                f"a request may have at most {most} photos: send several requests",
            ) from error
        except MultiPartException as error:
            raise Refusal(
                HTTPStatus.BAD_REQUEST,
                "malformed_form",
                f"the form cannot be read: {error.message}",
            ) from error
        try:
            parts = form.getlist(_FIELD)
            files = [part for part in parts if not isinstance(part, str)]
            if not files or len(files) < len(parts):
                raise Refusal(
                    HTTPStatus.BAD_REQUEST,
                    "no_photo",
                    f"the form has no files named {_FIELD!r}: send each photo as such a part, with a filename",
                )
            return [(file.filename or "", await file.read()) for file in files]
        finally:
            await form.close()

    async def _score(
        self, request: Request, contents: Sequence[bytes]
    ) -> list[ScoreResult | ScoreFailure]:
        try:
            self._queue.reserve(len(contents))
        except QueueFullError:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "queue_full",
                "too many photos are waiting: try again in a second",
            ) from None
        scoring = asyncio.gather(
            *(self._queue.score(content, Path("photo")) for content in contents)
        )
        leaving = asyncio.ensure_future(_has_left(request))
        try:
            await asyncio.wait(
                (scoring, leaving),
                timeout=self._settings.timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not scoring.done():
                raise self._given_up(len(contents), has_left=leaving.done())
            results = scoring.result()
        finally:
            # What has not begun is dropped.
            scoring.cancel()
            leaving.cancel()
        for result in results:
            outcome = problem(result)[1].kind if isinstance(result, ScoreFailure) else "scored"
            self.metrics.photos.labels(outcome).inc()
        return results

    def _given_up(self, photos: int, *, has_left: bool) -> Refusal:
        self.metrics.photos.labels("cancelled" if has_left else "timeout").inc(photos)
        if has_left:
            return Refusal(CLIENT_LEFT, "cancelled", "the caller closed the connection")
        return Refusal(
            HTTPStatus.GATEWAY_TIMEOUT,
            "timeout",
            f"not scored within {self._settings.timeout_s:g} s: try again, with fewer photos",
        )

    def _one_of_several(
        self, result: ScoreResult | ScoreFailure, name: str
    ) -> PhotoScores | FailedPhoto:
        if isinstance(result, ScoreFailure):
            return FailedPhoto(photo=name, error=problem(result)[1])
        return photo_scores(result, name, self._model.name)


async def _has_left(request: Request) -> None:
    """Return when the caller of a request whose body is read closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _error(
    request: Request, status: int, kind: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    # For the request's line in the log.
    request.state.error_kind = kind
    answer = ErrorAnswer(error=Problem(kind=kind, message=message))
    return JSONResponse(answer.model_dump(), status, headers)


async def _answer_refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)  # noqa: S101 - registered for it
    headers = {"retry-after": "1"} if error.status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return _error(request, error.status, error.kind, error.message, headers)


async def _answer_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    kind = HTTPStatus(error.status_code).name.lower()
    message = f"{request.method} {request.url.path}: {error.detail}; see /openapi.json"
    return _error(request, error.status_code, kind, message, dict(error.headers or {}))


async def _answer_fault(request: Request, error: Exception) -> JSONResponse:
    LOGGER.error("fault", exc_info=error)
    return _error(request, 500, "fault", "the service failed: its log has the reason")
