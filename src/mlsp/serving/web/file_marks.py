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
from mlsp.culling.shots import Shot
from mlsp.culling.xmp import Folders, read_shot_marks
from mlsp.serving.web.rated_photos import RatedPhotos

# A look at 20,000 photos takes a second of one core: it shall be a small part of the time, and a slow drive be left alone.
_SECONDS_BETWEEN_LOOKS = 5.0
_SHARE_OF_TIME = 0.05

# Size, time and number of a photo's file and of each of its sidecars; None for one that is not there.
_Signature: TypeAlias = tuple[tuple[int, int, int] | None, ...]

_log = logging.getLogger(__name__)


class FileMarks:
    """Follower of the marks in the files of a collection's photos, in a thread of its own."""

    def __init__(self, rated: RatedPhotos) -> None:
        self._rated = rated
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
        for id_, shot in enumerate(self._rated.collection.shots):
            if self._is_stopping.is_set():
                return
            self.look_at(id_, shot, folders)

    def look_at(self, id_: int, shot: Shot, folders: Folders) -> None:
        """Look at one shot's files."""
        with self._lock:
            try:
                sidecars = [folders.sidecars(photo) for photo in shot.photos]
            except SidecarError:
                # Moved or removed: what was found stays.
                return
            named = [name for one in sidecars for name in (one.full, one.short) if name is not None]
            signature = tuple(map(_signature, (*shot.photos, *named)))
            is_scored = self._rated.collection.entry(id_) is not None
            seen = self._seen.get(id_)
            if seen is None or seen[0] != signature:
                found = _read(shot, folders)
            elif seen[2] or not is_scored:
                return
            else:
                # Only now its content is known, and with it the user's rating.
                found = seen[1]
            try:
                if found is not None:
                    self._rated.find(id_, found)
            except MlspError as error:
                _log.warning("what %s says is not noted: %s", shot.photo, error)
            self._seen[id_] = signature, found, is_scored

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            began = time.monotonic()
            self.look()
            self._has_looked.set()
            took = time.monotonic() - began
            self._is_stopping.wait(max(_SECONDS_BETWEEN_LOOKS, took / _SHARE_OF_TIME))


def _read(shot: Shot, folders: Folders) -> Marks | None:
    """Return a shot's marks; None where a sidecar is damaged, so that nobody knows what it said."""
    try:
        return read_shot_marks(shot.photos, folders=folders)
    except SidecarError as error:
        _log.debug("%s: the marks in its files are not shown: %s", shot.photo, error)
        return None


def _signature(file: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
