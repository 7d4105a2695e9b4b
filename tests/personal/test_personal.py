"""A user's own taste: learned, measured on photos left out, written as a model."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import MlspError, ModelError, OutputError, RatingsError, SettingsError
from mlsp.evaluation.intervals import paired_difference
from mlsp.evaluation.metrics import plcc, srcc
from mlsp.models.model import Model, load_model
from mlsp.personal import (
    LinearHead,
    Taste,
    TasteSettings,
    learn_taste,
    linear_heads,
    personal_model_folder,
    write_personal_model,
)
from mlsp.personal.agreement import comparisons_agreement, is_better, ratings_agreement
from mlsp.personal.components import similar_groups
from mlsp.personal.cross_validation import observation_groups
from mlsp.personal.fitting import NOISE, Observations, fit_utility
from mlsp.personal.records import Bounds, TasteAgreement

CHANNELS, THEMES = 80, 6
QUICK = TasteSettings(folds=5, repeats=1, resamples=200)


class JudgedCrowd:
    """Photos of which a crowd likes one thing, and a user another too."""

    def __init__(self, photos: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        directions = np.random.default_rng(99).normal(size=(THEMES, CHANNELS)) / 3
        themes = rng.normal(size=(photos, THEMES))
        roots = np.maximum(4 + themes @ directions + rng.normal(size=(photos, CHANNELS)) / 4, 0)
        self.rng = rng
        self.features: Float32Array = (roots**2).astype(np.float32)
        weights = np.linalg.lstsq(directions.T, np.eye(CHANNELS), rcond=None)[0][0]
        values = roots @ weights
        self.head = LinearHead("crowd", weights, 0.0, float(values.mean()), float(values.std()))
        self.crowd: Float64Array = self.head.standardised(self.features)
        self.own: Float64Array = themes[:, 1]
        self.prior = 100 * (np.argsort(np.argsort(self.crowd))[:, None] + 0.5) / photos

    def stars(self, liking: Float64Array, noise: float = 0.5) -> Float64Array:
        """A rating 1…5 of each photo."""
        stars = 3 + liking + noise * self.rng.normal(size=len(liking))
        return np.asarray(np.clip(np.round(stars), 1, 5))

    def pairs(self, liking: Float64Array, count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Photos that a user of this liking calls better, and worse."""
        one = self.rng.integers(0, len(liking), count)
        other = (one + self.rng.integers(1, len(liking), count)) % len(liking)
        margin = liking[one] - liking[other] + self.rng.normal(size=count) / 3
        return np.where(margin > 0, one, other), np.where(margin > 0, other, one)


@pytest.fixture(scope="module")
def world() -> JudgedCrowd:
    return JudgedCrowd(160)


@pytest.fixture(scope="module")
def others() -> JudgedCrowd:
    """Photos that were not judged."""
    return JudgedCrowd(300, seed=1)


@pytest.fixture(scope="module")
def taste(world: JudgedCrowd) -> Taste:
    """Of a user who likes something else than the crowd, from ratings."""
    rows = np.arange(len(world.features))
    return learn_taste(
        world.features,
        prior=world.prior,
        ratings=(rows, world.stars(world.own)),
        heads=[world.head],
        settings=QUICK,
    )


def test_another_taste_is_learned_and_found_better(
    taste: Taste, world: JudgedCrowd, others: JudgedCrowd
) -> None:
    (found,) = taste.agreement
    assert (found.measure, found.count) == ("ratings", 160)
    assert taste.is_better
    assert found.difference.low > 0.3
    assert found.personal.low < found.personal.value < found.personal.high
    assert found.default.high < 0.3
    # What was measured is what comes true.
    true = srcc(taste.scores(others.features), others.stars(others.own))
    assert true == pytest.approx(found.personal.value, abs=0.07)
    assert (taste.photo_count, taste.rating_count, taste.comparison_count) == (160, 160, 0)
    assert taste.uses_default
    assert list(taste.quantiles) == sorted(taste.quantiles)
    assert len(taste.quantiles) == 160
    scores = taste.scores(others.features)
    assert np.mean(scores < taste.quantiles[80]) == pytest.approx(0.5, abs=0.1)


