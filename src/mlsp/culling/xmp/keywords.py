"""Keywords of `mlsp` into XMP and out again: `mlsp|score|83`. All that begin with `mlsp|` are ours, and no others.

Where a list of keywords is there already ours become its last items; where there is none they get an rdf:Description of their own.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from mlsp.base.errors import SettingsError, SidecarError, unknown_name
from mlsp.culling.xmp.editing import INDENT, Edits
from mlsp.culling.xmp.packet import Packet, Value, parse_packet
from mlsp.culling.xmp.properties import (
    DIGIKAM_TAGS,
    HIERARCHICAL_SUBJECT,
    LAST_KEYWORDS,
    RDF,
    SUBJECT,
    Name,
)

ROOT = "mlsp"
SCORE, RANK, BURST = "score", "rank", "burst"
# Of one run over photos, and of bursts.
RUN_KEYWORDS = (SCORE, RANK)
BURST_KEYWORDS = (SCORE, RANK, BURST)
# Every program reads one of the first two. The others are kept right where they are, because digiKam and Immich read them first.
_SEPARATORS: dict[Name, str] = {
    SUBJECT: "|",
    HIERARCHICAL_SUBJECT: "|",
    DIGIKAM_TAGS: "/",
    LAST_KEYWORDS: "/",
}
_WRITTEN_ALWAYS = {SUBJECT: "dc", HIERARCHICAL_SUBJECT: "lr"}
_ITEM = re.compile(
    r"[ \t\r\n]*<((?:[\w.-]+:)?li)(?:[ \t\r\n][^<>]*)?>([^<]*)</\1[ \t\r\n]*>", re.ASCII
)
_EMPTY_LIST = re.compile(r"<((?:[\w.-]+:)?)(?:Bag|Seq)[ \t\r\n]*>", re.ASCII)
_OURS = re.compile(rf"[ \t\r\n]*{ROOT}[|/]")


def with_keywords(content: bytes, keywords: Sequence[str]) -> bytes:
    """Replace our keywords in XMP.

    Args:
        content: an XMP file.
        keywords: each begins with `mlsp|`; levels are separated by `|`. None at all takes earlier ones away.

    Returns:
        The file with these keywords of ours, besides all others; the same bytes if it has them already. Without keywords it is as it
        was before the first ones, byte for byte, unless another program has rewritten it since.

    Raises:
        SidecarError: the file is damaged, not XMP, or has a list of keywords in a way that cannot be changed.
    """
    packet = parse_packet(content)
    edits = Edits(packet)
    for name, separator in _SEPARATORS.items():
        items = [_escaped(keyword.replace("|", separator)) for keyword in keywords]
        found = packet.values.get(name)
        if found is not None:
            _merge(edits, name, found, items)
        elif items and name in _WRITTEN_ALWAYS:
            edits.replace(packet.rdf_end, packet.rdf_end, _block(packet, name, items))
    changed = edits.content()
    if changed != content:
        parse_packet(changed)
    return changed


def keywords_of(packet: Packet) -> list[str]:
    """Return our keywords in XMP, each once."""
    found = packet.values.get(SUBJECT)
    texts = [] if found is None else [item[2].strip() for item in _items(found, ours=True)]
    return [html.unescape(text) for text in dict.fromkeys(texts)]


def keyword_kinds(text: str | None, known: Sequence[str]) -> tuple[str, ...]:
    """Read which keywords a user wants, separated by commas; none for None.

    Raises:
        SettingsError: one is not known.
    """
    kinds = tuple(kind.strip().lower() for kind in text.split(",")) if text is not None else ()
    for kind in kinds:
        if kind not in known:
            raise SettingsError(unknown_name("keyword", kind, known))
    return kinds


def _merge(edits: Edits, name: Name, found: Value, items: list[str]) -> None:
    ours, others = list(_items(found, ours=True)), list(_items(found, ours=False))
    if [item[2] for item in ours] == items:
        return
    text = found.text
    own = _own_block(edits.packet, name, found)
    if own is not None and not others:
        edits.replace(*own, _block(edits.packet, name, items) if items else "")
        return
    for item in ours:
        edits.replace(found.start + item.start(), found.start + item.end(), "")
    if not items:
        return
    anchors = others or ours
    if not anchors:
        opening = _EMPTY_LIST.match(text)
        if opening is None:
            raise SidecarError(f"its {name[1]} is written in a way that is not changed")
        place, before, tag = opening.end(), "", f"{opening[1]}li"
    else:
        last = anchors[-1]
        place, tag = last.end(), last[1]
        before = last[0][: last[0].index("<")]
    place += found.start
    edits.replace(place, place, "".join(f"{before}<{tag}>{item}</{tag}>" for item in items))


def _items(found: Value, *, ours: bool) -> Iterator[re.Match[str]]:
    return (item for item in _ITEM.finditer(found.text) if bool(_OURS.match(item[2])) == ours)


def _block(packet: Packet, name: Name, items: Sequence[str]) -> str:
    """Write an rdf:Description with a list of keywords alone."""
    rdf = packet.insertion.rdf_prefix
    declared = "" if rdf else f' xmlns:rdf="{RDF}"'
    rdf = rdf or "rdf"
    (uri, local), prefix = name, _WRITTEN_ALWAYS[name]
    texts = "".join(f"<{rdf}:li>{item}</{rdf}:li>" for item in items)
    return (
        f'{INDENT}<{rdf}:Description{declared} {rdf}:about="{packet.about}" xmlns:{prefix}="{uri}">'
        f"<{prefix}:{local}><{rdf}:Bag>{texts}</{rdf}:Bag></{prefix}:{local}></{rdf}:Description>\n"
    )


def _own_block(packet: Packet, name: Name, found: Value) -> tuple[int, int] | None:
    """Return the span of the rdf:Description that holds a list, if it is still as `_block` wrote it."""
    if name not in _WRITTEN_ALWAYS:
        return None
    items = [item[2] for item in _items(found, ours=True)]
    block = _block(packet, name, items)
    start = found.start - block.index("<", block.index(f"<{_WRITTEN_ALWAYS[name]}:") + 1)
    end = start + len(block)
    return (start, end) if packet.units.text[start:end] == block else None


def _escaped(text: str) -> str:
    """Return text as XML in ASCII, whatever the file's encoding."""
    return html.escape(text, quote=False).encode("ascii", "xmlcharrefreplace").decode()
