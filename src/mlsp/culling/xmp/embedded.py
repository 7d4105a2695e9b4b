"""The rating inside a photo, which other programs may have written. Read only: photos are never changed."""

from __future__ import annotations

import logging
from pathlib import Path

from mlsp.base.errors import SidecarError
from mlsp.culling.xmp.packet import Packet, parse_packet

_log = logging.getLogger(__name__)

# XMP is made to be found by its tags, whatever the format around it. Further inside a large file it is not looked for:
# reading all of a collection again would take longer than scoring it.
_HEAD_BYTES = 4 * 1024**2
_START, _END = b"<x:xmpmeta", b"</x:xmpmeta>"


def embedded_packet(photo: Path) -> Packet | None:
    """Find the XMP in a photo's first four megabytes.

    Returns:
        Its content; None where there is none, or it cannot be read.
    """
    try:
        with photo.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        _log.debug("%s: its XMP cannot be read: %s", photo, error)
        return None
    start = head.find(_START)
    end = head.find(_END, start)
    if start < 0 or end < 0:
        return None
    try:
        return parse_packet(head[start : end + len(_END)])
    except SidecarError as error:
        _log.debug("%s: the XMP in it is not used: %s", photo, error)
        return None
