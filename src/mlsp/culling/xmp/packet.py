"""Find the rating in XMP, to the byte.

bytes ─ expat: well-formed, no document type ─ rdf:RDF ─ rdf:Description ─ rating, our mark, insertion point
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.parsers import expat

from mlsp.base.errors import SidecarError
from mlsp.culling.xmp.code_units import CodeUnits
from mlsp.culling.xmp.properties import (
    BY_HAND,
    EXTENSION,
    OURS_TO_WRITE,
    RATING,
    RDF,
    READ,
    Name,
    property_name,
    written,
)

_META = "adobe:ns:meta/"
_RDF_RDF = (RDF, "RDF")
_RDF_DESCRIPTION = (RDF, "Description")

# No XML document can contain it, so it separates namespaces from names.
_PART = "\x01"
# Python's \s takes bytes inside of UTF-8 characters for spaces.
_SPACE = " \t\r\n"
_TAG_NAME = re.compile(f"<[^{_SPACE}/>]+")
ATTRIBUTE = re.compile(
    rf"""([{_SPACE}]+)([^{_SPACE}=/>]+)[{_SPACE}]*=[{_SPACE}]*(?:"([^"]*)"|'([^']*)')"""
)
_DECLARATION = re.compile("xmlns(?::|$)")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a property and its position.

    Attributes:
        text: as it is written, without the spaces around it.
        start: of this text, in code units.
        end: of this text, in code units.
        whole_start: of the attribute, with the spaces before it; None for an element.
        is_plain: whether it is a text without markup, which can be replaced where it stands.
    """

    text: str
    start: int
    end: int
    whole_start: int | None
    is_plain: bool = True


@dataclass(frozen=True, slots=True)
class InsertionPoint:
    """The position at which properties can be added.

    Attributes:
        at: behind the last attribute of the first rdf:Description, or, without one, before the end of rdf:RDF; in code units.
        separator: spaces between attributes.
        prefixes: namespaces by their prefixes there.
        description: whether there is an rdf:Description.
        rdf_prefix: how rdf:RDF calls its namespace; empty where that is the default one.
    """

    at: int
    separator: str
    prefixes: Mapping[str, str]
    description: bool
    rdf_prefix: str


@dataclass(frozen=True, slots=True)
class Packet:
    """The parsed parts of an XMP file.

    Attributes:
        units: the whole file.
        values: the properties that matter here, by namespace and name.
        insertion: where properties can be added.
        about: what the first rdf:Description is about, as all others must be.
        rdf_end: position of the end tag of rdf:RDF, in code units.
    """

    units: CodeUnits
    values: Mapping[Name, Value]
    insertion: InsertionPoint
    about: str
    rdf_end: int

    @property
    def rating(self) -> int | None:
        """-1 for rejected, 0 for unrated, 1…5 stars; None without a rating."""
        value = self.values.get(RATING)
        if value is None:
            return None
        # Some programs leave it empty for unrated. XMP allows fractions.
        return _number(value.text) if value.text else 0

    @property
    def is_by_hand(self) -> bool:
        """Return whether the rating is not what `mlsp` wrote: another program's, or changed or taken away since."""
        mark = self.values.get(written(RATING))
        if mark is None:
            return self.rating not in (None, 0)
        is_number = _NUMBER.fullmatch(mark.text) is not None
        return not is_number or self.rating != _number(mark.text)

    @property
    def is_ours_by_hand(self) -> bool:
        """Return whether `mlsp` wrote it for the user, and nobody changed it since."""
        value, mark = self.values.get(RATING), self.values.get(written(RATING))
        return value is not None and mark is not None and mark.text == BY_HAND + value.text

    def is_ours(self, name: Name) -> bool:
        """Return whether a property is what `mlsp` gave by itself, and nobody changed it since."""
        value, mark = self.values.get(name), self.values.get(written(name))
        if value is None or mark is None:
            return False
        return not self.is_by_hand if name == RATING else value.text == mark.text

    @property
    def extension(self) -> str | None:
        """Extension of the photo that the sidecar names as its own, in lower case without a dot."""
        value = self.values.get(EXTENSION)
        return value.text.lower().removeprefix(".") if value else None


