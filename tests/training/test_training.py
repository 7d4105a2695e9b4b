"""Training of heads on small feature files whose ratings follow from the features."""

from __future__ import annotations

import csv
import re
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from children import start_child
from mlsp.backbones import Level
from mlsp.base.errors import MlspError, OutputError, RatingsError, SettingsError, TrainingError
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import HeadSpec, ScoreHead, build_head
from mlsp.training import (
    EpochRecord,
    TrainedHead,
    TrainingCallbacks,
    TrainSettings,
    train_closed_form,
    train_head,
)
from mlsp.training.batches import FeatureBatches
from mlsp.training.large_dense import BETAS, EPSILON, LargeDense
from mlsp.training.loop import HeadLoop
from mlsp.training.run_folder import RunFolder
from mlsp.training.targets import Targets
from mlsp.training.trainable_head import trainable_head
from training_data import (
    BINS,
    CHANNELS,
    LEVELS,
    make_split,
    make_store,
    make_table,
    planted,
    run_small,
)

SCRIPT = Path(__file__).parents[1] / "support" / "training_data.py"


# Small products gain nothing from more, and tests beside each other lose much.
pytestmark = pytest.mark.usefixtures("one_thread")
FEATURE_LEVELS = [Level(name, width) for name, width in zip(LEVELS, CHANNELS, strict=True)]


def spec_of(name: str, output: str = "mos", **changes: Any) -> HeadSpec:
    bins = BINS if output == "distribution" else None
    return HeadSpec(name, output=output, bins=bins, **changes)  # type: ignore[arg-type]


def small_head(spec: HeadSpec) -> ScoreHead:
    """The same layers with fewer neurons."""
    sizes = {} if spec.name in ("single_1fc", "multi_3fc") else {"first": 512, "column": 64}
    return build_head(spec, FEATURE_LEVELS, **sizes)


def learn(
    folder: Path, spec: HeadSpec, photos: int, *, views: int = 1, **settings: Any
) -> list[EpochRecord]:
    """The epochs of a small head."""
    features, mos = planted(photos, views=views, grid=spec.grid)
    split = make_split(photos)
    with FeatureStore.open(make_store(folder / "f.h5", features)) as store:
        table = make_table(mos, votes=spec.output == "distribution")
        loop = HeadLoop(
            small_head(spec),
            FeatureBatches(store, np.arange(photos), spec.grid),
            table,
            split,
            Targets.of(table, spec),
            TrainSettings(**settings),
            device=torch.device("cpu"),
        )
        loop.run()
    return loop.log


# What is learned


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("name", "output", "recipe", "epochs", "photos"),
    [
        ("single_1fc", "mos", "paper", 6, 920),
        ("single_1fc", "mos", "released", 3, 420),
        ("single_1fc", "distribution", "released", 3, 420),
        ("single_3fc", "mos", "paper", 5, 1720),
        ("single_3fc", "mos", "released", 4, 920),
        ("single_3fc", "distribution", "released", 3, 920),
        ("multi_3fc", "mos", "paper", 7, 920),
        ("multi_3fc", "mos", "released", 3, 920),
        ("pool_3fc", "mos", "paper", 5, 420),
        ("pool_3fc", "distribution", "released", 6, 420),
        ("pool_3fc_released", "mos", "released", 6, 1120),
    ],
)
def test_every_head_learns_by_every_recipe(
    tmp_path: Path, name: str, output: str, recipe: str, epochs: int, photos: int, precision: str
) -> None:
    spec = spec_of(name, output)
    log = learn(tmp_path, spec, photos, recipe=recipe, epochs=epochs, batch=8, precision=precision)
    assert len(log) == epochs
    assert max(record.validation_srcc for record in log) > 0.9
    assert log[-1].train_loss < log[0].train_loss
    assert {record.learning_rate for record in log} == {
        1e-3 if recipe == "released" and spec.grid == 1 else 1e-4
    }


