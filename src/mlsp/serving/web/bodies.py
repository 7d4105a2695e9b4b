"""Bodies that a browser may send; anything else is refused."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mlsp.culling.marks import Flag, Label


class _Body(BaseModel):
    # Strict: "4" or 4.0 or true are no stars.
    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(_Body):
    """An empty object."""


class RatingBody(_Body):
    """Rating of a photo; a field that is left out stays as it was."""

    id: int
    stars: int | None = Field(default=None, ge=1, le=5)
    flag: Flag | None = None
    label: Label | None = None


class RatingsBody(_Body):
    """Ratings that are given together, and undone together."""

    ratings: list[RatingBody] = Field(min_length=1)


class ComparisonBody(_Body):
    """Comparison of two photos."""

    better: int
    worse: int


class XmpBody(_Body):
    """Settings of writing ratings; `becomes` as `--xmp-map` has it, empty for stars as they are."""

    overwrite: bool = False
    convention: Literal["both", "photo.jpg.xmp", "photo.xmp"] = "both"
    becomes: str = Field(default="", max_length=200)
    keywords: list[Literal["score", "rank"]] = Field(default_factory=list, max_length=2)
    inside: bool = False


class PlaceBody(_Body):
    """Which photos are put into which folder, and how."""

    rated: str = Field(min_length=1, max_length=200)
    folder: str = Field(min_length=1, max_length=4096)
    hard_links: bool = False


class SaveBody(_Body):
    """Name of a personal model."""

    name: str = Field(min_length=1, max_length=64)
