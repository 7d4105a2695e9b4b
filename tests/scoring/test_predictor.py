from __future__ import annotations

import csv
import functools
import json
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from children import call_mlsp as mlsp
from mlsp.backbones import Level, backbone
from mlsp.base.errors import FeatureStoreError, SettingsError
from mlsp.base.results import ScoreFailure
from mlsp.evaluation.score_tables import read_score_table
from mlsp.features.opening import open_backbone
from mlsp.features.pipeline import FeaturePipeline, PhotoFeatures
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.npz import FeatureArray
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import HeadSpec, ScoreHead, build_head
from mlsp.models.model import Model, load_model
from mlsp.models.records import Card, HeadRecord
from mlsp.models.writing import write_model
from mlsp.scoring.predictor import FeaturePredictor, Predicted
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer

LEVELS = (Level("a", 6), Level("b", 4))
KIND = FeatureSpec("tiny", "0" * 64, ("a", "b"), "corners8", None, 1)
RECORD = HeadRecord("taste", "", "", "liked", 1, 10, "nobody's", (), ())
MODELS = tempfile.TemporaryDirectory()


def head(grid: Grid, seed: int) -> ScoreHead:
    """A head whose scores lie well inside the scale."""
    name = "single_1fc" if grid == 1 else "pool_3fc_released"
    sizes = {} if grid == 1 else {"first": 16, "column": 8}
    made = build_head(HeadSpec(name), LEVELS, seed=seed, **sizes).eval()
    with torch.no_grad():
        list(made.body.parameters())[-1].fill_(5)
    return made


def model(folder: Path, feature_spec: FeatureSpec = KIND) -> tuple[Model, list[ScoreHead]]:
    """Write a model of two heads."""
    written, heads = _written(feature_spec)
    shutil.copytree(written, folder)
    return load_model(folder), heads


@functools.cache
def _written(feature_spec: FeatureSpec) -> tuple[Path, list[ScoreHead]]:
    """Write a model once for all tests: exporting heads takes seconds."""
    heads = [head(feature_spec.grid, seed) for seed in (1, 2)]
    records = [RECORD, replace(RECORD, name="skill")]
    written = write_model(
        Path(tempfile.mkdtemp(dir=MODELS.name)) / "model",
        name="tiny",
        feature_spec=feature_spec,
        smallest_side=32,
        heads=list(zip(records, heads, strict=True)),
        channels=10,
        card=Card("A test.", (), (), "CC0-1.0"),
        backbone=None,
    )
    return written.folder, heads


def features(photos: int, grid: Grid = 1, views: int = 8) -> np.ndarray:
    rng = np.random.default_rng(0)
    values: np.ndarray = rng.random((photos, views, grid, grid, 10), np.float32)
    return values.astype(np.float16).astype(np.float32)


def store(
    path: Path, values: np.ndarray, feature_spec: FeatureSpec = KIND, *, leave_out: int = 0
) -> Path:
    """A store of photos of which the second failed and the last `leave_out` are pending."""
    layout = StoreLayout(feature_spec, (6, 4), (feature_spec.grid,))
    names = [f"{number}.jpg" for number in range(len(values))]
    with FeatureStore.create(path, layout, names) as opened:
        for index, value in enumerate(values[: len(values) - leave_out]):
            if index == 1:
                opened.write_failure(index, "not a photo")
            else:
                opened.write(
                    index, {feature_spec.grid: value}, width=9, height=9, content_sha256="ab" * 32
                )
    return path


def expected(heads: list[ScoreHead], values: np.ndarray) -> np.ndarray:
    """(photos, heads) means over the views."""
    with torch.no_grad():
        each = torch.from_numpy(values.reshape(-1, *values.shape[2:]))
        scores = [one(each).reshape(values.shape[:2]).mean(dim=1).numpy() for one in heads]
    stacked: np.ndarray = np.stack(scores, axis=1).clip(1, 10)
    assert stacked.std(axis=0).min() > 1e-3
    return stacked


def run(folder: Path, path: Path) -> list[Predicted | ScoreFailure]:
    with FeaturePredictor(folder, path) as predictor:
        results = list(predictor.results())
        assert len(results) == len(predictor)
    return results


def values_of(results: list[Predicted | ScoreFailure]) -> np.ndarray:
    return np.array(
        [list(result.scores.values()) for result in results if isinstance(result, Predicted)]
    )


