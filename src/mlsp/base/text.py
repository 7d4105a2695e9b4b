"""Text for people: names that a terminal can show, lists that stay short."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable

# Surrogates that represent bytes that are not UTF-8, and how these are written.
_BYTES = re.compile("[\udc80-\udcff]")
_ESCAPED_BYTES = re.compile(r"\\x([89a-f][0-9a-f])")
# Control and format characters, lone surrogates, line and paragraph separators. The two joiners are spelling in Persian and
# Hindi, and hold an emoji together.
_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


_JOINERS = "\u200c\u200d"


def printable(text: str, *, encoding: str = "utf-8") -> str:
    r"""Make any text safe to show.

    Args:
        text: a file's path, for example.
        encoding: of the terminal; what it lacks is escaped too.

    Returns:
        The text with escapes instead of characters that a terminal would act on. A backslash stays
        single, so that the text cannot be turned back into a file's exact name.

    Examples:
        >>> printable("caf\u00e9\x1b[2J\n.jpg")
        'café\\x1b[2J\\n.jpg'
    """
    if not text.isprintable():
        text = "".join(map(_printable_character, text))
    return text.encode(encoding, errors="backslashreplace").decode(encoding)


def _printable_character(character: str) -> str:
    if unicodedata.category(character) not in _ESCAPED or character in _JOINERS:
        return character
    if _BYTES.match(character):
        return escape_bytes(character)
    return character.encode("unicode_escape").decode("ascii")


def escape_bytes(name: str) -> str:
    r"""Return a file's name as UTF-8 can have it: bytes that are not UTF-8 are written as `\xff`, on screens and in tables.

    Examples:
        >>> escape_bytes("latin \udce9.jpg")
        'latin \\xe9.jpg'
    """
    if name.isascii():
        return name
    found = _BYTES.sub(lambda byte: f"\\x{ord(byte[0]) & 0xFF:02x}", name)
    # Names of Windows may have other lone surrogates.
    return found.encode(errors="backslashreplace").decode()


def unescape_bytes(name: str) -> str:
    r"""Return the name that `escape_bytes` wrote; a name that had `\xff` as text before comes out as another.

    Examples:
        >>> unescape_bytes(r"latin \xe9.jpg") == "latin \udce9.jpg"
        True
    """
    if "\\x" not in name:
        return name
    return _ESCAPED_BYTES.sub(lambda byte: chr(0xDC00 + int(byte[1], 16)), name)


def normal_name(name: str) -> str:
    """Return a file's name as it is compared: é may be one character or two, as the system that wrote it likes, and bytes may be escaped.

    Examples:
        >>> normal_name("cafe\u0301.jpg") == "caf\u00e9.jpg"
        True
    """
    return unicodedata.normalize("NFC", unescape_bytes(name))


def percentile_text(percentile: float) -> str:
    """Return a percentile without decimals, empty if it is NaN: 99.8 is not yet 100, here as on the page.

    Examples:
        >>> percentile_text(99.8), percentile_text(100.0), percentile_text(61.4), percentile_text(float("nan"))
        ('99', '100', '61', '')
    """
    if math.isnan(percentile):
        return ""
    return f"{min(percentile, 99) if percentile < 100 else percentile:z.0f}"


_MAX_NAMED = 10


def listed(names: Iterable[str]) -> str:
    """Return names for a message: the first ten, and how many more there are.

    Examples:
        >>> listed(["a.jpg", "b.jpg"])
        "'a.jpg', 'b.jpg'"
    """
    every = list(names)
    text = ", ".join(map(repr, every[:_MAX_NAMED]))
    more = len(every) - _MAX_NAMED
    return f"{text} and {more} more" if more > 0 else text
