"""Put properties into XMP without changing any other byte.

A property that is there is changed where it stands. A new one becomes an attribute behind the last one of the first
rdf:Description.
"""

from __future__ import annotations

from collections.abc import Mapping

from mlsp.base.errors import SidecarError
from mlsp.culling.xmp.packet import InsertionPoint, Packet
from mlsp.culling.xmp.properties import DIGIKAM, OWN, RDF, XMP, Name, replaced, written

INDENT = " "
_PREFIXES = {XMP: "xmp", OWN: "mlsp", DIGIKAM: "digiKam"}

# As Lightroom writes it. exiv2 recognises a sidecar by this start.
EMPTY_SIDECAR = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="mlsp">\n'
    b' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    b'  <rdf:Description rdf:about=""/>\n'
    b" </rdf:RDF>\n"
    b"</x:xmpmeta>\n"
)


class Edits:
    """Changes of a packet, made all at once."""

    def __init__(self, packet: Packet) -> None:
        self.packet = packet
        self._edits: list[tuple[int, int, str]] = []
        self._added: list[tuple[Name, str]] = []

    def replace(self, start: int, end: int, text: str) -> None:
        """Replace some code units by others."""
        self._edits.append((start, end, text))

    def set(self, name: Name, value: str) -> None:
        """Give a property a value.

        Args:
            name: one of `mlsp.culling.xmp.properties.READ`.
            value: in code units, without quotation marks.

        Raises:
            SidecarError: it is there in a way that cannot be changed.
        """
        found = self.packet.values.get(name)
        if '"' in value or (found is not None and not found.is_plain):
            raise SidecarError(f"its {name[1]} is written in a way that is not changed")
        if found is None:
            self._added.append((name, value))
        elif found.text != value:
            self.replace(found.start, found.end, value)

    def put(self, name: Name, value: str, *, mark: str, is_theirs: bool) -> None:
        """Give a property a value, with our mark beside it, and keep what a person had given.

        The mark comes first of what is added, so everything from it to the end of the attributes is ours, and can be taken out.

        Args:
            name: one of `mlsp.culling.xmp.properties.SUGGESTED`.
            value: of the property.
            mark: our mark.
            is_theirs: whether the property that has our mark was changed since by somebody else.

        Raises:
            SidecarError: as for `set`.
        """
        values = self.packet.values
        is_new = written(name) not in values and replaced(name) not in values
        self.set(written(name), mark)
        if name in values and (is_theirs or is_new):
            self.set(replaced(name), values[name].text)
        self.set(name, value)

    def content(self) -> bytes:
        """Return the packet with the changes."""
        point = self.packet.insertion
        edits = list(self._edits)
        if self._added:
            edits.append((point.at, point.at, _new_text(point, self._added)))
        return self.packet.units.edited(edits)


def _new_text(insertion: InsertionPoint, added: list[tuple[Name, str]]) -> str:
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
    return f'{INDENT}<{rdf}:Description{attributes}{declared} {rdf}:about=""/>\n'


def _unused_prefix(wanted: str, prefixes: Mapping[str, str]) -> str:
    number, prefix = 1, wanted
    while prefix in prefixes:
        number += 1
        prefix = f"{wanted}{number}"
    return prefix
