"""Text for people: names that a terminal can show, lists that stay short."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_FIRST_BYTE, _LAST_BYTE = 0xDC80, 0xDCFF  # surrogates that represent bytes that are not UTF-8
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
    if _FIRST_BYTE <= ord(character) <= _LAST_BYTE:
        return f"\\x{ord(character) & 0xFF:02x}"
    return character.encode("unicode_escape").decode("ascii")


def normal_name(name: str) -> str:
    """Return a file's name as it is compared: é may be one character or two, as the system that wrote it likes.

    Examples:
        >>> normal_name("cafe\u0301.jpg") == "caf\u00e9.jpg"
        True
    """
    return unicodedata.normalize("NFC", name)


_MAX_NAMED = 10


def listed(names: Iterable[str]) -> str:
    """Return names for a message: the first ten, and how many more there are.

    Args:
        names: of photos.

    Examples:
        >>> listed(["a.jpg", "b.jpg"])
        "'a.jpg', 'b.jpg'"
    """
    every = list(names)
    text = ", ".join(map(repr, every[:_MAX_NAMED]))
    more = len(every) - _MAX_NAMED
    return f"{text} and {more} more" if more > 0 else text
