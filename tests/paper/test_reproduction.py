"""The plan that reproduces the paper, and its tables and figures on tiny features."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import typer.main
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from mlsp.backbones import BackboneSpec, Level, Preprocessing, backbone, register_backbone
from mlsp.backbones.registry import BACKBONES
from mlsp.base.errors import MlspError, OutputError, SettingsError
from mlsp.cli import app
from mlsp.models.heads import HeadSpec, build_head
from mlsp.paper.costs import Machine, savings, step_costs, total
from mlsp.paper.reproduction import (
    ReproductionSettings,
    Step,
    check_disk,
    feature_bytes,
    free_bytes,
    plan_steps,
)
from mlsp.ratings.splits import Split
from mlsp.training.operations import head_operations, network_operations
from training_data import CHANNELS, LEVELS, ids, make_table, planted

PHOTOS = 60


def settings(tmp_path: Path, **changes: Any) -> ReproductionSettings:
    return ReproductionSettings("ava:AVA", tmp_path / "out", **changes)


def of_kind(steps: tuple[Step, ...], kind: str) -> list[Step]:
    return [step for step in steps if step.kind == kind]


def option(step: Step, name: str) -> str:
    return step.arguments[step.arguments.index(name) + 1]


def test_every_row_has_its_features_or_its_fine_tuning(tmp_path: Path) -> None:
    steps = plan_steps(settings(tmp_path))
    extractions = of_kind(steps, "extract")
    made = {step.output.stem: option(step, "--grid") for step in extractions}
    assert made == {
        "inception_v3-256x256-whole": "narrow",
        "inception_v3-256x256-corners8": "narrow",
        "inception_v3-own-size-whole": "narrow",
        "inception_resnet_v2-own-size-whole": "both",
        "inception_v3-own-size-corners8": "both",
        "inception_resnet_v2-own-size-corners8": "both",
    }
    assert len({step.output for step in of_kind(steps, "finetune")}) == 7
    (nima,) = [step for step in steps if "--distribution" in step.arguments]
    assert option(nima, "--levels") == "last1"
    every = [*extractions, *of_kind(steps, "finetune")]
    assert {option(step, "--precision") for step in every} == {"float32"}
    assert {option(step, "--missing") for step in steps} == {"leave-out"}
    tables = {step.arguments[1]: step for step in of_kind(steps, "experiment")}
    assert list(tables) == ["table2", "fig7", "table3", "fig8", "table4"]
    scores = {name: step.arguments.count("--scores") for name, step in tables.items()}
    assert scores == {"table2": 6, "fig7": 0, "table3": 0, "fig8": 0, "table4": 1}
    # The paper's size of wide features of eight views, 1.73 TB, and narrow ones beside them.
    (largest,) = [
        one for one in extractions if one.output.stem.endswith("resnet_v2-own-size-corners8")
    ]
    assert feature_bytes(largest, 255_530) == 255_530 * 8 * (846_400 + 33_856)


def test_commands_are_those_of_the_command_line(tmp_path: Path) -> None:
    every = plan_steps(
        settings(
            tmp_path, photos=tmp_path, epochs=3, seeds=2, device="cpu", read_as="released", lowest=1
        )
    )
    group: Any = typer.main.get_command(app)
    for step in every:
        name, *rest = step.arguments
        found = group.commands[name].make_context(name, rest)
        assert found.params["photos"] == tmp_path
        assert found.params["output"].parent.parent in (tmp_path, tmp_path / "out")


def test_what_can_be_left_out(tmp_path: Path) -> None:
    narrow = plan_steps(settings(tmp_path, narrow=True, finetunes=False))
    assert {option(step, "--grid") for step in of_kind(narrow, "extract")} == {"narrow"}
    assert not of_kind(narrow, "finetune")
    only = plan_steps(settings(tmp_path, tables=("fig7",)))
    assert [step.kind for step in only] == ["extract", "experiment"]
    with pytest.raises(SettingsError, match="^unknown table 'table9'"):
        settings(tmp_path, tables=("table9",))
    with pytest.raises(OutputError, match=r"out needs 1,000,000\.0 GB more, and .* GB are free"):
        check_disk(tmp_path / "out", 10**15)


def test_the_disk_is_that_of_the_folder_or_of_the_first_one_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {tmp_path: 1, tmp_path / "disk": 2}
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free[path]))
    assert free_bytes(tmp_path / "disk") == 2
    assert free_bytes(tmp_path / "disk" / "a" / "b") == 2
    assert free_bytes(tmp_path / "other") == 1


def test_arithmetic_of_a_network_and_of_heads() -> None:
    # Two operations for each of 5.7 billion products (Szegedy et al. 2016) at 299 pixels.
    assert network_operations(backbone("inception_v3"), 299, 299) == pytest.approx(11.4e9, rel=0.01)
    levels = [Level("a", 300), Level("b", 100)]
    head = build_head(HeadSpec("single_3fc"), levels)
    weights = [one.weight.numel() for one in head.modules() if isinstance(one, nn.Linear)]
    # Forward, and back to weights and inputs; nobody needs the gradient of the features.
    assert head_operations(HeadSpec("single_3fc"), levels) == 6 * sum(weights) - 2 * weights[0]


class _Tiny(nn.Module):
    """As many channels as the features of `training_data`."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3, channels, 3) for channels in CHANNELS)

    def forward(self, x: Any) -> list[Any]:
        return [layer(x) for layer in self.layers]


