"""Extraction: every photo has one result and one row, whatever interrupts it; by a fake engine."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlsp.backbones import backbone
from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.base.errors import (
    EngineError,
    FeatureStoreError,
    PhotoTooSmallError,
    SettingsError,
)
from mlsp.base.results import ScoreFailure
from mlsp.features.engines import Precision
from mlsp.features.engines.batching_engine import CUDA_BATCH, BatchingEngine, BatchSettings
from mlsp.features.extraction.plan import ExtractionNetwork, plan_network
from mlsp.features.extraction.run import Extraction, Shard, extract_to
from mlsp.features.extraction.settings import NetworkSettings, chosen_levels
from mlsp.features.pipeline import PhotoFeatures
from mlsp.features.spec import FeatureSpec
from mlsp.features.store.merge import merge
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.photos.listing import NamedPhoto, list_photos
from redness import ConstantEngine
from refusals import message

KIND = FeatureSpec("tiny", "0" * 64, ("colour",), "corners8", None, 5)


def network(
    feature_spec: FeatureSpec = KIND, *, smallest_side: int = 1, precision: Precision = "float32"
) -> ExtractionNetwork:
    layout = StoreLayout(feature_spec, (3,), (1, 5), dtype="float32", precision=precision)
    engine = ConstantEngine(feature_spec, precision=precision)
    return ExtractionNetwork(engine, layout, smallest_side)


@pytest.fixture
def photos(tmp_path: Path) -> list[NamedPhoto]:
    """Ten photos, of which the fourth and the eighth are broken, and the sixth is small."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(10):
        size = (20, 16) if number == 5 else (40, 32 + number)
        Image.new("RGB", size, (number * 20, 100, 255)).save(folder / f"{number}.png")
    for number in (3, 7):
        (folder / f"{number}.png").write_bytes(b"no photo")
    return list_photos(folder)


def run(
    photos: list[NamedPhoto], output: Path, **arguments: object
) -> list[PhotoFeatures | ScoreFailure]:
    made = arguments.pop("made", None) or network(smallest_side=16)
    with Extraction(made, photos, output, workers=2, **arguments) as extraction:  # type: ignore[arg-type]
        return list(extraction.results())


@dataclass(frozen=True)
class FailingEngine(ConstantEngine):
    """Fails on one height, as a network does that a photo leaves without memory."""

    height: int = 0

    def pooled(self, batch: UInt8Array) -> Float32Array:
        if batch.shape[1] == self.height:
            raise EngineError("the network failed on an input of shape (8, 1, 1, 3): no memory")
        return super().pooled(batch)


