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
from training_data import CHANNELS, LEVELS, ids, make_store, make_table, planted

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
def extracted(tmp_path: Path) -> Path:
    """Photos with ratings, one of them missing, and the features of Table 3, as the first steps leave them."""
    photos = tmp_path / "photos" / "album"
    photos.mkdir(parents=True)
    mos = planted(PHOTOS)[1]
    lines = ["photo,mos,split"]
    for number, (name, value) in enumerate(zip(ids(PHOTOS), mos, strict=True)):
        part = "test" if number % 3 == 0 else "train"
        lines.append(f"{name},{value:.4f},{part}")
        Image.new("RGB", (40, 30), (int(20 * value), 99, 9)).save(tmp_path / "photos" / name)
    lines.append("album/gone.jpg,5,train")
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n", "utf-8")
    (tmp_path / "out" / "features").mkdir(parents=True)
    for views, name in ((1, "whole"), (8, "corners8")):
        file = tmp_path / "out" / "features" / f"tiny-own-size-{name}.h5"
        make_store(file, planted(PHOTOS, views=views)[0])
    return tmp_path


def test_tables_and_contact_sheets_from_one_command(
    extracted: Path, tiny: str, caplog: pytest.LogCaptureFixture
) -> None:
    command = [
        *("reproduce", str(extracted / "ratings.csv"), "--photos", str(extracted / "photos")),
        *("--backbone", tiny, "--recipe", "small", "--epochs", "1", "--no-finetune"),
        "--narrow",
        *("--lowest", "1", "--highest", "10", "--table", "table3", "--table", "fig8"),
        *("--output", str(extracted / "out")),
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
    assert [step.split(": mlsp ")[0].split()[1] for step in steps[:2]] == ["done", "done"]
    assert not (extracted / "out" / "results").exists()
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    # The features are there; the tables are left.
    assert "[1/4]" not in done.stderr
    assert "[3/4] mlsp experiment table3 " in done.stderr
    assert "are left out: 'album/gone.jpg'" in caplog.text
    results = extracted / "out" / "results"
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
    assert "learning rate" not in again.stderr
    assert again.stdout == done.stdout


def test_ctrl_c_names_the_step(extracted: Path, tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlsp.paper.run_experiment", interrupted)
    done = CliRunner().invoke(
        app,
        [
            *("reproduce", str(extracted / "ratings.csv"), "--photos", str(extracted / "photos")),
            *("--backbone", tiny, "--lowest", "1", "--highest", "10", "--table", "table3"),
            *("--output", str(extracted / "out")),
        ],
    )
    assert done.exit_code == 130
    assert "mlsp: interrupted in step 3/3; the same command goes on" in done.stderr


def test_a_step_that_fails_ends_the_command(extracted: Path, tiny: str) -> None:
    """The first finds no weights of this network. A table of means has no NIMA."""
    command = [
        *("reproduce", str(extracted / "ratings.csv"), "--photos", str(extracted / "photos")),
        *("--backbone", tiny, "--output", str(extracted / "out"), "--narrow"),
    ]
    done = CliRunner().invoke(app, [*command, "--table", "table4", "--plan"])
    assert "mlsp finetune" not in done.stdout
    done = CliRunner().invoke(app, [*command, "--table", "table2", "--quiet"])
    assert isinstance(done.exception, MlspError)
    assert not list((extracted / "out" / "results").iterdir())
