"""Properties of XMP that are read or written, by namespace and name."""

from __future__ import annotations

from typing import TypeAlias

Name: TypeAlias = tuple[str, str]

XMP = "http://ns.adobe.com/xap/1.0/"
OWN = "https://github.com/mlsp-photos/mlsp/xmp/1.0/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DIGIKAM = "http://www.digikam.org/ns/1.0/"
# Windows ends it with a slash, exiftool does not.
_MICROSOFT = ("http://ns.microsoft.com/photo/1.0/", "http://ns.microsoft.com/photo/1.0")

RATING = (XMP, "Rating")
LABEL = (XMP, "Label")
PICK_LABEL = (DIGIKAM, "PickLabel")
COLOR_LABEL = (DIGIKAM, "ColorLabel")
DARKTABLE_LABELS = ("http://darktable.sf.net/", "colorlabels")
MICROSOFT_RATING = (_MICROSOFT[0], "Rating")
# Lists of keywords: flat, and with levels as Lightroom, digiKam and Windows write them.
SUBJECT = ("http://purl.org/dc/elements/1.1/", "subject")
HIERARCHICAL_SUBJECT = ("http://ns.adobe.com/lightroom/1.0/", "hierarchicalSubject")
DIGIKAM_TAGS = (DIGIKAM, "TagsList")
LAST_KEYWORDS = (_MICROSOFT[0], "LastKeywordXMP")
EXTENSION = ("http://ns.adobe.com/photoshop/1.0/", "SidecarForExtension")

# Before the value in our mark, where the user gave it.
BY_HAND = "hand "
# What a score may become.
SUGGESTED = (RATING, LABEL, PICK_LABEL, COLOR_LABEL)


def written(name: Name) -> Name:
    """Return the name of our mark of a property, which repeats what we wrote."""
    return OWN, f"Written{name[1]}"


def replaced(name: Name) -> Name:
    """Return the name of the property that keeps what a person had given and we replaced."""
    return OWN, f"Replaced{name[1]}"


def property_name(uri: str, name: str) -> Name:
    """Return a property's name, the same however its namespace is written."""
    return (_MICROSOFT[0] if uri in _MICROSOFT else uri), name


# Written by us alone, so they are understood, or the file is refused.
OURS_TO_WRITE = (RATING, *(own(name) for own in (written, replaced) for name in SUGGESTED))
KEYWORDS = (SUBJECT, HIERARCHICAL_SUBJECT, DIGIKAM_TAGS, LAST_KEYWORDS)
READ = frozenset(
    (*OURS_TO_WRITE, *SUGGESTED, *KEYWORDS, DARKTABLE_LABELS, MICROSOFT_RATING, EXTENSION)
)
