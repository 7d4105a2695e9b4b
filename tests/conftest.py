"""What several tests need: reference data where there is some, example photos, a small real model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def examples() -> Path:
    """The folder of six freely licensed photos."""
    return ROOT / "examples"


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Rated photos and outputs of the original code; not part of the project."""
    folder = Path(os.environ.get("MLSP_REFERENCE_DATA", ROOT.parent / "shared")).resolve()
    if not (folder / "golden").is_dir():
        pytest.skip(f"needs the reference data, which is not at {folder}: set MLSP_REFERENCE_DATA")
    return folder


@pytest.fixture(autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests, and the processes they start, keep off the user's cache and models."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("MLSP_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("MLSP_MODELS_DIR", str(folder / "models"))
