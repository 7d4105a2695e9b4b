"""What `mlsp score --dataset` says before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsp.base.errors import SettingsError
from mlsp.bulk import ScorerSettings
from mlsp.cli.bulk import score_into_dataset
from mlsp.cli.bulk_options import BulkOptions

pytest.importorskip("fsspec", reason="needs the bulk extra")


@pytest.mark.parametrize("inside", ["", "/2024/scores"])
@pytest.mark.parametrize("prefix", ["", "file://"])
def test_a_file_is_no_place_for_a_data_set(tmp_path: Path, prefix: str, inside: str) -> None:
    file = tmp_path / "scores.csv"
    file.write_text("precious")
    dataset = f"{prefix}{file}{inside}"
    options = BulkOptions(dataset, None, None, None, None, None, None, False, None, None)
    with pytest.raises(SettingsError) as caught:
        score_into_dataset(
            [str(tmp_path)],
            options,
            ScorerSettings(),
            recursive=True,
            output=None,
            top=None,
            quiet=True,
        )
    assert str(caught.value) == (
        f"--dataset {dataset} cannot be a folder of results: {str(file)!r} is a file. Name a folder, new or of an earlier run;"
        " a single file of scores is written by --output"
    )
    assert file.read_text() == "precious"
