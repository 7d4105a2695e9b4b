"""What a cache finds when its file is not as it was written."""

from __future__ import annotations


class DamagedRowError(Exception):
    """A row is not as it was written."""