def parse_packet(content: bytes) -> Packet:
    """Find the rating in an XMP file.

    Args:
        content: UTF-8 or UTF-16, with or without a packet wrapper.

    Raises:
        SidecarError: it is damaged, not XMP, has a document type, or its rating cannot be understood. The message has the reason, not the file.
    """
    reader = _Reader(CodeUnits.of(content))
    parser = expat.ParserCreate(namespace_separator=_PART)
    parser.namespace_prefixes = parser.ordered_attributes = True

    def position() -> int:
        return parser.CurrentByteIndex // reader.units.width

    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartNamespaceDeclHandler = reader.open_prefix
    parser.EndNamespaceDeclHandler = reader.close_prefix
    parser.StartElementHandler = lambda name, attributes: reader.open_element(
        name, attributes[::2], position()
    )
    parser.EndElementHandler = lambda _: reader.close_element(position())
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise SidecarError(f"it is damaged or not XML: {error}") from error
    except (ValueError, LookupError) as error:
        raise SidecarError(f"its encoding is neither UTF-8 nor UTF-16: {error}") from error
    return reader.packet()


class _Reader:
    """Follows the parser; positions are in code units."""

    def __init__(self, units: CodeUnits) -> None:
        self.units = units
        self._path: list[Name] = []
        self._scopes: dict[str, list[str]] = {}
        self._values: dict[Name, Value] = {}
        self._rdf_depth: int | None = None
        self._open: tuple[Name, _Tag] | None = None
        self._insertion: InsertionPoint | None = None
        self._rdf_prefix = ""
        self._rdf_is_empty = False
        self._rdf_end = 0
        self._about: str | None = None

    def open_prefix(self, prefix: str | None, uri: str | None) -> None:
        # Stacks instead of a copy per level: a file with many declarations must not take the square of its size.
        self._scopes.setdefault(prefix or "", []).append(uri or "")

    def close_prefix(self, prefix: str | None) -> None:
        self._scopes[prefix or ""].pop()

    def open_element(self, expanded: str, attributes: list[str], start: int) -> None:
        name = _name(expanded)
        depth = len(self._path)
        if self._rdf_depth is None:
            is_top = depth == 0 or (depth == 1 and self._path[0][0] == _META)
            if name == _RDF_RDF and is_top:
                self._rdf_depth = depth
                tag = _Tag.at(self.units.text, start)
                self._rdf_prefix, self._rdf_is_empty = tag.prefix, tag.is_empty
        elif self._path[self._rdf_depth] != _RDF_RDF:
            pass
        elif depth == self._rdf_depth + 1 and name == _RDF_DESCRIPTION:
            self._read_description(_Tag.at(self.units.text, start), attributes)
        elif depth == self._rdf_depth + 2 and self._path[-1] == _RDF_DESCRIPTION and name in READ:
            self._open = (name, _Tag.at(self.units.text, start))
        self._path.append(name)

    def close_element(self, end: int) -> None:
        closed = self._path.pop()
        depth = len(self._path)
        if self._rdf_depth is None:
            return
        if depth == self._rdf_depth + 2 and self._open is not None:
            (name, tag), self._open = self._open, None
            self._add(name, tag.end, tag.end if tag.is_empty else end, None, tag.is_empty)
        elif (depth, closed) == (self._rdf_depth, _RDF_RDF) and not self._rdf_is_empty:
            self._rdf_end = end
            if self._insertion is None:
                self._insertion = InsertionPoint(
                    end, " ", self._in_scope(), False, self._rdf_prefix
                )

    def packet(self) -> Packet:
        if self._rdf_depth is None:
            raise SidecarError("it is XML but not XMP: it has no rdf:RDF where XMP has it")
        if self._insertion is None:
            raise SidecarError(
                "its rdf:RDF is an empty-element tag, which leaves no room for a rating"
            )
        return Packet(self.units, self._values, self._insertion, self._about or "", self._rdf_end)

    def _read_description(self, tag: _Tag, names: list[str]) -> None:
        if self._insertion is None:
            separator = tag.attributes[-1][1] if tag.attributes else " "
            self._insertion = InsertionPoint(
                tag.attributes_end, separator, self._in_scope(), True, self._rdf_prefix
            )
        # The parser gives names in the same order, but declarations are none to it.
        properties = (match for match in tag.attributes if not _DECLARATION.match(match[2]))
        for expanded, match in zip(names, properties, strict=True):
            name = _name(expanded)
            group = 3 if match[3] is not None else 4
            if name in (("", "about"), (RDF, "about")) and self._about is None:
                self._about = match[group].replace('"', "&quot;")
            if name in READ:
                self._add(name, match.start(group), match.end(group), match.start())

    def _in_scope(self) -> Mapping[str, str]:
        # A prefix that is not ASCII is not what it looks like in code units.
        return {
            prefix: uris[-1]
            for prefix, uris in self._scopes.items()
            if uris and prefix and prefix.isascii()
        }

    def _add(
        self,
        name: Name,
        start: int,
        end: int,
        whole_start: int | None,
        is_empty_tag: bool = False,
    ) -> None:
        raw = self.units.text[start:end]
        text = raw.strip(_SPACE)
        is_plain = not (is_empty_tag or "<" in raw or "&" in raw)
        if name in OURS_TO_WRITE:
            if name in self._values:
                raise SidecarError(
                    f"it has more than one {name[1]}, so it is not clear which one counts"
                )
            if not is_plain:
                raise SidecarError(
                    f"its {name[1]} is written in a way that is not read: {raw[:40]!r}"
                )
            if name == RATING and text and not _is_rating(text):
                raise SidecarError(f"its Rating must be -1 or 0 to 5, got {text[:40]!r}")
        start += len(raw) - len(raw.lstrip(_SPACE))
        self._values[name] = Value(text, start, start + len(text), whole_start, is_plain)


