"""Checks of the photos that a command was given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.base.errors import SettingsError
from mlsp.base.text import printable
from mlsp.cli.progress import stderr_console

if TYPE_CHECKING:
    from mlsp.culling.shots import ShotList


def found(photos: Iterable[Path], paths: Sequence[Path]) -> list[Path]:
    """Return the photos that were found in the paths of a command.

    Raises:
        SettingsError: there are none.
    """
    listed = list(photos)
    if not listed:
        raise _nothing_in(paths)
    return listed


def find_shots(
    paths: Sequence[Path],
    *,
    recursive: bool,
    exclude: Sequence[str] | None,
    pairs: str,
    quiet: bool,
    folder: Path | None = None,
) -> ShotList:
    """Find the shots in the paths of a command, and print what is left out.

    Args:
        paths: files and folders.
        recursive: value of --recursive.
        exclude: of --exclude.
        pairs: of --pairs.
        quiet: of --quiet.
        folder: for copies of shots, see `mlsp.culling.copies.find_for`.

    Raises:
        SettingsError: there are none, or an option has a value that it cannot have.
        OutputError: the folder cannot be made or written to.
    """
    from mlsp.culling.copies import find_for

    found = find_for(
        folder, paths, recursive=recursive, exclude=exclude or (), pairs=switch("--pairs", pairs)
    )
    left_out = str(found.left_out)
    if not found.shots:
        raise _nothing_in(paths, f" (left out: {left_out})" if left_out else "")
    if left_out and not quiet:
        stderr_console().print(f"left out: {left_out}", markup=False)
    return found


def _nothing_in(paths: Sequence[Path], more: str = "") -> SettingsError:
    return SettingsError(
        f"no photos found in {', '.join(printable(str(path)) for path in paths)}{more}"
    )


def switch(name: str, value: str) -> bool:
    """Return the value of an option that is on or off.

    Args:
        name: of the option, for the message.
        value: as it was given, in any case.

    Raises:
        SettingsError: it is neither.
    """
    if value.lower() not in ("on", "off"):
        raise SettingsError(f"{name} is on or off, got {printable(value)!r}")
    return value.lower() == "on"


def leaves_out(missing: str) -> bool:
    """Return whether photos that are missing or unreadable are only counted, by the value of --missing.

    Raises:
        SettingsError: it is none.
    """
    if missing not in ("error", "leave-out"):
        raise SettingsError(f"--missing is error or leave-out, got {printable(missing)!r}")
    return missing == "leave-out"


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
