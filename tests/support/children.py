"""Child processes: the command as a user runs it, and programs that a test sends signals to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
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


def run_mlsp(
    *arguments: str | os.PathLike[str], check: bool = False, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run `mlsp` with these arguments to its end.

    Args:
        arguments: of the command line.
        check: raise where it fails.
        options: of `subprocess.run`.

    Returns:
        Its exit code and what it wrote; names of files that are not UTF-8 come as Python decodes them.
    """
    return subprocess.run(
        [sys.executable, "-m", "mlsp", *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=check,
        **options,
    )


def expect_mlsp(
    *arguments: str | os.PathLike[str], code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run `mlsp` and assert that it exits with this code, and without a traceback."""
    done = run_mlsp(*arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done
