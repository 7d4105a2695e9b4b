"""The command line: one file a command, no logic.

Nobody imports it but `python -m mlsp` and the script `mlsp`; the way in is `main`. Options that several commands share are in
`options`, each once.
"""

from __future__ import annotations

from mlsp.cli.app import app, main

__all__ = ["app", "main"]
