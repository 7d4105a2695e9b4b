"""Waiting for what another thread does."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(holds: Callable[[], bool], *, seconds: float = 10, pause: float = 0.001) -> None:
    """Wait until a condition holds; fail where it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(pause)
