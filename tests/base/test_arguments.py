"""Arguments of public functions that have another type than annotated."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

import mlsp
from mlsp.base.arguments import checked
from mlsp.base.errors import SettingsError

if TYPE_CHECKING:
    from PIL.Image import Image

Choice = Literal["a", "b"]


@checked
@dataclass(frozen=True, slots=True)
class Settings:
    share: float = 0.5
    times: int | None = None
    is_quiet: bool = False


@checked
def call(
    path: str | Path,
    *paths: int,
    by: Choice = "a",
    settings: Settings | None = None,
    other: Image | int = 1,
) -> tuple[object, ...]:
    """Do it."""
    return path, paths, by, settings, other


def test_what_fits_passes() -> None:
    assert call(Path("x"), 1, 2, by="b", settings=Settings())[:3] == (Path("x"), (1, 2), "b")
    # A choice that is unknown, and what is annotated otherwise, are the function's.
    assert call("x", by=None, other=[])[2:] == (None, None, [])  # type: ignore[arg-type]
    assert Settings(1, np.int64(2), np.bool_(True)).times == 2  # type: ignore[arg-type]
    assert copy.deepcopy(Settings(0.25)) == replace(Settings(), share=0.25)
    assert list(inspect.signature(call).parameters)[:2] == ["path", "paths"]
    assert call.__doc__ == "Do it."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"share": "1"}, "share must be a number, got '1'"),
        ({"share": True}, "share must be a number, got True"),
        ({"times": 1.5}, "times must be a whole number or None, got 1.5"),
        ({"is_quiet": 1}, "is_quiet must be True or False, got 1"),
    ],
)
def test_settings_of_another_type(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**arguments)  # type: ignore[arg-type]
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": None}, "path must be a path, got None"),
        ({"path": "x", "by": []}, "by must be a name, got []"),
        ({"path": "x", "settings": {}}, "settings must be a Settings or None, got {}"),
    ],
)
def test_arguments_of_another_type(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        call(**arguments)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_the_public_functions_are_checked() -> None:
    for function, arguments in (
        (mlsp.Scorer, {"workers": "2"}),
        (mlsp.FeatureExtractor, {"backbone": None}),
        (mlsp.FeatureStore.open, {"path": 3}),
        (mlsp.HeadTrainer, {"recipe": []}),
        (mlsp.load_ratings, {"source": "r.csv", "lowest": "1"}),
        (mlsp.split_ratings, {"table": "r.csv"}),
        (mlsp.find_photos, {"paths": None}),
        (mlsp.FeatureExtractor.extract, {"self": None, "photos": 3}),
        (mlsp.Level, {"name": "first", "channels": "3"}),
    ):
        with pytest.raises(SettingsError, match=f"^{list(arguments)[-1]} must be "):
            function(**arguments)
