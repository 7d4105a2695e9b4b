"""Photoshop files: the flat picture that Photoshop saves beside the layers ("maximise compatibility"), read by Pillow.

https://www.adobe.com/devnet-apps/photoshop/fileformatashtml/
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from PIL.PsdImagePlugin import PsdImageFile

from mlsp.base.errors import UnsupportedPhotoError

_HEADER_BYTES = 26


def open_psd(file: BinaryIO) -> PsdImageFile:
    """Open the flat picture of a Photoshop file.

    Args:
        file: at its start.

    Raises:
        UnsupportedPhotoError: it has more than 8 bits per channel.
        Exception: whatever Pillow meets in damaged data.
    """
    (bits,) = struct.unpack(">22xH", file.read(24))
    if bits > 8:
        raise UnsupportedPhotoError(
            f"it is a PSD of {bits} bits per channel, of which only those of 8 are read: save it with 8 bits, or as TIFF"
        )
    file.seek(0)
    image = PsdImageFile(file)
    if image.mode == "RGBA" and not _is_transparent(file):
        # A saved selection, which Pillow takes for transparency.
        image._mode = "RGB"
        image.tile = [tile for tile in image.tile if tile.args != "A"]
    return image


def _is_transparent(file: BinaryIO) -> bool:
    """Return whether the fourth channel says how transparent the flat picture is: a negative number of layers stands for that."""
    file.seek(_HEADER_BYTES)
    for _ in ("palette", "resources"):
        (size,) = struct.unpack(">I", file.read(4))
        file.seek(size, 1)
    section, layers = struct.unpack(">II", file.read(8))
    if section < 4 or layers < 2:
        return False
    (count,) = struct.unpack(">h", file.read(2))
    return bool(count < 0)
