"""The page's rated photos as files: copied or linked into a folder, with their sidecars, or as a list."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlsp.base.errors import SettingsError, SidecarError
from mlsp.base.text import printable
from mlsp.culling.copies import Placed, make_folder, place_shots
from mlsp.culling.shots import Shot
from mlsp.culling.xmp import Folders
from mlsp.personal.rated_shots import rated_condition
from mlsp.serving.web.collection import Collection
from mlsp.serving.web.ended import why_ended
from mlsp.serving.web.learning import BusyError, State


@dataclass(frozen=True, slots=True)
class Placing:
    """Progress of putting photos into a folder.

    Attributes:
        state: `idle` before the first time.
        folder: where to.
        photos: that are wanted.
        total: their files, sidecars too.
        done: files that were looked at.
        new: files that were put there; the others were there already.
        differing: of those, sidecars and videos that are others now, and were left as they are.
        failed: files that could not be read, and why; told when it has ended.
        message: why it ended before the last file.
    """

    state: State = "idle"
    folder: str = ""
    photos: int = 0
    total: int = 0
    done: int = 0
    new: int = 0
    differing: int = 0
    failed: tuple[dict[str, str], ...] = ()
    message: str | None = None


class PhotoExport:
    """Copies of a collection's rated photos, made in a thread. Nothing is moved or overwritten. Safe for several threads."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._placing = Placing()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_stopping = threading.Event()

    @property
    def progress(self) -> Placing:
        """How far it is."""
        return self._placing

    def photos(self, wanted: str) -> list[Path]:
        """Return the photos with a rating, all those of each shot, in their order.

        Args:
            wanted: as `mlsp pick --rated` takes it: `picked`, `rejected`, `4+`, `red`, several separated by commas.

        Raises:
            SettingsError: `wanted` is something else.
        """
        return [photo for shot in self._shots(wanted) for photo in shot.photos]

    def start(self, wanted: str, folder: str, *, hard_links: bool) -> Placing:
        """Start putting photos into a folder, in the folders that they have below that of all.

        Args:
            wanted: which, as for `photos`.
            folder: a whole path, or one that begins with `~`; made if it is not there.
            hard_links: second names of the photos instead of copies; sidecars are copied.

        Raises:
            SettingsError: the folder is no whole path, or where the page's photos are.
            OutputError: it cannot be made or written to.
            BusyError: earlier ones are still being copied.
        """
        with self._starting:
            if self._placing.state == "running":
                raise BusyError("photos are still being put into a folder")
            shots = self._shots(wanted)
            target = self._target(folder)
            files = _files(shots)
            total = sum(map(len, files))
            self._placing = Placing("running", printable(str(target)), len(shots), total)
            self._thread = threading.Thread(
                target=self._run, args=(files, target, hard_links), name="mlsp-copies", daemon=True
            )
            self._thread.start()
            return self._placing

    def stop(self) -> None:
        """Stop after the file that is being copied."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _shots(self, wanted: str) -> list[Shot]:
        condition = rated_condition(wanted)
        rating_of = self._collection.rating_of
        found = [entry for entry in self._collection.entries() if condition(rating_of(entry))]
        return [entry.shot for entry in sorted(found, key=lambda entry: entry.id)]

    def _target(self, folder: str) -> Path:
        target, root = Path(folder).expanduser(), self._collection.root
        if not target.is_absolute():
            raise SettingsError(f"{folder!r} is no whole path: begin with a drive, / or ~")
        # Resolved: the page would show the copies at its next start.
        if root is not None and target.resolve().is_relative_to(root.resolve()):
            raise SettingsError(
                f"{folder!r} is where this page's photos are, which would show the copies too: name a folder elsewhere"
            )
        make_folder(target, self._roots)
        return target

    @property
    def _roots(self) -> list[Path]:
        root = self._collection.root
        return [] if root is None else [root]

    def _run(self, files: Sequence[Sequence[Path]], target: Path, hard_links: bool) -> None:
        failed: list[dict[str, str]] = []
        try:
            for result in place_shots(files, target, self._roots, link=hard_links, hard=hard_links):
                before = self._placing
                is_new = differs = False
                if isinstance(result, Placed):
                    is_new, differs = result.is_new, result.differs
                else:
                    failed.append(
                        {
                            "photo": printable(str(result.source)),
                            "error": printable(str(result.error)),
                        }
                    )
                self._placing = replace(
                    before,
                    done=before.done + 1,
                    new=before.new + is_new,
                    differing=before.differing + differs,
                )
                if self._is_stopping.is_set():
                    return
            self._placing = replace(self._placing, state="done", failed=tuple(failed))
        except Exception as error:
            message = why_ended(error, "putting photos into a folder")
            self._placing = replace(
                self._placing, state="failed", failed=tuple(failed), message=message
            )


def _files(shots: Sequence[Shot]) -> list[tuple[Path, ...]]:
    """Return the files of each shot as they are now: sidecars may have come or gone since the page was opened."""
    folders = Folders()
    found = []
    for shot in shots:
        sidecars = [sidecar for photo in shot.photos for sidecar in _sidecars(photo, folders)]
        companions = (file for file in (*shot.companions, *sidecars) if file.exists())
        found.append(tuple(dict.fromkeys((*shot.photos, *companions))))
    return found


def _sidecars(photo: Path, folders: Folders) -> list[Path]:
    try:
        names = folders.sidecars(photo)
    except SidecarError:
        # The photo has gone, which copying it says.
        return []
    return [name for name in (names.full, names.short) if name is not None]
