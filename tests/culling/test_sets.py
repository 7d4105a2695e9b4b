"""Brackets, panoramas and focus stacks, made of real photos, and bursts that are none of them."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import UnreadablePhotoError
from mlsp.base.machine import usable_cores
from mlsp.culling.bursts import ScoredShot, group_bursts
from mlsp.culling.frames import shift_between
from mlsp.culling.sets import Frame, ShotSet, find_sets
from mlsp.culling.shots import Shot
from mlsp.photos.camera_data import CameraData
from mlsp.scoring.results import Score, ScoreResult

NOON = datetime(2024, 5, 1, 12)
PLAIN = CameraData(camera="C", exposure_seconds=1 / 250, aperture=5.6, iso=100, focal_length=35)
WIDTH, HEIGHT = 192, 144


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    image = Image.open(Path(__file__).parents[2] / "examples" / "coffee.png").convert("L")
    return image.resize((600, 400))


def grey(image: Image.Image) -> Float32Array:
    return np.asarray(image, np.float32)


def found(
    about: Sequence[CameraData],
    pictures: Sequence[Float32Array] | None = None,
    *,
    seconds: float = 1,
) -> list[tuple[str, tuple[int, ...]]]:
    frames = [
        Frame(Path(f"{number}.jpg"), NOON + timedelta(seconds=seconds * number))
        for number in range(len(about))
    ]

    def read(path: Path) -> Float32Array:
        if pictures is None:
            raise UnreadablePhotoError("it has gone")
        return pictures[int(path.stem)]

    sets = find_sets(frames, data=lambda path: about[int(path.stem)], read=read)
    return [(one.kind, one.members) for one in sets]


def exposed(ev: float, bias: float | None = None, *, flag: bool = False) -> CameraData:
    return replace(
        PLAIN, exposure_seconds=2**ev / 250, exposure_bias=bias, is_bracketed=flag, iso=100
    )


@pytest.mark.parametrize(
    "shots",
    [
        [exposed(ev, ev) for ev in (0, -1, 1)],
        [exposed(ev, ev) for ev in (0, -2 / 3, 2 / 3, -4 / 3, 4 / 3)],
        [exposed(ev, 0, flag=True) for ev in (-1 / 3, 0, 1 / 3)],
        [exposed(ev) for ev in (-2, 0, 2)],
        # Rounded as cameras write shutter times: 1/60, 1/30, 1/15, 1/8, 1/4.
        [replace(PLAIN, exposure_seconds=1 / one) for one in (60, 30, 15, 8, 4)],
    ],
)
def test_a_ladder_of_exposures_is_a_bracket(shots: list[CameraData]) -> None:
    assert found(shots) == [("bracket", tuple(range(len(shots))))]


@pytest.mark.parametrize(
    "shots",
    [
        [exposed(ev, 0) for ev in (0, 1 / 3, 2 / 3, 1 / 3)],  # the light changes
        [exposed(ev, ev) for ev in (0, 1 / 3, 2 / 3)],  # a dial is turned
        [exposed(ev, 0) for ev in (0, 1, 3)],
        [exposed(0, 0)] * 3,
        [exposed(ev, ev) for ev in (0, 1)],
        [replace(exposed(ev, ev), aperture=4 + ev) for ev in (0, -1, 1)],
        [replace(exposed(ev, ev), exposure_seconds=None) for ev in (0, -1, 1)],
        [CameraData()] * 5,
    ],
)
def test_other_exposures_are_none(shots: list[CameraData]) -> None:
    assert found(shots) == []


def test_brackets_one_after_the_other_are_told_apart() -> None:
    three = [exposed(ev, ev) for ev in (0, -1, 1)]
    assert found([*three, *three, exposed(0, 0)]) == [
        ("bracket", (0, 1, 2)),
        ("bracket", (3, 4, 5)),
    ]
    assert found(three, seconds=20) == []


def test_cameras_that_take_turns_in_a_folder_have_their_own_brackets() -> None:
    one = [exposed(ev, ev) for ev in (0, -1, 1)]
    other = [replace(shot, camera="D") for shot in one]
    mixed = [shot for pair in zip(one, other, strict=True) for shot in pair]
    assert found(mixed) == [("bracket", (0, 2, 4)), ("bracket", (1, 3, 5))]
    zoomed = [one[0], one[1], replace(one[2], focal_length=50)]
    assert found(zoomed) == []


def test_pictures_of_a_time_lapse_are_not_held() -> None:
    """One of thousands would fill the memory."""
    picture = np.random.default_rng(0).random((24, 32), np.float32)
    held: set[Path] = set()
    counts = []

    def read(path: Path) -> Float32Array:
        shown = picture.copy()
        held.add(path)
        weakref.finalize(shown, held.discard, path)
        counts.append(len(held))
        return shown

    frames = [
        Frame(Path(f"{number}.jpg"), NOON + timedelta(seconds=2 * number)) for number in range(400)
    ]
    assert find_sets(frames, data=lambda _: PLAIN, read=read) == []
    # Those that are read ahead, and the last two.
    assert max(counts) <= 5 * usable_cores() + 5


def test_how_far_a_picture_moved(photo: Image.Image) -> None:
    one = grey(photo.crop((100, 100, 100 + WIDTH, 100 + HEIGHT)))
    for right, down in ((0, 0), (60, 0), (-60, 9), (-20, -40), (100, 0)):
        left, top = 100 + right, 100 + down
        shift = shift_between(one, grey(photo.crop((left, top, left + WIDTH, top + HEIGHT))))
        assert (shift.right * WIDTH, shift.down * HEIGHT) == pytest.approx((right, down), abs=1)
        assert shift.correlation > 0.95


def windows(photo: Image.Image, places: Sequence[tuple[int, int]]) -> list[Float32Array]:
    return [grey(photo.crop((x, y, x + WIDTH, y + HEIGHT))) for x, y in places]


def test_a_steady_shift_is_a_panorama(photo: Image.Image) -> None:
    across = windows(photo, [(0, 100), (90, 104), (190, 98), (280, 100)])
    whole = [("panorama", (0, 1, 2, 3))]
    assert found([PLAIN] * 4, across, seconds=2) == whole
    brighter = [replace(PLAIN, exposure_seconds=1 / 200), *[PLAIN] * 3]
    assert found(brighter, across, seconds=2) == whole
    # A camera that follows a subject moves as steadily, many times a second.
    assert found([PLAIN] * 4, across, seconds=0.1) == []
    there_and_back = windows(photo, [(0, 100), (90, 100), (0, 100), (90, 100)])
    assert found([PLAIN] * 4, there_and_back, seconds=2) == []
    assert found([PLAIN] * 4, seconds=2) == []


def blurred_but_at(photo: Image.Image, place: float) -> Float32Array:
    """A photo in focus in one row of six, and softer the further away."""
    image = photo.resize((WIDTH, HEIGHT))
    levels = [grey(image.filter(ImageFilter.GaussianBlur(0.8 * level))) for level in range(6)]
    rows = np.linspace(0, 5, HEIGHT)
    away = np.clip(np.rint(np.abs(rows - place)), 0, 5).astype(int)
    return np.stack([levels[level][row] for row, level in enumerate(away)])


def test_a_focus_that_moves_is_a_stack(photo: Image.Image) -> None:
    stack = [blurred_but_at(photo, place) for place in range(6)]
    assert found([PLAIN] * 6, stack) == [("focus stack", tuple(range(6)))]
    # A burst by hand: one of them is soft everywhere.
    places = [(100, 100), (103, 101), (101, 104), (99, 102), (102, 99), (100, 101)]
    burst = windows(photo, places)
    burst[2] = grey(Image.fromarray(burst[2].astype(np.uint8)).filter(ImageFilter.GaussianBlur(2)))
    assert found([PLAIN] * 6, burst) == []


def test_frames_too_thin_for_tiles_are_no_stack() -> None:
    thin = np.random.default_rng(0).random((5, 256), np.float32)
    assert found([PLAIN] * 6, [thin] * 6) == []


def test_a_camera_that_writes_its_distance_is_believed(photo: Image.Image) -> None:
    still = windows(photo, [(100, 100)] * 4)
    near_to_far = [replace(PLAIN, subject_distance=0.3 + 0.02 * step) for step in range(4)]
    assert found(near_to_far, still) == [("focus stack", (0, 1, 2, 3))]
    assert found([replace(PLAIN, subject_distance=0.3)] * 4, still) == []


def test_sets_stay_whole() -> None:
    """Five shots that look the same: three of them are a bracket."""
    shots = [
        ScoredShot(
            Shot(Path(f"{number}.jpg")),
            ScoreResult(Path(f"{number}.jpg"), {"quality": Score(number / 10, 50)}, 1, 1),
            NOON + timedelta(seconds=number),
            np.array([1, 0], np.float32),
        )
        for number in range(5)
    ]
    burst, bracket = group_bursts(shots, sets=[ShotSet("bracket", (1, 2, 3))])
    assert (bracket.kind, bracket.competes, bracket.is_alone) == ("bracket", False, False)
    assert [shot.shot.photo.name for shot in bracket.best(1)] == ["1.jpg", "2.jpg", "3.jpg"]
    assert (burst.kind, burst.competes) == (None, True)
    assert [shot.shot.photo.name for shot in burst.best(1)] == ["4.jpg"]
