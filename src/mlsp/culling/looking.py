"""Looks at photos at full size, once: what was seen is cached by the photo's content, without the pictures of faces or whose they are."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from mlsp.base.cache_folder import cache_folder
from mlsp.base.content_cache import ContentCache, NullCache, checked, made_by, with_checksum
from mlsp.culling.close_ups import CloseUp, close_up_of
from mlsp.culling.faces import Eye, Face
from mlsp.photos import DecodeSettings, read_photo
from mlsp.photos.files import read_bytes
from mlsp.photos.photo import DECODING_PACKAGES

CLOSE_UP_CODE = (
    "base",
    "photos",
    "features/engines/compiled_graph.py",
    "features/engines/openvino_runtime.py",
    "culling/close_ups.py",
    "culling/looking.py",
    "culling/sharpness.py",
    "culling/faces",
)


def close_up_key(*, faces: bool) -> str:
    """Return the key of cached close-ups, with faces or without."""
    settings = "faces" if faces else "no faces"
    return made_by(settings, (*DECODING_PACKAGES, "openvino"), CLOSE_UP_CODE)


class CloseUpCache(ContentCache[CloseUp]):
    """Caches close-ups in a file; `CloseUpCache.open` opens one. Several threads may use it, and several processes its file."""

    table = "close_ups"
    # With faces and without, of this version and the last.
    kept_models = 4

    @staticmethod
    def _pack(content: bytes, model_key: str, value: CloseUp) -> bytes:
        return with_checksum(content, model_key, json.dumps(asdict(value)).encode())

    @staticmethod
    def _unpack(content: bytes, model_key: str, row: object) -> CloseUp:
        found = json.loads(checked(content, model_key, row))
        return CloseUp(tuple(map(_face, found["faces"])), found["subject"], found["blur"])


CloseUps: TypeAlias = CloseUpCache | NullCache[CloseUp]


def default_close_up_path() -> Path:
    """Return the file of cached close-ups, beside that of the scores."""
    return cache_folder() / "close-ups.sqlite"


@contextlib.contextmanager
def open_close_ups(*, enabled: bool = True) -> Iterator[CloseUps]:
    """Open the user's cache of close-ups, for as long as the block runs.

    Args:
        enabled: False for one that caches nothing.
    """
    if not enabled:
        yield NullCache()
        return
    with CloseUpCache.open(default_close_up_path()) as cache:
        yield cache


def look_closely(
    photo: Path, cache: CloseUps, *, faces: bool = True, max_pixels: int | None = None
) -> CloseUp:
    """Decode a photo at full size and measure it, unless that is cached. Several threads may call it at once.

    Args:
        photo: the file.
        cache: of close-ups.
        faces: whether to look for faces.
        max_pixels: photos with more are refused; 250 million by default.

    Raises:
        PhotoError: the photo cannot be read.
        EngineError: a network of faces failed on it.
        ModelError: a network of faces is damaged.
    """
    content = read_bytes(photo)
    sha256 = hashlib.sha256(content).hexdigest()
    key = close_up_key(faces=faces)
    found = cache.get(sha256, key)
    if found is None:
        settings = DecodeSettings.of(None, max_pixels)
        pixels = read_photo(content, settings=settings, source_path=photo).pixels
        found = close_up_of(pixels, faces=faces)
        cache.put(sha256, key, found)
    return found


def _face(values: dict[str, Any]) -> Face:
    one, other = values.pop("eyes")
    return Face(**values, eyes=(Eye(**one), Eye(**other)))
