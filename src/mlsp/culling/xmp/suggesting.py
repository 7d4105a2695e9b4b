"""What `mlsp` gives a photo by itself, into XMP and out again, byte for byte.

Beside each property stands our mark, `mlsp:WrittenRating`, `mlsp:WrittenLabel`, …: as long as both agree the property is ours,
and as soon as anybody else changes it, theirs. `mlsp:ReplacedRating`, … keeps the last value of a person's that was replaced.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlsp.base.errors import SidecarError
from mlsp.culling.marks import NO_MARKS, Marks
from mlsp.culling.xmp.editing import INDENT, Edits
from mlsp.culling.xmp.labels import (
    COLOR_NUMBERS,
    PICK_NUMBERS,
    flag_in,
    label_edits,
    label_in,
    label_name,
)
from mlsp.culling.xmp.packet import ATTRIBUTE, Packet, parse_packet
from mlsp.culling.xmp.properties import (
    COLOR_LABEL,
    LABEL,
    PICK_LABEL,
    RATING,
    SUGGESTED,
    Name,
    replaced,
    written,
)

# What a property says that says nothing.
_NOTHING = {RATING: "0", LABEL: "", PICK_LABEL: "0", COLOR_LABEL: "0"}


def with_suggestion(content: bytes, marks: Marks) -> bytes:
    """Put what `mlsp` gives a photo into XMP.

    Args:
        content: an XMP file.
        marks: what is given; of what is not, the file keeps what it has, unless that is an earlier one of ours.

    Returns:
        The file with them; the same bytes if it has them already, whoever wrote them.

    Raises:
        SidecarError: the file is damaged, not XMP, or has one of them in a way that cannot be changed.
    """
    packet = parse_packet(content)
    edits = Edits(packet)
    if marks.label is not None:
        for edit in label_edits(packet, marks.label):
            edits.replace(*edit)
    for name, value in _wanted(packet, marks):
        if value is not None:
            edits.put(name, value, mark=value, is_theirs=_is_changed(packet, name))
        elif packet.is_ours(name):
            found = packet.values.get(replaced(name))
            before = _NOTHING[name] if found is None else found.text
            edits.set(name, before)
            # What a person had given is theirs again.
            edits.set(written(name), before if before in ("", _NOTHING[name]) else "")
    changed = edits.content()
    if changed != content and not _has(parse_packet(changed), marks):
        raise SidecarError("stars, flag or label could not be put into it")
    return changed


def without_suggestion(content: bytes) -> bytes:
    """Take what `mlsp` gave a photo out of XMP.

    Returns:
        What `with_suggestion` was given first, byte for byte. Where a person has changed some of it since, that stays; there, and
        where another program has rewritten the file, what is ours says nothing any more.

    Raises:
        SidecarError: what is in it is not ours, or is written in a way that cannot be changed.
    """
    packet = parse_packet(content)
    names = [name for name in SUGGESTED if written(name) in packet.values]
    if not any(map(packet.is_ours, names)):
        raise SidecarError("the rating in it is not one that mlsp wrote")
    is_as_written = all(packet.is_ours(name) or _is_given_back(packet, name) for name in names)
    span = _own_span(packet, names) if is_as_written else None
    if span is None:
        return with_suggestion(content, NO_MARKS)
    edits = Edits(packet)
    edits.replace(*span, "")
    for name in names:
        if replaced(name) in packet.values:
            edits.set(name, packet.values[replaced(name)].text)
    return edits.content()


def is_suggested(packet: Packet) -> bool:
    """Return whether something in a packet is what `mlsp` gave by itself, and says something."""
    return any(
        packet.is_ours(name) and packet.values[name].text != _NOTHING[name] for name in SUGGESTED
    )


def _wanted(packet: Packet, marks: Marks) -> Iterator[tuple[Name, str | None]]:
    """Yield the properties that shall have a value, or none; not those that say the same already."""
    if marks.rating is None or marks.rating != packet.rating:
        yield RATING, None if marks.rating is None else str(marks.rating)
    if marks.label is None or marks.label != label_in(packet):
        yield LABEL, None if marks.label is None else label_name(marks.label)
        # digiKam reads its own before the name.
        if COLOR_LABEL in packet.values:
            yield COLOR_LABEL, None if marks.label is None else COLOR_NUMBERS[marks.label]
    if marks.flag is None or marks.flag != flag_in(packet):
        yield PICK_LABEL, None if marks.flag is None else PICK_NUMBERS[marks.flag]


def _is_changed(packet: Packet, name: Name) -> bool:
    """Return whether a property is not what we wrote; of a rating that has not our mark, whether a person gave it."""
    if name == RATING:
        return packet.is_by_hand
    return written(name) in packet.values and not packet.is_ours(name)


def _is_given_back(packet: Packet, name: Name) -> bool:
    """Return whether a property has again what a person had given and we had replaced."""
    value, before = packet.values.get(name), packet.values.get(replaced(name))
    if value is None or before is None:
        return False
    return packet.values[written(name)].text == "" and value.text == before.text


def _has(packet: Packet, marks: Marks) -> bool:
    return (
        marks.rating in (None, packet.rating)
        and marks.label in (None, label_in(packet))
        and marks.flag in (None, flag_in(packet))
    )


def _own_span(packet: Packet, names: list[Name]) -> tuple[int, int] | None:
    """Return the span of what we added: attributes, or a whole rdf:Description; both begin with our mark.

    None if there is anything in it that we did not write.
    """
    text, end, values = packet.units.text, packet.insertion.at, packet.values
    marks = [written(name) for name in names]
    ours = [
        *marks,
        *map(replaced, names),
        *(name for name in names if replaced(name) not in values),
    ]
    starts = [values[name].whole_start for name in ours if name in values]
    places = [place for place in starts if place is not None]
    if len(places) < len(starts):
        return None
    start = min(places)
    if max(places) >= end or start not in {values[name].whole_start for name in marks}:
        return None
    at = start
    others = []
    while at < end and (match := ATTRIBUTE.match(text, at)):
        if match.start() not in starts and not match[2].startswith("xmlns:"):
            others.append(match)
        at = match.end()
    if not others:
        return (start, end)
    # rdf:about closes what we write where there is no rdf:Description.
    tag_start = text.rfind("<", 0, start)
    is_whole = len(text[tag_start:start].split()) == 1 and text.startswith("/>\n", end)
    if is_whole and [match[2].rpartition(":")[2] for match in others] == ["about"]:
        return (max(tag_start - len(INDENT), 0), end + len("/>\n"))
    return None
