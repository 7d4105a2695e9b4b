"""Decoding that nothing in a file bounds: developing raw photos, and films.

LibRaw believes what each tile of a file says of its size, so that 3 kB may take hours. What is absurd in other formats is refused before
it is decoded. A program that may start processes (`mlsp.base.spawning`) leaves such photos to some that can be ended; other photos do
not pay for the way there.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING

from mlsp.base.machine import usable_cores
from mlsp.base.spawning import may_spawn

if TYPE_CHECKING:
    from pathlib import Path

    from mlsp.photos.decoding_processes import DecodingProcesses
    from mlsp.photos.photo import Photo
    from mlsp.photos.settings import DecodeSettings

# Of the largest raw photos that pass the limit of pixels, on a busy machine.
SECONDS = 60
# Threads that come first at the same time start one pool.
_lock = threading.Lock()


class LeftApartError(Exception):
    """The photo is for `read_apart`."""


def leave_apart() -> None:
    """Leave the photo that is being decoded to another process, if this one may have some.

    Raises:
        LeftApartError: it may.
    """
    if may_spawn():
        raise LeftApartError


def read_apart(content: bytes, settings: DecodeSettings, source_path: Path | None) -> Photo:
    """Decode a photo in a process that is ended after a minute; see `mlsp.photos.decoding_processes`.

    Args:
        content: of the file.
        settings: reduction and limits.
        source_path: where `content` came from; None for memory.

    Raises:
        UnsupportedPhotoError: it takes longer, or as `mlsp.photos.read_photo`.
        UnreadablePhotoError: its decoder crashed, or as `mlsp.photos.read_photo`.
        PhotoError: as `mlsp.photos.read_photo`.
        EngineError: no process can be started.
    """
    with _lock:
        processes = _processes()
    return processes.read(content, settings=settings, source_path=source_path)


@lru_cache(maxsize=1)
def _processes() -> DecodingProcesses:
    from mlsp.photos.decoding_processes import DecodingProcesses

    return DecodingProcesses(usable_cores() + 1, seconds=SECONDS, outlives_interrupt=False)