def test_what_comes_out(tmp_path: Path) -> None:
    features, mos = planted(500, views=2)
    split = make_split(500)
    shown: list[str] = []
    callbacks = TrainingCallbacks(
        epoch_begins=lambda epoch, photos: shown.append(f"{epoch}: {photos}"),
        batch_done=lambda photos: shown.append(str(photos)),
        epoch_done=lambda record: shown.append(f"{record.epoch} done"),
    )
    with FeatureStore.open(make_store(tmp_path / "f.h5", features)) as store:
        trained = train_head(
            store,
            make_table(mos),
            split,
            HeadSpec("single_1fc", levels=("last", "first")),
            TrainSettings(recipe="released", epochs=4, batch=100),
            run_folder=tmp_path / "run",
            callbacks=callbacks,
        )
        assert shown == [
            text
            for epoch in range(1, 5)
            for text in (f"{epoch}: 380", "100", "100", "100", "80", f"{epoch} done")
        ]
        with torch.no_grad():
            views = torch.from_numpy(store.read_batch(split.test).reshape(-1, 1, 1, 256))
            scores = trained.module(views).reshape(-1, 2).mean(dim=1).numpy()
    assert trained.test is not None
    np.testing.assert_allclose(trained.test.scores, scores, rtol=1e-5)
    np.testing.assert_array_equal(trained.test.rows, split.test)
    best = trained.history[trained.best_epoch - 1]  # type: ignore[operator]
    assert best.validation_loss == min(record.validation_loss for record in trained.history)
    predicted, actual = trained.validation.scores, mos[split.validation]
    # Outputs are measured as they are: cut to the scale's ends they would tie.
    assert np.mean((predicted - actual) ** 2) == pytest.approx(best.validation_loss, rel=1e-4)
    assert trained.validation.srcc == pytest.approx(best.validation_srcc, abs=1e-4)
    assert 0.4 < trained.test.majority_accuracy < 0.6
    assert trained.test.threshold == 5
    assert trained.how == (
        f"recipe released, 2 of 3 levels, 4 epochs of which {trained.best_epoch} was the best, batch 100, seed 0, float32"
    )
    with (tmp_path / "run" / "log.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["epoch"]) for line in lines] == [1, 2, 3, 4]
    for line, record in zip(lines, trained.history, strict=True):
        assert float(line["train_loss"]) == record.train_loss
        assert float(line["rows_per_s"]) > 0
    picture = np.asarray(Image.open(tmp_path / "run" / "curves.png").convert("L"))
    assert picture.std() > 5


def test_other_scales_are_learned_as_the_papers(tmp_path: Path) -> None:
    features, mos = planted(150)
    split, found = make_split(150, 30, 30), []
    with FeatureStore.open(make_store(tmp_path / "f.h5", features)) as store:
        for lowest, highest in ((1.0, 10.0), (0.0, 100.0)):
            table = make_table(
                lowest + (mos - 1) / 9 * (highest - lowest), lowest=lowest, highest=highest
            )
            trained = train_head(
                store,
                table,
                split,
                HeadSpec("single_1fc", lowest=lowest, highest=highest),
                TrainSettings(recipe="released", epochs=2, batch=8),
                run_folder=tmp_path / str(highest),
            )
            assert trained.test is not None
            found.append((trained.test.scores - lowest) / (highest - lowest))
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


def test_at_each_change_of_the_rate_the_best_is_loaded(tmp_path: Path) -> None:
    features, mos = planted(150)
    # Nothing to learn: the validation loss soon rises.
    table, split = make_table(np.random.default_rng(0).permutation(mos)), make_split(150, 30, 30)

    def run(epochs: int, batch: int) -> tuple[TrainedHead, dict[str, Any]]:
        folder = tmp_path / str(epochs)
        with FeatureStore.open(tmp_path / "f.h5") as store:
            trained = train_head(
                store,
                table,
                split,
                HeadSpec("single_1fc"),
                TrainSettings(recipe="released", epochs=epochs, batch=batch),
                run_folder=folder,
            )
        return trained, torch.load(folder / "last.pt", weights_only=True)

    make_store(tmp_path / "f.h5", features)
    whole, state = run(60, 15)
    assert state["schedule"]["rate"] == 3
    rates = [record.learning_rate for record in whole.history]
    assert sorted(set(rates), reverse=True) == [1e-3, 1e-4, 1e-5]
    last = rates.index(1e-4)
    before, at_change = run(last - 1, 15), run(last, 15)
    assert not before[0].history[-1].is_best
    for name, array in at_change[1]["best"].items():
        assert torch.equal(at_change[1]["head"][name], array)
        assert not torch.equal(before[1]["head"][name], array)
    assert at_change[1]["optimizer"]["rest"]["state"] == {}


def test_one_training_at_a_time_in_a_run_folder(tmp_path: Path) -> None:
    folder, refused = tmp_path / "run", []

    def begin_another(_record: EpochRecord) -> None:
        with pytest.raises(TrainingError) as caught, RunFolder(folder, {}):
            pass
        refused.append(str(caught.value))

    with FeatureStore.open(make_store(tmp_path / "f.h5", planted(150)[0])) as store:
        train_head(
            store,
            make_table(planted(150)[1]),
            make_split(150, 30, 30),
            HeadSpec("single_1fc"),
            TrainSettings(recipe="released", epochs=1, batch=30),
            run_folder=folder,
            callbacks=TrainingCallbacks(epoch_done=begin_another),
        )
    assert refused == [
        f"run folder {folder} is being written by another process; wait for it or stop it"
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.h5", "run"]


def test_a_difference_inside_a_record_is_named_alone(tmp_path: Path) -> None:
    head = {"name": "single_3fc", "levels": ["a", "b"], "more_dropout": False}
    with RunFolder(tmp_path / "run", {"head": head, "seed": 0}):
        pass
    message = "was begun with head more_dropout False, got True: give the same again"
    with pytest.raises(SettingsError, match=message):
        RunFolder(tmp_path / "run", {"head": head | {"more_dropout": True}, "seed": 0})


def test_curves_are_drawn_now_and_then_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "run", {})
    log, curves = folder.folder / "log.csv", folder.folder / "curves.png"
    epoch = EpochRecord(1, 1e-3, 0.5, 0.4, 0.9, 0.9, seconds=1, rows_per_s=10, is_best=True)
    for seconds, drawn in ((1000, False), (0, True)):
        monkeypatch.setattr("mlsp.training.run_folder._SECONDS_PER_PICTURE", seconds)
        folder.save({}, [epoch])
        assert (log.exists(), curves.exists()) == (True, drawn)
    # As a kill leaves them that comes between the state and the log.
    log.unlink()
    curves.unlink()
    folder.finish([epoch])
    assert log.exists()
    assert curves.exists()


# Repeated, continued, refused


def same_weights(first: TrainedHead, second: TrainedHead) -> bool:
    pairs = zip(
        first.module.state_dict().values(), second.module.state_dict().values(), strict=True
    )
    return all(torch.equal(one, other) for one, other in pairs)


def test_a_seed_repeats_a_run_from_memory_and_from_the_file(tmp_path: Path) -> None:
    state = torch.get_rng_state()
    first = run_small(tmp_path, tmp_path / "a", 2)
    assert same_weights(first, run_small(tmp_path, tmp_path / "b", 2))
    assert same_weights(first, run_small(tmp_path, tmp_path / "c", 2, memory_bytes=0, workers=3))
    assert not same_weights(first, run_small(tmp_path, tmp_path / "d", 2, seed=1))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_goes_on_to_the_same_weights(tmp_path: Path, precision: str) -> None:
    whole = run_small(tmp_path, tmp_path / "whole", 4, precision=precision)
    run_small(tmp_path, tmp_path / "parts", 1, precision=precision)
    run_small(tmp_path, tmp_path / "parts", 3, precision=precision)
    parts = run_small(tmp_path, tmp_path / "parts", 4, precision=precision)
    assert same_weights(whole, parts)
    assert untimed(whole) == untimed(parts)
    again = run_small(tmp_path, tmp_path / "parts", 4, precision=precision)
    assert again.history == parts.history
    assert same_weights(again, parts)


def untimed(trained: TrainedHead) -> list[EpochRecord]:
    return [replace(record, seconds=0, rows_per_s=0) for record in trained.history]


def test_a_killed_run_ends_bit_equal_to_an_undisturbed_one(tmp_path: Path) -> None:
    epochs = 8
    undisturbed = run_small(tmp_path, tmp_path / "undisturbed", epochs)
    log = tmp_path / "killed" / "log.csv"

    def lines() -> int:
        return len(log.read_text("utf-8").splitlines()) if log.exists() else 0

    process = start_child([sys.executable, SCRIPT, tmp_path, log.parent, str(epochs)])
    while lines() < 3:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert lines() <= epochs, "it was killed too late"
    final = run_small(tmp_path, log.parent, epochs)
    assert same_weights(undisturbed, final)
    assert untimed(undisturbed) == untimed(final)


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    run_small(tmp_path, tmp_path / "run", 1)
    folder = tmp_path / "run"
    message = f"run folder {folder} was begun with seed 0, got 4; with batch 31, got 30: give the same again, or choose another run folder"
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        run_small(tmp_path, folder, 1, seed=4, batch=30)
    other, split = make_table(planted(150, seed=1)[1]), make_split(150, 30, 30)
    with FeatureStore.open(tmp_path / "f.h5") as store:
        arguments = (store, other, split, HeadSpec("single_3fc"), TrainSettings(batch=31))
        with pytest.raises(SettingsError, match=r" was begun with ratings '[0-9a-f]{64}', got '"):
            train_head(*arguments, run_folder=folder)
    (tmp_path / "f.h5").unlink()
    make_store(tmp_path / "f.h5", planted(150, views=2)[0], dtype="float32")
    with pytest.raises(SettingsError, match=r" was begun with features '[0-9a-f]{64}', got '"):
        run_small(tmp_path, folder, 1)
    (tmp_path / "notes.txt").touch()
    message = f"{tmp_path} is no run folder, and not empty: choose another"
    with pytest.raises(OutputError, match=f"^{re.escape(message)}$"):
        run_small(tmp_path, tmp_path, 1)
    (folder / "last.pt").write_bytes(b"damaged")
    message = f"{folder / 'run.json'} is damaged: choose another run folder"
    (folder / "run.json").write_text("[", "utf-8")
    with pytest.raises(TrainingError, match=f"^{re.escape(message)}$"):
        run_small(tmp_path, folder, 1)


def test_a_damaged_state_is_told(tmp_path: Path) -> None:
    run_small(tmp_path, tmp_path / "run", 1)
    state = tmp_path / "run" / "last.pt"
    state.write_bytes(state.read_bytes()[:1000])
    message = f"{state} is damaged: remove the run folder and begin again"
    with pytest.raises(TrainingError, match=f"^{re.escape(message)}$"):
        run_small(tmp_path, tmp_path / "run", 2)


def test_a_loss_that_is_no_number_stops(tmp_path: Path) -> None:
    features, mos = planted(150)
    make_store(tmp_path / "f.h5", features * np.float32(1e30), dtype="float32")
    message = (
        "the loss became inf in epoch 1: the run stops, and its last whole epoch is kept; check the features with"
        " `mlsp features check`, or train in float32"
    )
    with (
        FeatureStore.open(tmp_path / "f.h5") as store,
        pytest.raises(TrainingError, match=f"^{re.escape(message)}$"),
    ):
        train_head(
            store,
            make_table(mos),
            make_split(150, 30, 30),
            HeadSpec("single_1fc"),
            run_folder=tmp_path / "run",
        )
    assert not (tmp_path / "run" / "last.pt").exists()


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (
            HeadSpec("single_1fc", lowest=0, highest=1),
            SettingsError,
            "the head scores from 0 to 1, planted is rated from 1 to 10: give the head the ratings' scale",
        ),
        (
            spec_of("single_1fc", "distribution"),
            RatingsError,
            "planted has mean ratings only: give a table with the votes for each value, in columns votes_1, votes_2 and so on",
        ),
        (
            HeadSpec("single_1fc", levels=("frist",)),
            SettingsError,
            "unknown level of the features 'frist': did you mean 'first'? Known: 'first', 'last', 'second'",
        ),
    ],
)
def test_heads_that_do_not_fit_are_refused(
    tmp_path: Path, spec: HeadSpec, error: type[MlspError], message: str
) -> None:
    features, mos = planted(150)
    with (
        FeatureStore.open(make_store(tmp_path / "f.h5", features)) as store,
        pytest.raises(error, match=f"^{re.escape(message)}$"),
    ):
        train_head(store, make_table(mos), make_split(150), spec, run_folder=tmp_path / "run")