def test_random_ratings_are_not_better(world: JudgedCrowd) -> None:
    better = []
    for seed in range(4):
        stars = np.random.default_rng(seed).integers(1, 6, 60)
        found = learn_taste(
            world.features,
            prior=world.prior,
            ratings=(np.arange(60), stars),
            heads=[world.head],
            settings=QUICK,
        )
        better.append(found.is_better)
    assert better == [False] * 4


def test_with_few_ratings_it_is_the_crowds_taste(world: JudgedCrowd, others: JudgedCrowd) -> None:
    rows = np.arange(30)
    stars = world.stars(world.crowd, noise=1.0)[:30]
    found = learn_taste(
        world.features,
        prior=world.prior,
        ratings=(rows, stars),
        heads=[world.head],
        settings=QUICK,
    )
    alone = learn_taste(world.features, prior=world.prior, ratings=(rows, stars), settings=QUICK)
    with_crowd, without = (
        srcc(one.scores(others.features), others.crowd) for one in (found, alone)
    )
    assert with_crowd > 0.95
    assert without < with_crowd - 0.02
    assert not found.is_better
    assert not alone.uses_default


def test_comparisons_alone_give_stars_in_the_middle_of_the_scale(
    world: JudgedCrowd, others: JudgedCrowd
) -> None:
    found = learn_taste(
        world.features,
        prior=world.prior,
        comparisons=world.pairs(world.own, 120),
        heads=[world.head],
        settings=QUICK,
    )
    (agreement,) = found.agreement
    assert (agreement.measure, agreement.count) == ("comparisons", 120)
    assert agreement.personal.value > 0.75
    assert agreement.default.value < 0.65
    assert found.is_better
    scores = found.scores(others.features)
    assert scores.mean() == pytest.approx(3, abs=0.25)
    assert 0.4 < scores.std() < 1.3
    assert srcc(scores, others.own) > 0.8


def test_ratings_and_comparisons_together_teach_more(
    world: JudgedCrowd, others: JudgedCrowd
) -> None:
    rows, stars = np.arange(25), world.stars(world.own)[:25]
    pairs = world.pairs(world.own, 40)
    common = {
        "prior": world.prior,
        "heads": [world.head],
        "settings": replace(QUICK, min_judgements=20),
    }
    ratings = learn_taste(world.features, ratings=(rows, stars), **common)  # type: ignore[arg-type]
    both = learn_taste(world.features, ratings=(rows, stars), comparisons=pairs, **common)  # type: ignore[arg-type]
    assert [one.measure for one in both.agreement] == ["ratings", "comparisons"]
    agreement = [srcc(one.scores(others.features), others.own) for one in (ratings, both)]
    assert agreement[1] > agreement[0] + 0.02


def test_equal_seeds_give_equal_tastes(taste: Taste, world: JudgedCrowd) -> None:
    stars = JudgedCrowd(160).stars(JudgedCrowd(160).own)
    again = [
        learn_taste(
            world.features,
            prior=world.prior,
            ratings=(np.arange(160), stars),
            heads=[world.head],
            settings=QUICK,
        )
        for _ in range(2)
    ]
    assert again[0].agreement == again[1].agreement
    np.testing.assert_array_equal(again[0].weights, again[1].weights)


def copies(world: JudgedCrowd, *, count: int, of_each: int) -> tuple[Float32Array, Float64Array]:
    """Photos that are many times there, nearly alike, with ratings that are chance but the same for all copies."""
    rows = np.repeat(np.arange(count), of_each)
    noise = 1 + 0.002 * world.rng.normal(size=(len(rows), CHANNELS))
    features = (world.features[rows] * noise).astype(np.float32)
    stars = np.random.default_rng(5).integers(1, 6, count).astype(float)[rows]
    return features, stars


