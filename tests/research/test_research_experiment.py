"""`mlsp.research.run_experiment`: tables of the paper as data frames."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pandas import DataFrame
from torch import Tensor, nn

from mlsp import register_head
from mlsp.base.errors import SettingsError
from mlsp.models.heads import HEADS, BodySpec
from mlsp.research import FeatureSet, SplitSettings, TrainSettings, run_experiment
from training_data import make_store, make_table, planted

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    features, mos = planted(120)
    path = make_store(tmp_path_factory.mktemp("features") / "f.h5", features)
    split = SplitSettings("random", validation_share=0.2, test_share=0.3)
    return FeatureSet(path, make_table(mos), split=split)


def test_a_figure_is_a_frame_with_the_spread_over_seeds(photos: FeatureSet, tmp_path: Path) -> None:
    run = partial(
        run_experiment,
        "fig7",
        photos,
        backbone="tiny",
        own_size=True,
        views="whole",
        recipe="small",
        rows=["last 2"],
        settings=TrainSettings(epochs=1),
        output=tmp_path / "fig7",
    )
    found = run(seeds=2)
    assert repr(found) == "ExperimentResult('fig7': 1 of 3 rows have a result)"
    frame = found.frame().set_index("label")
    assert list(frame.index) == ["last", "last 2", "last 3"]
    row = frame.loc["last 2"]
    assert row["srcc_low"] <= row["srcc"] <= row["srcc_high"]
    assert (row["seeds"], row["srcc_sd"] > 0) == (2, True)
    assert np.isnan(frame.loc["last", "srcc"])
    assert "left out" in frame.loc["last", "note"]
    assert "| last 2 |" in found._repr_markdown_()
    kept = sorted(path.name for path in (tmp_path / "fig7").glob("*.json"))
    assert len(kept) == 2
    narrower = run(first=16).frame().set_index("label").loc["last 2"]
    assert narrower["srcc"] != row["srcc"]


class _TwoLayers(nn.Module):
    def __init__(self, body: BodySpec, activation: nn.Module) -> None:
        super().__init__()
        self.first = nn.Linear(sum(body.widths), 16)
        self.activation = activation
        self.second = nn.Linear(16, body.outputs)

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.second(self.activation(self.first(features)))
        return found


def test_heads_of_ones_own_are_rows_and_run_again_when_they_change(
    photos: FeatureSet, tmp_path: Path
) -> None:
    def scores(activation: nn.Module, name: str = "table3") -> DataFrame:
        register_head("two_layers", lambda body: _TwoLayers(body, activation))
        found = run_experiment(
            name,
            photos,
            backbone="tiny",
            own_size=True,
            recipe="small",
            heads=["two_layers", "ridge", "single_3fc"],
            rows=["two_layers*", "*ridge*"],
            settings=TrainSettings(epochs=2),
            output=tmp_path,
        )
        return found.frame().set_index("label")

    try:
        first = scores(nn.ReLU())
        # Those of the paper are there once.
        assert list(first.index) == [
            *("Single-3FC (-aug)", "Single-3FC", "Pool-3FC", "Pool-3FC (-aug)"),
            *("Ridge (not in the paper)", "two_layers (-aug)", "two_layers", "ridge"),
        ]
        assert first.loc["two_layers (-aug)", "note"].startswith("recipe small, 3 of 3 levels")
        assert "needs features of tiny" in first.loc["two_layers", "note"]
        assert np.isnan(first.loc["two_layers (-aug)", "paper_srcc"])
        kept = set(tmp_path.glob("*.json"))
        assert len(kept) == 2
        scores(nn.ReLU())
        assert set(tmp_path.glob("*.json")) == kept
        second = scores(nn.Tanh())
        assert len(set(tmp_path.glob("*.json")) - kept) == 1
        assert second.loc["two_layers (-aug)", "srcc"] != first.loc["two_layers (-aug)", "srcc"]
        levels = scores(nn.Tanh(), "fig7")
        assert "two_layers, last 2" in levels.index
    finally:
        HEADS.discard("two_layers")


def test_refusals(photos: FeatureSet) -> None:
    with pytest.raises(SettingsError, match="did you mean 'table3'"):
        run_experiment("tabel3", photos)
    with pytest.raises(SettingsError, match="no row of table2"):
        run_experiment("table2", photos, rows=["Quadruple*"])
    with pytest.raises(SettingsError, match="unknown head 'two_layer'"):
        run_experiment("table2", photos, heads=["two_layer"])
    for several in ({"rows": "Single*"}, {"heads": "ridge"}, {"features": "f.h5"}):
        ((name, one),) = several.items()
        message = re.escape(f"expected several {name}, got one: pass a list, ['{one}']")
        with pytest.raises(SettingsError, match=f"^{message}$"):
            run_experiment("table2", photos, **several)  # type: ignore[arg-type]


def test_photos_that_a_set_left_out_are_left_out_whatever_the_settings(tmp_path: Path) -> None:
    features, mos = planted(60)
    path = make_store(tmp_path / "f.h5", features[:50])
    split = SplitSettings("random", validation_share=0.2, test_share=0.3)
    with FeatureSet(path, make_table(mos), split=split, missing="leave-out") as photos:
        found = run_experiment(
            "table3", photos, backbone="tiny", rows=["Ridge*"], settings=TrainSettings(seed=1)
        )
    assert "1 of 5 rows" in repr(found)