# Layers that learn


@pytest.mark.parametrize("inner", [False, True])
def test_a_large_layer_steps_as_torch_does(inner: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlsp.training.large_dense._BLOCK_WEIGHTS", 100)
    generator = torch.Generator().manual_seed(0)
    plain = nn.Linear(30, 12)
    with torch.no_grad():
        plain.weight.normal_(generator=generator)
    layer = nn.Linear(30, 12)
    layer.load_state_dict(plain.state_dict())
    large = LargeDense(layer, torch.float32)
    large.learning_rate = 1e-3
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3, betas=BETAS, eps=EPSILON)
    for _ in range(5):
        x = torch.randn(7, 4, 30, generator=generator)
        inputs = [x.clone().requires_grad_(inner), x.clone().requires_grad_(inner)]
        for module, given in zip((plain, large), inputs, strict=True):
            module(given).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            large.bias.copy_(plain.bias)
        torch.testing.assert_close(large.weight, plain.weight)
        if inner:
            torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    assert large.weight.grad is None


def test_bfloat16_is_near_float32_and_keeps_the_last_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlsp.training.trainable_head.MIN_WEIGHTS", 5000)
    x = torch.rand(16, 1, 1, 256, generator=torch.Generator().manual_seed(0)) * 5
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        head = trainable_head(small_head(HeadSpec("single_3fc")), torch.device("cpu"), dtype)
        assert isinstance(head.body[0], LargeDense)  # type: ignore[index]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            found[dtype] = head.train().outputs(x)
    exact, reduced = found[torch.float32], found[torch.bfloat16]
    assert reduced.dtype == torch.float32
    assert 0 < (exact - reduced).abs().max() < 0.05 * exact.std()
    assert not torch.equal(reduced, reduced.bfloat16().float())


