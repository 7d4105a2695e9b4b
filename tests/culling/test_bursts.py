"""Shots of the same moment: real photos through the embedded model, and made-up embeddings where only the grouping counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import SettingsError
from mlsp.base.results import ScoreFailure
from mlsp.culling.bursts import (
    Burst,
    BurstSettings,
    ScoredShot,
    check_ranking,
    find_shot_sets,
    group_bursts,
    group_embeddings,
    take_shots,
)
from mlsp.culling.choosing import rank_closely
from mlsp.culling.embeddings import embedding_of
from mlsp.culling.shots import Shot
from mlsp.reports.burst_report import describe_pick
from mlsp.scoring.results import Score, ScoreResult
from mlsp.scoring.scorer import Scorer

NOON = datetime(2024, 5, 1, 12)
EXAMPLES = ("astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "rocket.jpg")
# What happens between two shots of one moment. Shake is the hardest.
CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "a moved": lambda image: image.crop((15, 10, image.width, image.height)),
    "b brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.4),
    "c darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "d as it is": lambda image: image,
    "e shaken": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
}


def save(image: Image.Image, file: Path, captured: datetime | None) -> None:
    exif = Image.Exif()
    if captured is not None:
        exif.get_ifd(0x8769)[0x9003] = f"{captured:%Y:%m:%d %H:%M:%S}"
    image.save(file, quality=88, exif=exif)


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> list[ScoredShot]:
    """Five shots of each example, seconds apart, the examples all within a minute."""
    folder = tmp_path_factory.mktemp("shots")
    examples = Path(__file__).parents[2] / "examples"
    files = []
    for place, name in enumerate(EXAMPLES):
        image = Image.open(examples / name).convert("RGB")
        image.thumbnail((320, 320))
        for number, (change, make) in enumerate(CHANGES.items()):
            files.append(folder / f"{Path(name).stem} {change}.jpg")
            save(make(image), files[-1], NOON + timedelta(seconds=12 * place + 2 * number))
    broken = folder / "broken.jpg"
    broken.write_bytes(b"no photo")
    *found, last = take_shots(Scorer(), [Shot(file) for file in (*files, broken)])
    assert isinstance(last, ScoreFailure)
    assert last.source == broken
    assert all(isinstance(shot, ScoredShot) for shot in found)
    return [shot for shot in found if isinstance(shot, ScoredShot)]


def names(burst: Burst) -> set[str]:
    return {shot.scored.source.stem.split()[0] for shot in burst.shots}


def without_times(shots: list[ScoredShot]) -> list[ScoredShot]:
    return [replace(shot, captured=None) for shot in shots]


def test_shots_of_one_moment_are_one_burst(shots: list[ScoredShot]) -> None:
    bursts = group_bursts(shots)
    assert [len(burst.shots) for burst in bursts] == [5] * 5
    assert [names(burst) for burst in bursts] == [{Path(name).stem} for name in EXAMPLES]
    assert bursts[0].shots[0].captured is not None


def test_without_times_only_what_is_much_alike_is(shots: list[ScoredShot]) -> None:
    bursts = group_bursts(without_times(shots))
    assert all(len(names(burst)) == 1 for burst in bursts)
    moved = [burst for burst in bursts if not burst.is_alone]
    assert {name for burst in moved for name in names(burst)} == {Path(n).stem for n in EXAMPLES}
    strict = BurstSettings(similarity_without_time=1)
    assert all(burst.is_alone for burst in group_bursts(without_times(shots), strict))


def test_times_apart_are_bursts_apart(shots: list[ScoredShot]) -> None:
    """The shots of a burst are two seconds apart."""
    assert all(burst.is_alone for burst in group_bursts(shots, BurstSettings(within_seconds=1)))


def test_the_best_come_first(shots: list[ScoredShot]) -> None:
    for burst in group_bursts(shots):
        values = [shot.scored.scores["quality"].value for shot in burst.shots]
        assert values == sorted(values, reverse=True)
        assert "shaken" in burst.shots[-1].scored.source.stem or values[0] - values[-1] < 0.2
    for burst in group_bursts(shots, by="beauty"):
        values = [shot.scored.scores["beauty"].value for shot in burst.shots]
        assert values == sorted(values, reverse=True)


def shot(name: str, **scores: float) -> ScoredShot:
    values = {head: Score(value, 100 * value) for head, value in scores.items()}
    result = ScoreResult(Path(name), values, 1, 1)
    return ScoredShot(Shot(Path(name)), result, NOON, np.array([1, 0], np.float32))


def test_a_model_without_quality_ranks_by_overall() -> None:
    shots = [shot("1.jpg", sharp=0.9, nice=0.1), shot("2.jpg", sharp=0.5, nice=0.6)]
    (burst,) = group_bursts(shots)
    assert [found.scored.source.name for found in burst.shots] == ["2.jpg", "1.jpg"]
    (burst,) = group_bursts(shots, by="sharp")
    assert [found.scored.source.name for found in burst.shots] == ["1.jpg", "2.jpg"]
    assert group_bursts([]) == []


def test_the_best_few_of_a_burst() -> None:
    burst = Burst(tuple(shot(name, quality=0.5) for name in ("2.jpg", "1.jpg", "3.jpg")))
    assert [found.shot.photo.name for found in burst.best(2)] == ["2.jpg", "1.jpg"]
    assert len(burst.best(99)) == 3
    assert not burst.is_alone
    assert Burst(burst.shots[:1]).is_alone


def test_a_copy_never_beats_its_original() -> None:
    """The export is sharpened, and the backup is the same file: both are copies, however they score."""

    def of(
        name: str, quality: float, *, turned: float, is_from_camera: bool, sha: str
    ) -> ScoredShot:
        made = shot(name, quality=quality)
        return replace(
            made,
            scored=replace(made.scored, content_sha256=sha),
            embedding=at([turned])[0],
            is_from_camera=is_from_camera,
        )

    camera = of("card/1.jpg", 0.5, turned=0, is_from_camera=True, sha="a")
    export = of("export/1.png", 0.9, turned=10, is_from_camera=False, sha="b")
    backup = of("backup/1.jpg", 0.5, turned=0, is_from_camera=True, sha="a")
    other = of("chat/2.jpg", 0.8, turned=25, is_from_camera=False, sha="c")
    (alone,) = group_bursts([camera, export, backup])
    assert [found.scored.source for found in alone.best(9)] == [camera.scored.source]
    assert (alone.is_alone, alone.competes) == (True, False)
    assert [found.reason for found in alone.shots[1:]] == [
        "a copy of 1.jpg",
        f"a copy of {Path('card/1.jpg')}",
    ]
    assert describe_pick([alone], 1) == "0 bursts and 1 alone, 2 copies, 1 picked"
    # .91 alike is another picture of the moment, with camera's data or without.
    (burst,) = group_bursts([export, camera, other])
    assert burst.competes
    assert [found.scored.source.name for found in burst.shots] == ["2.jpg", "1.jpg", "1.png"]
    closely = rank_closely(burst, [None] * 3)
    assert closely.shots[-1].reason == "a copy of 1.jpg"
    # Without a camera's data in any of them nobody can say which is the original.
    (scans,) = group_bursts([export, other])
    assert not any(found.is_copy for found in scans.shots)


def of_content(photo: Path, content: str, second: int) -> ScoredShot:
    made = shot(str(photo), quality=0.5)
    scored = replace(made.scored, content_sha256=content)
    return replace(made, scored=scored, captured=NOON + timedelta(seconds=second))


def test_copies_of_a_bracket_are_not_picked_again(tmp_path: Path) -> None:
    """In another folder, and beside it under another name."""
    image = Image.open(Path(__file__).parents[2] / "examples" / "chelsea.png").convert("L")
    image.thumbnail((100, 100))
    exposed = []
    for number, bias in enumerate((0, -1, 1)):
        exif = Image.Exif()
        inner = exif.get_ifd(0x8769)
        inner[0x829A], inner[0x9204], inner[0xA402] = 2.0**bias / 250, float(bias), 2
        for name in (f"a/{number}.jpg", f"b/{number}.jpg", f"a/{number} again.jpg"):
            photo = tmp_path / name
            photo.parent.mkdir(exist_ok=True)
            image.save(photo, exif=exif)
            exposed.append(of_content(photo, str(number), number))
    sets = find_shot_sets(exposed)
    assert [found.kind for found in sets] == ["bracket"]
    (bracket,) = group_bursts(exposed, sets=sets)
    assert bracket.kind == "bracket"
    assert [one.shot.photo for one in bracket.best(1)] == [
        tmp_path / f"a/{number}.jpg" for number in range(3)
    ]
    assert describe_pick([bracket], 3) == "0 bursts and 0 alone, 1 bracket, 6 copies, 3 picked"


def test_the_original_is_a_file_with_a_short_path(tmp_path: Path) -> None:
    """Reports begin with `backup`, and a link comes before its file by name."""
    (tmp_path / "backup").mkdir()
    for name in ("backup/DSC_0016.JPG", "DSC_0016.JPG", "backup/0.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "0.jpg").symlink_to(tmp_path / "backup/0.jpg")
    names = ("0.jpg", "backup/0.jpg", "backup/DSC_0016.JPG", "DSC_0016.JPG")
    bursts = group_bursts([of_content(tmp_path / name, name[-5:], 0) for name in names])
    found = {one.shot.photo: one for burst in bursts for one in burst.shots}
    assert {path for path, one in found.items() if not one.is_copy} == {
        tmp_path / "backup/0.jpg",
        tmp_path / "DSC_0016.JPG",
    }
    assert (
        found[tmp_path / "backup/DSC_0016.JPG"].reason == f"a copy of {tmp_path.name}/DSC_0016.JPG"
    )


def test_the_original_is_in_the_folder_of_its_shoot() -> None:
    """A folder of chosen photos has fewer of their day, however short its name and however many of other days."""
    day, chosen, web = Path("card/100CANON"), Path("card/best"), Path("card/b")
    shots = [of_content(day / f"{number}.jpg", str(number), number) for number in range(3)]
    shots += [of_content(folder / "1.jpg", "1", 1) for folder in (chosen, web)]
    shots += [
        of_content(chosen / f"{days}.jpg", f"of {days}", 86_400 * days) for days in range(2, 9)
    ]
    originals = [
        found.shot.photo
        for burst in group_bursts(shots)
        for found in burst.shots
        if not found.is_copy
    ]
    assert day / "1.jpg" in originals
    assert {chosen / "1.jpg", web / "1.jpg"}.isdisjoint(originals)


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("a/DSC_1.JPG", "b/DSC_1.JPG"), ["a/DSC_1", "b/DSC_1"]),
        (("a/DSC_1.JPG", "a/DSC_1.PNG"), ["DSC_1.JPG", "DSC_1.PNG"]),
        (("a/DSC_1.JPG", "b/DSC_1.PNG"), ["DSC_1.JPG", "DSC_1.PNG"]),
    ],
)
def test_shots_of_one_name_are_told_apart(names: tuple[str, str], shown: list[str]) -> None:
    """Of two cameras at one moment, or of two files."""
    (burst,) = group_bursts([shot(name, quality=0.9) for name in names])
    closely = rank_closely(burst, [None] * 2)
    reasons = [found.reason for found in closely.shots]
    assert reasons == [f"about as good as {name}" for name in reversed(shown)]


def at(degrees: Sequence[float]) -> Float32Array:
    """Looks at angles: two are as similar as the cosine of what lies between."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_small_steps_do_not_chain() -> None:
    """Neighbours are alike, .97, and ends are not: cos 30° is .87, cos 75° is .26."""
    embeddings = at([0, 15, 30, 45, 60, 75])
    times = [NOON + timedelta(seconds=number) for number in range(6)]
    groups = group_embeddings(embeddings, times).tolist()
    assert groups[0] != groups[-1]
    assert all(
        (embeddings[np.equal(groups, group)] @ embeddings[np.equal(groups, group)].T).mean() >= 0.8
        for group in set(groups)
    )


