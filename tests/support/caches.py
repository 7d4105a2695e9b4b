"""Cache folders of tests."""

from __future__ import annotations

import os
from pathlib import Path


def make_cache(folder: Path, exported_networks: Path) -> None:
    """Make a cache folder that is empty but for the networks that tests of this run have exported."""
    folder.mkdir()
    if os.name == "posix":
        (folder / "exports").symlink_to(exported_networks)
