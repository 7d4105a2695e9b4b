"""Settings of decoding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from mlsp.base.errors import SettingsError, unknown_name
from mlsp.photos.sizes import Reduction

# What a file's pixels are taken for: `upright`, turned by its EXIF orientation and converted to sRGB by its profile; `released`, as
# they are stored, as the authors' released code reads them.
ReadAs = Literal["upright", "released"]


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """Settings of decoding.

    Attributes:
        longest_side: larger photos are reduced until their longest side has that many pixels; None for never.
        max_pixels: photos with more pixels are refused before they are decoded.
        resize: width and height that every photo is brought to, see `mlsp.photos.sizes.resize_pixels`; None for its own.
        is_preview: the caller reduces the pixels further, for people to look at: a JPEG is decoded at
            the smallest of its sizes that is a quarter larger than `longest_side`, which is quicker,
            and left at that size.
        reduction: how larger photos are reduced.
        read_as: `upright`; or `released`, as the authors' code reads photos, without orientation and colour profile.

    Raises:
        SettingsError: a value is below 1 or unknown, both `longest_side` and `resize` are given, or a preview has no `longest_side`.
    """

    longest_side: int | None = None
    max_pixels: int = 250_000_000
    resize: tuple[int, int] | None = None
    is_preview: bool = False
    reduction: Reduction = "area"
    read_as: ReadAs = "upright"

    def __post_init__(self) -> None:
        if self.longest_side is not None and self.longest_side < 1:
            raise SettingsError(f"longest_side must be at least 1, got {self.longest_side}")
        if self.max_pixels < 1:
            raise SettingsError(f"max_pixels must be at least 1, got {self.max_pixels}")
        if self.resize is not None and min(self.resize) < 1:
            raise SettingsError(f"resize must be at least 1×1, got {_size(self.resize)}")
        if self.resize is not None and self.longest_side is not None:
            raise SettingsError(
                f"photos can be reduced to a longest side of {self.longest_side} or resized to {_size(self.resize)}:"
                " choose one"
            )
        if self.read_as not in get_args(ReadAs):
            raise SettingsError(unknown_name("way to read photos", self.read_as, get_args(ReadAs)))
        if self.is_preview and self.longest_side is None:
            raise SettingsError("a preview needs a longest_side")

    @classmethod
    def of(
        cls,
        longest_side: int | None,
        max_pixels: int | None,
        *,
        resize: tuple[int, int] | None = None,
        reduction: Reduction = "area",
        read_as: ReadAs = "upright",
    ) -> DecodeSettings:
        """Return settings with the default limit where `max_pixels` is None.

        Raises:
            SettingsError: a value is below 1, or both sizes are given.
        """
        settings = cls(
            longest_side=longest_side, resize=resize, reduction=reduction, read_as=read_as
        )
        return settings if max_pixels is None else replace(settings, max_pixels=max_pixels)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


DEFAULTS = DecodeSettings()