def test_one_without_a_time_may_join_those_with_one() -> None:
    embeddings = at([0, 2, 1, 60])
    times = [NOON, NOON + timedelta(seconds=5), None, None]
    assert group_embeddings(embeddings, times).tolist() == [0, 0, 0, 3]
    # The same days apart: nothing but the time separates them.
    times = [NOON, NOON + timedelta(days=5), NOON + timedelta(days=9), None]
    assert group_embeddings(embeddings, times).tolist() == [0, 1, 2, 3]


def test_a_date_set_by_hand_is_no_time() -> None:
    """An album of scans with one time for all: those 35° apart, .82, are similar enough for one moment only."""
    embeddings = at([0, 35] * 30)
    assert set(group_embeddings(embeddings, [NOON] * 60).tolist()) == {0, 1}
    assert set(group_embeddings(embeddings[:20], [NOON] * 20).tolist()) == {0}


def test_blocks_and_limits_leave_no_pair_out() -> None:
    """More photos than a block has rows, most equal: more neighbours than are kept of each."""
    embeddings = at([0] * 700 + [90] * 700)
    assert set(group_embeddings(embeddings, [None] * 1400).tolist()) == {0, 700}
    times = [NOON + timedelta(seconds=number // 20) for number in range(1400)]
    assert set(group_embeddings(embeddings, times).tolist()) == {0, 700}
    assert group_embeddings(embeddings[:1], [None]).tolist() == [0]


def test_grouping_is_as_by_comparing_each_to_each() -> None:
    """Pairs found in blocks are those that a plain loop finds: groups of two are decided by pairs alone."""
    generator = np.random.default_rng(0)
    base = generator.normal(size=(300, 24))
    embeddings = np.concatenate([base, base + 0.3 * generator.normal(size=base.shape)])
    embeddings = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)
    times = [
        None
        if generator.random() < 0.5
        else NOON + timedelta(seconds=float(generator.random() * 60))
        for _ in embeddings
    ]
    settings = BurstSettings(within_seconds=20)
    groups = group_embeddings(embeddings, times, settings)

    def may_join(one: int, other: int) -> bool:
        first, second = times[one], times[other]
        similarity = float(embeddings[one] @ embeddings[other])
        if first is None or second is None:
            return similarity >= settings.similarity_without_time
        near = abs(first - second) <= timedelta(seconds=20)
        return near and similarity >= settings.similarity

    expected = sum(may_join(number, number + 300) for number in range(300))
    joined = sum(groups[number] == groups[number + 300] for number in range(300))
    assert 100 < expected < 300
    assert joined == expected


def test_looks() -> None:
    features = np.zeros((2, 1, 1, 6), np.float32)
    features[:, ..., 4:] = [[[[2, 8]]], [[[0, 8]]]]
    assert embedding_of(features, slice(-2, None)) == pytest.approx(np.array([1, np.sqrt(8)]) / 3)
    assert embedding_of(features, None).shape == (6,)
    assert embedding_of(np.zeros((1, 1, 1, 4), np.float32), slice(2, 4)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("within_seconds", -1, "within_seconds must be from 0 to 86400, a day, got -1"),
        ("within_seconds", float("nan"), "within_seconds must be from 0 to 86400, a day, got nan"),
        ("similarity", 0, "similarity must be above 0 and at most 1, got 0"),
        (
            "similarity_without_time",
            1.5,
            "similarity_without_time must be above 0 and at most 1, got 1.5",
        ),
    ],
)
def test_settings_out_of_range(name: str, value: float, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        BurstSettings(**{name: value})
    assert str(raised.value) == message


def test_unknown_ranking() -> None:
    with pytest.raises(SettingsError) as raised:
        check_ranking("qualty", ["quality", "beauty"])
    assert str(raised.value) == (
        "unknown score 'qualty': did you mean 'quality'? Known: 'beauty', 'overall', 'quality'"
    )
