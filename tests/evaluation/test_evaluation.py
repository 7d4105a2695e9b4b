from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation_samples import noisy_scores, rated_table
from mlsp.base.errors import SettingsError
from mlsp.evaluation import (
    EvaluationSettings,
    Predictions,
    Unscored,
    choose_split,
    evaluate,
    write_evaluation,
)
from mlsp.evaluation.intervals import bootstrap_interval, paired_difference
from mlsp.evaluation.metrics import accuracy, majority_accuracy, srcc

QUICK = EvaluationSettings(resamples=100)


def values(predictions: Predictions, ids: tuple[str, ...]) -> np.ndarray:
    return np.array([predictions.scores[photo_id] for photo_id in ids])


def test_numbers_are_those_of_the_metrics() -> None:
    table = rated_table()
    predictions = noisy_scores(table, 1)
    found = evaluate(predictions, table, split="test", settings=QUICK)
    scores = values(predictions, table.photo_ids)
    (model,) = found.models
    assert list(model.numbers) == [
        "srcc",
        "plcc",
        "kendall",
        "accuracy",
        "balanced_accuracy",
        "rmse",
        "mae",
    ]
    assert model.numbers["srcc"] == bootstrap_interval(srcc, scores, table.mos, resamples=100)
    assert model.numbers["accuracy"].value == accuracy(scores, table.mos, threshold=5)
    assert found.baseline.value == majority_accuracy(table.mos, threshold=5)
    assert (found.photo_count, found.split, found.threshold) == (200, "test", 5)
    assert (found.unscored, found.notes, found.comparison) == ((), (), None)


def test_threshold_is_the_papers_on_a_scale_to_10_and_else_the_middle() -> None:
    table = rated_table()
    wide = replace(table, lowest=0.0)
    predictions = noisy_scores(table, 1)
    assert evaluate(predictions, wide, split="test", settings=QUICK).threshold == 5
    shifted = replace(table, lowest=2.0)
    assert evaluate(predictions, shifted, split="test", settings=QUICK).threshold == 6
    chosen = replace(QUICK, threshold=7.5)
    assert evaluate(predictions, shifted, split="test", settings=chosen).threshold == 7.5


def test_two_models_are_compared_on_the_photos_that_both_scored() -> None:
    table = rated_table()
    good, bad = noisy_scores(table, 0.5), noisy_scores(table, 3, seed=3, name="n")
    without = {photo: score for photo, score in bad.scores.items() if photo != "007.jpg"}
    bad = replace(bad, scores=without, unscored=(Unscored("007.jpg", "the file is empty"),))
    found = evaluate(good, table, split="test", against=bad, settings=QUICK)
    assert found.photo_count == 199
    assert found.unscored == (Unscored("007.jpg", "the file is empty"),)
    common = table.select([row for row in range(200) if row != 7])
    expected = paired_difference(
        srcc,
        values(good, common.photo_ids),
        values(bad, common.photo_ids),
        common.mos,
        resamples=100,
    )
    assert found.comparison is not None
    assert found.comparison["srcc"] == expected
    assert expected.low > 0
    assert found.comparison["rmse"].high < 0
    assert [model.name for model in found.models] == ["m", "n"]


def test_best_and_worst_are_of_the_highest_rated() -> None:
    table = rated_table(40)
    scores = {photo: mos + 0.1 for photo, mos in zip(table.photo_ids, table.mos, strict=True)}
    order = [table.photo_ids[row] for row in np.argsort(-table.mos)]
    scores[order[0]] -= 2.1  # Rated highest of all, and judged too low by 2.
    scores[order[1]] -= 0.1  # Second, and judged right.
    scores[order[-1]] += 4.9  # Rated lowest, and judged too high by 5.
    settings = replace(QUICK, shown=3)
    (model,) = evaluate(
        Predictions("m", "beauty", scores), table, split="test", settings=settings
    ).models
    assert model.best[0].photo_id == order[1]
    assert model.best[0].error == pytest.approx(0)
    assert [photo.photo_id for photo in model.worst][:1] == [order[0]]
    assert model.worst[0].error == pytest.approx(-2)
    assert {photo.photo_id for photo in (*model.best, *model.worst)} <= set(order[:10])
    assert [photo.photo_id for photo in model.largest_errors][:2] == [order[-1], order[0]]
    assert len(model.best) == len(model.worst) == len(model.largest_errors) == 3


def test_high_rated_can_be_chosen_and_has_an_end() -> None:
    table = rated_table(40)
    predictions = noisy_scores(table, 1)
    assert evaluate(predictions, table, split="test", settings=QUICK).high_rated == 10
    chosen = replace(QUICK, high_rated=5000)
    found = evaluate(predictions, table, split="test", settings=chosen)
    assert found.high_rated == 40
    assert found.models[0].worst == found.models[0].largest_errors


