"""Child processes that a test sends signals to."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Any


def start_child(command: Sequence[str | os.PathLike[str]], **options: Any) -> subprocess.Popen[Any]:
    """Start a program that SIGINT reaches, as one that is started in a terminal.

    A shell without job control starts what it puts in the background with SIGINT ignored, and children inherit that, also over
    several generations. A handler is not inherited: where the parent has one, the child begins with the default.

    Args:
        command: program and arguments.
        options: of `subprocess.Popen`.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(command, **options)
    finally:
        signal.signal(signal.SIGINT, before)
