"""The names in `mlsp.__all__` are the contract: all are there, importing them is cheap, and what the docs show works."""

from __future__ import annotations

import ast
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mlsp
from mlsp.base import errors
from mlsp.models.model import load_model
from mlsp.photos import read_photo
from redness import ConstantEngine, RednessHead

HEAVY = ("torch", "openvino", "pandas", "scipy", "onnx", "sklearn", "h5py", "PIL", "numpy")


def test_every_public_name_is_there_and_no_other() -> None:
    assert len(set(mlsp.__all__)) == len(mlsp.__all__)
    assert sorted(mlsp.__all__) == mlsp.__all__ == dir(mlsp)
    for name in mlsp.__all__:
        assert getattr(mlsp, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = mlsp.no_such_name  # type: ignore[attr-defined]


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(mlsp.__file__).read_text("utf-8"))
    seen = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "typing"
        for alias in node.names
    }
    assert seen - {"annotations"} | {"__version__"} == set(mlsp.__all__)


def test_every_error_is_public_and_can_be_pickled() -> None:
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, mlsp.MlspError)
    ]
    assert len(classes) > 10
    for error in classes:
        assert getattr(mlsp, error.__name__) is error
        arguments = ("Reading it", "raw") if error is mlsp.MissingExtraError else ("a message",)
        copied = pickle.loads(pickle.dumps(error(*arguments)))  # noqa: S301 - our own bytes
        assert (type(copied), str(copied)) == (error, str(error(*arguments)))


def test_importing_loads_nothing_heavy() -> None:
    code = f"import json, sys, mlsp; print(json.dumps([n for n in {HEAVY} if n in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert json.loads(done.stdout) == []


@pytest.fixture
def scorer() -> mlsp.Scorer:
    model = load_model()
    return mlsp.Scorer.of(
        model, ConstantEngine(model.feature_spec), [RednessHead()] * len(model.heads), workers=1
    )


def test_one_photo_may_be_a_path_bytes_an_image_or_an_array(
    scorer: mlsp.Scorer, examples: Path
) -> None:
    file = examples / "rocket.jpg"
    with Image.open(file) as image:
        results = [
            scorer.score_one(str(file)),
            scorer.score_one(file),
            scorer.score_one(file.read_bytes()),
            scorer.score_one(image),
            scorer.score_one(read_photo(file).pixels),
        ]
    assert [result.source.name for result in results] == ["rocket.jpg"] * 2 + ["photo"] * 3
    assert len({(result.width, result.height) for result in results}) == 1
    values = [result.scores["quality"].value for result in results]
    assert values[0] == values[1] == values[2]
    # A JPEG that is reduced may be decoded at half its size.
    assert values == pytest.approx([values[0]] * 5, abs=0.002)
    assert values[3] == values[4]


def test_an_image_is_turned_and_converted_like_its_file(
    scorer: mlsp.Scorer, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    palette = Image.new("RGB", (60, 90), (250, 0, 0)).convert("P")
    palette.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        result = scorer.score_one(image)
    assert (result.width, result.height) == (90, 60)
    assert result.scores == scorer.score_one(tmp_path / "a.png").scores


def test_a_photo_that_cannot_be_scored(scorer: mlsp.Scorer, tmp_path: Path) -> None:
    gone = tmp_path / "<gone>.jpg"
    with pytest.raises(mlsp.PhotoError):
        scorer.score_one(gone)
    with pytest.raises(mlsp.PhotoError):
        scorer.score_one(b"no photo")
    (failed,) = scorer.score([str(gone)])
    assert isinstance(failed, mlsp.ScoreFailure)
    assert not failed.ok
    with pytest.raises(mlsp.PhotoError) as raised:
        failed.raise_for_error()
    assert raised.value is failed.error
    assert "<gone>.jpg" in repr(failed)
    assert "&lt;gone&gt;.jpg" in failed._repr_html_()


def test_a_result_is_short_in_a_notebook(scorer: mlsp.Scorer, tmp_path: Path) -> None:
    Image.new("RGB", (80, 80), (51, 0, 0)).save(tmp_path / "a&b.png")
    (result,) = scorer.score([tmp_path / "a&b.png"])
    assert result.ok
    assert result.error is None
    result.raise_for_error()
    assert isinstance(result, mlsp.ScoreResult)
    assert repr(result).startswith("ScoreResult('a&b.png', quality=0.2 (")
    assert len(repr(result)) < 200
    assert "a&amp;b.png" in result._repr_html_()
    assert "quality" in result._repr_html_()


def test_scores_are_cached_for_the_next_scorer(examples: Path) -> None:
    photos = sorted(examples.glob("*.jpg"))[:2]
    with mlsp.Scorer("default", cache=True, workers=1) as scorer:
        before = list(scorer.score(photos))
    with mlsp.Scorer("default", cache=True, workers=1) as scorer:
        engine = scorer.steps.pipeline.engine
        scorer.steps.pipeline.engine = ConstantEngine(engine.feature_spec)
        assert list(scorer.score(photos)) == before


def test_features_and_ratings_of_a_notebook(examples: Path, tmp_path: Path) -> None:
    photos = sorted(map(str, examples.glob("*.jpg")))[:2]
    extractor = mlsp.FeatureExtractor(
        "efficientnet_lite0", grid="narrow", longest_side=128, workers=1
    )
    (first, second, failed) = extractor.extract([*photos, "gone.jpg"])
    assert isinstance(first, mlsp.PhotoFeatures)
    assert isinstance(second, mlsp.PhotoFeatures)
    assert not failed.ok
    assert first.features.shape[:3] == (1, 1, 1)
    assert [
        failure.source for failure in extractor.extract_to([*photos, "gone.jpg"], tmp_path / "f.h5")
    ] == [Path("gone.jpg")]
    with mlsp.FeatureStore.open(str(tmp_path / "f.h5")) as store:
        np.testing.assert_allclose(store[photos[1]], second.features, rtol=1e-3, atol=1e-4)
        assert store.done.tolist() == [True, True, False]
    rated = zip(sorted(examples.glob("*.*g")), ("train", "validation", "test"), strict=False)
    lines = [f"{photo.name},{4 + row},{part}" for row, (photo, part) in enumerate(rated)]
    table_file = tmp_path / "ratings.csv"
    table_file.write_text("\n".join(["photo,rating,split", *lines]), "utf-8")
    table = mlsp.load_ratings(table_file, photos=examples, lowest=1, highest=10)
    train, validation, test = mlsp.split_ratings(table)
    assert validation is not None
    assert test is not None
    assert [part.photo_ids[0] for part in (train, validation, test)] == list(table.photo_ids)
    assert "default" in mlsp.list_models()
    assert mlsp.__version__
    with pytest.raises(mlsp.SettingsError, match="grid.*'both'"):
        mlsp.FeatureExtractor("efficientnet_lite0", grid="both")  # type: ignore[arg-type]