@pytest.mark.parametrize("grid", [1, 5])
@pytest.mark.parametrize("batch_bytes", [1, 5_000, 2**20])
def test_a_store_photo_by_photo(
    tmp_path: Path, grid: Grid, batch_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlsp.scoring.predictor._BATCH_BYTES", batch_bytes)
    feature_spec = replace(KIND, grid=grid)
    _, heads = model(tmp_path / "model", feature_spec)
    values = features(30, grid)
    results = run(tmp_path / "model", store(tmp_path / "f.h5", values, feature_spec, leave_out=2))
    done = [0, *range(2, 28)]
    np.testing.assert_allclose(values_of(results), expected(heads, values)[done], atol=1e-5)
    assert [r.source for r in results if isinstance(r, Predicted)] == [f"{i}.jpg" for i in done]
    failed = {r.source.name: str(r.error) for r in results if isinstance(r, ScoreFailure)}
    assert failed == {
        "1.jpg": "its extraction failed: not a photo",
        "28.jpg": "it is not extracted yet",
        "29.jpg": "it is not extracted yet",
    }
    assert isinstance(results[1], ScoreFailure)
    assert isinstance(results[28], ScoreFailure)


def test_a_damaged_row_fails_alone(tmp_path: Path) -> None:
    _, heads = model(tmp_path / "model")
    values = features(9)
    path = store(tmp_path / "f.h5", values)
    row = values[4].astype(np.float16).tobytes()
    content = bytearray(path.read_bytes())
    content[content.index(row) + 3] ^= 1
    path.write_bytes(content)
    results = run(tmp_path / "model", path)
    (error,) = (
        r.error for r in results if isinstance(r, ScoreFailure) and r.source.name == "4.jpg"
    )
    assert "its checksum differs" in str(error)
    kept = [0, 2, 3, 5, 6, 7, 8]
    np.testing.assert_allclose(values_of(results), expected(heads, values)[kept], atol=1e-5)


def test_a_store_of_both_grids(tmp_path: Path) -> None:
    _, heads = model(tmp_path / "model")
    wide = features(3, 5)
    narrow = wide.mean(axis=(2, 3), keepdims=True)
    layout = StoreLayout(KIND, (6, 4), (1, 5), dtype="float32")
    with FeatureStore.create(tmp_path / "f.h5", layout, ["a", "b", "c"]) as opened:
        for index in range(3):
            both: dict[Grid, np.ndarray] = {1: narrow[index], 5: wide[index]}
            opened.write(index, both, width=9, height=9, content_sha256="ab" * 32)
    results = run(tmp_path / "model", tmp_path / "f.h5")
    np.testing.assert_allclose(values_of(results), expected(heads, narrow), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"views": "whole"}, "views is 'whole', expected 'corners8'"),
        ({"weights_sha256": "1" * 64}, f"weights_sha256 is {'1' * 64!r}, expected {'0' * 64!r}"),
        ({"longest_side": 512}, "longest_side is 512, expected None"),
        ({"levels": ("a", "c")}, "levels is ('a', 'c'), expected ('a', 'b')"),
    ],
)
def test_features_of_another_kind(tmp_path: Path, change: dict[str, Any], phrase: str) -> None:
    model(tmp_path / "model")
    feature_spec = replace(KIND, **change)
    path = store(
        tmp_path / "f.h5",
        features(3, feature_spec.grid, 1 if "views" in change else 8),
        feature_spec,
    )
    with pytest.raises(
        FeatureStoreError, match=f"{re.escape(str(path))}.*: {re.escape(phrase)}\\."
    ):
        FeaturePredictor(tmp_path / "model", path)


def test_narrow_features_of_a_wide_model(tmp_path: Path) -> None:
    model(tmp_path / "model", replace(KIND, grid=5))
    path = store(tmp_path / "f.h5", features(3))
    with pytest.raises(
        FeatureStoreError,
        match=r"features are narrow, expected wide ones \(mlsp extract --grid wide",
    ):
        FeaturePredictor(tmp_path / "model", path)