# In closed form


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("ridge", r"penalty \S+ with (levels|channels) alike, the best of 16"),
        (
            "kernel",
            r"[0-9]+ photos in [0-9]+ learned directions, steepness \S+, penalty \S+, 3 small networks, the best of 14",
        ),
    ],
)
def test_heads_in_closed_form_are_chosen_by_the_validation_photos(
    name: str, how: str, tmp_path: Path
) -> None:
    features, mos = planted(400, views=2)
    mos = np.clip(mos + np.random.default_rng(5).normal(0, 0.5, 400), 1, 10)
    rated = {"ratings": make_table(mos), "split": make_split(400)}
    with FeatureStore.open(make_store(tmp_path / "f.h5", features)) as store:
        trained = train_closed_form(name, store, levels=("second", "last"), **rated)  # type: ignore[arg-type]
        with pytest.raises(
            SettingsError,
            match=rf"^head '{name}' needs all features in memory, 0\.0 GiB: allow more, choose fewer photos, or another head$",
        ):
            train_closed_form(name, store, settings=TrainSettings(memory_bytes=9), **rated)  # type: ignore[arg-type]
        with pytest.raises(
            SettingsError,
            match=r"^unknown head in closed form 'rigde': did you mean 'ridge'\? Known: 'kernel', 'ridge'$",
        ):
            train_closed_form("rigde", store, **rated)  # type: ignore[arg-type]
    assert trained.test is not None
    assert trained.test.srcc > 0.9
    # Of photos that were unseen; of seen ones the kernel's would be nearly perfect.
    assert 0.8 < trained.validation.srcc < 0.995
    assert (trained.best_epoch, trained.history) == (None, ())
    assert re.fullmatch(
        rf"in closed form on square roots, 2 of 3 levels, {how} on the validation photos, which it then learned from too",
        trained.how,
    )
    weight = trained.module.weight if name == "ridge" else trained.module.axes
    assert (weight[:96] == 0).all()  # type: ignore[index]
    assert (weight[96:] != 0).any()  # type: ignore[index]
