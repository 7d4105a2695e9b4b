"""Files that the first edition of `mlsp` wrote, kept as they were: this one must open them."""

from __future__ import annotations

import gzip
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "reference" / "first_edition"


def first_edition_file(name: str, folder: Path) -> Path:
    """Unpack a file into a folder."""
    file = folder / name
    file.write_bytes(gzip.decompress((_FOLDER / f"{name}.gz").read_bytes()))
    return file
