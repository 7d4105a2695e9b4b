"""Child processes: the command as a user runs it, and programs that a test sends signals to."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from typer.testing import CliRunner

from mlsp.base.errors import MlspError
from mlsp.cli.app import EXIT_ERROR, app


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


def call_mlsp(
    *arguments: str | os.PathLike[str], env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `mlsp` to its end in this process: another takes a second to begin, and several where it needs torch.

    Args:
        arguments: of the command line.
        env: environment variables to set meanwhile.

    Returns:
        Its exit code and what it wrote.
    """
    command = [os.fspath(argument) for argument in arguments]
    # In a process of its own nothing else handles warnings that are logged.
    handler = logging.lastResort
    assert handler is not None
    logging.getLogger().addHandler(handler)
    try:
        done = CliRunner().invoke(app, command, prog_name="mlsp", env=env)
    finally:
        logging.getLogger().removeHandler(handler)
    code, stderr = done.exit_code, done.stderr
    if isinstance(done.exception, MlspError):
        code, stderr = EXIT_ERROR, f"{stderr}mlsp: {done.exception}\n"
    elif done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(command, code, done.stdout, stderr)


def expect_mlsp(
    *arguments: str | os.PathLike[str], code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run `mlsp` as `call_mlsp` does, and assert that it exits with this code."""
    done = call_mlsp(*arguments)
    assert done.returncode == code, done.stderr
    return done
