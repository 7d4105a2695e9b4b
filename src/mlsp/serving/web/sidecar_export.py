"""A page's ratings into sidecars or photos, with keywords of their scores, and back out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlsp.base.errors import MlspError, OutputError
from mlsp.base.text import printable
from mlsp.culling.marks import Marks
from mlsp.culling.xmp import Convention, Folders, write_shot_marks
from mlsp.culling.xmp.journal import Journal, read_run, written_photos
from mlsp.culling.xmp.stars import STARS_ONLY, XmpMap
from mlsp.culling.xmp.tagging import TaggedPhoto, tag_ranked, write_keywords
from mlsp.culling.xmp.undoing import Undone, undo
from mlsp.personal.following import AnyCache, follow_in_caches, moved_back
from mlsp.reports.ranking import sort_results
from mlsp.scoring.results import ScoreResult
from mlsp.serving.web.entry import Entry
from mlsp.serving.web.file_marks import FileMarks
from mlsp.serving.web.rated_photos import RatedPhotos

_SHARED = "photo.xmp would be its only sidecar, and belongs to another photo of that name: write photo.jpg.xmp"
_SORT = "overall"


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """Settings of writing ratings.

    Attributes:
        overwrite: also replace a rating by hand of which nobody knows whether it is older than the one here.
        convention: which sidecars.
        becomes: what the user's stars become.
        keywords: kinds of keywords that all scored photos get: `score`, `rank`; none for none.
        inside: write into the photos themselves, where that is the place of their XMP.
    """

    overwrite: bool = False
    convention: Convention = "both"
    becomes: XmpMap = STARS_ONLY
    keywords: tuple[str, ...] = ()
    inside: bool = False


@dataclass(frozen=True, slots=True)
class Writing:
    """Progress of writing ratings and keywords.

    Attributes:
        total: photos that get ratings, and once more those that get keywords; 0 until they are known.
        done: those of them that were looked at.
    """

    total: int = 0
    done: int = 0


@dataclass(slots=True)
class Written:
    """Result of writing ratings.

    Attributes:
        written: photos whose files have the rating now.
        files: that were written with ratings.
        tagged: photos whose keywords were written.
        kept: photos that kept another rating, which someone gave them by hand.
        failed: photos whose files could not be written, and why.
    """

    written: int = 0
    files: int = 0
    tagged: int = 0
    kept: list[str] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)


class SidecarExport:
    """Writer of a page's ratings into sidecars, or into the photos. Safe for several threads."""

    def __init__(
        self, rated: RatedPhotos, files: FileMarks, caches: Sequence[AnyCache] = ()
    ) -> None:
        self._rated = rated
        self._files = files
        self._caches = caches
        self._lock = threading.Lock()
        self._writing = Writing()
        self._last: Path | None = None
        self._last_entries: list[Entry] = []

    @property
    def progress(self) -> Writing:
        """How far `write` is, or was when it ended."""
        return self._writing

    @property
    def can_take_back(self) -> bool:
        """Whether `write` has written something that was not taken back yet."""
        return self._last is not None

    def write(self, settings: ExportSettings) -> Written:
        """Write the user's marks about the photos whose files have other ones, and keywords about all.

        Raises:
            SettingsError: keywords cannot be told from these scores; nothing is written then.
            OutputError: what the files have cannot be noted, so that writing could not be taken back; the rest is not written.
        """
        found = Written()
        written: list[Entry] = []
        with self._lock, Journal("mlsp serve", ratings=self._rated.ratings.path) as journal:
            self._writing = Writing()
            # What another program wrote a moment ago counts.
            self._files.look()
            tagged, rated = self._tagged(settings), self._own_marks()
            self._writing = Writing(len(rated) + len(tagged))
            try:
                self._write_marks(rated, settings, journal, found, written)
                self._write_keywords(tagged, settings, journal, found)
            finally:
                if journal.path is not None:
                    self._last, self._last_entries = journal.path, written
                    moved = written_photos(journal.path)
                    self._rated.follow(moved)
                    follow_in_caches(moved, self._caches)
                self._know(written)
        return found

    def take_back(self) -> Undone:
        """Take back what `write` wrote last, where there is something to take back; the ratings here stay."""
        with self._lock:
            run = None if self._last is None else read_run(self._last)
            if run is None:
                self._last = None
                return Undone()
            photos = written_photos(run.path)
            done = undo(run)
            if not done.left:
                self._last = None
            self._rated.follow(moved_back(photos, done))
            self._know(self._last_entries)
            return done

    def _own_marks(self) -> list[tuple[Entry, Marks]]:
        """Return what the user gave photos, with what another program has changed of it since; not where that is all of it."""
        collection = self._rated.collection
        given, changed = [], []
        for entry in collection.entries():
            own, marks = collection.own(entry), collection.rating_of(entry)
            if own is None or (marks != own and marks == collection.found(entry.id)):
                continue
            given.append((entry, marks))
            if marks != own:
                changed.append(entry)
        # Else, once the files say it, the user's earlier marks would count again, over what the other program changed.
        self._rated.rate([(entry, {}) for entry in changed])
        return given

    def _count(self, _: object = None) -> None:
        self._writing = replace(self._writing, done=self._writing.done + 1)

    def _write_marks(
        self,
        rated: Sequence[tuple[Entry, Marks]],
        settings: ExportSettings,
        journal: Journal,
        found: Written,
        written: list[Entry],
    ) -> None:
        """Write marks, count what became of them, and add the photos whose files have them now."""
        collection, folders = self._rated.collection, Folders()
        for entry, marks in rated:
            self._count()
            # The user saw what the files say, and rated otherwise.
            is_seen = collection.known(entry) == collection.found(entry.id)
            try:
                outcome = write_shot_marks(
                    entry.shot.photos,
                    settings.becomes.of_marks(marks),
                    overwrite=settings.overwrite or is_seen,
                    convention=settings.convention,
                    folders=folders,
                    note=journal.note,
                    inside=settings.inside,
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

    def _tagged(self, settings: ExportSettings) -> list[TaggedPhoto]:
        """Return the keywords of the photos that are scored so far."""
        if not settings.keywords:
            return []
        results = [entry.result for entry in self._rated.collection.entries()]
        scored = [result for result in results if isinstance(result, ScoreResult)]
        return tag_ranked(sort_results(scored, _SORT, heads=()), settings.keywords, by=_SORT)

    def _write_keywords(
        self,
        tagged: Sequence[TaggedPhoto],
        settings: ExportSettings,
        journal: Journal,
        found: Written,
    ) -> None:
        summary = write_keywords(
            tagged,
            convention=settings.convention,
            inside=settings.inside,
            on_result=self._count,
            note=journal.note,
        )
        found.tagged = summary.written
        shown = {entry.source: entry.shown for entry in self._rated.collection.entries()}
        failed = [
            {"photo": shown[failure.source], "error": printable(str(failure.error))}
            for failure in summary.failed
        ]
        # What is wrong with a file is told once.
        found.failed += [one for one in failed if one not in found.failed]

    def _know(self, entries: list[Entry]) -> None:
        """Take what the files say now as known: it was not another program that changed them."""
        self._files.look()
        for entry in entries:
            self._rated.note_written(entry)