def test_a_photo_that_the_network_cannot_take_does_not_end_the_run(
    photos: list[NamedPhoto], tmp_path: Path
) -> None:
    made = network()
    engine = FailingEngine(KIND, height=34 * 7 // 8)
    results = run(photos, tmp_path / "f.h5", made=dataclasses.replace(made, engine=engine))
    assert [
        number for number, result in enumerate(results) if isinstance(result, ScoreFailure)
    ] == [
        2,
        3,
        7,
    ]
    assert isinstance(results[2], ScoreFailure)
    assert str(results[2].error) == (
        "the network failed on an input of shape (8, 1, 1, 3): no memory"
    )
    with FeatureStore.open(tmp_path / "f.h5") as store:
        assert store.rows("failed").tolist() == [2, 3, 7]


def test_features_of_resized_photos(photos: list[NamedPhoto], tmp_path: Path) -> None:
    feature_spec = dataclasses.replace(KIND, resize=(24, 16))
    made = network()
    sizes: list[tuple[int, ...]] = []

    class Watching(ConstantEngine):
        def pooled(self, batch: UInt8Array) -> Float32Array:
            sizes.append(batch.shape)
            return super().pooled(batch)

    made = ExtractionNetwork(
        Watching(feature_spec),
        dataclasses.replace(made.layout, feature_spec=feature_spec),
        made.smallest_side,
    )
    results = run(photos, tmp_path / "f.h5", made=made)
    done = [result for result in results if isinstance(result, PhotoFeatures)]
    assert set(sizes) == {(8, 14, 21, 3)}
    assert len(sizes) == len(done)
    assert all((result.width, result.height) != (24, 16) for result in done)
    with FeatureStore.open(tmp_path / "f.h5") as store:
        assert store.layout.feature_spec.resize == (24, 16)


def test_one_result_and_one_row_for_each_photo(photos: list[NamedPhoto], tmp_path: Path) -> None:
    results = run(photos, tmp_path / "f.h5")
    assert [result.source for result in results] == [photo.path for photo in photos]
    assert [isinstance(result, ScoreFailure) for result in results] == [
        number in (3, 5, 7) for number in range(10)
    ]
    with FeatureStore.open(tmp_path / "f.h5") as store:
        assert store.ids == tuple(f"{number}.png" for number in range(10))
        assert store.rows("failed").tolist() == [3, 5, 7]
        assert store.rows("pending").size == 0
        assert (store.photo(4).width, store.photo(4).height) == (40, 36)
        colour = np.array([4 * 20, 100, 255], np.float32) / 255
        for grid in (1, 5):
            features = store.read(4, grid=grid)
            assert features.shape == (8, grid, grid, 3)
            np.testing.assert_allclose(features, np.broadcast_to(colour, features.shape), rtol=1e-6)


def test_a_small_photo_is_a_failure_that_says_why(photos: list[NamedPhoto], tmp_path: Path) -> None:
    small = run(photos, tmp_path / "views.h5")[5]
    assert isinstance(small, ScoreFailure)
    assert isinstance(small.error, PhotoTooSmallError)
    # Of 19 pixels, 7/8 are 16.
    assert "20 × 16 pixels" in str(small.error)
    assert "at least 19" in str(small.error)
    whole = network(dataclasses.replace(KIND, views="whole"), smallest_side=17)
    small = run(photos, tmp_path / "whole.h5", made=whole)[5]
    assert "at least 17" in str(small.error)
    fits = network(dataclasses.replace(KIND, views="whole"), smallest_side=16)
    assert isinstance(run(photos, tmp_path / "fits.h5", made=fits)[5], PhotoFeatures)


def test_interrupted_and_continued_is_the_same_file(
    photos: list[NamedPhoto], tmp_path: Path
) -> None:
    run(photos, tmp_path / "undisturbed.h5")
    for stop in (1, 4, 9):
        output = tmp_path / f"stopped{stop}.h5"
        with Extraction(network(smallest_side=16), photos, output, workers=2) as extraction:
            assert extraction.photos_to_do == 10
            list(itertools.islice(extraction.results(), stop))
        with FeatureStore.open(output) as store:
            assert len(store.rows("pending")) == 10 - stop
        with Extraction(network(smallest_side=16), photos, output, workers=2) as extraction:
            assert extraction.photos_to_do == 10 - stop
            rest = list(extraction.results())
        assert [result.source for result in rest] == [photo.path for photo in photos[stop:]]
        assert output.read_bytes() == (tmp_path / "undisturbed.h5").read_bytes()
    assert run(photos, tmp_path / "undisturbed.h5") == []


def test_one_call_extracts_a_folder_or_paths(photos: list[NamedPhoto], tmp_path: Path) -> None:
    run(photos, tmp_path / "expected.h5")
    made = network(smallest_side=16)
    failures = extract_to(made, photos[0].path.parent, tmp_path / "folder.h5")
    assert [failure.source for failure in failures] == [photos[row].path for row in (3, 5, 7)]
    assert (tmp_path / "folder.h5").read_bytes() == (tmp_path / "expected.h5").read_bytes()
    assert extract_to(made, str(photos[0].path.parent), str(tmp_path / "folder.h5")) == []
    paths = [str(photo.path) for photo in photos[:2]]
    assert extract_to(made, paths, tmp_path / "paths.h5") == []
    with (
        FeatureStore.open(tmp_path / "paths.h5") as found,
        FeatureStore.open(tmp_path / "expected.h5") as expected,
    ):
        assert found.ids == tuple(Path(path).as_posix() for path in paths)
        np.testing.assert_array_equal(found[:], expected[:2])


def test_failed_photos_are_tried_again_only_when_asked(
    photos: list[NamedPhoto], tmp_path: Path
) -> None:
    output = tmp_path / "f.h5"
    run(photos, output)
    shutil.copy(photos[0].path, photos[3].path)
    with Extraction(network(smallest_side=16), photos, output) as extraction:
        assert (extraction.photos_to_do, extraction.photos_failed_earlier) == (0, 3)
    with Extraction(
        network(smallest_side=16), photos, output, retry_failed=True, workers=1
    ) as extraction:
        assert (extraction.photos_to_do, extraction.photos_failed_earlier) == (3, 0)
        results = list(extraction.results())
    assert [type(result) for result in results] == [PhotoFeatures, ScoreFailure, ScoreFailure]
    with FeatureStore.open(output) as store:
        assert store.rows("failed").tolist() == [5, 7]
        np.testing.assert_array_equal(store.read(3, grid=1), store.read(0, grid=1))


def test_a_file_of_other_photos_or_precision_is_refused(
    photos: list[NamedPhoto], tmp_path: Path
) -> None:
    output = tmp_path / "f.h5"
    run(photos, output)
    before = output.read_bytes()
    assert message(FeatureStoreError, lambda: run(photos[:-1], output)) == (
        f"feature file {output} has other features or photos: photos are 10 from '0.png' on, expected 9 from '0.png' on, "
        "in the same order. Choose another file, or extract again"
    )
    other = network(precision="bfloat16")
    assert message(FeatureStoreError, lambda: run(photos, output, made=other)) == (
        f"feature file {output} has other features or photos: precision is 'float32', expected 'bfloat16'. "
        "Choose another file, or extract again"
    )
    assert output.read_bytes() == before


@dataclass(frozen=True)
class LoudEngine:
    """Features of bright photos are too large for float16."""

    feature_spec: FeatureSpec
    precision: Precision = "float32"
    channels: int = 1

    def pooled(self, batch: UInt8Array) -> Float32Array:
        value = 1e5 if batch[0, 0, 0, 0] > 100 else 1.0
        return np.full((len(batch), 1, 1, 1), value, np.float32)


def test_photos_of_one_size_go_through_the_network_together(tmp_path: Path) -> None:
    """As on a CUDA device, by torch on the processor."""
    from mlsp.backbones import build_network
    from mlsp.features.engines.torch_engine import TorchEngine

    spec = backbone("efficientnet_lite0")
    levels = spec.levels[:2]
    feature_spec = FeatureSpec(
        spec.name, "0" * 64, tuple(level.name for level in levels), "whole_mirrored", None, 5
    )
    alone = TorchEngine(build_network(spec), spec, feature_spec, device="cpu")
    shapes: list[tuple[int, ...]] = []

    class Watched(TorchEngine):
        def __init__(self) -> None:
            self.__dict__.update(alone.__dict__)

        def pooled(self, batch: UInt8Array) -> Float32Array:
            shapes.append(batch.shape[:3])
            return super().pooled(batch)

    rng = np.random.default_rng(0)
    sizes = [*[(64, 50)] * 9, *[(50, 64)] * 7, *[(100, 65)] * 2]
    for number, (width, height) in enumerate(sizes):
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:02}.png")
    (tmp_path / "12.png").write_bytes(b"no photo")
    photos = list_photos(tmp_path)
    layout = StoreLayout(
        feature_spec, tuple(level.channels for level in levels), (1, 5), dtype="float32"
    )
    # Three small photos of two views, or one large; with time for three to come.
    settings = BatchSettings(4, wait_ms=2000, max_pixels=25_000)
    joined = BatchingEngine(Watched(), settings, streams=1)
    results = run(photos, tmp_path / "joined.h5", made=ExtractionNetwork(joined, layout, 32))
    assert [result.source for result in results] == [photo.path for photo in photos]
    assert [
        number for number, result in enumerate(results) if isinstance(result, ScoreFailure)
    ] == [12]
    counts = [count for count, height, _ in shapes if height != 65]
    assert (sum(counts), max(counts)) == (2 * 15, 2 * 3)
    assert [shape for shape in shapes if shape[1] == 65] == [(2, 65, 100)] * 2
    run(photos, tmp_path / "alone.h5", made=ExtractionNetwork(alone, layout, 32))
    with (
        FeatureStore.open(tmp_path / "alone.h5") as expected,
        FeatureStore.open(tmp_path / "joined.h5") as found,
    ):
        assert found.rows("failed").tolist() == expected.rows("failed").tolist() == [12]
        for row in set(range(len(photos))) - {12}:
            assert found.photo(row) == expected.photo(row)
            for grid in (1, 5):
                features = expected.read(row, grid=grid)
                difference = np.abs(found.read(row, grid=grid) - features).max()
                assert difference <= 1e-4 * np.sqrt((features**2).mean())


