"""Pictures of high dynamic range, tone-mapped to sRGB as Chromium does it on a screen of usual brightness.

PQ or HLG ─ linear light, 1 is the white of paper (203 cd/m²) ─ reduce what is brighter ─ primaries of sRGB ─ sRGB

Without this they are grey and dull: half of PQ's values is for light that no usual screen has. ITU-R BT.2100 and BT.2408;
the curve is that of ui/gfx/color_transform.cc in Chromium.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mlsp.base.arrays import Float32Array, UInt8Array


class ColourCode(NamedTuple):
    """Colours by their numbers in ITU-T H.273.

    Attributes:
        primaries: 1 is BT.709, 9 BT.2020, 12 Display P3.
        transfer: 16 is PQ, 18 HLG.
    """

    primaries: int
    transfer: int

    @property
    def is_hdr(self) -> bool:
        """Return whether its values are PQ or HLG."""
        return self.transfer in (_PQ, _HLG)


_PQ, _HLG = 16, 18
_PAPER_WHITE = 203.0
# What nearly all of them are made for; few say so.
_BRIGHTEST = 1000.0
_HLG_GAMMA = 1.2

# Linear light to that of sRGB, all with the white D65.
_TO_SRGB: Mapping[int, tuple[tuple[float, float, float], ...]] = {
    9: ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730)),
    12: ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0), (-0.019638, -0.078636, 1.098274)),
}  # fmt: skip
# Share of each channel in the luminance, BT.2020.
_LUMINANCE = np.array((0.2627, 0.6780, 0.0593), np.float32)
_ROWS = 64


def hdr_to_srgb(pixels: UInt8Array, code: ColourCode) -> UInt8Array:
    """Tone-map pixels to sRGB.

    Args:
        pixels: (H, W, 3) RGB in PQ or HLG.
        code: which of them, and the primaries; unknown ones stand for BT.2020.

    Returns:
        (H, W, 3) RGB, sRGB.
    """
    curve = _pq_curve() if code.transfer == _PQ else _hlg_curve()
    matrix = np.array(_TO_SRGB.get(code.primaries, _TO_SRGB[9]), np.float32)
    if code.primaries == 1:
        matrix = np.eye(3, dtype=np.float32)
    result = np.empty_like(pixels)
    for start in range(0, len(pixels), _ROWS):
        light = curve[pixels[start : start + _ROWS]]
        if code.transfer == _HLG:
            luminance = (light @ _LUMINANCE)[..., None]
            light *= _BRIGHTEST / _PAPER_WHITE * luminance ** (_HLG_GAMMA - 1)
        result[start : start + _ROWS] = _encoded(_tone_mapped(light) @ matrix.T)
    return result


def _pq_curve() -> Float32Array:
    """Light of each of 256 values: SMPTE ST 2084."""
    values = (np.arange(256) / 255) ** (1 / 78.84375)
    ratio = np.maximum(values - 0.8359375, 0) / (18.8515625 - 18.6875 * values)
    curve = ratio ** (1 / 0.1593017578125) * (10_000 / _PAPER_WHITE)
    return curve.astype(np.float32)


def _hlg_curve() -> Float32Array:
    """Light of the scene of each of 256 values, 0 to 1: ARIB STD-B67."""
    values = np.arange(256) / 255
    bright = (np.exp((values - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return np.where(values <= 0.5, values**2 / 3, bright).astype(np.float32)


def _tone_mapped(light: Float32Array) -> Float32Array:
    brightest = _BRIGHTEST / _PAPER_WHITE
    # Above what the picture should have there is no more detail to keep.
    most = np.minimum(light.max(axis=-1, keepdims=True), brightest)
    mapped: Float32Array = light * ((1 + most / brightest**2) / (1 + most))
    return mapped


def _encoded(light: Float32Array) -> UInt8Array:
    light = np.clip(light, 0, 1)
    values = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    encoded: UInt8Array = np.rint(255 * values).astype(np.uint8)
    return encoded
