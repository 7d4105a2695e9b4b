"""The best of a burst: real photos whose differences show at full size only, and points that are put together."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from face_samples import portrait, with_shut_eyes
from mlsp.base.content_cache import NullCache
from mlsp.base.digests import file_sha256
from mlsp.base.errors import EngineError
from mlsp.culling.bursts import Burst, ScoredShot
from mlsp.culling.choosing import choose, rank_closely
from mlsp.culling.close_ups import CloseUp, close_up_of
from mlsp.culling.looking import CloseUpCache, close_up_key, look_closely
from mlsp.culling.shots import Shot
from mlsp.features.engines.compiled_graph import CompiledGraph
from mlsp.models.records import NOT_PHOTO
from mlsp.scoring.results import Score, ScoreResult


def shot(photo: Path, quality: float) -> ScoredShot:
    score = Score(quality / 100, quality, position=quality)
    scored = ScoreResult(photo, {"quality": score}, 100, 100)
    return ScoredShot(Shot(photo), scored, datetime(2024, 5, 1), np.ones(1, np.float32))


def names(burst: Burst) -> list[str]:
    return [found.scored.source.stem for found in burst.shots]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A portrait of 1,200 pixels: as it is, eyes shut, softer by a pixel; a landscape of the example rocket, and softer."""
    folder = tmp_path_factory.mktemp("photos")
    pixels = portrait()
    large = {
        name: Image.fromarray(shown).crop((40, 0, 440, 400)).resize((1200, 1200))
        for name, shown in (("open", pixels), ("shut", with_shut_eyes(pixels)))
    }
    large["soft"] = large["open"].filter(ImageFilter.GaussianBlur(1.5))
    rocket = Image.open(Path(__file__).parents[2] / "examples" / "rocket.jpg").convert("RGB")
    large["rocket"] = rocket
    large["soft_rocket"] = rocket.filter(ImageFilter.GaussianBlur(0.7))
    for name, image in large.items():
        image.save(folder / f"{name}.jpg", quality=93)
    return {name: folder / f"{name}.jpg" for name in large}


def test_eyes_and_sharpness_outweigh_a_little_quality(photos: dict[str, Path]) -> None:
    burst = Burst((shot(photos["shut"], 60), shot(photos["soft"], 59), shot(photos["open"], 58)))
    alone = Burst((shot(photos["rocket"], 50),))
    first, second = choose([burst, alone], workers=2)
    assert second is alone
    assert names(first) == ["open", "soft", "shut"]
    best, soft, shut = first.shots
    assert best.reason == "sharper eyes than soft"
    assert soft.reason == "softer eyes than open"
    assert shut.reason == "eyes closed, open in open"
    assert best.close_up is not None
    assert shut.close_up is not None
    assert (best.close_up.subject, best.close_up.closed_eyes) == ("eyes", 0)
    assert shut.close_up.closed_eyes == 1


def test_without_faces_the_sharpest_pieces_count(photos: dict[str, Path]) -> None:
    burst = Burst((shot(photos["soft_rocket"], 51), shot(photos["rocket"], 50)))
    (found,) = choose([burst])
    assert names(found) == ["rocket", "soft_rocket"]
    assert [one.reason for one in found.shots] == [
        "sharper than soft_rocket",
        "softer than rocket",
    ]
    (off,) = choose([Burst((shot(photos["shut"], 60), shot(photos["open"], 58)))], faces=False)
    assert names(off) == ["shut", "open"]
    assert all(one.close_up is not None and one.close_up.faces == () for one in off.shots)


def test_a_soft_subject_before_a_sharp_background_is_soft() -> None:
    cup = Image.open(Path(__file__).parents[2] / "examples" / "coffee.png").convert("RGB")
    cup = cup.resize((1200, 800))
    soft = cup.filter(ImageFilter.GaussianBlur(3))
    mask = Image.new("L", cup.size)
    ImageDraw.Draw(mask).ellipse((200, 130, 1000, 670), fill=255)
    blurs = [
        close_up_of(np.asarray(image), faces=False).blur
        for image in (cup, Image.composite(cup, soft, mask), Image.composite(soft, cup, mask))
    ]
    assert None not in blurs
    sharp, soft_background, soft_subject = map(float, filter(None, blurs))
    assert soft_background == pytest.approx(sharp, rel=0.05)
    assert soft_subject > 1.2 * sharp
    # Where the middle is empty, what is around it counts.
    cup.paste((90, 90, 90), (150, 50, 1050, 750))
    empty = close_up_of(np.asarray(cup), faces=False)
    assert empty.blur is not None


