from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evaluation_samples import noisy_scores, predicted_votes, voted_table
from mlsp.backbones import Level
from mlsp.base.errors import EngineError, ModelError, SettingsError
from mlsp.evaluation import EvaluationSettings, PhotoScores, evaluate, write_evaluation
from mlsp.evaluation.intervals import bootstrap_interval, paired_difference
from mlsp.evaluation.metrics import emd, emd_each, plcc, srcc, vote_spread
from mlsp.evaluation.report.html import evaluation_page
from mlsp.evaluation.report.table import print_evaluation
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.engines.openvino_votes import open_votes
from mlsp.features.onnx_export import export_head
from mlsp.models.heads import HeadSpec, ScoreHead, build_head
from mlsp.models.model import load_model
from mlsp.scoring.scorer import Scorer
from redness import ConstantEngine

QUICK = EvaluationSettings(resamples=100, shown=2)
BINS = (1.0, 2.0, 3.0, 4.0)
VOTED = HeadSpec("single_1fc", output="distribution", lowest=1, highest=4, bins=BINS)


def make_head(spec: HeadSpec, channels: int = 3) -> ScoreHead:
    head = build_head(spec, [Level("a", channels)], seed=3).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.mul_(3).add_(0.1)
    return head


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head that predicts votes."""
    path = tmp_path_factory.mktemp("voted") / "score.onnx"
    export_head(make_head(VOTED), 3, path, grid=1)
    return path


def test_votes_are_found_inside_a_heads_graph(graph: Path) -> None:
    votes = open_votes(graph, BINS)
    assert votes is not None
    features = np.random.default_rng(0).random((5, 1, 1, 3), np.float32)
    with torch.no_grad():
        expected = make_head(VOTED).outputs(torch.from_numpy(features)).softmax(dim=1).numpy()
    np.testing.assert_allclose(votes.predict(features), expected, atol=1e-6)
    with pytest.raises(
        EngineError, match=r"^(?s:the head failed on an input of shape \(5, 1, 1, 2\): .+)$"
    ):
        votes.predict(features[..., :2])


def test_scores_only_and_votes_for_other_bins_are_none(graph: Path, tmp_path: Path) -> None:
    assert open_votes(graph, BINS[:3]) is None
    assert open_votes(graph, (1, 2, 3, 5)) is None
    plain = tmp_path / "plain.onnx"
    export_head(make_head(HeadSpec("single_1fc")), 3, plain, grid=1)
    assert open_votes(plain, BINS) is None
    plain.write_bytes(b"no graph")
    with pytest.raises(
        ModelError, match=f"^(?s:{plain} cannot be compiled: .*\\. Install the model again)$"
    ):
        open_votes(plain, BINS)


def test_photos_give_scores_and_votes(graph: Path, tmp_path: Path) -> None:
    default = load_model()
    record = replace(default.heads[0], name="score", file=graph.name, lowest=1, highest=4)
    model = replace(default, folder=graph.parent, heads=(record,))
    scorer = Scorer.of(model, ConstantEngine(model.feature_spec), [OpenVinoHead(graph)], workers=2)
    table = voted_table(4)
    table = replace(
        table,
        ratings=tuple(replace(one, photo=tmp_path / one.photo_id) for one in table),
    )
    for index, rating in enumerate(table):
        if index != 2:
            Image.new("RGB", (100, 80), (200 - 60 * index, 0, 60 * index)).save(rating.photo)
    seen: list[str] = []
    found = PhotoScores(scorer).read(
        table, advance=lambda result: seen.append(type(result).__name__)
    )
    assert seen == ["ScoreResult", "ScoreResult", "ScoreFailure", "ScoreResult"]
    assert [photo.photo_id for photo in found.unscored] == ["002.jpg"]
    # The same scores as without votes.
    means = replace(table, bins=None, ratings=tuple(replace(one, votes=None) for one in table))
    plain = PhotoScores(scorer).read(means)
    assert plain.votes is None
    assert found.scores == plain.scores
    assert found.votes is not None
    assert list(found.votes) == list(found.scores)
    for photo_id, shares in found.votes.items():
        assert sum(shares) == pytest.approx(1)
        assert np.dot(shares, BINS) == pytest.approx(found.scores[photo_id], abs=1e-5)
    assert len({round(score, 2) for score in found.scores.values()}) == 3


def test_numbers_of_votes_are_those_of_the_metrics() -> None:
    table = voted_table()
    first, second = predicted_votes(table, 0.3), predicted_votes(table, 0.8, name="other")
    found = evaluate(first, table, split="all", against=second, settings=QUICK)
    votes = found.models[0].votes
    assert votes is not None
    assert first.votes is not None
    assert second.votes is not None
    predicted, other = np.array(list(first.votes.values())), np.array(list(second.votes.values()))
    spreads = vote_spread(predicted, BINS), vote_spread(table.votes, BINS)
    for power in (1, 2):
        interval = bootstrap_interval(
            lambda one, two, power=power: emd(one, two, power=power),  # type: ignore[misc]
            predicted,
            table.votes,
            resamples=100,
        )
        measured = votes.numbers[f"emd_{power}"]
        assert (measured.value, measured.low, measured.high) == pytest.approx(
            (interval.value, interval.low, interval.high)
        )
        alike = np.tile(votes.actual, (len(table), 1))
        assert votes.baseline[f"emd_{power}"].value == pytest.approx(
            emd(alike, table.votes, power=power)
        )
    assert votes.numbers["spread_srcc"].value == pytest.approx(srcc(*spreads))
    assert votes.numbers["spread_plcc"].value == pytest.approx(plcc(*spreads))
    assert (votes.predicted_spread, votes.actual_spread) == pytest.approx(
        (spreads[0].mean(), spreads[1].mean())
    )
    assert votes.bins == BINS
    assert votes.actual == pytest.approx((table.votes / 20).mean(axis=0))
    assert votes.predicted == pytest.approx(predicted.mean(axis=0))
    assert found.comparison is not None
    expected = paired_difference(
        lambda one, two: float(np.asarray(one).mean()),
        emd_each(predicted, table.votes, power=1),
        emd_each(other, table.votes, power=1),
        table.mos,
        resamples=100,
    )
    assert found.comparison["emd_1"] == expected
    assert expected.value < 0
    assert found.comparison["spread_plcc"].value > 0


def test_photos_without_a_score_are_left_out_of_the_votes() -> None:
    table = voted_table()
    every = predicted_votes(table, 0.3)
    assert every.votes is not None
    kept = table.photo_ids[5:]
    some = replace(
        every,
        scores={photo: every.scores[photo] for photo in kept},
        votes={photo: every.votes[photo] for photo in kept},
    )
    rows = list(range(5, len(table)))
    of_some = evaluate(some, table, split="all", settings=QUICK).models[0]
    assert (
        of_some.votes
        == evaluate(some, table.select(rows), split="all", settings=QUICK).models[0].votes
    )
    assert of_some.photos[0].votes == pytest.approx(table.votes[5] / 20)
    assert of_some.photos[0].predicted_votes == every.votes[table.photo_ids[5]]


def test_json_and_page_have_the_votes(tmp_path: Path) -> None:
    table = voted_table()
    # The second model predicts scores only.
    found = evaluate(
        predicted_votes(table, 0.3),
        table,
        split="all",
        against=noisy_scores(table, 1),
        settings=QUICK,
    )
    write_evaluation(tmp_path / "e.json", found)
    document = json.loads((tmp_path / "e.json").read_text("utf-8"))
    first, second = document["models"]
    votes = found.models[0].votes
    assert votes is not None
    assert first["votes"]["numbers"]["emd_1"]["value"] == votes.numbers["emd_1"].value
    assert first["votes"]["actual"] == list(votes.actual)
    best = found.models[0].best[0]
    assert best.votes is not None
    assert first["best"][0]["votes"] == list(best.votes)
    assert second["votes"] is None
    assert "votes" not in second["best"][0]
    assert "emd_1" not in document["comparison"]

    page = evaluation_page(found)
    assert page.count('class="votes"') == 3 * 2
    assert page.count('aria-label="Votes. Mean share of each vote') == 1
    assert page.count('aria-label="Spread of the votes. ') == 1
    people = ", ".join(f"{100 * share:.0f} %" for share in best.votes)
    assert f'aria-label="Votes of people: {people}. As the model says: ' in page
    baseline = votes.baseline["emd_2"].value
    assert f"Saying the mean distribution of every photo: {baseline:.3f} (" in page

    with (tmp_path / "table.txt").open("w", encoding="utf-8") as stream:
        print_evaluation(found, stream=stream)
    lines = (tmp_path / "table.txt").read_text("utf-8").splitlines()
    (line,) = (line for line in lines if line.lstrip().startswith("EMD, r = 1"))
    assert line.split()[4:] == [f"{votes.numbers['emd_1'].value:.3f}", "–", "–", "–"]
    text = " ".join(" ".join(lines).split())
    assert f"of every photo: {votes.baseline['emd_1'].value:.3f} and {baseline:.3f}" in text


def test_without_votes_nothing_speaks_of_them() -> None:
    table = voted_table()
    found = evaluate(noisy_scores(table, 1), table, split="all", settings=QUICK)
    assert found.models[0].votes is None
    page = evaluation_page(found)
    assert "EMD" not in page
    assert "how people voted" not in page


@pytest.mark.parametrize(
    ("votes", "bins", "message"),
    [
        (
            [[1, 2, 3]],
            [1, 2],
            r"^expected votes \(photos, bins\) and the values of the bins, got shapes \(1, 3\) and \(2,\)$",
        ),
        (
            [[0, 0]],
            [1, 2],
            "^distributions must be finite shares or counts, none negative and not all 0 in a row$",
        ),
    ],
)
def test_bad_votes_have_no_spread(
    votes: list[list[float]], bins: list[float], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        vote_spread(votes, bins)
