"""The folder of all that `mlsp` caches."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder of caches: MLSP_CACHE_DIR if it is set, else the user's cache folder."""
    folder = os.environ.get("MLSP_CACHE_DIR")
    if folder:
        return Path(folder).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("mlsp", appauthor=False)
