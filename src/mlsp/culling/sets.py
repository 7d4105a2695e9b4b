"""Sets: shots that belong together and compete with none of each other. Exposure brackets, panoramas, focus stacks.

shots ─ in the order of their times ─ runs of one camera within seconds ─┬ ladder of exposures ──────────── bracket
                                                                        ├ steady shift of the picture ──── panorama
                                                                        └ focus moves, the picture does not ─ focus stack

`benchmarks/sets.py` measures what share is found, and false alarms on series that are none.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import EngineError, PhotoError
from mlsp.base.machine import usable_cores
from mlsp.base.parallel import map_in_order
from mlsp.culling.frames import Shift, edges_of, is_focus_moving, read_frame, shift_between
from mlsp.photos.camera_data import CameraData, camera_data

SetKind: TypeAlias = Literal["bracket", "panorama", "focus stack"]

_MIN_SHOTS = 3
_MIN_STACK = 4
_MAX_BRACKET = 9
# Between two shots of a set, besides the exposure itself.
_BRACKET_SECONDS = 3.0
_SET_SECONDS = 10.0
# Exposures in EV. Smaller steps than a third are no bracket; how equal they are is a matter of rounded shutter times.
_MIN_STEP, _MIN_STEP_BY_HAND, _UNEQUAL = 0.25, 0.9, 0.3
# Parts of the side from frame to frame, how alike what both show is, and directions: the cosine of what lies between.
_MIN_SHIFT, _MAX_SHIFT, _MIN_CORRELATION, _SAME_DIRECTION, _MAX_UNSTEADY = 0.12, 0.85, 0.5, 0.9, 2.5
# A burst that follows a car moves the background as steadily, but many times a second.
_MIN_SECONDS_OF_PANORAMA = 0.5
_STILL, _MIN_STILL_CORRELATION = 0.04, 0.5


@dataclass(frozen=True, slots=True)
class Frame:
    """A shot as sets are found from it.

    Attributes:
        photo: its file.
        captured: when it was taken; one without a time is in no set.
    """

    photo: Path
    captured: datetime | None


@dataclass(frozen=True, slots=True)
class ShotSet:
    """Shots that belong together.

    Attributes:
        kind: of the set.
        members: their indices, in the order in which they were taken.
    """

    kind: SetKind
    members: tuple[int, ...]


def find_sets(
    frames: Sequence[Frame],
    *,
    data: Callable[[Path], CameraData] = camera_data,
    read: Callable[[Path], Float32Array] = read_frame,
) -> list[ShotSet]:
    """Find the sets among shots.

    Args:
        frames: in any order; of those within seconds of each other camera data are read, and of those of one exposure small pictures.
        data: reads what the camera wrote.
        read: reads a small grey picture.

    Returns:
        Sets without shots in common, in the order of their first shots.
    """
    found: list[ShotSet] = []
    for run in _runs(frames):
        about = [data(frames[index].photo) for index in run]
        for cameras in _split(run, about):
            found += _sets_of_run([frames[index] for index, _ in cameras], cameras, read)
    return sorted(found, key=lambda one: min(one.members))


def _runs(frames: Sequence[Frame]) -> Iterator[list[int]]:
    """Yield the shots of a folder that follow each other within seconds, three or more."""
    timed = [
        (frame.photo.parent, frame.captured, index)
        for index, frame in enumerate(frames)
        if frame.captured
    ]
    run: list[int] = []
    for (folder, time, index), after in itertools.zip_longest(sorted(timed), sorted(timed)[1:]):
        run.append(index)
        is_last = (
            after is None
            or after[0] != folder
            or (after[1] - time).total_seconds() > 3 * _SET_SECONDS
        )
        if is_last:
            if len(run) >= _MIN_SHOTS:
                yield run
            run = []


_Member: TypeAlias = tuple[int, CameraData]


def _split(run: Sequence[int], about: Sequence[CameraData]) -> Iterator[list[_Member]]:
    """Yield the shots of one camera, lens and focal length that follow each other; a set has only one of each. Cameras may take turns."""
    cameras: dict[str | None, list[_Member]] = {}
    for member in zip(run, about, strict=True):
        cameras.setdefault(member[1].camera, []).append(member)
    for members in cameras.values():
        for _, group in itertools.groupby(
            members, key=lambda member: (member[1].lens, member[1].focal_length)
        ):
            shots = list(group)
            if len(shots) >= _MIN_SHOTS:
                yield shots


def _sets_of_run(
    frames: Sequence[Frame], members: Sequence[_Member], read: Callable[[Path], Float32Array]
) -> list[ShotSet]:
    edges, shifts = _look(frames, members, read)
    found, start = [], 0
    while start + _MIN_SHOTS <= len(frames):
        kind: SetKind = "bracket"
        length = _bracket(frames, members, start)
        if not length:
            kind, length = "panorama", _panorama(frames, start, shifts)
        if not length:
            kind, length = "focus stack", _stack(frames, members, start, edges, shifts)
        if length:
            indices = tuple(index for index, _ in members[start : start + length])
            found.append(ShotSet(kind, indices))
        start += length or 1
    return found


def _look(
    frames: Sequence[Frame], members: Sequence[_Member], read: Callable[[Path], Float32Array]
) -> tuple[dict[int, Float32Array], dict[int, Shift]]:
    """Look at small pictures of the shots that may be of a panorama or a focus stack: neighbours of about one exposure.

    Returns:
        Strengths of edges by position, and shifts from each such position to the next. Pictures are not kept: a time-lapse has
        thousands.
    """
    # A lens that is no longer wide open, or a flash, is another photo.
    near = [
        _gap(frames, position) <= _SET_SECONDS
        and abs(_exposure(members[position][1]) - _exposure(members[position + 1][1])) <= 1
        for position in range(len(frames) - 1)
    ]
    # A set has two such steps at least.
    wanted = sorted(
        {
            position + step
            for position, (one, other) in enumerate(itertools.pairwise(near))
            if one and other
            for step in range(_MIN_SHOTS)
        }
    )

    def picture(position: int) -> Float32Array | None:
        try:
            return read(frames[position].photo)
        except (PhotoError, EngineError):
            # It was scored: the file has gone or changed since, or no process can be started that it is decoded in.
            return None

    edges: dict[int, Float32Array] = {}
    shifts: dict[int, Shift] = {}
    last: Float32Array | None = None
    with closing(map_in_order(picture, wanted, workers=usable_cores())) as found:
        for position, shown in zip(wanted, found, strict=True):
            if shown is not None:
                edges[position] = edges_of(shown)
                # Of two that are near, and of which one is wanted, the other is, too.
                if (
                    position
                    and near[position - 1]
                    and last is not None
                    and last.shape == shown.shape
                ):
                    shifts[position - 1] = shift_between(last, shown)
            last = shown
    return edges, shifts


def _gap(frames: Sequence[Frame], position: int) -> float:
    """Seconds from a shot to the next one."""
    before, after = frames[position].captured, frames[position + 1].captured
    return (after - before).total_seconds() if before and after else math.inf


def _bracket(frames: Sequence[Frame], members: Sequence[_Member], start: int) -> int:
    """Return the length of the bracket that begins at a shot; 0 for none."""
    end = start
    while end + 1 < min(len(frames), start + _MAX_BRACKET) and _gap(frames, end) <= (
        _BRACKET_SECONDS + (members[end][1].exposure_seconds or 0)
    ):
        end += 1
    for length in range(end - start + 1, _MIN_SHOTS - 1, -1):
        if _is_ladder([about for _, about in members[start : start + length]]):
            return length
    return 0


def _is_ladder(shots: Sequence[CameraData]) -> bool:
    """Return whether exposures are all different, with equal steps, as a camera brackets them or people do."""
    if len({shot.aperture for shot in shots}) > 1:
        return False
    exposures = [_exposure(shot) for shot in shots]
    if any(math.isnan(exposure) for exposure in exposures):
        return False
    steps = np.diff(sorted(exposures))
    if steps.min() < _MIN_STEP or steps.max() - steps.min() > _UNEQUAL:
        return False
    if all(shot.is_bracketed for shot in shots):
        return True
    biases = [shot.exposure_bias for shot in shots]
    if None not in biases and len(set(biases)) == len(biases):
        # The camera's ladder begins in its middle, or goes through from one end to the other; a dial that is turned stops anywhere.
        apart = [
            abs((bias or 0) - exposure) for bias, exposure in zip(biases, exposures, strict=True)
        ]
        is_followed = max(apart) - min(apart) <= 2 * _UNEQUAL
        begins_in_middle = exposures[0] == sorted(exposures)[len(exposures) // 2]
        return is_followed and (begins_in_middle or steps.min() >= _MIN_STEP_BY_HAND)
    return len({shot.iso for shot in shots}) == 1 and steps.min() >= _MIN_STEP_BY_HAND


def _exposure(shot: CameraData) -> float:
    """Light that the sensor got, in EV, but for the aperture; NaN where that is not known."""
    if shot.exposure_seconds is None:
        return math.nan
    return math.log2(shot.exposure_seconds * (shot.iso or 100) / 100)


def _panorama(frames: Sequence[Frame], start: int, shifts: Mapping[int, Shift]) -> int:
    """Return the length of the panorama that begins at a shot; 0 for none."""
    first, lengths = None, []
    for position in range(start, len(frames) - 1):
        shift = shifts.get(position)
        if shift is None:
            break
        vector = np.array([shift.right, shift.down]) / (shift.length or 1)
        first = vector if first is None else first
        is_one = (
            _MIN_SHIFT <= shift.length <= _MAX_SHIFT
            and shift.correlation >= _MIN_CORRELATION
            and float(first @ vector) >= _SAME_DIRECTION
        )
        if not is_one:
            break
        lengths.append(shift.length)
    length = len(lengths) + 1
    if length < _MIN_SHOTS or max(lengths) > _MAX_UNSTEADY * min(lengths):
        return 0
    seconds = sum(_gap(frames, start + step) for step in range(length - 1)) / (length - 1)
    return length if seconds >= _MIN_SECONDS_OF_PANORAMA else 0


def _stack(
    frames: Sequence[Frame],
    members: Sequence[_Member],
    start: int,
    edges: Mapping[int, Float32Array],
    shifts: Mapping[int, Shift],
) -> int:
    """Return the length of the focus stack that begins at a shot; 0 for none."""
    about = members[start][1]
    if (
        start
        and _is_same_exposure(members[start - 1][1], about)
        and _gap(frames, start - 1) <= _SET_SECONDS
    ):
        # A stack is all of a run of one exposure; its later parts were looked at with its beginning.
        return 0
    end = start
    while _is_still(shifts.get(end)) and _is_same_exposure(about, members[end + 1][1]):
        end += 1
    length = end + 1 - start
    if length < _MIN_STACK:
        return 0
    distances = [one.subject_distance for _, one in members[start : end + 1]]
    known = [distance for distance in distances if distance is not None]
    if len(known) == length:
        # Some cameras write where the lens was focused: the same in a burst, one step further in each shot of a stack.
        steps = np.sign(np.diff(known))
        return length if abs(int(steps.sum())) == len(steps) else 0
    return length if is_focus_moving([edges[one] for one in range(start, end + 1)]) else 0


def _is_same_exposure(one: CameraData, other: CameraData) -> bool:
    fields = ("exposure_seconds", "aperture", "iso")
    return all(getattr(one, field) == getattr(other, field) for field in fields)


def _is_still(shift: Shift | None) -> bool:
    return (
        shift is not None and shift.length <= _STILL and shift.correlation >= _MIN_STILL_CORRELATION
    )
