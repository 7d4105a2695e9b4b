"""Files of runs, as they are on disk: JSON lines, the first about the run, then one for each time that a file was written."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from mlsp.base.json_text import parse_object
from mlsp.culling.xmp.changes import changes_back, with_changes

Line: TypeAlias = dict[str, Any]
# The number comes first, so that the order of names is that of runs; the rest makes sure that no run gets the name of another.
_NAME = re.compile(r"\d{6}-[0-9a-f]{6}\.jsonl", re.ASCII)
# Files that are smaller are kept whole.
_WHOLE_BYTES = 256 * 1024

_log = logging.getLogger(__name__)


def run_files(folder: Path) -> list[Path]:
    """Return the files of all runs, oldest first."""
    return sorted(path for path in folder.glob("*.jsonl") if _NAME.fullmatch(path.name))


def run_number(path: Path) -> int:
    """Return the number of the run that a file is of."""
    return int(path.name.partition("-")[0])


def line_of(file: Path, before: bytes | None, after: bytes) -> Line:
    """Return the line about a file that is about to be written, as for `Journal.note`."""
    line: Line = {"file": os.path.abspath(file), "after": digest(after)}
    if before is None or len(before) < _WHOLE_BYTES:
        line["before"] = None if before is None else _packed(before)
    else:
        line["was"] = digest(before)
        line["changes"] = [
            [start, end, _packed(old)] for start, end, old in changes_back(after, before)
        ]
    return line


def digest_before(line: Line) -> str | None:
    """Return the digest of what a file was before; None where it was not there."""
    if "was" in line:
        return str(line["was"])
    return digest(_unpacked(line["before"])) if line["before"] else None


def content_before(line: Line, now: bytes) -> bytes | None:
    """Return what a file was before; None where it was not there.

    Args:
        line: about it.
        now: what is in it, which is what the run wrote.
    """
    if "changes" in line:
        return with_changes(
            now, [(start, end, _unpacked(old)) for start, end, old in line["changes"]]
        )
    return _unpacked(line["before"]) if line["before"] else None


def read_lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a run; one that a kill cut short was never acted upon, and one that is damaged is logged."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield parse_object(line)
            except ValueError as error:
                _log.warning("%s:%d cannot be taken back: it is damaged: %s", path, number, error)


def encoded(line: Line) -> bytes:
    """Return a line as it is in the file."""
    return json.dumps(line).encode() + b"\n"


def digest(content: bytes) -> str:
    """Return the digest that stands for what is in a file."""
    return hashlib.sha256(content).hexdigest()


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))