def test_groups_are_measured_within() -> None:
    table = rated_table(groups=3)
    offset = {f"{row:03}.jpg": 5.0 * (row % 3) for row in range(200)}
    scores = {
        photo: score + offset[photo] for photo, score in noisy_scores(table, 0.1).scores.items()
    }
    found = evaluate(Predictions("m", "beauty", scores), table, split="test", settings=QUICK)
    (model,) = found.models
    assert found.group_column == "group"
    assert [(group.name, group.photos) for group in model.groups] == [
        ("group 0", 67),
        ("group 1", 67),
        ("group 2", 66),
    ]
    # The offset spoils the whole and nothing within a group.
    assert model.numbers["srcc"].value < 0.6 < 0.98 < min(group.srcc.low for group in model.groups)
    assert model.groups[1].mean_score == pytest.approx(model.groups[1].mean_rating + 5, abs=0.05)


def test_small_groups_and_named_columns() -> None:
    table = rated_table(155)
    settings = replace(QUICK, group_column="theme")
    found = evaluate(noisy_scores(table, 1), table, split="test", settings=settings)
    assert [group.name for group in found.models[0].groups] == ["cat"]
    assert found.small_groups == 1


def test_drawing_groups_widens_intervals_where_groups_are_alike() -> None:
    table = rated_table(groups=50)
    noise = np.random.default_rng(5).normal(0, 3, 50)
    scores = {rating.photo_id: rating.mos + noise[int(rating.group.split()[1])] for rating in table}
    predictions = Predictions("m", "beauty", scores)

    def width(drawn: str) -> float:
        settings = EvaluationSettings(resamples=500, drawn=drawn)
        number = evaluate(predictions, table, split="test", settings=settings).models[0].numbers
        return number["mae"].high - number["mae"].low

    assert width("groups") > 1.4 * width("photos")


def test_calibration_tells_a_scale_that_is_off() -> None:
    table = rated_table()
    scores = dict(zip(table.photo_ids, ((table.mos - 2) / 0.5).tolist(), strict=True))
    (model,) = evaluate(
        Predictions("m", "beauty", scores), table, split="test", settings=QUICK
    ).models
    assert (model.slope, model.intercept) == pytest.approx((0.5, 2))
    assert [each.photos for each in model.calibration] == [20] * 10
    assert sum(each.photos for each in model.calibration) == 200
    for each in model.calibration:
        assert each.mean_rating == pytest.approx(2 + 0.5 * each.mean_score)
        assert each.low < each.mean_rating < each.high
        assert each.lowest <= each.mean_score <= each.highest


def test_constant_scores_have_no_correlation_and_one_bin() -> None:
    table = rated_table()
    same = Predictions("m", "beauty", dict.fromkeys(table.photo_ids, 5.5))
    (model,) = evaluate(same, table, split="test", settings=QUICK).models
    assert np.isnan([model.numbers["srcc"].value, model.slope, model.intercept]).all()
    assert [each.photos for each in model.calibration] == [200]
    assert model.numbers["rmse"].value > 0


def test_notes_warn_of_seen_photos_and_of_other_scales() -> None:
    table = rated_table()
    predictions = replace(
        noisy_scores(table, 1), learned_from="AVA, its train photos", scale=(0.0, 1.0)
    )
    scale = (
        "Scores of 'beauty' of 'm' go from 0 to 1, the ratings' scale from 1 to 10. SRCC, PLCC and Kendall's tau hold on any scale;"
        " errors, accuracies and calibration mean something only if the same number means the same on both."
    )
    seen = (
        "'beauty' of 'm' learned from AVA, its train photos. Where the photos evaluated here (all of Sample) are among them, these"
        " numbers flatter it: only photos that it has not seen tell how good it is."
    )
    assert evaluate(predictions, table, split="all", settings=QUICK).notes == (seen, scale)
    # The test photos of the table may be others than those of the training.
    seen = seen.replace("all of Sample", "test of Sample")
    assert evaluate(predictions, table, split="test", settings=QUICK).notes == (seen, scale)
    same = replace(predictions, scale=(1.0, 10.0), learned_from=None)
    assert evaluate(same, table, split="test", settings=QUICK).notes == ()