def test_wide_features_of_a_narrow_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlsp.scoring.predictor._BATCH_BYTES", 10_000)
    _, heads = model(tmp_path / "model")
    wide = features(7, 5)
    scores = expected(heads, wide.mean(axis=(2, 3), keepdims=True, dtype=np.float64).astype("f4"))
    results = run(tmp_path / "model", store(tmp_path / "f.h5", wide, replace(KIND, grid=5)))
    np.testing.assert_allclose(values_of(results), np.delete(scores, 1, axis=0), atol=1e-5)
    np.savez(tmp_path / "f.npz", wide)
    np.testing.assert_allclose(
        values_of(run(tmp_path / "model", tmp_path / "f.npz")), scores, atol=1e-5
    )


def test_a_model_that_does_not_know_its_weights_reads_features_of_any(tmp_path: Path) -> None:
    _, heads = model(tmp_path / "model", replace(KIND, weights_sha256=""))
    values = features(3)
    results = run(tmp_path / "model", store(tmp_path / "f.h5", values))
    np.testing.assert_allclose(values_of(results), expected(heads, values)[[0, 2]], atol=1e-5)


# .npz


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    ("grid", "shape"),
    [
        *((1, shape) for shape in ((7, 10), (7, 3, 10), (7, 1, 1, 10), (7, 3, 1, 1, 10))),
        *((5, shape) for shape in ((7, 5, 5, 10), (7, 3, 5, 5, 10))),
    ],
)
def test_an_array(
    tmp_path: Path,
    grid: Grid,
    shape: tuple[int, ...],
    save: Callable[..., None],
    dtype: type,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlsp.scoring.predictor._BATCH_BYTES", 4_000)
    _, heads = model(tmp_path / "model", replace(KIND, grid=grid))
    values = features(7, grid, 3 if 3 in shape else 1)
    save(tmp_path / "f.npz", anything=values.reshape(shape).astype(dtype))
    with FeaturePredictor(tmp_path / "model", tmp_path / "f.npz") as predictor:
        assert (len(predictor), predictor.column) == (7, "row")
        results = list(predictor.results())
    assert [result.source for result in results] == list(range(7))
    np.testing.assert_allclose(values_of(results), expected(heads, values), atol=1e-5)


def test_a_row_that_gives_no_number(tmp_path: Path) -> None:
    model(tmp_path / "model")
    values = features(3, 1, 1)
    values[1, 0, 0, 0, 3] = np.nan
    np.savez(tmp_path / "f.npz", values)
    results = run(tmp_path / "model", tmp_path / "f.npz")
    assert isinstance(results[0], Predicted)
    assert isinstance(results[1], ScoreFailure)
    assert str(results[1].source) == "row 1"
    assert str(results[1].error) == "its features are not finite, and give no score"


def test_scores_stay_within_the_scale(tmp_path: Path) -> None:
    model(tmp_path / "model")
    np.savez(tmp_path / "f.npz", np.full((1, 10), 1e4, np.float32))
    (result,) = run(tmp_path / "model", tmp_path / "f.npz")
    assert isinstance(result, Predicted)
    assert set(result.scores.values()) <= {1.0, 10.0}


def test_narrow_features_for_a_head_on_wide_ones(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", np.zeros((3, 10), np.float32))
    with pytest.raises(FeatureStoreError, match=r"expected \(rows, 5, 5, 10\) .* --grid wide$"):
        FeatureArray(tmp_path / "f.npz", grid=5, channels=10)


ONE = "(rows, 10), (rows, views, 10), (rows, 5, 5, 10) or (rows, views, 5, 5, 10)"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"a": np.zeros((3, 9))},
            "features in {path} have 9 channels (shape (3, 9)), and the model reads 10: extract those of its network and levels",
        ),
        ({"a": np.zeros((0, 10))}, "features in {path} have no rows, their shape is (0, 10)"),
        (
            {"a": np.zeros((2, 4, 4, 10))},
            f"features in {{path}} have the shape (2, 4, 4, 10), expected {ONE}",
        ),
        (
            {"a": np.zeros((3, 10), np.int64)},
            "features in {path} must be floating-point numbers, got int64",
        ),
        (
            {"a": np.asfortranarray(np.zeros((3, 10)))},
            "features in {path} are stored column by column: save numpy.ascontiguousarray(features)",
        ),
        (
            {"a": np.zeros((3, 10)), "b": np.zeros(1)},
            "{path} must hold one array of features, it holds 'a', 'b'",
        ),
        ({}, "{path} must hold one array of features, it holds none"),
    ],
)
def test_arrays_that_are_no_features(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    model(tmp_path / "model")
    path = tmp_path / "f.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    with pytest.raises(FeatureStoreError, match=f"^{re.escape(message.format(path=path))}$"):
        FeaturePredictor(tmp_path / "model", path)


def test_a_cut_file(tmp_path: Path) -> None:
    model(tmp_path / "model")
    path = tmp_path / "f.npz"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(
        FeatureStoreError, match=f"^features {path} cannot be read: File is not a zip file$"
    ):
        FeaturePredictor(tmp_path / "model", path)
    with pytest.raises(SettingsError, match=f"^there is no file of features {tmp_path / 'no.h5'}$"):
        FeaturePredictor(tmp_path / "model", tmp_path / "no.h5")


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    model(tmp_path / "model")
    path = tmp_path / "f.npz"
    np.savez(path, np.zeros((300, 10), np.float32))
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(FeatureStoreError, match=f"^features {path} cannot be read: Bad CRC-32 "):
        run(tmp_path / "model", path)


# As scoring does it


def test_stored_features_get_the_scores_of_their_photos(tmp_path: Path, examples: Path) -> None:
    """The embedded model on photos, and on their features as `mlsp extract` stores them."""
    default = load_model()
    photos = sorted(examples.glob("*.png"))[:3]
    engine = open_backbone(default.feature_spec, graph=default.backbone, precision="float32")
    channels = tuple(level.channels for level in backbone(default.feature_spec.backbone).levels)
    layout = StoreLayout(default.feature_spec, channels, (1,))
    with FeatureStore.create(tmp_path / "f.h5", layout, [path.name for path in photos]) as opened:
        for index, result in enumerate(FeaturePipeline(engine, workers=1).extract(photos)):
            assert isinstance(result, PhotoFeatures)
            opened.write(
                index,
                {1: result.features},
                width=result.width,
                height=result.height,
                content_sha256=result.content_sha256,
            )
    with FeaturePredictor("default", tmp_path / "f.h5") as predictor:
        predicted = list(predictor.results())
    scored = list(Scorer(precision="float32").score(photos))
    for ours, theirs in zip(predicted, scored, strict=True):
        assert isinstance(ours, Predicted)
        assert isinstance(theirs, ScoreResult)
        for name, value in ours.scores.items():
            assert value == pytest.approx(theirs.scores[name].value, abs=1e-5)


# The command


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return pq.read_table(path).to_pylist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_the_command(tmp_path: Path, suffix: str) -> None:
    _, heads = model(tmp_path / "model")
    values = features(5)
    output = tmp_path / f"p{suffix}"
    path = store(tmp_path / "f.h5", values, leave_out=1)
    done = mlsp("predict", tmp_path / "model", path, "--output", output)
    assert done.returncode == 1
    first, second, last = done.stderr.splitlines()
    assert first == "1.jpg: its extraction failed: not a photo"
    assert second == "4.jpg: it is not extracted yet"
    assert re.fullmatch(rf"3 predicted, 2 failed in .* s → {re.escape(str(output))}", last)
    records = read(output)
    assert [list(record) for record in records] == [["photo", "taste", "skill", "model"]] * 3
    assert [record["photo"] for record in records] == ["0.jpg", "2.jpg", "3.jpg"]
    found = np.array([[float(record["taste"]), float(record["skill"])] for record in records])
    np.testing.assert_allclose(found, expected(heads, values)[[0, 2, 3]], atol=1e-5)


def test_photos_without_features_are_counted(tmp_path: Path) -> None:
    model(tmp_path / "model")
    path = store(tmp_path / "f.h5", features(5), leave_out=1)
    command = ("predict", tmp_path / "model", path, "--output", tmp_path / "p.csv")
    done = mlsp(*command, "--missing", "leave-out")
    assert done.returncode == 0
    line, last = done.stderr.splitlines()
    assert line.endswith("2 photos are missing or unreadable, and left out: '1.jpg', '4.jpg'")
    assert last.startswith("3 predicted, 2 left out in ")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_the_command_on_an_array(tmp_path: Path, suffix: str) -> None:
    _, heads = model(tmp_path / "model")
    values = features(5, views=1)
    np.savez(tmp_path / "f.npz", values[:, 0, 0, 0])
    output = tmp_path / f"p{suffix}"
    done = mlsp("predict", tmp_path / "model", tmp_path / "f.npz", "-o", output, "--quiet")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    records = read(output)
    assert [int(record["row"]) for record in records] == list(range(5))
    assert {record["model"] for record in records} == {"tiny"}
    found = np.array([[float(record["taste"]), float(record["skill"])] for record in records])
    np.testing.assert_allclose(found, expected(heads, values), atol=1e-5)


def voting(folder: Path) -> ScoreHead:
    """Write a model of a head that predicts votes for 1 to 4, and of one that does not."""
    bins = (1.0, 2.0, 3.0, 4.0)
    spec = HeadSpec("single_1fc", output="distribution", lowest=1, highest=4, bins=bins)
    voted = build_head(spec, LEVELS, seed=3).eval()
    write_model(
        folder,
        name="tiny",
        feature_spec=KIND,
        smallest_side=32,
        heads=[(replace(RECORD, highest=4), voted), (replace(RECORD, name="skill"), head(1, 1))],
        channels=10,
        card=Card("A test.", (), (), "CC0-1.0"),
        backbone=None,
    )
    return voted


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_votes(tmp_path: Path, suffix: str) -> None:
    voted = voting(tmp_path / "model")
    values = features(5)
    output = tmp_path / f"p{suffix}"
    path = store(tmp_path / "f.h5", values)
    done = mlsp("predict", tmp_path / "model", path, "--votes", "--output", output, "--quiet")
    assert done.returncode == 1, done.stderr
    records = read(output)
    names = [f"taste_votes_{rating}" for rating in (1, 2, 3, 4)]
    assert list(records[0]) == ["photo", "taste", "skill", *names, "model"]
    each = torch.from_numpy(values[[0, 2, 3, 4]].reshape(-1, 1, 1, 10))
    with torch.no_grad():
        shares = voted.outputs(each).softmax(dim=1).reshape(4, 8, 4).mean(dim=1).numpy()
    found = np.array([[float(record[name]) for name in names] for record in records])
    np.testing.assert_allclose(found, shares, atol=1e-5)
    scores = [float(record["taste"]) for record in records]
    np.testing.assert_allclose(found @ [1, 2, 3, 4], scores, atol=1e-5)
    # A table with votes is evaluated as one without.
    assert read_score_table(output).heads == ["taste", "skill"]


def test_votes_of_a_model_that_has_none(tmp_path: Path) -> None:
    model(tmp_path / "model")
    path = store(tmp_path / "f.h5", features(3))
    with pytest.raises(SettingsError, match="^no head of model 'tiny' predicts votes .*--distr"):
        FeaturePredictor(tmp_path / "model", path, votes=True)


def test_names_that_spreadsheets_would_run(tmp_path: Path) -> None:
    model(tmp_path / "model")
    layout = StoreLayout(KIND, (6, 4), (1,))
    with FeatureStore.create(tmp_path / "f.h5", layout, ["=a.jpg"]) as opened:
        opened.write(0, {1: features(1)[0]}, width=9, height=9, content_sha256="ab" * 32)
    output = tmp_path / "p.csv"
    assert mlsp("predict", tmp_path / "model", tmp_path / "f.h5", "-o", output).returncode == 0
    assert read(output)[0]["photo"] == "./=a.jpg"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("p.txt", "its ending must be one of .csv, .jsonl, .parquet, got '.txt'"),
        ("no/p.csv", "does not exist: make it first"),
        ("ratings.csv", "not replaced: name another file, or delete it first"),
    ],
)
def test_the_output_is_checked_first(tmp_path: Path, output: str, message: str) -> None:
    (tmp_path / "ratings.csv").write_text("photo,taste\na.jpg,3\n")
    done = mlsp("predict", tmp_path / "none", tmp_path / "none.h5", "-o", tmp_path / output)
    assert done.returncode == 2
    assert message in done.stderr


def test_features_of_another_kind_on_the_command_line(tmp_path: Path) -> None:
    model(tmp_path / "model")
    feature_spec = replace(KIND, views="whole")
    path = store(tmp_path / "f.h5", features(3, views=1), feature_spec)
    done = mlsp("predict", tmp_path / "model", path, "-o", tmp_path / "p.csv")
    assert done.returncode == 2
    assert re.fullmatch(
        rf"mlsp: .*{re.escape(str(path))}.*: views is 'whole', expected 'corners8'\..*\n",
        done.stderr,
    )
    assert not (tmp_path / "p.csv").exists()