@dataclass(frozen=True, slots=True)
class _Tag:
    """A start tag or an empty-element tag, which expat has found to be well-formed.

    Attributes:
        prefix: of its name.
        attributes: a match of `ATTRIBUTE` each.
        attributes_end: behind the last one, or behind the name.
        end: behind the tag.
        is_empty: whether it is an empty-element tag.
    """

    prefix: str
    attributes: list[re.Match[str]]
    attributes_end: int
    end: int
    is_empty: bool

    @classmethod
    def at(cls, text: str, start: int) -> _Tag:
        name = _TAG_NAME.match(text, start)
        if name is None:
            raise SidecarError(
                "its tags are not where they should be: its encoding is not understood"
            )
        attributes = []
        at = name.end()
        while match := ATTRIBUTE.match(text, at):
            attributes.append(match)
            at = match.end()
        end = text.index(">", at) + 1
        prefix = name[0][1:].rpartition(":")[0]
        return cls(prefix, attributes, at, end, text[at:end].endswith("/>"))


def _name(expanded: str) -> Name:
    """Return namespace and name of what the parser gives as namespace, name and prefix, or as a name alone."""
    parts = expanded.split(_PART)
    return ("", parts[0]) if len(parts) == 1 else property_name(parts[0], parts[1])


def _refuse_document_type(name: str, *_: object) -> None:
    raise SidecarError(
        f"it declares a document type, {name!r}: XMP never does, and an XML bomb could hide in it"
    )


def _is_rating(text: str) -> bool:
    return len(text) < 20 and _NUMBER.fullmatch(text) is not None and -1 <= _number(text) <= 5


def _number(text: str) -> int:
    return math.floor(float(text) + 0.5)
