"""`mlsp train` as a user runs it: from photos to a model that scores photos without torch."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from children import expect_mlsp as mlsp
from mlsp.cli.card import agreement_line
from mlsp.models.model import load_model
from mlsp.models.records import Agreement
from training_data import make_store, planted

# Nor anything else that only training, research and bulk runs need.
WITHOUT_TORCH = """
import sys
for name in ("torch", "scipy", "pandas", "sklearn", "matplotlib", "mlsp.bulk", "pyarrow", "fsspec", "s3fs", "ray"):
    sys.modules[name] = None
from mlsp.cli import main
main()
"""


def write_ratings(path: Path, names: list[str], mos: np.ndarray) -> Path:
    lines = [f"{name},{value:.4f}" for name, value in zip(names, mos, strict=True)]
    path.write_text("\n".join(["photo,mos", *lines]) + "\n", "utf-8")
    return path


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, Path]:
    """Features of a network that nobody knows, and ratings."""
    features, mos = planted(300)
    file = make_store(tmp_path / "f.h5", features)
    names = [f"album/{number:04d}.jpg" for number in range(300)]
    return file, write_ratings(tmp_path / "ratings.csv", names, mos)


def test_from_photos_to_scores_without_torch(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    # Not so well that a few test photos are ranked without a mistake, which has no interval.
    names, mos = [], np.linspace(2, 9, 40) + rng.uniform(-1, 1, 40)
    for number, value in enumerate(mos):
        pixels = 128 + 12 * value * rng.standard_normal((48, 64, 3))
        names.append(f"{number}.png")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(photos / names[-1])
    ratings = write_ratings(tmp_path / "ratings.csv", names, mos)
    file = tmp_path / "f.h5"
    # As in tests/cli/test_cli_extract.py, so that one graph is exported for both.
    levels = ("--levels", "block0_depthwise,block1_depthwise", "--grid", "narrow")
    network = ("--backbone", "efficientnet_lite0", *levels)
    mlsp("extract", photos, *network, "--precision", "float32", "-o", file)
    model = tmp_path / "model"
    split = ("--split", "random", "--validation-share", ".2", "--lowest", "1", "--highest", "10")
    done = mlsp("train", file, ratings, "--head", "ridge", *split, "--output", model)
    assert done.stderr == ""
    said, test = done.stdout.splitlines()[:2]
    assert (
        said == f"{model}: Ridge on narrow features of efficientnet_lite0, trained on ratings.csv."
    )
    value, lower, upper = (float(found) for found in re.findall(r"-?[0-9]\.[0-9]+", test)[:3])
    assert lower < value < upper
    scored = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "score", str(photos), "--model", str(model), "-q"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert scored.returncode == 0, scored.stderr
    header, *lines = (line.split("\t") for line in scored.stdout.splitlines())
    assert header[:3] == ["photo", "overall", "score"]
    found = {Path(line[0]).name: float(line[2]) for line in lines}
    assert np.corrcoef([found[name] for name in names], mos)[0, 1] > 0.8


def test_a_recipe_goes_on_and_says_how_well(tmp_path: Path, stored: tuple[Path, Path]) -> None:
    model = tmp_path / "model"
    command = (
        *("train", *stored, "--head", "single_1fc", "--recipe", "released", "--batch", "8"),
        *("--split", "random", "--validation-share", ".1", "--lowest", "1", "--highest", "10"),
        *("--levels", "last2", "--name", "mine", "--output", model),
    )
    first = mlsp(*command, "--epochs", "2")
    hint, *lines = first.stderr.splitlines()
    assert hint == (
        "mlsp: a small collection for recipe released: 210 photos in batches of 8 are 27 steps per epoch, and the learning rate falls after"
        " 20 epochs, or 5 without progress. Batch norms take some 300 steps to follow the photos, and outputs, which begin at 0, some 250"
        " to come to the ratings. If the agreement stays low: --recipe small, a smaller --batch, or --head kernel, which needs no steps"
    )
    assert lines[0].startswith("epoch 1: learning rate 0.001, loss ")
    assert lines[1].startswith("epoch 2: ")
    assert lines[-1].startswith(
        "mlsp: the model has no network: it scores stored features, by mlsp predict, and photos by mlsp score --weights: unknown backbone 'tiny'"
    )
    more = mlsp(*command, "--epochs", "4").stderr.splitlines()
    assert re.fullmatch(
        rf"mlsp: the new model replaces the one in {re.escape(str(model))}: Single-1FC on narrow features of tiny,"
        r" trained on ratings\.csv\. SRCC 0\.\d\d\d on 60 test photos .*",
        more[0],
    )
    assert [line[:7] for line in more[2:4]] == ["epoch 3", "epoch 4"]
    assert {path.name for path in (tmp_path / "model.run").iterdir()} == {
        *("run.json", "last.pt", "log.csv", "curves.png")
    }
    written = load_model(model)
    (head,) = written.heads
    assert (written.name, written.backbone_file, head.name) == ("mine", None, "score")
    assert [agreement.photo_count for agreement in head.agreement] == [60, 30]
    assert head.agreement[0].photos.startswith("test photos of ratings.csv; accuracy ")
    assert head.agreement[0].srcc > 0.8
    assert len(head.quantiles) == 101
    assert head.ratings == "ratings.csv: 210 train photos, the best chosen by 30 others"
    assert (
        "Single-1FC: recipe released, 2 of 3 levels, 4 epochs of which" in written.card.networks[1]
    )
    mlsp("predict", model, stored[0], "--output", tmp_path / "scores.csv", "--quiet")
    assert len((tmp_path / "scores.csv").read_text("utf-8").splitlines()) == 301


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--head", "single_2fc"), "mlsp: unknown head 'single_2fc': did you mean "),
        (("--head", "ridge", "--epochs", "3"), "mlsp: head 'ridge' is fitted in closed form: leave out epochs"),
        (("--head", "ridge", "--components", "3"), "mlsp: head 'ridge' is fitted in closed form: leave out components"),
        (("--head", "multi_3fc", "--components", "3"), "mlsp: components go with heads whose widths do not follow from the channels"),
        (("--head", "single_1fc", "--levels", "last4"), "mlsp: levels 'last4' of the features: choose last1 to last3"),
        (("--head", "pool_3fc"), "holds narrow features only, and the head reads wide ones"),
        (("--head", "ridge", "--weights", "gone.h5"), "mlsp: weights file gone.h5 does not exist: expected weights of tiny"),
        (("--head", "ridge", "--lowest", "5", "--highest", "1"), "ratings.csv: the scale is 5 to 1, expected two numbers, the lower first"),
        (("--head", "single_1fc", "--run-folder", "model"), "mlsp: run folder model is the folder of the model or in it: choose another"),
        (("--head", "ridge", "--recipe", "fast"), "mlsp: unknown recipe 'fast': Known: 'components', 'paper'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_before_the_training(
    tmp_path: Path, stored: tuple[Path, Path], arguments: tuple[str, ...], message: str
) -> None:
    with contextlib.chdir(tmp_path):
        done = mlsp("train", *stored, *arguments, "--split", "random", "--output", "model", code=2)
    assert message in done.stderr
    assert not (tmp_path / "model").exists()


def test_groups_are_kept_together_by_a_column_that_is_named(
    tmp_path: Path, stored: tuple[Path, Path]
) -> None:
    file, ratings = stored
    header, *lines = ratings.read_text("utf-8").splitlines()
    themed = [f"{line},{number // 10}" for number, line in enumerate(lines)]
    ratings.write_text("\n".join([f"{header},theme", *themed]) + "\n", "utf-8")
    command = ("train", file, ratings, "--head", "ridge", "--split", "group", "--output")
    refused = mlsp(*command, tmp_path / "model", code=2)
    assert "no photo has a group" in refused.stderr
    assert "'theme'" in refused.stderr
    done = mlsp(*command, tmp_path / "model", "--group", "theme")
    assert " on 60 test photos" in done.stdout


def test_weights_of_other_features_are_refused(tmp_path: Path, stored: tuple[Path, Path]) -> None:
    weights = tmp_path / "w.h5"
    weights.write_bytes(b"other")
    done = mlsp(
        *("train", *stored, "--head", "ridge", "--weights", weights, "--split", "random"),
        *("--output", tmp_path / "model"),
        code=2,
    )
    error = done.stderr.splitlines()[-1]
    assert error.startswith(f"mlsp: weights file {weights} ")
    found = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"
    assert f" has SHA-256 {found}, expected {'0' * 64}: " in error


@pytest.mark.parametrize(
    ("photos", "interval"), [(2, "too few for an interval"), (40, "0.62, 0.90")]
)
def test_agreement_of_few_photos_has_no_interval(photos: int, interval: str) -> None:
    line = agreement_line(Agreement("test photos", photos, 0.8, 0.7))
    assert line == f"SRCC 0.8000 [{interval}], PLCC 0.7000 on {photos} test photos"
