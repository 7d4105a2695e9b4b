"""One name, one meaning: options of several commands are the same everywhere but where their value is of another kind."""

from __future__ import annotations

from collections import defaultdict

import typer

from mlsp.cli import app

# What they name depends on the command: the file it writes, the part it has, the arithmetic it can do.
DIFFER = {
    *("--output", "--head", "--check", "--split", "--batch", "--ratings", "--photos", "--name"),
    *("--model", "--backbone", "--weights", "--epochs", "--device", "--precision", "--compression"),
    # Of `explain` whether to list them, of others which to keep.
    *("--group", "--levels"),
    # A rank is among all photos, or in the burst.
    "--xmp-keywords",
}


def test_an_option_has_one_meaning() -> None:
    meanings = defaultdict(set)
    top = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for command in top.values():
        for one in getattr(command, "commands", {"": command}).values():
            for parameter in one.params:
                for name in parameter.opts:
                    if name.startswith("--"):
                        meanings[name].add(parameter.help)
    assert "--views" in meanings
    assert {name for name, texts in meanings.items() if len(texts) > 1} <= DIFFER
