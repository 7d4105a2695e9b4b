"""Stars, flags and labels that other programs give a page's photos: in sidecars and inside the photos, as they change."""

from __future__ import annotations

import logging
import os
import threading
import time
from pathlib import Path
from typing import TypeAlias

from mlsp.base.errors import MlspError, SidecarError
from mlsp.culling.marks import Marks
from mlsp.culling.xmp import Folders, read_marks
from mlsp.serving.web.rated_photos import RatedPhotos

# A look at 20,000 photos takes a second of one core: it shall be a small part of the time, and a slow drive be left alone.
_SECONDS_BETWEEN_LOOKS = 5.0
_SHARE_OF_TIME = 0.05

# Size, time and number of a photo's file and of each of its sidecars; None for one that is not there.
_Signature: TypeAlias = tuple[tuple[int, int, int] | None, ...]

_log = logging.getLogger(__name__)


class FileMarks:
    """Follower of the marks in the files of a collection's photos, in a thread of its own.

    Args:
        rated: shows them.
        seconds_between_looks: at the files, at least.
    """

    def __init__(
        self, rated: RatedPhotos, *, seconds_between_looks: float = _SECONDS_BETWEEN_LOOKS
    ) -> None:
        self._rated = rated
        self._seconds_between_looks = seconds_between_looks
        # By the photo's number; whether it was scored then.
        self._seen: dict[int, tuple[_Signature, Marks | None, bool]] = {}
        self._thread = threading.Thread(target=self._run, name="mlsp-marks", daemon=True)
        self._is_stopping = threading.Event()
        self._has_looked = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._is_stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def wait(self, seconds: float) -> bool:
        """Wait until all photos were looked at once; return False if that takes longer."""
        return self._has_looked.wait(seconds)

    def look(self) -> None:
        """Look at every photo's files, and read those that have changed."""
        folders = Folders()
        for id_, source in enumerate(self._rated.collection.sources):
            if self._is_stopping.is_set():
                return
            self.look_at(id_, source, folders)

    def look_at(self, id_: int, source: Path, folders: Folders) -> None:
        """Look at one photo's files.

        Args:
            id_: its number.
            source: the photo.
            folders: listings to use again.
        """
        with self._lock:
            try:
                names = folders.sidecars(source)
            except SidecarError:
                # Moved or removed: what was found stays.
                return
            files = [source, names.full, *([names.short] if names.short else [])]
            signature = tuple(map(_signature, files))
            is_scored = self._rated.collection.entry(id_) is not None
            seen = self._seen.get(id_)
            if seen is None or seen[0] != signature:
                found = _read(source, folders)
            elif seen[2] or not is_scored:
                return
            else:
                # Only now its content is known, and with it the user's rating.
                found = seen[1]
            try:
                if found is not None:
                    self._rated.find(id_, found)
            except MlspError as error:
                _log.warning("what %s says is not noted: %s", source, error)
            self._seen[id_] = signature, found, is_scored

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            began = time.monotonic()
            self.look()
            self._has_looked.set()
            took = time.monotonic() - began
            self._is_stopping.wait(max(self._seconds_between_looks, took / _SHARE_OF_TIME))


def _read(source: Path, folders: Folders) -> Marks | None:
    """Return a photo's marks; None where a sidecar is damaged, so that nobody knows what it said."""
    try:
        return read_marks(source, folders=folders)
    except SidecarError as error:
        _log.debug("%s: the marks in its files are not shown: %s", source, error)
        return None


def _signature(file: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
