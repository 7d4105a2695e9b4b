"""JSON from files that may be anybody's."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: it is none, or nested more deeply than can be parsed, for which `json` has a RecursionError.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_object(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        ValueError: it is none, or nested more deeply than can be parsed.
    """
    found = parse_json(text)
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object, {…}")  # noqa: TRY004 - as what is no JSON at all
    return found
