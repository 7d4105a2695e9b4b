"""Flags and colour labels as photo software writes them into XMP, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlsp.culling.marks import Flag, Label, Marks
from mlsp.culling.xmp.packet import Packet
from mlsp.culling.xmp.properties import (
    COLOR_LABEL,
    DARKTABLE_LABELS,
    LABEL,
    PICK_LABEL,
    Name,
    written,
)

# digiKam's numbers: https://invent.kde.org/graphics/digikam, digikam_globals.h
_PICK_LABELS: dict[str, Flag | None] = {"0": None, "1": "reject", "2": None, "3": "pick"}
PICK_NUMBERS: dict[Flag | None, str] = {None: "0", "reject": "1", "pick": "3"}
COLOR_NUMBERS: dict[Label | None, str] = {
    None: "0",
    "red": "1",
    "yellow": "3",
    "green": "4",
    "blue": "5",
    "purple": "6",
}
_COLOR_LABELS = {number: label for label, number in COLOR_NUMBERS.items()}
# As Lightroom and darktable call them; digiKam calls purple Magenta.
_LABELS: dict[str, Label] = {
    "red": "red",
    "yellow": "yellow",
    "green": "green",
    "blue": "blue",
    "purple": "purple",
    "magenta": "purple",
}
# darktable counts them from 0, each an item of a list.
_DARKTABLE_LABELS: tuple[Label, ...] = ("red", "yellow", "green", "blue", "purple")
_ITEM = re.compile(r"<((?:[A-Za-z][\w.-]*:)?li)>\s*([0-4])\s*</\1>", re.ASCII)

_Property = tuple[Name, str]


def flag_in(packet: Packet) -> Flag | None:
    """Return a packet's flag; None also where its pick label says nothing."""
    found = packet.values.get(PICK_LABEL)
    return None if found is None else _PICK_LABELS.get(found.text)


def label_name(label: Label) -> str:
    """Return a label's name in XMP."""
    return label.capitalize()


def says_flag(packet: Packet) -> bool:
    """Return whether a packet says something about a flag that `mlsp` did not give by itself."""
    return PICK_LABEL in packet.values and not packet.is_ours(PICK_LABEL)


def says_label(packet: Packet) -> bool:
    """Return whether a packet says something about a colour label, if only that there is none, that `mlsp` did not give by itself."""
    is_there = any(name in packet.values for name in (LABEL, COLOR_LABEL, DARKTABLE_LABELS))
    return is_there and not _is_own_label(packet)


def is_flagged_by_hand(packet: Packet) -> bool:
    """Return whether a person gave the flag, or changed or took away the one that `mlsp` gave."""
    if packet.is_ours(PICK_LABEL):
        return False
    return flag_in(packet) is not None or written(PICK_LABEL) in packet.values


def is_labelled_by_hand(packet: Packet) -> bool:
    """Return whether a person gave the label, also one that is none of the five, or changed or took away the one that `mlsp` gave."""
    if _is_own_label(packet):
        return False
    named = packet.values.get(LABEL)
    has_name = named is not None and named.text != ""
    return has_name or label_in(packet) is not None or written(LABEL) in packet.values


def label_in(packet: Packet) -> Label | None:
    """Return a packet's label; darktable may give several, of which the first counts."""
    values = packet.values
    if COLOR_LABEL in values and values[COLOR_LABEL].text != "0":
        return _COLOR_LABELS.get(values[COLOR_LABEL].text)
    if DARKTABLE_LABELS in values:
        item = _ITEM.search(values[DARKTABLE_LABELS].text)
        if item:
            return _DARKTABLE_LABELS[int(item[2])]
    return _LABELS.get(values[LABEL].text.lower()) if LABEL in values else None


def pick_properties(packet: Packet, marks: Marks) -> Iterator[_Property]:
    """Yield the pick label that a packet needs to have a flag; nothing where it has it."""
    if flag_in(packet) != marks.flag:
        yield PICK_LABEL, PICK_NUMBERS[marks.flag]


def label_properties(packet: Packet, marks: Marks) -> Iterator[_Property]:
    """Yield the properties that a packet needs to have a colour label; nothing where it has it."""
    if label_in(packet) == marks.label:
        return
    # The name is what all programs read. Beside it only what is there already is kept right.
    yield LABEL, "" if marks.label is None else label_name(marks.label)
    if COLOR_LABEL in packet.values:
        yield COLOR_LABEL, COLOR_NUMBERS[marks.label]


def label_edits(packet: Packet, label: Label | None) -> list[tuple[int, int, str]]:
    """Return the edits that make darktable's list of labels, where a packet has one, say the same."""
    found = packet.values.get(DARKTABLE_LABELS)
    if found is None or label_in(packet) == label:
        return []
    edits = []
    for place, item in enumerate(_ITEM.finditer(found.text)):
        if place == 0 and label is not None:
            start, end, text = item.start(2), item.end(2), str(_DARKTABLE_LABELS.index(label))
        else:
            start, end, text = item.start(), item.end(), ""
        edits.append((found.start + start, found.start + end, text))
    return edits


def _is_own_label(packet: Packet) -> bool:
    """Return whether the label that counts is the one that `mlsp` gave by itself."""
    return packet.is_ours(LABEL) and label_in(packet) == _LABELS.get(
        packet.values[LABEL].text.lower()
    )
