"""Why work in a thread of the page ended before its time: nobody waits for these threads, so the page says it."""

from __future__ import annotations

import logging

from mlsp.base.errors import MlspError
from mlsp.base.text import printable

_log = logging.getLogger(__name__)


def why_ended(error: Exception, what: str) -> str:
    """Return the message for the page, which is all that anyone learns; an error that was not foreseen is logged."""
    if not isinstance(error, MlspError):
        _log.error("%s ended", what, exc_info=error)
    return printable(str(error) or type(error).__name__)
