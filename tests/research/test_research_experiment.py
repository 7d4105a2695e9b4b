"""`mlsp.research.run_experiment`: tables of the paper as data frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlsp.base.errors import SettingsError
from mlsp.research import FeatureSet, SplitSettings, run_experiment
from mlsp.training import TrainSettings
from training_data import make_store, make_table, planted

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> FeatureSet:
    features, mos = planted(120)
    path = make_store(tmp_path_factory.mktemp("features") / "f.h5", features)
    split = SplitSettings("random", validation_share=0.2, test_share=0.3)
    return FeatureSet(path, make_table(mos), split=split)


def test_a_figure_is_a_frame_with_the_spread_over_seeds(photos: FeatureSet, tmp_path: Path) -> None:
    found = run_experiment(
        "fig7",
        photos,
        backbone="tiny",
        own_size=True,
        views="whole",
        recipe="small",
        rows=["last 2"],
        seeds=2,
        settings=TrainSettings(epochs=1),
        output=tmp_path / "fig7",
    )
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


def test_refusals(photos: FeatureSet) -> None:
    with pytest.raises(SettingsError, match="did you mean 'table3'"):
        run_experiment("tabel3", photos)
    with pytest.raises(SettingsError, match="no row of table2"):
        run_experiment("table2", photos, rows=["Quadruple*"])
