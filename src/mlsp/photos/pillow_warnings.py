"""Silence for Pillow's warnings and lines about odd data, which would garble a terminal, or end a run that takes them as errors."""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

_MODULES = r"PIL\."
# The entry that `filterwarnings` makes.
_FILTER = ("ignore", None, Warning, re.compile(_MODULES), 0)

# Without any handler Python writes errors to the terminal; a program's own handlers get them all the same.
_LOGGER, _NOWHERE = logging.getLogger("PIL"), logging.NullHandler()

_lock = threading.Lock()
_threads_inside = 0


@contextmanager
def pillow_is_quiet() -> Iterator[None]:
    """Ignore the warnings of Pillow's modules, and keep the lines of its log away from a terminal.

    Filters belong to the whole process. `warnings.catch_warnings` puts a saved list of them back, which another thread may have
    changed in the meantime; so one filter is added while any thread is inside, and only that one is taken out again.
    """
    global _threads_inside
    with _lock:
        _threads_inside += 1
        # Each time, because a `catch_warnings` elsewhere may have dropped it; it is never there twice.
        warnings.filterwarnings("ignore", module=_MODULES)
        _LOGGER.addHandler(_NOWHERE)
    try:
        yield
    finally:
        with _lock:
            _threads_inside -= 1
            if not _threads_inside:
                _LOGGER.removeHandler(_NOWHERE)
                with suppress(ValueError):
                    cast(list[Any], warnings.filters).remove(_FILTER)
