"""The files of the page itself, by a list of their names: no path that a browser sends is ever opened."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable

PAGE = "page.html"
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def static_files() -> Mapping[str, tuple[Traversable, str]]:
    """Return the files by their names, each with its media type."""
    folders = (
        resources.files("mlsp.serving.web") / "static",
        resources.files("mlsp.reports") / "gallery",
    )
    return {
        file.name: (file, media_type)
        for folder in folders
        for file in folder.iterdir()
        for ending, media_type in _MEDIA_TYPES.items()
        if file.name.endswith(ending) and file.is_file()
    }
