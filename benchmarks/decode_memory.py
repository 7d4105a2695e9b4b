"""Peak memory of decoding, by format: the figures behind `mlsp.photos.memory`.

    python benchmarks/decode_memory.py

Each photo is decoded in a process of its own, whole and reduced to 512 pixels; what the process has before is taken off.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import OpenImageIO
from PIL import Image
from pillow_heif import from_pillow

from mlsp.photos.formats import photo_format

_CHILD = """
import sys
from pathlib import Path
from mlsp.photos import DecodeSettings, read_photo
from mlsp.photos.colour import to_srgb

def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])

# What is loaded with the first photo is not the photo's.
read_photo(Path(sys.argv[1]), settings=DecodeSettings(longest_side=512))
before = peak()
side = int(sys.argv[3])
read_photo(Path(sys.argv[2]), settings=DecodeSettings(longest_side=side or None))
print(1024 * (peak() - before))
"""


def main() -> None:
    """Print bytes per pixel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=int, default=24)
    side = round((parser.parse_args().megapixels * 1e6) ** 0.5)
    print("| photo | reduced to 512 | whole |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, options in _PHOTOS.items():
            small = _write(Path(folder, "small"), name, 64, options)
            large = _write(Path(folder, "large"), name, side, options)
            found = [_peak(small, large, longest) / side**2 for longest in (512, 0)]
            print(f"| {name} | {found[0]:.1f} | {found[1]:.1f} |", flush=True)


_PHOTOS: dict[str, tuple[str, str, dict[str, object]]] = {
    "JPEG": ("JPEG", "RGB", {}),
    "JPEG, progressive": ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
    "JPEG, ink": ("JPEG", "CMYK", {}),
    "PNG": ("PNG", "RGB", {"compress_level": 1}),
    "PNG, transparent": ("PNG", "RGBA", {"compress_level": 1}),
    "PNG, 16 bits": ("PNG", "I;16", {"compress_level": 1}),
    "WebP": ("WEBP", "RGB", {"method": 0}),
    "WebP, lossless": ("WEBP", "RGB", {"method": 0, "lossless": True}),
    "TIFF": ("TIFF", "RGB", {}),
    "TIFF, LZW": ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    "HEIC": ("HEIC", "RGB", {}),
    "AVIF": ("AVIF", "RGB", {"speed": 10}),
    "BMP": ("BMP", "RGB", {}),
    "GIF": ("GIF", "P", {}),
    "JXL": ("JXL", "RGB", {}),
    "JXL, 16 bits": ("JXL", "I;16", {}),
}


def _write(path: Path, name: str, side: int, options: tuple[str, str, dict[str, object]]) -> Path:
    kind, mode, extra = options
    row = np.linspace(0, 255, side).astype(np.uint8)
    image = Image.fromarray(np.broadcast_to(row[:, None], (side, side)))
    image = (
        Image.fromarray(np.asarray(image).astype(np.uint16))
        if mode == "I;16"
        else image.convert(mode)
    )
    stream = io.BytesIO()
    if kind == "HEIC":
        from_pillow(image).save(stream, quality=30)
    elif kind == "JXL":
        # Three channels also of 16 bits, which Pillow has of grey only; it reads and writes files only.
        pixels = np.asarray(image)
        pixels = pixels if pixels.ndim == 3 else np.dstack([257 * pixels] * 3)
        file = path.with_suffix(".jxl")
        OpenImageIO.ImageBuf(np.ascontiguousarray(pixels)).write(str(file))
        stream.write(file.read_bytes())
    else:
        image.save(stream, kind, **extra)
    photo_format(stream.getvalue())
    path.write_bytes(stream.getvalue())
    return path


def _peak(small: Path, large: Path, longest_side: int) -> int:
    command = [sys.executable, "-c", _CHILD, str(small), str(large), str(longest_side)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()
