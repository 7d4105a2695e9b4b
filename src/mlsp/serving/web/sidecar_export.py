"""A page's ratings into sidecars, and back out."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from mlsp.base.errors import MlspError, OutputError
from mlsp.base.text import printable
from mlsp.culling.xmp import Convention, Folders, write_shot_marks
from mlsp.culling.xmp.journal import Journal, Undone, runs, undo
from mlsp.serving.web.collection import Entry
from mlsp.serving.web.file_marks import FileMarks
from mlsp.serving.web.rated_photos import RatedPhotos

_SHARED = "photo.xmp would be its only sidecar, and belongs to another photo of that name: write photo.jpg.xmp"


@dataclass(slots=True)
class Written:
    """Result of writing sidecars.

    Attributes:
        written: photos whose sidecars have the rating now.
        files: sidecars that were written.
        kept: photos that kept another rating, which someone gave them by hand.
        failed: photos whose sidecars could not be written, and why.
    """

    written: int = 0
    files: int = 0
    kept: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)


class SidecarExport:
    """Writer of a page's ratings into sidecars. Safe for several threads.

    Args:
        rated: the ratings.
        files: what the photos' files say.
    """

    def __init__(self, rated: RatedPhotos, files: FileMarks) -> None:
        self._rated = rated
        self._files = files
        self._lock = threading.Lock()
        self._last: Journal | None = None
        self._last_entries: list[Entry] = []

    def write(self, *, overwrite: bool, convention: Convention) -> Written:
        """Write the user's marks into the sidecars of the photos that have other ones.

        Args:
            overwrite: also replace a rating by hand of which nobody knows whether it is older than the one here.
            convention: which sidecars.

        Raises:
            OutputError: what the sidecars have cannot be noted, so that writing could not be taken back; the rest is not written.
        """
        collection = self._rated.collection
        found, written, folders = Written(), [], Folders()
        with self._lock, Journal("mlsp serve", ratings=self._rated.ratings.path) as journal:
            # What another program wrote a moment ago counts.
            self._files.look()
            for entry in collection.entries():
                marks = collection.own(entry)
                if marks is None or collection.rating_of(entry) != marks:
                    continue
                # The user saw what the files say, and rated otherwise.
                is_seen = collection.known(entry) == collection.found(entry.id)
                try:
                    outcome = write_shot_marks(
                        entry.shot.photos,
                        marks,
                        overwrite=overwrite or is_seen,
                        convention=convention,
                        folders=folders,
                        note=journal.note,
                    )
                except OutputError:
                    raise
                except MlspError as error:
                    found.failed.append({"photo": entry.shown, "error": printable(str(error))})
                    continue
                found.files += len(outcome.files)
                if outcome.status == "kept":
                    found.kept.append(entry.shown)
                elif outcome.status == "shared":
                    found.failed.append({"photo": entry.shown, "error": _SHARED})
                else:
                    found.written += 1
                    written.append(entry)
            if journal.path is not None:
                self._last, self._last_entries = journal, written
            self._know(written)
        return found

    def take_back(self) -> Undone | None:
        """Take back what `write` wrote last; the ratings here stay. None where there is nothing to take back."""
        with self._lock:
            last, self._last = self._last, None
            run = next((run for run in runs() if last and run.path == last.path), None)
            if run is None:
                return None
            done = undo(run)
            self._know(self._last_entries)
            return done

    def _know(self, entries: list[Entry]) -> None:
        """Take what the files say now as known: it was not another program that changed them."""
        self._files.look()
        for entry in entries:
            self._rated.note_written(entry)