@pytest.mark.gpu
def test_on_a_cuda_device_photos_are_joined() -> None:
    opened = plan_network(NetworkSettings("efficientnet_lite0", device="cuda")).open()
    assert isinstance(opened.engine, BatchingEngine)
    assert (opened.engine.settings, opened.engine.streams) == (CUDA_BATCH, 1)


def test_features_that_the_dtype_cannot_hold_fail_their_photo_only(
    photos: list[NamedPhoto], tmp_path: Path
) -> None:
    feature_spec = dataclasses.replace(KIND, views="whole", grid=1)
    loud = ExtractionNetwork(LoudEngine(feature_spec), StoreLayout(feature_spec, (1,), (1,)), 1)
    results = run([photos[0], photos[9], photos[1]], tmp_path / "f.h5", made=loud)
    assert [isinstance(result, ScoreFailure) for result in results] == [False, True, False]
    with FeatureStore.open(tmp_path / "f.h5") as store:
        assert store.photo(1).message == (
            "photo '9.png': features reach 100000, float16 holds up to 65504, float32 more"
        )


def test_shards_merge_to_the_whole(photos: list[NamedPhoto], tmp_path: Path) -> None:
    run(photos, tmp_path / "whole.h5")
    parts = [tmp_path / f"{number}.h5" for number in (1, 2, 3)]
    for number, part in enumerate(parts, 1):
        run(list(Shard(number, 3).of(photos)), part)
    merge(parts, tmp_path / "merged.h5")
    with (
        FeatureStore.open(tmp_path / "whole.h5") as whole,
        FeatureStore.open(tmp_path / "merged.h5") as merged,
    ):
        assert set(merged.ids) == set(whole.ids)
        for index, name in enumerate(whole.ids):
            there = merged.index_of(name)
            assert merged.photo(there) == whole.photo(index)
            if whole.photo(index).status == "done":
                np.testing.assert_array_equal(merged.read(there, grid=5), whole.read(index, grid=5))


