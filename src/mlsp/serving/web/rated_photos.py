"""Ratings and comparisons of a page's photos: kept in the ratings file, and shown."""

from __future__ import annotations

import csv
import io
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlsp.base.errors import SettingsError
from mlsp.culling.marks import NO_MARKS, Marks
from mlsp.personal.judgements import Judgements, PhotoReference, judged_stars
from mlsp.personal.user_ratings import NewRating, UserRatings
from mlsp.scoring.results import Score
from mlsp.serving.web.collection import Collection
from mlsp.serving.web.entry import Entry

# Photos that are looked at for the next question, and pairs of them that it is drawn from.
_SAMPLE = 400
_CLOSEST = 12


class RatedPhotos:
    """Ratings and comparisons of the photos of a collection. Safe for several threads."""

    def __init__(self, collection: Collection, ratings: UserRatings) -> None:
        self.collection = collection
        self.ratings = ratings
        self._chance = random.Random()  # noqa: S311 - which photos to show is no secret
        self._lock = threading.Lock()
        self._compared = _pairs(ratings)
        self._skipped: set[frozenset[str]] = set()
        # They are asked for every second, and cost milliseconds with 20,000 photos.
        self._counted, self._counts = (-1, self._compared), (0, 0)

    def rate(self, given: Sequence[tuple[Entry, Mapping[str, Any]]]) -> list[Marks]:
        """Keep and show the user's ratings of photos, given together and undone together.

        Args:
            given: each photo with some of `stars`, `flag` and `label`; what is left out stays as it was.

        Returns:
            Their ratings now.

        Raises:
            SettingsError: a photo could not be scored, or a rating is out of range.
            RatingsError: they could not be written.
        """
        for entry, _ in given:
            _check_rateable(entry)
        with self._lock:
            # Copies of a photo have one rating: the last one given.
            changes: dict[str, NewRating] = {}
            found: dict[int, Marks] = {}
            for entry, fields in given:
                shown = self.collection.rating_of(entry)
                copies = self.collection.ids(entry.sha256)
                of_files = {id_: self.collection.found(id_) for id_ in copies}
                found |= of_files
                changes[entry.sha256] = NewRating(
                    entry.sha256,
                    str(entry.source),
                    replace(shown, **fields),
                    shown,
                    keep_empty=any(marks != NO_MARKS for marks in of_files.values()),
                )
            self._note(found)
            self.ratings.rate_all(list(changes.values()))
            for sha256, change in changes.items():
                self.collection.set_rating(sha256, change.marks)
        return [changes[entry.sha256].marks for entry, _ in given]

    def find(self, id_: int, found: Marks) -> None:
        """Show what the files of a photo say of it; where they agree with the user's rating, note it.

        Args:
            id_: the photo's number; it may not be scored yet.
            found: replaces what they said.

        Raises:
            RatingsError: it could not be noted.
        """
        self.collection.set_found(id_, found)
        entry = self.collection.entry(id_)
        if entry is None:
            return
        with self._lock:
            own, known = self.collection.own(entry), self.collection.known(entry)
            # Where they differ when they are first seen nobody knows which is newer: the user's is shown, the files stay.
            is_clear = found == own or (known is None and found == NO_MARKS)
            if own is not None and found != known and is_clear:
                self._note({id_: found})

    def note_written(self, entry: Entry) -> None:
        """Note that a photo's files say what was written here; XMP cannot say all, such as the stars of a reject.

        Raises:
            RatingsError: it could not be noted.
        """
        with self._lock:
            self._note({entry.id: self.collection.found(entry.id)})

    def follow(self, moved: Sequence[tuple[Path, str, str]]) -> None:
        """Take it that `mlsp` itself has written into photos: ratings and comparisons belong to their content.

        Args:
            moved: photos, each with the SHA-256 of its content before and after.

        Raises:
            RatingsError: it could not be written.
        """
        with self._lock:
            self.ratings.follow(moved)
            self.collection.follow(moved)
            self._compared = _pairs(self.ratings)

    def _note(self, found: Mapping[int, Marks]) -> None:
        sources = self.collection.sources
        self.ratings.note_found({str(sources[id_]): marks for id_, marks in found.items()})
        self.collection.note(found)

    def compare(self, better: Entry, worse: Entry) -> None:
        """Keep a comparison of two photos.

        Raises:
            SettingsError: one could not be scored, or they are the same.
            RatingsError: it could not be written.
        """
        _check_rateable(better)
        _check_rateable(worse)
        with self._lock:
            self.ratings.compare(
                better.sha256, worse.sha256, better=str(better.source), worse=str(worse.source)
            )
            # Read anew, here and below: other pages may share the file.
            self._compared = _pairs(self.ratings)

    def undo(self) -> tuple[str | None, list[int], bool]:
        """Take the last rating, ratings given together, or comparison back.

        Returns:
            What was undone, None for nothing; the numbers of the photos of this page that it was about; whether it was a comparison.

        Raises:
            RatingsError: it could not be written.
        """
        with self._lock:
            change = self.ratings.undo()
            if change is None:
                return None, [], False
            if change.is_comparison:
                self._compared = _pairs(self.ratings)
            else:
                now = {rating.content_sha256: rating.marks for rating in self.ratings.ratings()}
                for sha256 in change.content_sha256s:
                    self.collection.set_rating(sha256, now.get(sha256))
            ids = [self.collection.ids(sha256)[:1] for sha256 in change.content_sha256s]
            return change.text, [id_ for found in ids for id_ in found], change.is_comparison

    def undoable(self) -> str | None:
        """Change that `undo` would undo, in words."""
        return self.ratings.last_text()

    def counts(self) -> tuple[int, int]:
        """Return how many photos of this page are rated, and how many comparisons are of two of them."""
        state = self.collection.revision, self._compared
        if state != self._counted:
            entries = [entry for entry in self.collection.entries() if entry.sha256]
            here = {entry.sha256 for entry in entries}
            rated = {
                entry.sha256 for entry in entries if self.collection.rating_of(entry) != NO_MARKS
            }
            self._counts = len(rated), sum(pair <= here for pair in state[1])
            self._counted = state
        return self._counts

    def judgements(self) -> Judgements:
        """Return the ratings of this page's photos, copies once, and the comparisons of two of them, oldest first."""
        entries = {entry.sha256: entry for entry in self.collection.entries() if entry.sha256}
        photos = {sha256: PhotoReference(entry.source, sha256) for sha256, entry in entries.items()}
        marks = {sha256: self.collection.rating_of(entry) for sha256, entry in entries.items()}
        stars = {sha256: judged_stars(one.stars, one.flag) for sha256, one in marks.items()}
        return Judgements(
            tuple((photos[sha256], one) for sha256, one in stars.items() if one is not None),
            tuple(
                (photos[one.better_sha256], photos[one.worse_sha256])
                for one in self.ratings.comparisons()
                if one.better_sha256 in photos and one.worse_sha256 in photos
            ),
        )

    def skip(self, one: Entry, other: Entry) -> None:
        """Do not ask about two photos again while this page is served."""
        self._skipped.add(frozenset((one.sha256, other.sha256)))

    def pair(self, head: str | None) -> tuple[Entry, Entry] | None:
        """Return two photos whose comparison teaches most.

        A model learns most from an answer that it cannot foresee: both photos have nearly the same score. Of up to 400 photos, those that
        were compared least often first, neighbours in the order of the score are taken that were not compared yet, and one of the
        dozen closest such pairs is drawn, so that questions vary.

        Args:
            head: score that is asked about: the user's own taste where it was learned; None for the default's overall.

        Returns:
            The photos, in random order; None where no two photos are left to compare.
        """
        photos = [entry for entry in self.collection.entries() if entry.sha256]
        if head is not None:
            photos = [entry for entry in photos if head in entry.scores]
        with self._lock:
            asked = self._skipped.union(self._compared)
            times = Counter(sha256 for pair in self._compared for sha256 in pair)
            # Copies of a photo are one.
            distinct = list({entry.sha256: entry for entry in photos}.values())
            # Of very many photos hardly one was compared: a part is enough to find those that were not.
            drawn = self._chance.sample(distinct, min(4 * _SAMPLE, len(distinct)))
            drawn.sort(key=lambda entry: times[entry.sha256])
            pairs = _closest(drawn[:_SAMPLE], lambda entry: _value(entry, head), asked)
            if not pairs:
                return None
            one, other = self._chance.choice(pairs)
            return (one, other) if self._chance.random() < 0.5 else (other, one)

    def ratings_csv(self, *, everything: bool) -> str:
        """Return a CSV table of this page's photos: ratings and scores.

        Args:
            everything: also photos that are not rated.
        """
        columns = self.collection.columns
        times = {rating.content_sha256: rating.rated_at for rating in self.ratings.ratings()}
        rows = []
        for entry in sorted(self.collection.entries(), key=lambda entry: entry.id):
            rating = self.collection.rating_of(entry)
            if not entry.sha256 or (rating == NO_MARKS and not everything):
                continue
            scores = [_csv_score(entry.scores.get(column)) for column in columns]
            rated_at = _iso(times.get(entry.sha256))
            rows.append(
                (
                    str(entry.source),
                    rating.stars,
                    rating.flag,
                    rating.label,
                    *scores,
                    entry.sha256,
                    rated_at,
                )
            )
        return _csv(
            ("photo", "stars", "flag", "label", *columns, "content_sha256", "rated_at"), rows
        )

    def comparisons_csv(self) -> str:
        """Return a CSV table of the comparisons of two photos of this page, oldest first."""
        here = {entry.sha256: entry for entry in self.collection.entries() if entry.sha256}
        rows = [
            (
                str(here[comparison.better_sha256].source),
                str(here[comparison.worse_sha256].source),
                comparison.better_sha256,
                comparison.worse_sha256,
                _iso(comparison.compared_at),
            )
            for comparison in self.ratings.comparisons()
            if comparison.better_sha256 in here and comparison.worse_sha256 in here
        ]
        return _csv(("better", "worse", "better_sha256", "worse_sha256", "compared_at"), rows)


