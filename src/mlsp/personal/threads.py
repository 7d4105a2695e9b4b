"""Limits numpy's linear algebra to one thread: its threads wait for each other at each of a thousand small steps.

On two cores that other programs keep busy, such as scoring, learning from 500 ratings took 25 seconds with two threads and 3 with one.
"""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager, nullcontext
from typing import Any


def one_thread() -> AbstractContextManager[Any]:
    """Use one thread until the block ends, in the whole process; without threadpoolctl nothing changes but the speed."""
    try:
        threadpoolctl = importlib.import_module("threadpoolctl")
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[Any] = threadpoolctl.threadpool_limits(limits=1, user_api="blas")
    return limits
