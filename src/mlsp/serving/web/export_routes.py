"""Routes of the page's exports: tables, photos into a folder, ratings into sidecars or photos. `mlsp.serving.web.app` lists them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import FastAPI, Query, Response

from mlsp.base.text import escape_bytes, printable
from mlsp.culling.xmp.stars import STARS_ONLY, XmpMap
from mlsp.serving.web.bodies import Nothing, PlaceBody, XmpBody
from mlsp.serving.web.page_controller import PageController
from mlsp.serving.web.sidecar_export import ExportSettings


def add_exports(app: FastAPI, controller: PageController) -> None:
    """Add the routes to the application."""

    def file(text: str, name: str, media_type: str = "text/csv") -> Response:
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        # A list of names is for programs, which need the bytes that are on disk; a table is UTF-8.
        content = (escape_bytes(text) if media_type == "text/csv" else text).encode(
            errors="surrogateescape"
        )
        return Response(content, media_type=f"{media_type}; charset=utf-8", headers=headers)

    @app.get("/api/export.csv")
    def ratings(everything: Annotated[bool, Query(alias="all")] = False) -> Response:
        return file(controller.rated.ratings_csv(everything=everything), "ratings.csv")

    @app.get("/api/comparisons.csv")
    def comparisons() -> Response:
        return file(controller.rated.comparisons_csv(), "comparisons.csv")

    @app.get("/api/export/photos.txt")
    def names(rated: str) -> Response:
        lines = [f"{photo}\n" for photo in controller.photo_export.photos(rated)]
        return file("".join(lines), "photos.txt", "text/plain")

    @app.post("/api/export/photos", status_code=202)
    def place(body: PlaceBody) -> dict[str, Any]:
        export = controller.photo_export
        return asdict(export.start(body.rated, body.folder, hard_links=body.hard_links))

    @app.get("/api/export/photos")
    def placing() -> dict[str, Any]:
        return asdict(controller.photo_export.progress)

    @app.post("/api/export/xmp")
    def xmp(body: XmpBody) -> dict[str, Any]:
        settings = ExportSettings(
            body.overwrite,
            body.convention,
            XmpMap.of(body.becomes) if body.becomes else STARS_ONLY,
            tuple(body.keywords),
            body.inside,
        )
        return asdict(controller.sidecars.write(settings))

    @app.get("/api/export/xmp")
    def writing() -> dict[str, int]:
        return asdict(controller.sidecars.progress)

    @app.post("/api/export/undo")
    def take_back(_: Nothing) -> dict[str, Any]:
        done = controller.sidecars.take_back()
        left = [printable(str(error)) for error in done.left]
        return {"restored": len(done.restored), "removed": len(done.removed), "left": left}