def test_a_much_higher_score_wins_and_what_has_gone_keeps_its_rank(
    photos: dict[str, Path], tmp_path: Path
) -> None:
    gone = shot(tmp_path / "gone.jpg", 70)
    burst = Burst((shot(photos["soft"], 90), gone, shot(photos["open"], 54)))
    (found,) = choose([burst])
    assert names(found) == ["soft", "gone", "open"]
    assert found.shots[0].reason == "higher score than gone"
    assert found.shots[1].close_up is None
    assert found.shots[1].reason == "lower score than soft"


def test_a_photo_on_which_a_network_fails_keeps_its_rank(
    photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise EngineError("out of memory")

    monkeypatch.setattr(CompiledGraph, "outputs", fails)
    burst = Burst((shot(photos["soft"], 60), shot(photos["open"], 58)))
    (found,) = choose([burst])
    assert names(found) == ["soft", "open"]
    assert [one.close_up for one in found.shots] == [None, None]


def test_copies_of_other_sizes_are_compared(photos: dict[str, Path]) -> None:
    """The same picture at half the size has the same blur in shares of its sides, but for its coarser pixels."""
    large = look_closely(photos["soft"], NullCache())
    half = np.asarray(Image.open(photos["soft"]).reduce(2))
    small = close_up_of(half)
    assert large.blur is not None
    assert small.blur is not None
    # In pixels it would be half.
    assert large.blur < small.blur < 1.6 * large.blur


def test_nothing_to_tell_apart(photos: dict[str, Path]) -> None:
    flat = close_up_of(np.full((300, 300, 3), 90, np.uint8))
    assert flat == CloseUp((), "photo", None)
    one, other = shot(Path("a.jpg"), 50), shot(Path("b.jpg"), 50.2)
    found = rank_closely(Burst((other, one)), [flat, flat])
    assert names(found) == ["b", "a"]
    assert [each.reason for each in found.shots] == ["about as good as a", "about as good as b"]


def test_a_model_without_quality_ranks_by_overall_and_what_is_no_photo_comes_last() -> None:
    def scored(name: str, beauty: float, kind: str) -> ScoredShot:
        score = Score(beauty, beauty, position=beauty)
        result = ScoreResult(Path(name), {"beauty": score}, 100, 100, kind=kind)
        return ScoredShot(Shot(Path(name)), result, None, np.ones(1, np.float32))

    shots = (scored("chart.png", 90, NOT_PHOTO), scored("a.jpg", 40, "people"))
    better = scored("b.jpg", 60, "people")
    found = rank_closely(Burst((*shots, better)), [None, None, None])
    assert names(found) == ["b", "a", "chart"]


def test_a_shot_without_edges_is_the_softest(photos: dict[str, Path]) -> None:
    sharp, flat = look_closely(photos["rocket"], NullCache()), CloseUp((), "photo", None)
    one, other = shot(Path("a.jpg"), 50), shot(Path("b.jpg"), 55)
    found = rank_closely(Burst((other, one)), [flat, sharp])
    assert [each.reason for each in found.shots] == ["sharper than b", "softer than a"]


def test_what_was_seen_is_cached(photos: dict[str, Path], tmp_path: Path) -> None:
    burst = Burst((shot(photos["shut"], 60), shot(photos["open"], 58)))
    path, photo = tmp_path / "close-ups.sqlite", photos["open"]
    with CloseUpCache.open(path) as cache:
        (first,) = choose([burst], cache=cache)
    with CloseUpCache.open(path) as cache:
        assert list(choose([burst], cache=cache)) == [first]
        # It is what was cached, for this content and these settings.
        key = close_up_key(faces=True)
        assert cache.get(file_sha256(photo), key) == first.shots[0].close_up
        other = CloseUp((), "photo", 1.5)
        cache.put(file_sha256(photo), key, other)
        assert look_closely(photo, cache) == other
        assert look_closely(photo, cache, faces=False) == look_closely(
            photo, NullCache(), faces=False
        )
        assert look_closely(photos["rocket"], cache).blur != other.blur


def test_tiny_photos_are_measured_whole() -> None:
    close_up = close_up_of(portrait()[40:140, 160:280])
    assert close_up.blur is not None
