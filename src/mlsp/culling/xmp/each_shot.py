"""Writing about many shots: several at a time, and one that is left alone does not keep the others from theirs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from mlsp.base.errors import PhotoError, SidecarError
from mlsp.base.parallel import map_in_order
from mlsp.base.results import ScoreFailure
from mlsp.culling.shots import shot_photos
from mlsp.scoring.results import ScoreResult

# Each file is flushed to the disk, which takes several at a time.
_WORKERS = 8
_Given = TypeVar("_Given")
_Outcome = TypeVar("_Outcome")


def write_each(
    given: Iterable[tuple[ScoreResult, _Given]],
    write: Callable[[Sequence[Path], _Given], _Outcome],
    *,
    on_outcome: Callable[[_Outcome], object],
    on_result: Callable[[ScoreResult | ScoreFailure], object] | None = None,
) -> list[ScoreFailure]:
    """Write about shots, in order.

    Args:
        given: each result with what its shot gets.
        write: writes that for the photos of a shot; called in threads.
        on_outcome: called with what became of each shot that was not left alone.
        on_result: called for each, with the result, or why its shot was left alone.

    Returns:
        Shots that were left alone, and why.
    """

    def write_one(pair: tuple[ScoreResult, _Given]) -> tuple[ScoreResult, _Outcome | SidecarError]:
        result, wanted = pair
        try:
            return result, write(shot_photos(result), wanted)
        except SidecarError as error:
            return result, error

    failed: list[ScoreFailure] = []
    # Closed on Ctrl-C too, so that what is queued is dropped.
    with contextlib.closing(map_in_order(write_one, given, workers=_WORKERS)) as outcomes:
        for result, outcome in outcomes:
            shown: ScoreResult | ScoreFailure = result
            if isinstance(outcome, SidecarError):
                shown = ScoreFailure(result.source, PhotoError(str(outcome)))
                failed.append(shown)
            else:
                on_outcome(outcome)
            if on_result is not None:
                on_result(shown)
    return failed