@pytest.fixture
def tiny() -> Iterator[str]:
    levels = tuple(Level(*pair) for pair in zip(LEVELS, CHANNELS, strict=True))
    register_backbone(BackboneSpec("tiny", levels, Preprocessing(1.0, 0.0), (), 3, "test"), _Tiny)
    yield "tiny"
    BACKBONES.discard("tiny")


def test_a_network_of_fewer_than_five_levels(tmp_path: Path, tiny: str) -> None:
    """`--levels last5` would be refused."""
    steps = of_kind(plan_steps(settings(tmp_path, tables=("table2",), backbone=tiny)), "finetune")
    levels = [option(step, "--levels") for step in steps if "--levels" in step.arguments]
    assert levels == [f"last{len(LEVELS)}"]


def test_costs_of_what_is_left(tmp_path: Path, tiny: str) -> None:
    wanted = settings(tmp_path, tables=("table2",), epochs=10, backbone=tiny)
    table = make_table(planted(PHOTOS)[1])
    rows = np.arange(PHOTOS)
    split = Split(rows[:40], rows[40:50], rows[50:])
    machine = Machine(1e12, 629, 497)
    steps = plan_steps(wanted)
    costs = step_costs(steps, wanted, table, split, machine)
    whole, crops = of_kind(steps, "extract")
    # Eight crops of 224×224 take as long as six photos of 256×256.
    assert costs[crops].seconds / costs[whole].seconds == pytest.approx(8 * (7 / 8) ** 2, rel=0.05)
    saved = savings(wanted, table, split, machine)["--no-finetune"]
    tuned = total(costs[step] for step in of_kind(steps, "finetune"))
    assert (saved.disk, saved.seconds) == pytest.approx((tuned.disk, tuned.seconds))
    twice = step_costs(steps, replace(wanted, epochs=20), table, split, machine)
    of_table2 = of_kind(steps, "experiment")[0]
    assert twice[of_table2].seconds == pytest.approx(2 * costs[of_table2].seconds)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos with ratings, one of them missing, and weights of the own network."""
    (tmp_path / "photos" / "album").mkdir(parents=True)
    mos = planted(PHOTOS)[1]
    lines = ["photo,mos,split"]
    for number, (name, value) in enumerate(zip(ids(PHOTOS), mos, strict=True)):
        part = "test" if number % 3 == 0 else "train"
        lines.append(f"{name},{value:.4f},{part}")
        Image.new("RGB", (40, 30), (int(20 * value), 99, 9)).save(tmp_path / "photos" / name)
    lines.append("album/gone.jpg,5,train")
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n", "utf-8")
    torch.save(_Tiny().state_dict(), tmp_path / "tiny.pth")
    return tmp_path


def test_tables_and_contact_sheets_from_one_command(
    photos: Path, tiny: str, caplog: pytest.LogCaptureFixture
) -> None:
    command = [
        *("reproduce", str(photos / "ratings.csv"), "--photos", str(photos / "photos")),
        *("--backbone", tiny, "--weights", str(photos / "tiny.pth")),
        *("--recipe", "small", "--epochs", "1", "--no-finetune", "--narrow"),
        *("--lowest", "1", "--highest", "10", "--table", "table3", "--table", "fig8"),
        *("--output", str(photos / "out")),
    ]
    plan = CliRunner().invoke(app, [*command, "--plan"], catch_exceptions=False)
    assert plan.exit_code == 0
    first, second, _, *steps = plan.stdout.splitlines()
    assert " on this machine (" in first
    assert " saves " not in first
    wide = [word for word in command if word != "--narrow"]
    wide_plan = CliRunner().invoke(app, [*wide, "--plan"], catch_exceptions=False)
    assert re.search(r" free\); --narrow saves .*", wide_plan.stdout.splitlines()[0])
    assert second == (
        "60 photos of about 40×30: 38 to train with, 2 for validation, 20 for the test; 1 are missing and left out"
    )
    assert [step.split(": mlsp ")[1].split()[0] for step in steps] == ["extract"] * 2 + [
        "experiment"
    ] * 2
    assert not (photos / "out").exists()
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "[3/4] mlsp experiment table3 " in done.stderr
    assert "are left out: 'album/gone.jpg'" in caplog.text
    results = photos / "out" / "results"
    with (results / "table3.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["label"]: row for row in csv.DictReader(stream)}
    # Others need wide features.
    assert {name for name, row in rows.items() if row["srcc"] and row["ratio"]} == {
        *("Single-3FC (-aug)", "Single-3FC", "Ridge (not in the paper)")
    }
    assert rows["Pool-3FC"]["note"].startswith("not run: needs features of tiny")
    for name in ("fig8", "fig9"):
        sheet = Image.open(results / f"{name}.png")
        # A photo of these has blue 9, as no text has.
        assert (np.abs(np.asarray(sheet)[..., 2].astype(int) - 9) < 4).any()
    again = CliRunner().invoke(app, command, catch_exceptions=False)
    assert "learning rate" in done.stderr
    assert "[2/4]" not in again.stderr
    assert "learning rate" not in again.stderr
    assert again.stdout == done.stdout


@pytest.fixture
def rated(tmp_path: Path, tiny: str) -> list[str]:
    """The command that reproduces the narrow Table 4 on photos with votes: one row is fine-tuned, with weights of one's own."""
    rng = np.random.default_rng(0)
    lines = ["image_name,set," + ",".join(map(str, range(1, 11)))]
    (tmp_path / "photos").mkdir()
    for number in range(45):
        part = "test" if number % 9 == 0 else "training"
        votes = ",".join(map(str, rng.integers(1, 30, 10)))
        lines.append(f"{number}.jpg,{part},{votes}")
        pixels = rng.integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.jpg")
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n", "utf-8")
    torch.save(_Tiny().state_dict(), tmp_path / "tiny.pth")
    return [
        *("reproduce", str(tmp_path / "ratings.csv"), "--photos", str(tmp_path / "photos")),
        *("--backbone", tiny, "--weights", str(tmp_path / "tiny.pth")),
        *("--table", "table4", "--narrow", "--output", str(tmp_path / "lr=1e-4")),
    ]


