"""What is cached is told apart by the code that makes it: a checkout that is updated keeps its version."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsp.culling import looking
from mlsp.culling.looking import close_up_key
from mlsp.models.model import load_model
from mlsp.scoring.cache import keys
from mlsp.scoring.cache.keys import feature_key, made_by, score_key

CODE = {*keys._SCORE_CODE, *looking._CODE}


def close_ups() -> str:
    return close_up_key(faces=True)


def features() -> str:
    return feature_key(load_model("default"), "f32", "openvino")


def scores() -> str:
    return score_key(load_model("default"), "f32", "openvino")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of the code that a key names."""
    for name in sorted(CODE):
        for file in (keys._ROOT / name).rglob("*.py") if "." not in name else [keys._ROOT / name]:
            copy = tmp_path / file.relative_to(keys._ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    monkeypatch.setattr(keys, "_ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("key", "makes", "does_not"),
    [
        (close_ups, "culling/faces/eyes.py", "models/model.py"),
        (close_ups, "culling/sharpness.py", "features/pooling.py"),
        (features, "photos/sizes.py", "culling/sharpness.py"),
        (scores, "models/heads/ridge.py", "culling/faces/eyes.py"),
    ],
)
def test_what_was_made_by_other_code_is_made_again(
    checkout: Path, key: Callable[[], str], makes: str, does_not: str
) -> None:
    def now() -> str:
        made_by.cache_clear()
        return key()

    before = now()
    (checkout / does_not).write_text("changed", "utf-8")
    assert now() == before
    (checkout / makes).write_text("changed", "utf-8")
    assert now() != before


def test_code_that_is_named_is_there() -> None:
    assert [name for name in CODE if not (keys._ROOT / name).exists()] == []