def test_shards_as_users_write_them() -> None:
    assert Shard.parse("3/8") == Shard(3, 8)
    for text in ("3", "3/", "a/b", "-1/2", "1.5/2"):
        assert message(SettingsError, lambda text=text: Shard.parse(text)) == (  # type: ignore[misc]
            f"a shard is written 3/8, the third of eight parts; got {text!r}"
        )
    for text in ("0/2", "3/2", "0/0"):
        assert message(SettingsError, lambda text=text: Shard.parse(text)) == (  # type: ignore[misc]
            f"a shard is 1/N to N/N, got {text}: with three machines give them 1/3, 2/3 and 3/3"
        )
    assert message(SettingsError, lambda: Shard(3, 3).of("ab")) == (
        "shard 3/3 of 2 photos is empty: make fewer shards"
    )


def test_levels_as_users_write_them() -> None:
    spec = backbone("inception_v3")
    assert chosen_levels(spec, "all") == spec.levels
    assert chosen_levels(spec, "last5") == spec.levels[-5:]
    assert chosen_levels(spec, "last11") == spec.levels
    assert chosen_levels(spec, "mixed10, mixed0") == (spec.levels[0], spec.levels[10])
    assert message(SettingsError, lambda: chosen_levels(spec, "last12")) == (
        "levels 'last12' of inception_v3: choose last1 to last11"
    )
    assert message(SettingsError, lambda: chosen_levels(spec, "mixed11")).startswith(
        "unknown level of inception_v3 'mixed11': did you mean 'mixed1' or 'mixed10' or 'mixed9'? Known: "
    )


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("backbone", "inception", "unknown backbone 'inception': did you mean 'inception_v3'"),
        ("grid", "wid", "unknown grid 'wid': did you mean 'wide'? Known: 'both', 'narrow', 'wide'"),
        ("views", "corners", "unknown views 'corners': did you mean 'corners8'? Known: "),
        ("dtype", "float8", "unknown dtype of stored features 'float8': did you mean 'float"),
        ("compression", "zst", "unknown compression 'zst': did you mean 'zstd'? Known: "),
        ("longest_side", 0, "longest_side must be at least 1, got 0"),
        ("levels", "mixed", "unknown level of inception_v3 'mixed': "),
        ("resize", "256", "expected width and height in pixels such as 256x256, got '256'"),
    ],
)
def test_settings_are_checked_before_anything_is_loaded(
    field: str, value: str | int, expected: str
) -> None:
    settings = NetworkSettings("inception_v3")
    assert message(
        SettingsError,
        lambda: dataclasses.replace(settings, **{field: value}),  # type: ignore[arg-type]
    ).startswith(expected)


def test_an_engine_of_other_features_is_refused() -> None:
    fitting = network()
    other = dataclasses.replace(KIND, longest_side=512)
    with pytest.raises(SettingsError, match="^the engine makes features of .*, the layout stores "):
        ExtractionNetwork(ConstantEngine(other), fitting.layout, 1)
    assert message(SettingsError, lambda: Extraction(fitting, [], Path("f.h5"), workers=0)) == (
        "workers must be at least 1, got 0"
    )
