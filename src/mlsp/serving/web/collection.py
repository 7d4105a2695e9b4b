"""Photos of a page that are scored so far, and their changes since a browser last asked.

ScoreResult, ScoreFailure ─ add ─┐
stars, flags, labels of the user and of files ┼─ rows: one JSON array per photo, encoded when it changes ─ changes: those after a revision, joined
another head ─ extend ┤
stacks ─ place ┘
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from mlsp.base.digests import file_sha256
from mlsp.base.results import ScoreFailure
from mlsp.culling.marks import NO_MARKS, Marks, newer_marks
from mlsp.culling.shots import Shot
from mlsp.photos.camera_data import camera_data
from mlsp.photos.capture_time import shown_time
from mlsp.photos.listing import common_folder, shown_name
from mlsp.scoring.results import Score, ScoreResult
from mlsp.serving.web.entry import Entry, StackPlace, json_row


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows that changed.

    Attributes:
        revision: up to which these are; the next request begins there.
        more: whether there are more already.
        columns: names of the scores, in the rows' order.
        rows: JSON arrays of `FIELDS`, each photo once.
    """

    revision: int
    more: bool
    columns: tuple[str, ...]
    rows: tuple[bytes, ...]


class Collection:
    """The photos of a page. Safe for several threads.

    Args:
        shots: all of them, also those that are not scored yet.
        ratings: earlier ratings, by the photos' SHA-256.
        known: what the files of rated photos said when that was last noted, by the photos' paths.
    """

    def __init__(
        self,
        shots: Sequence[Shot],
        ratings: Mapping[str, Marks],
        known: Mapping[str, Marks] = MappingProxyType({}),
    ) -> None:
        # Absolute: with these paths ratings are kept and exported.
        self.shots = tuple(shot.absolute() for shot in shots)
        self.sources = tuple(shot.photo for shot in self.shots)
        self.ids_of_sources = {source: id_ for id_, source in enumerate(self.sources)}
        self.root = common_folder(self.sources)
        self._lock = threading.Lock()
        self._ratings = dict(ratings)
        self._known = dict(known)
        self._found: dict[int, Marks] = {}
        self._places: dict[int, StackPlace] = {}
        self._columns: tuple[str, ...] = ()
        self._entries: dict[int, Entry] = {}
        self._rows: dict[int, bytes] = {}
        self._ids: dict[str, list[int]] = {}
        # What became of the content of photos that `mlsp` has written into, by their numbers and the content.
        self._moved: dict[tuple[int, str], str] = {}
        # A photo's number for each change; the revision is how many there were. And where each photo's last change is.
        self._log: list[int] = []
        self._last_change: dict[int, int] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the scores, in the order of the rows."""
        return self._columns

    @property
    def revision(self) -> int:
        """Number of changes."""
        return len(self._log)

    def begin(self, columns: Sequence[str], *, instead_of: Sequence[str] = ()) -> None:
        """Name the scores that results will have.

        Args:
            columns: their names.
            instead_of: those of earlier results, which go; all others stay.
        """
        with self._lock:
            gone = {*columns, *instead_of}
            before = self._columns
            self._columns = (*columns, *(name for name in before if name not in gone))
            if before not in ((), self._columns):
                for entry in self._entries.values():
                    self._change(entry)

    def add(self, id_: int, result: ScoreResult | ScoreFailure) -> None:
        """Show a photo, or show it anew: a score that the result does not have stays while the photo's file does.

        Args:
            id_: its index in `shots`.
            result: of scoring it.
        """
        if isinstance(result, ScoreResult):
            result = self._now(id_, result)
        shown, folder = shown_name(result.source, self.root)
        camera = camera_data(result.source)
        captured, is_file_time = shown_time(result.source, camera.captured)
        scores = result.scores if isinstance(result, ScoreResult) else {}
        shot = self.shots[id_]
        entry = Entry(id_, shot, shown, folder, captured, is_file_time, camera, result, scores)
        with self._lock:
            before = self._entries.get(id_)
            if before is not None and before.sha256 == entry.sha256:
                entry = replace(entry, scores={**before.scores, **entry.scores})
            else:
                if before is not None and before.sha256:
                    self._ids[before.sha256].remove(id_)
                if entry.sha256:
                    self._ids.setdefault(entry.sha256, []).append(id_)
            self._change(entry)

    def extend(self, column: str, scores: Mapping[int, Score]) -> None:
        """Show one more score of photos.

        Args:
            column: its name.
            scores: by the photos' numbers; replacing those that they had.
        """
        with self._lock:
            is_new = column not in self._columns
            if is_new:
                self._columns = (*self._columns, column)
            for id_ in list(self._entries) if is_new else scores:
                entry = self._entries[id_]
                found = {column: scores[id_]} if id_ in scores else {}
                self._change(replace(entry, scores={**entry.scores, **found}))

    def place(self, places: Mapping[int, StackPlace | None]) -> None:
        """Show photos in their stacks.

        Args:
            places: by the photos' numbers, replacing those that they had; None for a photo that stands alone.
        """
        with self._lock:
            for id_, place in places.items():
                if self._places.get(id_) == place:
                    continue
                if place is None:
                    del self._places[id_]
                else:
                    self._places[id_] = place
                self._change(self._entries[id_])

    def set_rating(self, sha256: str, rating: Marks | None) -> list[int]:
        """Show the user's rating of a photo.

        Args:
            sha256: of its file.
            rating: replaces the earlier one; None: the user has not rated it.

        Returns:
            The numbers of all photos with this content.
        """
        with self._lock:
            if rating is None:
                self._ratings.pop(sha256, None)
            else:
                self._ratings[sha256] = rating
            ids = list(self._ids.get(sha256, ()))
            for id_ in ids:
                self._change(self._entries[id_])
        return ids

    def follow(self, moved: Iterable[tuple[Path, str, str]]) -> None:
        """Show that photos have another content now, with the same pixels and rating.

        Args:
            moved: photos, each with the SHA-256 of its content before and after.
        """
        ids = {Path(os.path.abspath(source)): id_ for source, id_ in self.ids_of_sources.items()}
        with self._lock:
            for photo, before, after in moved:
                entry = self._entries.get(ids.get(photo, -1))
                if entry is None or not isinstance(entry.result, ScoreResult):
                    continue
                if entry.sha256 != before:
                    continue  # another program was faster
                if before in self._ratings:
                    self._ratings[after] = self._ratings[before]
                self._ids[before].remove(entry.id)
                self._ids.setdefault(after, []).append(entry.id)
                self._moved[entry.id, before] = after
                self._moved.pop((entry.id, after), None)
                result = replace(entry.result, content_sha256=after)
                self._change(replace(entry, result=result))

    def set_found(self, id_: int, found: Marks) -> None:
        """Show what the files of a photo say of it: its sidecars, and itself."""
        with self._lock:
            if self._found.get(id_, NO_MARKS) == found:
                return
            self._found[id_] = found
            if id_ in self._entries:
                self._change(self._entries[id_])

    def note(self, known: Mapping[int, Marks]) -> None:
        """Take what files say as known: a change since is another program's, and counts more than an earlier rating here."""
        with self._lock:
            for id_, marks in known.items():
                before = self.rating_of(self._entries[id_])
                self._known[str(self.sources[id_])] = marks
                if self.rating_of(self._entries[id_]) != before:
                    self._change(self._entries[id_])

    def found(self, id_: int) -> Marks:
        """Return what the files of a photo say of it."""
        return self._found.get(id_, NO_MARKS)

    def own(self, entry: Entry) -> Marks | None:
        """Return the rating that the user gave a photo here; None if there is none."""
        return self._ratings.get(entry.sha256)

    def known(self, entry: Entry) -> Marks | None:
        """Return what the files of a photo said when that was last noted; None if it never was."""
        return self._known.get(str(entry.source))

    def rating_of(self, entry: Entry) -> Marks:
        """Return a photo's rating: the user's, unless another program has changed what its files say since."""
        own = self.own(entry) if entry.sha256 else None
        return newer_marks(own, self.found(entry.id), self.known(entry))

    def ids(self, sha256: str) -> list[int]:
        """Numbers of the photos with this content, the first to be scored first."""
        with self._lock:
            return list(self._ids.get(sha256, ()))

    def entry(self, id_: int) -> Entry | None:
        """Return a photo; None where no photo has this number, or it is not scored yet."""
        return self._entries.get(id_)

    def entries(self) -> list[Entry]:
        """Return all photos so far."""
        with self._lock:
            return list(self._entries.values())

    def changes(self, since: int, limit: int) -> Changes:
        """Return rows of the photos that changed after a revision, as they are now.

        Args:
            since: a revision; 0 for all.
            limit: maximum number of rows.
        """
        with self._lock:
            # What has changed again is told with its last change: who asks for everything gets each photo once.
            newest = (
                (revision, id_)
                for revision, id_ in enumerate(self._log[since:], since)
                if self._last_change[id_] == revision
            )
            told = list(islice(newest, limit))
            # The last change of all is always told.
            end = told[-1][0] + 1 if told else max(since, len(self._log))
            rows = tuple(self._rows[id_] for _, id_ in told)
            return Changes(end, end < len(self._log), self._columns, rows)

    def _now(self, id_: int, result: ScoreResult) -> ScoreResult:
        """Return a result under the content that the photo has now, if `mlsp` wrote into it since it was read."""
        now = result.content_sha256
        with self._lock:
            while (id_, now) in self._moved:
                now = self._moved[id_, now]
        if now == result.content_sha256:
            return result
        try:
            # The command line may have taken back since what was written here.
            is_now = file_sha256(result.source) == now
        except OSError:
            is_now = False
        return replace(result, content_sha256=now) if is_now else result

    def _change(self, entry: Entry) -> None:
        self._entries[entry.id] = entry
        self._rows[entry.id] = json_row(
            entry, self.rating_of(entry), self._places.get(entry.id), self._columns
        )
        self._last_change[entry.id] = len(self._log)
        self._log.append(entry.id)
