"""Put a rating, flag and label into XMP, and our own rating out again, without changing any other byte.

An existing rating is changed where it stands. A new one becomes attributes behind the last one of the first rdf:Description.
Beside it stands our mark, `mlsp:WrittenRating`: as long as both agree the rating is ours, and as soon as anybody else changes
it, theirs; `hand 4` means that the user gave it in `mlsp` itself. `mlsp:ReplacedRating` keeps the last value of a person's that
was replaced. The
mark comes first of what we add, so everything from it to the end of the attributes is ours, and can be taken out again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlsp.base.errors import SidecarError
from mlsp.culling.marks import Marks
from mlsp.culling.xmp.labels import label_edits, label_properties, pick_properties
from mlsp.culling.xmp.packet import (
    BY_HAND,
    DIGIKAM,
    OWN,
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
_PREFIXES = {XMP: "xmp", OWN: "mlsp", DIGIKAM: "digiKam"}
_UNRATED = 0

# As Lightroom writes it. exiv2 recognises a sidecar by this start.
EMPTY_SIDECAR = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="mlsp">\n'
    b' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    b'  <rdf:Description rdf:about=""/>\n'
    b" </rdf:RDF>\n"
    b"</x:xmpmeta>\n"
)


def with_rating(content: bytes, rating: int) -> bytes:
    """Put a rating of ours into XMP.

    Args:
        content: an XMP file.
        rating: -1 or 1…5.

    Returns:
        The file with the rating; the same bytes if it has it already, whoever wrote it.

    Raises:
        SidecarError: the file is damaged, not XMP, or has nowhere to put a rating.
    """
    packet = parse_packet(content)
    if packet.rating == rating:
        return content
    return _checked(_put(packet, rating), rating)


def with_marks(content: bytes, marks: Marks, *, is_rated_elsewhere: bool = False) -> bytes:
    """Put the user's own marks into XMP.

    Args:
        content: an XMP file.
        marks: what is to be in it; what it has and these do not is taken away.
        is_rated_elsewhere: the photo itself has a rating, so that unrated must be said.

    Returns:
        The file with the marks; the same bytes if it has them already.

    Raises:
        SidecarError: the file is damaged, not XMP, or has one of them in a way that cannot be changed.
    """
    packet = parse_packet(content)
    rating = marks.rating
    is_rated = packet.rating and packet.is_by_hand
    if rating is None and (is_rated or (is_rated_elsewhere and packet.rating is None)):
        rating = _UNRATED
    edits = label_edits(packet, marks.label)
    added = []
    for name, value in (*label_properties(packet, marks), *pick_properties(packet, marks)):
        found = packet.values.get(name)
        if found is None:
            added.append((name, value))
        elif not found.is_plain:
            raise SidecarError(f"its {name[1]} is written in a way that is not changed")
        else:
            edits.append((found.start, found.end, value))
    is_there = packet.rating == rating and (packet.is_by_hand or rating == _UNRATED)
    if rating is not None and not is_there:
        return _checked(_put(packet, rating, by_hand=True, edits=edits, added=added), rating)
    return _edited(packet, edits, added)


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


def _checked(content: bytes, rating: int) -> bytes:
    if parse_packet(content).rating != rating:
        raise SidecarError("the rating could not be put into it")
    return content


def _put(
    packet: Packet,
    rating: int,
    *,
    by_hand: bool = False,
    edits: Sequence[tuple[int, int, str]] = (),
    added: Sequence[tuple[tuple[str, str], str]] = (),
) -> bytes:
    new = str(rating)
    mark = BY_HAND + new if by_hand else new
    values = packet.values
    edits, ours = list(edits), []
    is_theirs = packet.is_by_hand and not (by_hand and packet.is_ours_by_hand)
    if WRITTEN in values:
        edits.append((values[WRITTEN].start, values[WRITTEN].end, mark))
    else:
        ours.append((WRITTEN, mark))
    if RATING in values and REPLACED not in values and (is_theirs or WRITTEN not in values):
        ours.append((REPLACED, values[RATING].text))
    elif RATING in values and REPLACED in values and is_theirs:
        edits.append((values[REPLACED].start, values[REPLACED].end, values[RATING].text))
    if RATING in values:
        edits.append((values[RATING].start, values[RATING].end, new))
    else:
        ours.append((RATING, new))
    return _edited(packet, edits, [*ours, *added])


def _edited(
    packet: Packet,
    edits: Sequence[tuple[int, int, str]],
    added: Sequence[tuple[tuple[str, str], str]],
) -> bytes:
    edits = list(edits)
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


def _new_text(insertion: InsertionPoint, added: Sequence[tuple[tuple[str, str], str]]) -> str:
    """Write properties as attributes, or, where there is no rdf:Description, as one with them."""
    properties, prefixes = [], dict(insertion.prefixes)
    for (uri, name), value in added:
        known = next((prefix for prefix, meaning in prefixes.items() if meaning == uri), None)
        prefix = known or _unused_prefix(_PREFIXES[uri], prefixes)
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
