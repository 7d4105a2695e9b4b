"""What several tests need: reference data where there is some, example photos, a small real model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from caches import make_cache

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from labelled_models import LabelledModel
    from mlsp.scoring.scorer import Scorer

ROOT = Path(__file__).parent.parent

# How long an example takes tells how busy the machine is.
settings.register_profile("mlsp", deadline=None)
settings.load_profile("mlsp")


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


@pytest.fixture(scope="session")
def exported_networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of exported networks for all tests of a run, in all its processes: the large ones take a minute each."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    (folder / "exports").mkdir(exist_ok=True)
    return folder / "exports"


@pytest.fixture(autouse=True)
def _own_folders(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    exported_networks: Path,
) -> None:
    """Tests, and the processes they start, keep off the user's cache, models and ratings."""
    folder = tmp_path_factory.mktemp("user")
    make_cache(folder / "cache", exported_networks)
    monkeypatch.setenv("MLSP_CACHE_DIR", str(folder / "cache"))
    monkeypatch.setenv("MLSP_MODELS_DIR", str(folder / "models"))
    monkeypatch.setenv("MLSP_RATINGS", str(folder / "ratings.sqlite"))
    monkeypatch.setenv("MLSP_STARS", str(folder / "stars"))


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory, examples: Path) -> LabelledModel:
    """A model that finds faults and kinds, and photos that have them."""
    pytest.importorskip("torch", reason="torch, which makes the model, is not installed")
    from labelled_models import write_labelled_model

    return write_labelled_model(tmp_path_factory.mktemp("labelled"), examples)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch computes by one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser_path() -> str:
    """Where a Chromium is."""
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"needs a browser, none of {', '.join(_BROWSERS)} is installed: install one")
    return found


@pytest.fixture(scope="session")
def browser(browser_path: str) -> Iterator[Browser]:
    """A real Chromium without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Pages of the tests are their own; as root Chromium has no sandbox.
        opened = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of 1280 × 800 in a profile of its own; what the page logs as an error fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []


@pytest.fixture(scope="session")
def bulk_scorer() -> Scorer:
    """One scorer for the tests of bulk runs, which takes longer to open than their photos to score."""
    from mlsp.scoring.scorer import Scorer

    return Scorer(workers=2)


@pytest.fixture(scope="module")
def opened_once(bulk_scorer: Scorer) -> Iterator[None]:
    """Bulk runs score by that one; it decodes in this process."""
    from mlsp.bulk.shard_scoring import ScorerSettings

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScorerSettings, "load", lambda settings: bulk_scorer)
        yield
