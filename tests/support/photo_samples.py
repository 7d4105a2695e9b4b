"""Photos of every format, made on the spot."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import skimage
import tifffile
from numpy.typing import NDArray
from PIL import Image
from pillow_heif import from_pillow

from mlsp.base.arrays import UInt8Array


def camera_photo(name: str = "chelsea.png") -> UInt8Array:
    """A real photo, (H, W, 3): by default a cat, 451 × 300, public domain."""
    return np.asarray(Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB"))


def soft_photo(width: int, height: int) -> UInt8Array:
    """(height, width, 3) of slow changes, which compression hardly damages."""
    x, y = np.linspace(0, 1, width), np.linspace(0, 1, height)[:, None]
    channels = np.broadcast_arrays(40 + 180 * x + 0 * y, 220 - 180 * y + 0 * x, 60 + 100 * x * y)
    pixels: UInt8Array = np.rint(np.stack(channels, axis=2)).astype(np.uint8)
    return pixels


def encode(image: Image.Image, name: str, **options: Any) -> bytes:
    """Write by Pillow."""
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def heic(image: Image.Image, **options: Any) -> bytes:
    """Write HEIC, without registering anything with Pillow."""
    file = io.BytesIO()
    from_pillow(image).save(file, quality=95, chroma=444, **options)
    return file.getvalue()


def psd(pixels: UInt8Array, *, layers: int, bits: int = 8) -> bytes:
    """A Photoshop file without layers' data; a negative number of layers says that a fourth channel is transparency."""
    height, width, channels = pixels.shape
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, channels, height, width, bits, 3)
    layer_info = struct.pack(">IIh2x", 8, 4, layers)
    return head + bytes(4) + bytes(4) + layer_info + bytes(2) + pixels.transpose(2, 0, 1).tobytes()


def dng(linear: NDArray[np.uint16], orientation: int = 1, *, preview: bytes | None = None) -> bytes:
    """A raw photo of a camera whose colours are linear sRGB.

    Args:
        linear: (H, W, 3), 65535 is white; of each pixel one channel is kept (RGGB).
        orientation: EXIF's.
        preview: a JPEG, which stands before the sensor's data as cameras write it; None for none.
    """
    sensor = linear[..., 1].copy()
    sensor[0::2, 0::2] = linear[0::2, 0::2, 0]
    sensor[1::2, 1::2] = linear[1::2, 1::2, 2]
    xyz_to_camera = (3.2405, -1.5371, -0.4985, -0.9693, 1.8760, 0.0416, 0.0556, -0.2040, 1.0572)
    tags = [
        (271, "s", 0, "mlsp", True),
        (272, "s", 0, "test camera", True),
        (274, "H", 1, orientation, True),
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, bytes([0, 1, 1, 2]), True),
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),
        (50708, "s", 0, "mlsp test camera", True),
        (50714, "H", 1, 0, True),
        (50717, "H", 1, 65535, True),
        (50721, "2i", 9, tuple(v for x in xyz_to_camera for v in (round(x * 1e4), 10_000)), True),
        (50728, "2I", 3, (1, 1) * 3, True),
        (50778, "H", 1, 21, True),
    ]
    file = io.BytesIO()
    written: dict[str, Any] = {
        "photometric": "cfa",
        "extratags": tags,
        "metadata": None,
        "software": None,
    }
    if preview is None:
        tifffile.imwrite(file, sensor, **written)
        return file.getvalue()
    with Image.open(io.BytesIO(preview)) as image:
        empty = np.zeros((image.height, image.width, 3), np.uint8)
    with tifffile.TiffWriter(file) as tiff:
        # The tags of the camera stand in the first directory, the sensor's data below it.
        tiff.write(
            empty,
            photometric="rgb",
            rowsperstrip=len(empty),
            subifds=1,
            subfiletype=1,
            extratags=[tag for tag in tags if tag[0] not in (33421, 33422, 50714, 50717)],
            metadata=None,
            software=None,
        )
        tiff.write(sensor, subfiletype=0, **written)
    # tifffile alone writes no JPEG, so it is put behind the file, and the first directory points there.
    with tifffile.TiffFile(io.BytesIO(file.getvalue())) as tiff:
        places = {name: tiff.pages.first.tags[name].valueoffset for name in (259, 262, 273, 279)}
    content = bytearray(file.getvalue())
    struct.pack_into("<H", content, places[259], 7)
    struct.pack_into("<H", content, places[262], 6)
    struct.pack_into("<I", content, places[273], len(content))
    struct.pack_into("<I", content, places[279], len(preview))
    return bytes(content) + preview
