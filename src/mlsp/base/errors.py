"""Tree of all errors that `mlsp` raises on purpose.

    MlspError
    ├── PhotoError               a photo cannot be scored; a value in results, not raised by a run
    │   ├── UnreadablePhotoError     missing, forbidden, empty, truncated or damaged
    │   ├── UnsupportedPhotoError    not a photo, or a format that is not read
    │   ├── PhotoTooLargeError       more pixels than the limit
    │   └── PhotoTooSmallError       fewer pixels than the network needs
    ├── EngineError              a network failed on an input that it should take
    ├── ModelError               a model folder is damaged, foreign or missing
    ├── WeightsError             a weights file is missing, damaged or of another network
    ├── FeatureStoreError        a feature file is damaged or of another kind
    │   └── FeatureValueError        features do not fit into the form in which they are stored
    ├── RatingsError             a rating table cannot be used
    ├── TrainingError            a training run cannot go on
    ├── OutputError              an output cannot be written or continued
    ├── SidecarError             an XMP sidecar is damaged, foreign or cannot be written
    ├── SettingsError            an argument is out of range or unknown (also a ValueError)
    └── MissingExtraError        an optional dependency is not installed (also an ImportError)

Every message gives what is wrong with which thing, what was expected and found, and what to do. Every
error can be pickled and copied, so that it can come from another process.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any


class MlspError(Exception):
    """Base of all errors that `mlsp` raises on purpose."""


class PhotoError(MlspError):
    """A photo cannot be used; its subclasses say why."""


class UnreadablePhotoError(PhotoError):
    """The photo is missing, forbidden, empty, truncated or damaged."""


class UnsupportedPhotoError(PhotoError):
    """The content is not a photo, or of a format that is not read."""


class PhotoTooLargeError(PhotoError):
    """The photo has more pixels than the limit."""


class PhotoTooSmallError(PhotoError):
    """The photo, or a crop of it, has fewer pixels than the network needs."""


class EngineError(MlspError):
    """A network failed on an input that it should take: out of memory, for example."""


class ModelError(MlspError):
    """A model folder is damaged, foreign or missing."""


class WeightsError(MlspError):
    """A weights file is missing, damaged or of another network."""


class FeatureStoreError(MlspError):
    """A file of features is damaged or holds features of another kind."""


class FeatureValueError(FeatureStoreError):
    """Features of one photo do not fit into the form in which they are stored; others' may."""


class RatingsError(MlspError):
    """A rating table cannot be used."""


class TrainingError(MlspError):
    """A training run cannot go on: the loss became NaN, or what it would resume from is damaged."""


class OutputError(MlspError):
    """An output cannot be written: full disk, no permission, or something else stands there."""


class SidecarError(MlspError):
    """An XMP sidecar is damaged, foreign or cannot be written; it is left as it was."""


class SettingsError(MlspError, ValueError):
    """An argument is out of range or unknown."""


class MissingExtraError(MlspError, ImportError):
    """An optional dependency is not installed.

    Args:
        purpose: what it is needed for, as the start of a sentence.
        extra: name of the extra that brings it.

    Attributes:
        purpose: as given.
        extra: as given.
    """

    def __init__(self, purpose: str, extra: str) -> None:
        self.purpose = purpose
        self.extra = extra
        super().__init__(
            f"{purpose} needs an extra: pip install '.[{extra}]' in the folder of mlsp's source"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # By default an exception is made anew from its message alone.
        return type(self), (self.purpose, self.extra), self.__dict__


@contextlib.contextmanager
def needs_extra(purpose: str, extra: str, *modules: str) -> Iterator[None]:
    """Turn a failed import of one of these modules into a `MissingExtraError`; others pass.

    Args:
        purpose: see `MissingExtraError`.
        extra: name of the extra that brings the modules.
        modules: top-level names.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in modules:
            raise
        raise MissingExtraError(purpose, extra) from error


def unknown_name(noun: str, name: object, known: Iterable[str]) -> str:
    """Return the message for a name that is not known, with close ones first.

    Args:
        noun: what is named, in the singular.
        name: the unknown name, or what was given in place of one.
        known: the names there are.

    Returns:
        One sentence or two.

    Examples:
        >>> unknown_name("head", "qualty", ["quality", "beauty"])
        "unknown head 'qualty': did you mean 'quality'? Known: 'beauty', 'quality'"
    """
    names = sorted(known)
    listed = ", ".join(map(repr, names)) or "none"
    return f"unknown {noun} {name!r}: {_hint(str(name), names)}Known: {listed}"


def missing_column(table: str, column: str, known: Iterable[str], option: str) -> str:
    """Return the message for a column that a table lacks, with close ones first.

    Args:
        table: its name.
        column: the name of the column.
        known: those to choose from.
        option: of the command line, by which a column is named.

    Examples:
        >>> missing_column("table t.csv", "them", ["mos", "theme"], "--group")
        "table t.csv has no column 'them': did you mean 'theme'? Name one of 'mos', 'theme' by --group"
        >>> missing_column("table t.csv", "them", [], "--group")
        "table t.csv has no column 'them', and no other to choose: leave --group out"
    """
    names = list(known)
    lacks = f"{table} has no column {column!r}"
    if not names:
        return f"{lacks}, and no other to choose: leave {option} out"
    hint = _hint(column, names)
    verb = "Name" if hint else "name"
    return f"{lacks}: {hint}{verb} one of {', '.join(map(repr, names))} by {option}"


def _hint(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(map(repr, close))}? " if close else ""
