"""Put a rating into XMP and take it out again, without changing any other byte.

An existing rating is changed where it stands. A new one becomes attributes behind the last one of the first rdf:Description.
Beside it stands our mark, `mlsp:WrittenRating`: as long as both agree the rating is ours, and as soon as anybody else changes
it, theirs; `hand 4` means that the user gave it in `mlsp` itself. `mlsp:ReplacedRating` keeps the value that was replaced. The
mark comes first of what we add, so everything from it to the end of the attributes is ours, and can be taken out again.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlsp.base.errors import SidecarError
from mlsp.culling.xmp.packet import (
    BY_HAND,
    RATING,
    RDF,
    REPLACED,
    WRITTEN,
    XMP,
    InsertionPoint,
    Packet,
    parse_packet,
)

_INDENT = " "

# As Lightroom writes it. exiv2 recognises a sidecar by this start.
EMPTY_SIDECAR = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="mlsp">\n'
    b' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    b'  <rdf:Description rdf:about=""/>\n'
    b" </rdf:RDF>\n"
    b"</x:xmpmeta>\n"
)


def with_rating(content: bytes, rating: int, *, by_hand: bool = False) -> bytes:
    """Put a rating into XMP.

    Args:
        content: an XMP file.
        rating: -1 or 1…5.
        by_hand: the rating is the user's own, not one that `mlsp` may change later.

    Returns:
        The file with the rating; the same bytes if it has it already, whoever wrote it.

    Raises:
        SidecarError: the file is damaged, not XMP, or has nowhere to put a rating.
    """
    packet = parse_packet(content)
    if packet.rating == rating and (not by_hand or packet.is_by_hand):
        return content
    result = _put(packet, rating, by_hand=by_hand)
    if parse_packet(result).rating != rating:
        raise SidecarError("the rating could not be put into it")
    return result


def without_rating(content: bytes) -> bytes:
    """Take our rating out of XMP.

    Args:
        content: an XMP file.

    Returns:
        What `with_rating` was given, byte for byte.

    Raises:
        SidecarError: the rating in it is not ours, or another program has rewritten the file since.
    """
    packet = parse_packet(content)
    rating, mark = packet.rating, packet.values.get(WRITTEN)
    if mark is None or rating is None or packet.is_by_hand:
        raise SidecarError("the rating in it is not one that mlsp wrote")
    for cut in _cuts(packet):
        edits = [(*cut, "")]
        if REPLACED in packet.values:
            value = packet.values[RATING]
            edits.append((value.start, value.end, packet.values[REPLACED].text))
        candidate = packet.units.edited(edits)
        try:
            if _put(parse_packet(candidate), rating) == content:
                return candidate
        except SidecarError:
            continue
    raise SidecarError(
        "another program has rewritten it since mlsp did: take the rating away in that program"
    )


def _put(packet: Packet, rating: int, *, by_hand: bool = False) -> bytes:
    new = str(rating)
    mark = BY_HAND + new if by_hand else new
    values = packet.values
    edits: list[tuple[int, int, str]] = []
    added: list[tuple[tuple[str, str], str]] = []
    if WRITTEN in values:
        edits.append((values[WRITTEN].start, values[WRITTEN].end, mark))
    else:
        added.append((WRITTEN, mark))
        if RATING in values and REPLACED not in values:
            added.append((REPLACED, values[RATING].text))
    if RATING in values:
        edits.append((values[RATING].start, values[RATING].end, new))
    else:
        added.append((RATING, new))
    if added:
        edits.append((packet.insertion.at, packet.insertion.at, _new_text(packet.insertion, added)))
    return packet.units.edited(edits)


def _cuts(packet: Packet) -> list[tuple[int, int]]:
    """Return the spans that may be what we added: attributes, or a whole rdf:Description; both begin with our mark."""
    start, insertion, text = packet.values[WRITTEN].whole_start, packet.insertion, packet.units.text
    if start is None:
        return []
    tag_start, tag_end = text.rfind("<", 0, start), text.find(">\n", insertion.at)
    whole = (max(tag_start - len(_INDENT), 0), tag_end + len(">\n"))
    return [(start, insertion.at)] if tag_end < 0 else [whole, (start, insertion.at)]


def _new_text(insertion: InsertionPoint, added: list[tuple[tuple[str, str], str]]) -> str:
    """Write properties as attributes, or, where there is no rdf:Description, as one with them."""
    properties, prefixes = [], dict(insertion.prefixes)
    for (uri, name), value in added:
        known = next((prefix for prefix, meaning in prefixes.items() if meaning == uri), None)
        prefix = known or _unused_prefix("xmp" if uri == XMP else "mlsp", prefixes)
        properties.append(f'{prefix}:{name}="{value}"')
        if known is None:
            prefixes[prefix] = uri
            properties.append(f'xmlns:{prefix}="{uri}"')
    attributes = "".join(insertion.separator + text for text in properties)
    if insertion.description:
        return attributes
    rdf, declared = insertion.rdf_prefix, ""
    if not rdf:
        rdf = _unused_prefix("rdf", prefixes)
        declared = f' xmlns:{rdf}="{RDF}"'
    return f'{_INDENT}<{rdf}:Description{attributes}{declared} {rdf}:about=""/>\n'


def _unused_prefix(wanted: str, prefixes: Mapping[str, str]) -> str:
    number, prefix = 1, wanted
    while prefix in prefixes:
        number += 1
        prefix = f"{wanted}{number}"
    return prefix
