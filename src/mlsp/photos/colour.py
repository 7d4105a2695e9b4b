"""Conversion of colours to sRGB. LittleCMS is used only here, and loaded with the first profile."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from mlsp.base.arrays import Float32Array, UInt8Array

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

# What channels mean: grey, red-green-blue, or ink (255 is full).
ColourMode = Literal["L", "RGB", "CMYK"]

# ICC names of colour spaces.
_MODES: Mapping[str, ColourMode] = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}
# What stands before the tags of a profile, and the size of each tag's entry.
_TAGS_AT, _TAG_BYTES = 132, 12
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def to_srgb(pixels: UInt8Array, mode: ColourMode, profile: bytes | None) -> UInt8Array:
    """Convert pixels to sRGB.

    Args:
        pixels: (H, W, C), C channels of the mode.
        mode: what the channels mean.
        profile: ICC profile. None, a damaged one and one for another kind of colour mean sRGB, for grey that is R = G = B,
            and for ink that absorbs its share of the light.

    Returns:
        (H, W, 3) RGB; `pixels` itself where nothing is to be done.
    """
    source, transform = _transform(profile, mode) if profile else (mode, None)
    if transform is None and mode == "RGB":
        return pixels
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels)
    image = Image.frombuffer(mode, (width, height), data, "raw", mode, 0, 1)
    if source != mode:
        image = image.convert(source)
    if transform is not None:
        image = transform.apply(image)
    return np.array(image.convert("RGB"))


def over_white(colours: UInt8Array, alpha: UInt8Array) -> UInt8Array:
    """Blend colours with white, before the reduction: invisible ones must not be averaged in.

    Args:
        colours: (H, W, C).
        alpha: (H, W), 255 for opaque.
    """
    if alpha.min() == 255:
        return colours
    share = alpha[..., None].astype(np.uint16)
    return ((colours * share + 255 * (255 - share) + 127) // 255).astype(np.uint8)


def luma_of(pixels: UInt8Array) -> Float32Array:
    """Return the luma of pixels (H, W, 3), by Rec. 601: (H, W), 0…255."""
    luma: Float32Array = np.matmul(pixels, _LUMA, dtype=np.float32)
    return luma


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """Convert an image in CIE L*a*b* to sRGB."""
    return _lab_transform().apply(image)


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: ColourMode) -> tuple[ColourMode, ImageCmsTransform | None]:
    """Return the mode that a profile is for, and its transform to sRGB; None where there is nothing to do.

    A collection has few profiles, so that all but the first photo of each find theirs here. A transform may be applied by
    several threads at once.
    """
    from PIL import ImageCms

    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(_without_pipelines(profile)))
        source = _MODES.get(opened.profile.xcolor_space)
        # Cameras put an RGB profile into grey photos, too.
        if source is None or source not in (mode, "RGB" if mode == "L" else mode):
            return mode, None
        transform = ImageCms.buildTransform(
            opened,
            ImageCms.createProfile("sRGB"),
            source,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (OSError, ImageCms.PyCMSError):
        # A photo with a damaged profile is still a photo, and sRGB is by far the likeliest.
        return mode, None
    if source == "RGB" and _changes_nothing(transform):
        return mode, None
    return source, transform


def _without_pipelines(profile: bytes) -> bytes:
    """Return a profile without its pipelines of floating-point numbers (D2B0 and the like), as browsers read it.

    Kilobytes of them take minutes. They are optional: each profile has tables or a matrix as well.
    """
    end = _TAGS_AT + _TAG_BYTES * int.from_bytes(profile[_TAGS_AT - 4 : _TAGS_AT], "big")
    return profile[:_TAGS_AT] + profile[_TAGS_AT:end].replace(b"D2B", b"---") + profile[end:]


def _changes_nothing(transform: ImageCmsTransform) -> bool:
    """Return whether a transform moves no colour by more than one of 255 steps, so that its profile is sRGB."""
    colours = np.array(list(itertools.product(range(0, 256, 15), repeat=3)), np.uint8)
    converted = np.asarray(transform.apply(Image.fromarray(colours[None])))
    return int(np.abs(converted[0].astype(np.int16) - colours).max()) <= 1


@lru_cache(maxsize=1)
def _lab_transform() -> ImageCmsTransform:
    from PIL import ImageCms

    return ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
