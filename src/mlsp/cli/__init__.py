"""The command line: one file a command, no logic. Exit codes: 0 done, 1 some photos failed, 2 usage or model error, 130 interrupted."""

from __future__ import annotations

from mlsp.cli.app import app, main

__all__ = ["app", "main"]