def test_copies_are_never_on_both_sides_of_a_fold(world: JudgedCrowd) -> None:
    features, stars = copies(world, count=30, of_each=4)
    prior = np.repeat(world.prior[:30], 4, axis=0)
    found = learn_taste(features, prior=prior, ratings=(np.arange(120), stars), settings=QUICK)
    assert found.group_count == 30
    assert abs(found.agreement[0].personal.value) < 0.45
    assert not found.is_better


def test_photos_of_one_given_group_belong_together(world: JudgedCrowd) -> None:
    rows = np.arange(60)
    stars = world.stars(world.own)[:60]
    counts = [
        learn_taste(
            world.features,
            prior=world.prior,
            ratings=(rows, stars),
            groups=groups,
            settings=QUICK,
        ).group_count
        for groups in (
            None,
            [row // 3 for row in range(160)],
            [f"{row // 3}" for row in range(160)],
        )
    ]
    assert counts[0] > 45
    assert counts[1] == counts[2] <= 20


def test_alike_groups_join_through_others() -> None:
    likeness = np.eye(5)
    for one, other in ((0, 3), (3, 4)):
        likeness[one, other] = likeness[other, one] = 0.9
    assert similar_groups(likeness, 0.8).tolist() == [0, 1, 2, 0, 0]


@pytest.mark.parametrize("of_each", [1, 3])
def test_what_is_left_out_in_closed_form_is_what_a_fit_without_it_says(
    world: JudgedCrowd, of_each: int
) -> None:
    """The penalty is chosen by groups left out: compared with fitting anew without each of them."""
    count, penalty = 30, 4.0
    photos = world.features[:count, :12].astype(np.float64) / 16
    crowd = world.crowd[:count, None]
    stars = world.stars(world.own)[:count] - 3
    none = np.zeros(0, dtype=np.intp)
    said = Observations(np.arange(count), stars, none, none)
    groups = np.arange(count) // of_each
    whole = fit_utility(photos, crowd, said, groups, penalties=(penalty,))
    expected = 0.0
    for group in range(count // of_each):
        kept = groups != group
        rest = said.chosen(kept, np.zeros(0, dtype=bool))
        worth = fit_utility(
            photos, crowd, rest, observation_groups(rest, groups), penalties=(penalty,)
        )
        error = (worth.of(photos, crowd) + worth.bias - stars)[~kept]
        expected += float((error**2).sum()) / (2 * NOISE)
    assert whole.left_out_loss == pytest.approx(expected, rel=1e-6)


def test_correlations_and_intervals_are_those_of_the_library() -> None:
    rng = np.random.default_rng(0)
    ratings = rng.integers(1, 6, 80).astype(float)
    mine, other = ratings + rng.normal(size=80), ratings + 3 * rng.normal(size=80)
    groups = np.arange(80) // 2
    found = ratings_agreement(
        mine[None], other, ratings, groups, TasteSettings(resamples=2000, seed=3)
    )
    assert found.personal.value == pytest.approx(srcc(mine, ratings))
    assert found.default.value == pytest.approx(srcc(other, ratings))
    assert found.plcc == pytest.approx(plcc(mine, ratings))
    expected = paired_difference(srcc, mine, other, ratings, groups=groups.tolist(), seed=3)
    bounds = found.difference
    assert (bounds.value, bounds.low, bounds.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )


def test_intervals_of_comparisons_widen_where_photos_are_shared() -> None:
    rng = np.random.default_rng(0)
    right = np.where(rng.random(100) < 0.7, 1.0, -1.0)
    apart = np.arange(200).reshape(100, 2)
    found = comparisons_agreement(right[None], -right, apart, TasteSettings())
    share = float((right > 0).mean())
    assert found.personal.value == pytest.approx(share)
    # Agresti and Coull's interval.
    centre = (share * 100 + 2) / 104
    width = 1.959964 * math.sqrt(centre * (1 - centre) / 104)
    assert found.personal.low == pytest.approx(centre - width, abs=1e-3)
    assert found.personal.high == pytest.approx(centre + width, abs=1e-3)
    # One photo in each ten comparisons, which all are right or all wrong.
    hubs = np.stack([np.arange(100) // 10, 10 + np.arange(100)], axis=1)
    blocks = np.repeat(np.where(np.arange(10) < 7, 1.0, -1.0), 10)
    shared = comparisons_agreement(blocks[None], -blocks, hubs, TasteSettings())
    width_shared = shared.personal.high - shared.personal.low
    assert width_shared > 2.5 * (found.personal.high - found.personal.low)
    certain = comparisons_agreement(np.ones((1, 30)), np.ones(30), apart[:30], TasteSettings())
    assert certain.difference.low < 0 < certain.difference.high
    ties = comparisons_agreement(np.zeros((1, 30)), np.ones(30), apart[:30], TasteSettings())
    assert ties.personal.value == 0.5


def agreement(measure: str, count: int, low: float, high: float) -> TasteAgreement:
    nothing = Bounds(0, 0, 0)
    return TasteAgreement(measure, count, nothing, nothing, Bounds(0, low, high))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ratings", "comparisons", "expected"),
    [
        ((50, 0.1, 0.2), None, True),
        ((50, 0.0, 0.2), None, False),
        ((50, math.nan, math.nan), None, False),
        ((50, 0.1, 0.2), (40, -0.1, 0.1), True),
        ((50, 0.1, 0.2), (40, -0.2, -0.1), False),
        ((50, 0.1, 0.2), (60, -0.1, 0.1), False),
    ],
)
def test_better_means_convincingly_by_what_was_said_most(
    ratings: tuple[int, float, float],
    comparisons: tuple[int, float, float] | None,
    expected: bool,
) -> None:
    found = [agreement("ratings", *ratings)]
    if comparisons is not None:
        found.append(agreement("comparisons", *comparisons))
    assert is_better(found) is expected


ROWS = list(range(40))
MIXED = [1 + row % 5 for row in ROWS]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"ratings": (ROWS[:12], MIXED[:12]), "comparisons": ([1, 2], [3, 4])},
            RatingsError,
            "too little to learn from: 12 ratings and 2 comparisons, at least 30 together are needed. Rate or compare more photos",
        ),
        (
            {"ratings": (ROWS, [4] * 40)},
            RatingsError,
            "all 40 ratings are 4: what you like more and what less cannot be learned from them. Give different ratings, or compare photos",
        ),
        (
            {"ratings": (ROWS, MIXED), "groups": [0] * 150 + [1] * 10},
            RatingsError,
            "the 40 judged photos are of 1 kinds only, copies and shots of one burst counted once: at least 10 are needed to see whether"
            " a taste holds for other photos. Rate more different photos",
        ),
        (
            {"ratings": ([*ROWS[:-1], 160], MIXED)},
            SettingsError,
            "expected rows 0 to 159, got 0 to 160: there are features of 160 photos",
        ),
        (
            {"ratings": ([*ROWS[:-1], 0], MIXED)},
            SettingsError,
            "a photo is rated more than once: give its last rating",
        ),
        (
            {"ratings": (ROWS, [*MIXED[:-1], 6])},
            SettingsError,
            "ratings must lie between 1 and 5, got 1 to 6",
        ),
        (
            {"ratings": (ROWS, MIXED[:-1])},
            SettingsError,
            "expected a rating for each row, got 39 for 40 rows",
        ),
        (
            {"comparisons": (ROWS, [1, *ROWS[1:]])},
            SettingsError,
            "a photo cannot be compared with itself",
        ),
        (
            {"comparisons": (ROWS, ROWS[1:])},
            SettingsError,
            "expected a worse photo for each better one, got 39 for 40",
        ),
        (
            {"ratings": ([0.5], [1])},
            SettingsError,
            "expected numbers of photos, got float64 of shape (1,)",
        ),
        (
            {"ratings": (ROWS, MIXED), "groups": [1]},
            SettingsError,
            "expected a group for each of 160 photos, got 1",
        ),
        (
            {"ratings": (ROWS, MIXED), "heads": [LinearHead("h", np.zeros(3), 0, 0, 1)]},
            SettingsError,
            "the head 'h' reads 3 channels, the features have 80",
        ),
    ],
)
def test_what_cannot_be_learned_from_says_why(
    world: JudgedCrowd, arguments: dict[str, object], error: type[MlspError], message: str
) -> None:
    with pytest.raises(error) as raised:
        learn_taste(world.features, prior=world.prior, settings=QUICK, **arguments)  # type: ignore[arg-type]
    assert str(raised.value) == message


