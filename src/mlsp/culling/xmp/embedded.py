"""The XMP inside a photo, which other programs may have written. Read only; `mlsp.culling.xmp.inside` writes."""

from __future__ import annotations

import logging
from pathlib import Path

from mlsp.base.errors import SidecarError
from mlsp.base.regular_file import open_regular
from mlsp.culling.xmp.packet import Packet, parse_packet
from mlsp.photos.find_xmp import find_xmp
from mlsp.photos.pillow_warnings import pillow_is_quiet

_DESCRIPTION = b"Description"
_log = logging.getLogger(__name__)


def embedded_packet(photo: Path) -> Packet | None:
    """Find the XMP in a photo, where its format keeps it.

    Returns:
        Its content; None where there is none, or the file cannot be read. Of several packets the first that has a rating by hand,
        else the first, which is the main picture's.

    Raises:
        SidecarError: a packet is damaged, so that it may hold a rating that is not seen.
    """
    found: list[bytes] = []
    try:
        with open_regular(photo) as stream, pillow_is_quiet():
            found.extend(find_xmp(stream))
    except Exception as error:
        # On damaged headers readers raise what they happen to run into; what was found before counts.
        _log.debug("%s: its XMP cannot be read: %s", photo, error)
    packets = []
    for content in found:
        # In UTF-16, too.
        if _DESCRIPTION not in content.replace(b"\0", b""):
            continue  # it describes nothing
        try:
            packets.append(parse_packet(content))
        except SidecarError as error:
            raise SidecarError(f"the XMP in {str(photo)!r} is left alone: {error}") from error
    return next(
        (packet for packet in packets if packet.is_by_hand), packets[0] if packets else None
    )
