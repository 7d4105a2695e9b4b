"""Routes of the page: photos and their scores as JSON, pictures, ratings and comparisons.

    GET  /, /static/{name}                the page
    GET  /api/status                      progress, columns, counts, what can be undone
    GET  /api/photos?since=&limit=        rows that changed after a revision: 0 for all, again while `more`
    GET  /api/thumbnail/{id}?v=           JPEG of at most 30 kB
    GET  /api/photo/{id}?side=&v=         JPEG to look at full-screen
    GET  /api/explain/{id}/{head}         PNG: what raised and lowered the score
    POST /api/ratings                     {ratings: [{id, stars?, flag?, label?}, …]}: a field left out stays as it was, null clears it
    POST /api/comparisons                 {better, worse}; the last answer about these two, sent again, counts once
    POST /api/undo                        {}: the last ratings given together, or comparison, as often as there are some
    GET  /api/pair?skip=                  two photos to compare; skip=3,17 never to be asked about again
    POST /api/learn, GET /api/learn       learns the user's own taste in a thread; how far it is
    POST /api/learn/save                  {name}: keeps it as a model, and shows its scores
    GET  /api/export.csv?all=             ratings and scores
    GET  /api/comparisons.csv             comparisons
    GET  /api/export/photos.txt?rated=    names of the photos with a rating, as `mlsp pick --rated` takes it
    POST /api/export/photos               {rated, folder, hard_links}: puts their files into a folder, in a thread
    GET  /api/export/photos               how far that is
    POST /api/export/xmp                  {overwrite, convention, becomes, keywords, inside}: ratings into sidecars or photos
    GET  /api/export/xmp                  how far that is
    POST /api/export/undo                 {}: files as they were before the last such export

A row is an array of `mlsp.serving.web.entry.FIELDS`. Errors are `{"error": message}`, to be shown as they are. Photos are named
by numbers only; `mlsp.serving.web.security` decides which requests come here at all.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from mlsp.base.errors import MlspError, ModelError, OutputError, PhotoError, SettingsError
from mlsp.base.machine import usable_cores
from mlsp.photos.thumbnails import THUMBNAIL_MEDIA_TYPE, thumbnail
from mlsp.serving.asgi import Application
from mlsp.serving.web.bodies import (
    ComparisonBody,
    Nothing,
    RatingsBody,
    SaveBody,
)
from mlsp.serving.web.entry import FIELDS, Entry
from mlsp.serving.web.export_routes import add_exports
from mlsp.serving.web.learning import BusyError, NotBetterError
from mlsp.serving.web.page_controller import PageController
from mlsp.serving.web.pictures import PictureCache, preview
from mlsp.serving.web.security import Access, AuthMiddleware
from mlsp.serving.web.static_files import PAGE, static_files

_log = logging.getLogger(__name__)

_MAX_SIDE, _MIN_SIDE, _DEFAULT_SIDE = 4096, 64, 1600
_MAX_ROWS, _DEFAULT_ROWS = 20_000, 5_000
_THUMBNAIL_BYTES, _PREVIEW_BYTES = 128_000_000, 64_000_000
_SKIP = r"^\d{1,9},\d{1,9}$"
_MAX_ID = 2**31


def create_app(controller: PageController, access: Access) -> Application:
    """Return the application.

    Returns:
        An ASGI application.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_errors(app)
    _add_page(app)
    _add_photos(app, controller)
    _add_pictures(app, controller)
    _add_ratings(app, controller)
    add_exports(app, controller)
    _add_learning(app, controller)
    return AuthMiddleware(app, access)


def _add_errors(app: FastAPI) -> None:
    def failed(status: int, message: str) -> JSONResponse:
        return JSONResponse({"error": message}, status)

    @app.exception_handler(StarletteHTTPException)
    async def http_error(_: Request, error: StarletteHTTPException) -> JSONResponse:
        detail = "there is no such page" if error.detail == "Not Found" else str(error.detail)
        return failed(error.status_code, detail)

    @app.exception_handler(RequestValidationError)
    async def wrong_request(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "what was sent"
        if first["type"] == "string_too_short":
            return failed(422, f"no {where} is given: fill it in")
        return failed(422, f"{where}: {first['msg']}")

    @app.exception_handler(MlspError)
    async def our_error(_: Request, error: MlspError) -> JSONResponse:
        if isinstance(error, PhotoError):
            return failed(404, str(error))
        if isinstance(error, BusyError | NotBetterError | ModelError | OutputError):
            return failed(409, str(error))
        return failed(400 if isinstance(error, SettingsError) else 500, str(error))

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, error: Exception) -> JSONResponse:
        _log.error("a request failed", exc_info=error)
        return failed(500, f"mlsp serve failed ({type(error).__name__}): see its terminal")


def _add_page(app: FastAPI) -> None:
    files = static_files()

    def file(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "there is no such file")
        found, media_type = files[name]
        headers = {"cache-control": "no-cache"}
        return Response(found.read_bytes(), media_type=media_type, headers=headers)

    @app.get("/")
    def page() -> Response:
        return file(PAGE)

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        return file(name)


