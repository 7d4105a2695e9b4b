"""ICC profiles, made here."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

# Primaries (columns R, G, B) are adapted to it, as profiles hold them.
D50 = (0.9642, 1.0, 0.8249)
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
DISPLAY_P3 = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile of a display."""
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = start + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"test", 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp")
    head = head.ljust(68, b"\0") + fixed(*D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def rgb_profile(primaries: NDArray[np.float64], exponent: float) -> bytes:
    colours = zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries.T, strict=True)
    tags = {name: b"XYZ " + bytes(4) + fixed(*column) for name, column in colours}
    tags |= {name: gamma(exponent) for name in (b"rTRC", b"gTRC", b"bTRC")}
    return profile(b"RGB ", {b"wtpt": b"XYZ " + bytes(4) + fixed(*D50)} | tags)


def srgb_curve(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.clip(linear, 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return 255 * curved
