"""Everything that can go wrong, as one tree.

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
    │   └── FeatureValueError        features do not fit into the form in which they are kept
    ├── RatingsError             a rating table cannot be used
    ├── SidecarError             an XMP sidecar is damaged, foreign or cannot be written
    ├── SettingsError            an argument is out of range or unknown (also a ValueError)
    └── MissingExtraError        an optional dependency is not installed (also an ImportError)

Every message says what is wrong with which thing, what was expected and found, and what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
    """The photo, or a view of it, has fewer pixels than the network needs."""


class EngineError(MlspError):
    """A network failed on an input that it should take: out of memory, say."""


class ModelError(MlspError):
    """A model folder is damaged, foreign or missing."""


class WeightsError(MlspError):
    """A weights file is missing, damaged or of another network."""


class FeatureStoreError(MlspError):
    """A feature file is damaged or holds another kind of features."""


class FeatureValueError(FeatureStoreError):
    """Features do not fit into the form in which they are kept; other photos' may."""


class RatingsError(MlspError):
    """A rating table cannot be used."""


class SidecarError(MlspError):
    """An XMP sidecar is damaged, foreign or cannot be written; it is left as it was."""


class SettingsError(MlspError, ValueError):
    """An argument is out of range or unknown."""


class MissingExtraError(MlspError, ImportError):
    """An optional dependency is not installed.

    Args:
        purpose: what it is needed for, as the start of a sentence.
        extra: name of the extra that brings it.
    """

    def __init__(self, purpose: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{purpose} needs an extra: pip install 'mlsp[{extra}]'")


def unknown_name(noun: str, name: str, known: Iterable[str]) -> str:
    """Message for a name that is not known, with the close ones first.

    Args:
        noun: what is named, in the singular.
        name: the unknown name.
        known: the names there are.

    Returns:
        One sentence or two.

    Examples:
        >>> unknown_name("head", "qualty", ["quality", "beauty"])
        "unknown head 'qualty': did you mean 'quality'? Known: 'beauty', 'quality'"
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    listed = ", ".join(map(repr, names)) or "none"
    return f"unknown {noun} {name!r}: {hint}Known: {listed}"
