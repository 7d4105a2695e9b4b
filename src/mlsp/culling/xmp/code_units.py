"""The bytes of an XML file as a string with one character per code unit, and back, without a change.

Positions that expat gives in bytes become positions in that string, and ASCII text can be found and inserted, whatever else the
file contains: UTF-8 (or any one-byte encoding) as Latin-1, UTF-16 with its surrogates apart.
"""

from __future__ import annotations

from dataclasses import dataclass

_UTF16_STARTS = {
    b"\xff\xfe": "<",
    b"\xfe\xff": ">",
    # Without a byte order mark, as expat takes it too.
    b"<\0": "<",
    b"\0<": ">",
}


@dataclass(frozen=True, slots=True)
class CodeUnits:
    """A file's code units.

    Attributes:
        text: one character per unit; only ASCII characters are what they look like.
        byte_order: of 16-bit units, `<` or `>`; None for 8-bit units.
    """

    text: str
    byte_order: str | None

    @classmethod
    def of(cls, content: bytes) -> CodeUnits:
        """Split a file into its code units; a last half unit is left to the parser to refuse."""
        byte_order = _UTF16_STARTS.get(content[:2])
        if byte_order is None:
            return cls(content.decode("latin-1"), None)
        order = "little" if byte_order == "<" else "big"
        pairs = range(0, len(content) - 1, 2)
        units = (int.from_bytes(content[at : at + 2], order) for at in pairs)  # type: ignore[arg-type]
        return cls("".join(map(chr, units)), byte_order)

    @property
    def width(self) -> int:
        """Bytes per unit."""
        return 1 if self.byte_order is None else 2

    def edited(self, edits: list[tuple[int, int, str]]) -> bytes:
        """Return the file with some units replaced.

        Args:
            edits: start, end and the ASCII text that replaces them; without overlap, in any order.
        """
        text = self.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        if self.byte_order is None:
            return text.encode("latin-1")
        encoding = "utf-16-le" if self.byte_order == "<" else "utf-16-be"
        return text.encode(encoding, "surrogatepass")
