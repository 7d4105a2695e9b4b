"""What a browser may send; anything else is refused."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Body(BaseModel):
    # Strict: "4" or 4.0 or true are no stars.
    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(_Body):
    """An empty object."""


class RatingBody(_Body):
    """What the user says of a photo; what is left out stays as it was."""

    id: int
    stars: int | None = Field(default=None, ge=1, le=5)
    flag: Literal["pick", "reject"] | None = None


class ComparisonBody(_Body):
    """Two photos, of which one is better."""

    better: int
    worse: int


class XmpBody(_Body):
    """How sidecars are written."""

    overwrite: bool = False
    convention: Literal["both", "photo.jpg.xmp", "photo.xmp"] = "both"


class SaveBody(_Body):
    """What a personal model shall be called."""

    name: str = Field(min_length=1, max_length=64)
