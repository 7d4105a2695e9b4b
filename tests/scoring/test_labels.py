"""Faults and kinds of photos, by a real model over the embedded network."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelled_models import FAULTS, KINDS, KINDS_RECORD, NOT_PHOTOS, LabelledModel, kind_of
from mlsp.base.errors import SettingsError
from mlsp.models.model import load_model
from mlsp.scoring.cache import CachedScores, Caches, ScoreCache
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer
from redness import ConstantEngine, RednessHead


@pytest.fixture(scope="module")
def results(labelled: LabelledModel) -> dict[str, ScoreResult]:
    """The results of all photos by name."""
    scorer = Scorer(labelled.model.folder, precision="float32")
    scored = scorer.score(sorted(labelled.photos.iterdir()))
    return {result.source.name: result for result in scored if isinstance(result, ScoreResult)}


def test_each_photo_has_its_faults_and_its_kind(results: dict[str, ScoreResult]) -> None:
    assert len(results) == 3 * len(KINDS) + len(NOT_PHOTOS)
    for name, result in results.items():
        first = name.partition("_")[0]
        assert result.faults == ((first,) if first in ("dark", "soft") else ())
        assert result.kind == kind_of(Path(name))
        assert list(result.fault_probabilities) == [label.name for label in FAULTS.labels]
        assert list(result.kind_probabilities) == [label.name for label in KINDS_RECORD.labels]
        assert sum(result.kind_probabilities.values()) == pytest.approx(1, abs=1e-5)
        # Measured, but not precise enough to be shown.
        assert result.fault_probabilities["hazy"] == pytest.approx(0.047, abs=0.01)


def test_what_is_no_photo_is_not_ranked(results: dict[str, ScoreResult]) -> None:
    for name, result in results.items():
        assert result.is_photo == (name not in NOT_PHOTOS)
        assert math.isnan(result.overall) == (name in NOT_PHOTOS)
        for head in result.scores:
            assert math.isnan(result.percentile(head)) == (name in NOT_PHOTOS)
            # The score itself stays, for those who want it.
            assert 0 <= result.scores[head].percentile_all <= 100


def test_percentiles_are_among_photos_of_the_same_kind(
    labelled: LabelledModel, results: dict[str, ScoreResult]
) -> None:
    beauty = next(head for head in labelled.model.heads if head.name == "beauty")
    for result in results.values():
        score, kinds = result.scores["beauty"], result.kind_probabilities
        assert score.percentile_all == beauty.percentile(score.value)
        assert score.percentile == pytest.approx(beauty.percentile_of_kind(score.value, kinds))
        quality = result.scores["quality"]
        assert quality.percentile == quality.percentile_all
    # Of a kind that is rated lower the same score is worth more; without one's own quantiles nothing changes.
    people, animals = (results[name].scores["beauty"] for name in ("astronaut.png", "chelsea.png"))
    assert people.percentile > people.percentile_all + 5
    assert animals.percentile == pytest.approx(animals.percentile_all, abs=1)


def test_a_photo_in_memory_has_the_same_labels(
    labelled: LabelledModel, results: dict[str, ScoreResult]
) -> None:
    scorer = Scorer(labelled.model.folder, precision="float32")
    path = labelled.photo("dark_chelsea.png")
    expected = results[path.name]
    for photo in (path.read_bytes(), np.asarray(Image.open(path)), str(path)):
        found = scorer.score_one(photo)
        assert (found.faults, found.kind) == (("dark",), "animals")
        assert found.fault_probabilities == expected.fault_probabilities
    (features,) = scorer.features([path])
    again = scorer.result_of(features)  # type: ignore[arg-type]
    assert isinstance(again, ScoreResult)
    assert (again.faults, again.kind_probabilities) == (("dark",), expected.kind_probabilities)
    assert again.scores == scorer.scores_of(features.features)  # type: ignore[union-attr]


def test_labels_are_cached(labelled: LabelledModel, tmp_path: Path) -> None:
    path = labelled.photo("soft_rocket.png")
    with ScoreCache.open(tmp_path / "scores.sqlite") as cache:
        scorer = Scorer(labelled.model.folder, cache=Caches(cache))
        first = scorer.score_one(path)
        # What is in the cache counts: the photo is not looked at again.
        key, sha256 = scorer.steps.score_key, first.content_sha256
        known = cache.get(sha256, key)
        assert known is not None
        assert known.probabilities == {
            "faults": first.fault_probabilities,
            "kinds": first.kind_probabilities,
        }
        changed = {**known.probabilities, "faults": {"soft": 0.1, "dark": 0.9, "hazy": 0.5}}
        cache.put(sha256, key, replace(known, probabilities=changed))
        assert scorer.score_one(path).faults == ("dark",)
        # As a version without classifiers cached it.
        cache.put(sha256, key, CachedScores(known.values, known.width, known.height))
        assert scorer.score_one(path) == first


def test_a_model_without_classifiers_has_no_labels(examples: Path, tmp_path: Path) -> None:
    default = replace(load_model(), classifiers=())
    engine = ConstantEngine(default.feature_spec)

    scorer = Scorer.of(default, engine, [RednessHead()] * len(default.heads))
    result = scorer.score_one(examples / "chelsea.png")
    assert (result.faults, result.kind, result.is_photo) == ((), None, True)
    assert result.fault_probabilities == result.kind_probabilities == {}
    assert 0 <= result.overall <= 100
    with pytest.raises(SettingsError, match="has 0 classifiers, got 1"):
        Scorer.of(
            default, engine, [RednessHead()] * len(default.heads), classifiers=[RednessHead()]
        )