def test_features_must_be_numbers_of_as_many_photos(world: JudgedCrowd) -> None:
    with pytest.raises(SettingsError) as raised:
        learn_taste(world.features, prior=world.prior[:3], ratings=(ROWS, MIXED))
    assert str(raised.value) == (
        "expected features (photos, C) and percentiles (photos, heads), got (160, 80) and (3, 1)"
    )
    broken = world.features.copy()
    broken[3, 4] = np.nan
    with pytest.raises(SettingsError, match="^features and percentiles must be finite numbers$"):
        learn_taste(broken, prior=world.prior, ratings=(ROWS, MIXED))
    alike = np.ones_like(world.features)
    with pytest.raises(RatingsError) as found:
        learn_taste(alike, prior=world.prior, ratings=(ROWS, MIXED))
    assert str(found.value) == (
        "all judged photos have the same features: they are copies of one photo, so there is nothing to learn from"
    )


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="^folds must be at least 2, got 1$"):
        TasteSettings(folds=1)
    with pytest.raises(
        SettingsError, match="^the scale must end above where it begins, got 5 to 5$"
    ):
        TasteSettings(lowest=5)
    with pytest.raises(SettingsError, match="^confidence must lie between 0 and 1, got 1$"):
        TasteSettings(confidence=1)


# --- the default's heads, and models