def test_notes_warn_of_scores_far_off_and_of_few_groups() -> None:
    table = rated_table(groups=4)
    far = Predictions("m", "beauty", dict.fromkeys(table.photo_ids, 100.0) | {"000.jpg": 0.0})
    settings = replace(QUICK, drawn="groups")
    notes = evaluate(far, table, split="test", settings=settings).notes
    assert [note.partition(".")[0] for note in notes] == [
        "Scores of 'beauty' of 'm' go from 0 to 100, the ratings' scale from 1 to 10",
        "Whole groups were drawn, but there are only 4: with fewer than 20 the intervals are too short",
    ]


def test_splits() -> None:
    table = rated_table()
    assert choose_split(table)[0] == "test"
    assert len(choose_split(table)[1]) == len(choose_split(table, "train")[1]) == 100
    assert choose_split(table, "all") == ("all", table)
    untold = replace(table, ratings=tuple(replace(rating, split=None) for rating in table))
    assert choose_split(untold) == ("all", untold)


def test_bad_splits() -> None:
    with pytest.raises(
        SettingsError,
        match="^unknown split 'tests': did you mean 'test'\\? Known: 'all', 'test', 'train', 'validation'$",
    ):
        choose_split(rated_table(), "tests")
    with pytest.raises(
        SettingsError,
        match="^Sample has no validation photos: choose --split all, or mark them in a column 'split'$",
    ):
        choose_split(rated_table(), "validation")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"drawn": "group"},
            "^unknown thing to draw 'group': did you mean 'groups'\\? Known: 'groups', 'photos'$",
        ),
        ({"high_rated": 0}, "^high_rated must be at least 1, got 0$"),
        ({"shown": -1}, "^shown must be at least 0, got -1$"),
        ({"threshold": float("nan")}, "^the threshold must be a number, got nan$"),
        ({"confidence": 95}, "^confidence must lie between 0 and 1, got 95$"),
        ({"resamples": 10}, "^an interval needs at least 100 resamples, got 10$"),
    ],
)
def test_bad_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        EvaluationSettings(**settings)  # type: ignore[arg-type]


def test_settings_that_do_not_fit_the_table() -> None:
    table = rated_table()
    for settings, message in (
        (
            replace(QUICK, group_column="them"),
            "^Sample has no column 'them': did you mean 'theme'\\? Name one of 'theme' by --group$",
        ),
        (
            replace(QUICK, drawn="groups"),
            "^Sample has no groups to draw: name a column of it by --group, or draw photos$",
        ),
    ):
        with pytest.raises(SettingsError, match=message):
            evaluate(noisy_scores(table, 1), table, split="test", settings=settings)


def test_too_few_scores() -> None:
    predictions = Predictions("m", "beauty", {"003.jpg": 5.0})
    with pytest.raises(
        SettingsError,
        match="^1 of 200 photos of Sample have scores of 'm', at least 2 are needed; the first: 000.jpg: has no score$",
    ):
        evaluate(predictions, rated_table(), split="test")


def test_json_has_everything_but_each_photos_score(tmp_path: Path) -> None:
    table = rated_table(groups=3)
    constant = Predictions("n", "beauty", dict.fromkeys(table.photo_ids, 5.0))
    found = evaluate(noisy_scores(table, 1), table, split="test", against=constant, settings=QUICK)
    write_evaluation(tmp_path / "e.json", found)
    document = json.loads((tmp_path / "e.json").read_text("utf-8"))
    assert document["format"] == 1
    assert document["photo_count"] == 200
    first, second = document["models"]
    number = found.models[0].numbers["srcc"]
    assert first["numbers"]["srcc"] == {
        "value": number.value,
        "low": number.low,
        "high": number.high,
        "confidence": 0.95,
    }
    assert second["numbers"]["srcc"]["value"] is None
    assert document["comparison"]["srcc"]["p_value"] is None
    assert 0 < document["comparison"]["rmse"]["p_value"] <= 1
    assert "photos" not in first
    best = found.models[0].best[0]
    assert first["best"][0] == {
        "photo": best.photo_id,
        "rating": best.rating,
        "score": best.score,
        "error": best.error,
    }
    assert [group["name"] for group in first["groups"]] == ["group 0", "group 1", "group 2"]


def test_json_keeps_names_that_are_not_utf8(tmp_path: Path) -> None:
    table = rated_table(4)
    odd = "latin \udce9.jpg"
    table = replace(table, ratings=(replace(table.ratings[0], photo_id=odd), *table.ratings[1:]))
    write_evaluation(
        tmp_path / "e.json", evaluate(noisy_scores(table, 1), table, split="test", settings=QUICK)
    )
    document = json.loads((tmp_path / "e.json").read_text("utf-8"))
    assert odd in {photo["photo"] for photo in document["models"][0]["largest_errors"]}