def _pairs(ratings: UserRatings) -> tuple[frozenset[str], ...]:
    """Return the contents of the photos that were compared."""
    return tuple(frozenset((one.better_sha256, one.worse_sha256)) for one in ratings.comparisons())


def _check_rateable(entry: Entry) -> None:
    if not entry.sha256:
        raise SettingsError(f"{entry.shown} could not be scored, so it cannot be rated either")


def _value(entry: Entry, head: str | None) -> float:
    if head is not None:
        return entry.scores[head].value
    result = entry.result
    return getattr(result, "overall", 0.0)


def _closest(
    entries: Iterable[Entry], value: Callable[[Entry], float], asked: set[frozenset[str]]
) -> list[tuple[Entry, Entry]]:
    """Return the pairs closest in value that were not asked about; of neighbours, and where those are all asked, of any."""
    ranked = sorted(entries, key=value)
    for reach in (1, 2, 4, len(ranked)):
        pairs = [
            (one, other)
            for position, one in enumerate(ranked)
            for other in ranked[position + 1 : position + 1 + reach]
            if frozenset((one.sha256, other.sha256)) not in asked
        ]
        if pairs:
            pairs.sort(key=lambda pair: value(pair[1]) - value(pair[0]))
            return pairs[:_CLOSEST]
    return []


def _csv_score(score: Score | None) -> str:
    return "" if score is None else f"{score.value:.4f}"


def _iso(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat("T", "seconds")


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()