@pytest.fixture(scope="module")
def base() -> Model:
    return load_model()


@pytest.fixture(scope="module")
def heads(base: Model) -> tuple[LinearHead, ...]:
    return linear_heads(base)


@pytest.fixture(scope="module")
def real_taste(heads: tuple[LinearHead, ...]) -> Taste:
    """On as many channels as the default model's features have."""
    rng = np.random.default_rng(0)
    features = rng.random((40, len(heads[0].weights)), np.float32)
    prior = rng.random((40, 2)) * 100
    return learn_taste(features, prior=prior, ratings=(ROWS, MIXED), heads=heads, settings=QUICK)


def test_a_taste_becomes_an_ordinary_model(
    base: Model, real_taste: Taste, examples: Path, tmp_path: Path
) -> None:
    from mlsp import Scorer, ScoreResult

    model = write_personal_model(tmp_path / "models" / "mine", base, real_taste)
    assert (model.name, model.feature_spec) == ("mine", base.feature_spec)
    assert [head.name for head in model.heads] == ["taste"]
    assert (model.heads[0].lowest, model.heads[0].highest) == (1, 5)
    (measured,) = model.heads[0].agreement
    assert (measured.photo_count, measured.srcc) == (
        40,
        round(real_taste.agreement[0].personal.value, 4),
    )
    assert model.card.summary.startswith(
        "Your own taste, learned from 40 ratings of 40 photos, drawn towards the heads of the model 'default' where your judgements"
        " are few. Rank correlation with your ratings, on photos left out of learning: "
    )
    assert model.card.summary.endswith(
        "It was not shown to predict you better than the default does."
    )
    assert sorted(path.name for path in model.folder.iterdir()) == [
        "backbone.onnx",
        "model.json",
        "taste.onnx",
    ]
    scorer = Scorer(model.folder)
    (extracted,) = scorer.features([examples / "rocket.jpg"])
    (scored,) = scorer.score([examples / "rocket.jpg"])
    assert isinstance(scored, ScoreResult)
    expected = real_taste.scores(extracted.features.reshape(1, -1))[0]  # type: ignore[union-attr]
    assert scored.scores["taste"].value == pytest.approx(np.clip(expected, 1, 5), abs=1e-3)
    assert 0 <= scored.overall <= 100


