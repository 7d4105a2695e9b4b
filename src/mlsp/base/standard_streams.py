"""Standard input, output and error of a program that was started without some of them."""

from __future__ import annotations

import os
import sys


def open_closed_streams() -> None:
    """Open the null device for those that are closed, as by `>&-` or by a service manager.

    Python has None for them. The next file to be opened would get their number, and what a C library writes to the terminal.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
            os.set_inheritable(descriptor, True)
            mode = "w" if descriptor else "r"
            stream = open(descriptor, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
