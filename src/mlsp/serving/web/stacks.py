"""Stacks of a page's photos: bursts, sets and copies, found when all photos are scored, the best of each burst chosen at full size.

shots with embeddings ─ find_shot_sets, group_bursts ─ stacks by score ─ choose ─ one burst after another by what is seen at full size
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mlsp.culling.bursts import Burst, ScoredShot, find_shot_sets, group_bursts
from mlsp.culling.choosing import choose
from mlsp.culling.looking import CloseUps
from mlsp.serving.web.collection import Collection
from mlsp.serving.web.ended import why_ended
from mlsp.serving.web.entry import StackPlace

State: TypeAlias = Literal["waiting", "grouping", "looking", "done", "failed"]


@dataclass(frozen=True, slots=True)
class StackProgress:
    """Progress of finding stacks.

    Attributes:
        state: `waiting` for scores, `grouping`, `looking` at bursts at full size, `done`, or `failed`.
        total: bursts to look at.
        done: those that were looked at.
        message: why it failed.
    """

    state: State = "waiting"
    total: int = 0
    done: int = 0
    message: str | None = None


class Stacks:
    """Finder of the stacks of a collection, in a thread of its own.

    Args:
        collection: shows them.
        faces: whether faces and their eyes are looked for.
        max_pixels: photos with more are not looked at.
        cache: of what was seen at full size; None caches nothing.
    """

    def __init__(
        self,
        collection: Collection,
        *,
        faces: bool = True,
        max_pixels: int | None = None,
        cache: CloseUps | None = None,
    ) -> None:
        self._collection = collection
        self._faces = faces
        self._max_pixels = max_pixels
        self._cache = cache
        self._progress = StackProgress()
        self._thread: threading.Thread | None = None
        self._is_stopping = threading.Event()

    @property
    def progress(self) -> StackProgress:
        """How far it is."""
        return self._progress

    def find(self, shots: Sequence[ScoredShot]) -> None:
        """Start finding the stacks among shots, in place of those that are there; an earlier search ends.

        Args:
            shots: those of the collection that could be scored, by one model.
        """
        self.stop()
        self._is_stopping = threading.Event()
        self._progress = StackProgress("grouping")
        self._thread = threading.Thread(
            target=self._run, args=(shots, self._is_stopping), name="mlsp-stacks", daemon=True
        )
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait until the search is over; return False if that takes longer."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._progress.state in ("done", "failed")

    def stop(self) -> None:
        """End the search after the photos that are being looked at; stacks that were found stay."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, shots: Sequence[ScoredShot], is_stopping: threading.Event) -> None:
        try:
            bursts = group_bursts(shots, sets=find_shot_sets(shots))
            # Also those that are in no burst, or failed this time: they may have been in a stack before.
            alone = dict.fromkeys(self._collection.ids_of_sources.values())
            self._collection.place({**alone, **self._places(bursts)})
            self._look([burst for burst in bursts if burst.competes], is_stopping)
        except Exception as error:
            self._progress = StackProgress("failed", message=why_ended(error, "finding stacks"))

    def _look(self, bursts: Sequence[Burst], is_stopping: threading.Event) -> None:
        self._progress = StackProgress("looking", len(bursts))
        chosen = choose(bursts, faces=self._faces, max_pixels=self._max_pixels, cache=self._cache)
        with closing(chosen):
            for number, burst in enumerate(chosen, 1):
                self._collection.place(self._places([burst]))
                self._progress = StackProgress("looking", len(bursts), number)
                if is_stopping.is_set():
                    return
        self._progress = StackProgress("done", len(bursts), len(bursts))

    def _places(self, bursts: Sequence[Burst]) -> dict[int, StackPlace | None]:
        """Return the places of the shots of stacks; those that stand alone are left out."""
        ids = self._collection.ids_of_sources
        places: dict[int, StackPlace | None] = {}
        for burst in bursts:
            if len(burst.shots) == 1:
                continue
            members = [ids[shot.shot.photo] for shot in burst.shots]
            kind = burst.kind or ("copies" if burst.is_alone else "burst")
            for rank, (id_, shot) in enumerate(zip(members, burst.shots, strict=True)):
                places[id_] = StackPlace(min(members), rank, kind, shot.reason, shot.is_copy)
        return places