def test_a_model_that_is_there_is_replaced_whole_or_stays(
    base: Model, real_taste: Taste, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    first = write_personal_model(folder, base, real_taste)
    broken = replace(real_taste, weights=np.full_like(real_taste.weights, np.nan))
    with pytest.raises(ModelError) as raised:
        write_personal_model(folder, base, broken)
    assert str(raised.value) == (
        "the graph of the taste differs from it by nan on noise: its weights are too large or not finite"
    )
    assert load_model(folder).fingerprint == first.fingerprint
    second = write_personal_model(folder, base, replace(real_taste, bias=real_taste.bias + 1))
    assert load_model(folder).fingerprint == second.fingerprint != first.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_nothing_else_is_replaced(base: Model, real_taste: Taste, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "photo.jpg").write_text("dear to somebody")
    with pytest.raises(OutputError) as raised:
        write_personal_model(folder, base, real_taste)
    assert str(raised.value) == (
        f"cannot write a model to {folder}: it holds something else than a personal model: choose another name"
    )
    with pytest.raises(OutputError) as raised:
        write_personal_model(base.folder, base, real_taste)
    assert str(raised.value) == (
        f"cannot write a model to {base.folder}: what comes with mlsp is never overwritten"
    )
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OutputError) as raised:
        write_personal_model(file, base, real_taste)
    assert str(raised.value) == (
        f"cannot write a model to {file}: it is not a folder: name another"
    )


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "-x", "con", "é", "x" * 65, "a b"])
def test_names_are_checked(name: str) -> None:
    with pytest.raises(SettingsError) as raised:
        personal_model_folder(name)
    assert str(raised.value) == (
        f"a model cannot be called {name!r}: use up to 64 letters, digits, - and _, beginning with a letter or digit"
    )


def test_the_default_is_never_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("default", "Default"):
        with pytest.raises(SettingsError) as raised:
            personal_model_folder(name)
        assert str(raised.value) == (
            f"the model {name!r} comes with mlsp and is never overwritten: choose another name, such as 'mine'"
        )
    monkeypatch.setenv("MLSP_MODELS_DIR", str(tmp_path))
    assert personal_model_folder("mine") == tmp_path / "mine"


BLOCKED = """
import sys
for name in {blocked!r}:
    sys.modules[name] = None
"""


def test_learning_needs_numpy_alone_and_writing_says_what_it_needs(tmp_path: Path) -> None:
    blocked = ["torch", "scipy", "sklearn", "pandas", "matplotlib", "onnx", "threadpoolctl"]
    code = BLOCKED.format(blocked=blocked) + (
        "import numpy as np\n"
        "from pathlib import Path\n"
        "from mlsp.models.model import load_model\n"
        "from mlsp.personal import learn_taste, write_personal_model, TasteSettings\n"
        "features = np.random.default_rng(0).random((40, 50), np.float32)\n"
        "taste = learn_taste(features, prior=features[:, :2] * 100,\n"
        "    ratings=(range(40), [1 + row % 5 for row in range(40)]), settings=TasteSettings(resamples=100))\n"
        f"write_personal_model(Path({str(tmp_path / 'mine')!r}), load_model(), taste)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith(
        "mlsp.base.errors.MissingExtraError: Writing a model of your taste needs an extra: pip install '.[learn]'"
    )
    assert list(tmp_path.iterdir()) == []


def test_scoring_with_it_needs_neither_torch_nor_onnx(
    base: Model, real_taste: Taste, examples: Path, tmp_path: Path
) -> None:
    write_personal_model(tmp_path / "mine", base, real_taste)
    code = BLOCKED.format(blocked=["torch", "scipy", "onnx"]) + (
        "from mlsp.cli import main\n"
        f"sys.argv = ['mlsp', 'score', {str(examples / 'rocket.jpg')!r}, '--model', {str(tmp_path / 'mine')!r}, '-q']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split("\t")[:4] == [
        "photo",
        "overall",
        "taste",
        "taste_percentile",
    ]