def _add_photos(app: FastAPI, controller: PageController) -> None:
    about = {
        "version": version("mlsp"),
        "model": controller.model,
        "root": controller.shown_root,
        "left_out": controller.left_out,
    }

    @app.get("/api/status")
    def status() -> dict[str, Any]:
        rated, compared = controller.rated.counts()
        return {
            **about,
            "columns": controller.collection.columns,
            "heads": controller.heads(),
            "meanings": controller.meanings(),
            "scoring": asdict(controller.scoring.progress()),
            "stacks": asdict(controller.stacks.progress),
            "revision": controller.collection.revision,
            "ratings": {
                "file": os.fsencode(controller.rated.ratings.path).decode("utf-8", "replace"),
                "photos": rated,
                "comparisons": compared,
            },
            "undo": controller.rated.undoable(),
            "learn": controller.learner.status(),
            "can_take_back": controller.sidecars.can_take_back,
        }

    # Not in the pool of threads, where pictures might keep it waiting: the rows are encoded already.
    @app.get("/api/photos")
    async def photos(
        since: Annotated[int, Query(ge=0, le=_MAX_ID)] = 0,
        limit: Annotated[int, Query(ge=1, le=_MAX_ROWS)] = _DEFAULT_ROWS,
    ) -> Response:
        changes = controller.collection.changes(since, limit)
        head = json.dumps(
            {
                "revision": changes.revision,
                "more": changes.more,
                "columns": changes.columns,
                "fields": FIELDS,
            }
        )
        content = b"".join((head[:-1].encode(), b',"rows":[', b",".join(changes.rows), b"]}"))
        return Response(content, media_type="application/json")


def _add_pictures(app: FastAPI, controller: PageController) -> None:
    # A pool of their own: decoding must not keep ratings waiting.
    pool = ThreadPoolExecutor(max(2, usable_cores()), thread_name_prefix="mlsp-pictures")
    thumbnails, previews = PictureCache(_THUMBNAIL_BYTES), PictureCache(_PREVIEW_BYTES)

    async def answer(
        request: Request, entry: Entry, v: str, cache: PictureCache, side: int | None
    ) -> Response:
        tag = f'"{entry.version}-{entry.id}-{side or 0}"'
        # `v` names the content, so that with it a picture never changes.
        lasts = "max-age=3600" if v and v == entry.version else "no-cache"
        headers = {"etag": tag, "cache-control": f"private, {lasts}"}
        if entry.version and request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)

        def make() -> bytes:
            return thumbnail(entry.source) if side is None else preview(entry.source, side)

        def picture() -> bytes:
            return cache.get((entry.id, entry.version, side), make)

        content = await asyncio.get_running_loop().run_in_executor(pool, picture)
        return Response(content, media_type=THUMBNAIL_MEDIA_TYPE, headers=headers)

    @app.get("/api/thumbnail/{id_}")
    async def small(request: Request, id_: int, v: str = "") -> Response:
        return await answer(request, controller.entry(id_), v, thumbnails, None)

    @app.get("/api/photo/{id_}")
    async def large(
        request: Request,
        id_: int,
        side: Annotated[int, Query(ge=_MIN_SIDE, le=_MAX_SIDE)] = _DEFAULT_SIDE,
        v: str = "",
    ) -> Response:
        return await answer(request, controller.entry(id_), v, previews, side)

    @app.get("/api/explain/{id_}/{head}")
    async def explain(id_: int, head: str) -> Response:
        entry, scorer = controller.entry(id_), controller.scorer_of(head)
        key = (entry.id, entry.version, head, scorer.model.fingerprint)
        content = await asyncio.get_running_loop().run_in_executor(
            pool, lambda: previews.get(key, lambda: controller.heat_map(entry, head, scorer))
        )
        return Response(content, media_type="image/png")


def _add_ratings(app: FastAPI, controller: PageController) -> None:
    rated, collection = controller.rated, controller.collection

    @app.post("/api/ratings")
    def rate(body: RatingsBody) -> dict[str, Any]:
        given = [
            (controller.entry(one.id), one.model_dump(include=one.model_fields_set - {"id"}))
            for one in body.ratings
        ]
        now = zip(given, rated.rate(given), strict=True)
        ratings = [{"id": entry.id, **asdict(marks)} for (entry, _), marks in now]
        return {"ratings": ratings, "revision": collection.revision, "undo": rated.undoable()}

    @app.post("/api/comparisons")
    def compare(body: ComparisonBody) -> dict[str, Any]:
        rated.compare(controller.entry(body.better), controller.entry(body.worse))
        return {
            "comparisons": rated.counts()[1],
            "revision": collection.revision,
            "undo": rated.undoable(),
        }

    @app.post("/api/undo")
    def undo(_: Nothing) -> dict[str, Any]:
        text, ids, is_comparison = rated.undo()
        return {
            "undone": text,
            "ids": ids,
            "is_comparison": is_comparison,
            "revision": collection.revision,
            "undo": rated.undoable(),
        }

    @app.get("/api/pair")
    def pair(skip: Annotated[str | None, Query(pattern=_SKIP)] = None) -> dict[str, Any]:
        if skip is not None:
            one, other = (controller.entry(int(id_)) for id_ in skip.split(","))
            rated.skip(one, other)
        found, why, message = controller.question()
        return {
            "pair": None if found is None else [entry.id for entry in found],
            "why": why,
            "comparisons": rated.counts()[1],
            "message": message,
        }


def _add_learning(app: FastAPI, controller: PageController) -> None:
    @app.get("/api/learn")
    def learning() -> dict[str, Any]:
        return controller.learner.status()

    @app.post("/api/learn", status_code=202)
    def learn(_: Nothing) -> dict[str, Any]:
        controller.learner.start()
        return controller.learner.status()

    @app.post("/api/learn/save")
    def save(body: SaveBody) -> dict[str, str]:
        name, folder = controller.learner.save(body.name)
        return {"name": name, "folder": str(folder)}