def test_a_network_is_not_fine_tuned_again_but_for_other_settings(rated: list[str]) -> None:
    """Else one of other settings would stand in the table."""

    def run(*options: str) -> Any:
        done = CliRunner().invoke(app, [*rated, *options], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done

    first = run("--epochs", "1")
    assert "epoch 1: " in first.stderr
    (nima,) = [line for line in first.stdout.splitlines() if "Inception-v3, fine-tuned" in line]
    assert "5 of 5 test photos" in nima
    again = run("--epochs", "1")
    assert "mlsp finetune" not in again.stderr.split("[2/2]")[1]
    assert "epoch 1: " not in again.stderr
    assert first.stdout.endswith(again.stdout)
    assert "epoch 2: " in run("--epochs", "2").stderr


def test_a_step_is_done_only_by_its_own_command(tmp_path: Path) -> None:
    """Else features of other settings would stand in the tables."""

    def steps(**changes: Any) -> list[Step]:
        wanted = settings(tmp_path, tables=("table3",), backbone="inception_v3", **changes)
        return of_kind(plan_steps(wanted), "extract")

    def finish(**changes: Any) -> None:
        for step in steps(**changes):
            step.output.parent.mkdir(parents=True, exist_ok=True)
            step.output.touch()
            step.note_done()

    def are_done(**changes: Any) -> list[bool]:
        return [step.is_done for step in steps(**changes)]

    finish(narrow=True)
    assert are_done(narrow=True) == [True, True]
    # Narrow features serve no Pool-3FC, but lie beside those that do.
    assert are_done() == [False, False]
    assert not {one.output for one in steps()} & {one.output for one in steps(narrow=True)}
    finish()
    assert are_done() == [True, True]
    assert steps(narrow=True) == steps()
    assert are_done(read_as="released") == are_done(weights=tmp_path / "w.pth") == [False, False]
    steps()[0].output.unlink()
    assert are_done() == [False, True]


def test_networks_have_models_of_their_own(tmp_path: Path, tiny: str) -> None:
    models = [
        {step.output for step in of_kind(plan_steps(settings(tmp_path, backbone=name)), "finetune")}
        for name in (None, tiny)
    ]
    assert not models[0] & models[1]


def test_what_is_wrong_is_said_before_the_first_step(
    rated: list[str], tmp_path: Path, tiny: str
) -> None:
    out = tmp_path / "lr=1e-4"
    (out / "results").mkdir(parents=True)
    (out / "results" / "table4.md").write_text("mine", "utf-8")
    with pytest.raises(OutputError, match="table4.md' exists and was not written by this command"):
        CliRunner().invoke(app, rated, catch_exceptions=False)
    assert [path.name for path in out.rglob("*")] == ["results", "table4.md"]
    file = str(tmp_path / "ratings.csv")
    with pytest.raises(
        OutputError, match="^the folder '.*features' cannot be made: .*: name another"
    ):
        CliRunner().invoke(app, [*rated, "--output", file], catch_exceptions=False)
    for options, message in (
        (("--read-as", "rotated"), "^unknown way to read photos 'rotated'"),
        (("--device", "abacus"), "^unknown device 'abacus'"),
        (("--recipe", "fast"), "^unknown recipe 'fast'"),
        *((("--device", "cuda"), "CUDA"),) * (not torch.cuda.is_available()),
    ):
        with pytest.raises(SettingsError, match=message):
            CliRunner().invoke(app, [*rated, *options, "--plan"], catch_exceptions=False)
    with pytest.raises(SettingsError, match="^weights are those of one network: name it by --back"):
        settings(tmp_path, weights=tmp_path / "tiny.pth")


def test_ctrl_c_names_the_step(photos: Path, tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlsp.paper.run_experiment", interrupted)
    done = CliRunner().invoke(
        app,
        [
            *("reproduce", str(photos / "ratings.csv"), "--photos", str(photos / "photos")),
            *("--backbone", tiny, "--weights", str(photos / "tiny.pth"), "--narrow"),
            *("--lowest", "1", "--highest", "10", "--table", "table3"),
            *("--output", str(photos / "out")),
        ],
    )
    assert done.exit_code == 130
    assert "mlsp: interrupted in step 3/3; the same command goes on" in done.stderr


def test_a_step_that_fails_ends_the_command(photos: Path, tiny: str) -> None:
    """The first finds no weights of this network. A table of means has no NIMA."""
    command = [
        *("reproduce", str(photos / "ratings.csv"), "--photos", str(photos / "photos")),
        *("--backbone", tiny, "--output", str(photos / "out"), "--narrow"),
    ]
    done = CliRunner().invoke(app, [*command, "--table", "table4", "--plan"])
    assert "mlsp finetune" not in done.stdout
    done = CliRunner().invoke(app, [*command, "--table", "table2", "--quiet"])
    assert isinstance(done.exception, MlspError)
    assert not list((photos / "out" / "results").iterdir())
