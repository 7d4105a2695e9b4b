"""Checks of the photos that a command was given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from mlsp.base.errors import SettingsError
from mlsp.base.text import printable


def found(photos: Iterable[Path], paths: Sequence[Path]) -> list[Path]:
    """Return the photos that were found in the paths of a command.

    Raises:
        SettingsError: there are none.
    """
    listed = list(photos)
    if not listed:
        raise SettingsError(
            f"no photos found in {', '.join(printable(str(path)) for path in paths)}"
        )
    return listed


def check_local(paths: Sequence[Path]) -> None:
    """Refuse URLs where files are read.

    Raises:
        SettingsError: a path begins with a scheme, such as s3://.
    """
    for path in paths:
        # Path makes one slash of two.
        if re.match(r"\w{2,}:/", str(path)):
            raise SettingsError(
                f"{printable(str(path))} is a URL, and mlsp score reads files: use mlsp bulk SOURCE... --output DIR"
            )
