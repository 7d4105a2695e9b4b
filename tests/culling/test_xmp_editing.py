"""Ratings into XMP and out again: nothing else changes, two other programs read the result."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsp.base.errors import SidecarError
from mlsp.culling.marks import Marks
from mlsp.culling.xmp.editing import EMPTY_SIDECAR
from mlsp.culling.xmp.labels import flag_in, is_labelled_by_hand, label_in
from mlsp.culling.xmp.marking import with_marks
from mlsp.culling.xmp.packet import parse_packet
from mlsp.culling.xmp.suggesting import is_suggested, with_suggestion, without_suggestion
from xmp_samples import (
    DARKTABLE,
    DIGIKAM,
    EXIFTOOL,
    LIGHTROOM,
    SAMPLES,
    read_by_exiftool,
    read_by_exiv2,
)

XMP = 'xmlns:xmp="http://ns.adobe.com/xap/1.0/"'


def xmp(descriptions: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f"{descriptions}</rdf:RDF></x:xmpmeta>"
    ).encode()


def check_has(content: bytes, marks: Marks) -> None:
    packet = parse_packet(content)
    assert marks.rating in (None, packet.rating)
    assert marks.label in (None, label_in(packet))
    assert marks.flag in (None, flag_in(packet))


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(
    "marks", [Marks(1), Marks(5, "pick", "green"), Marks(None, "reject")], ids=str
)
def test_what_is_not_ours_stays_byte_for_byte(name: str, marks: Marks) -> None:
    content = SAMPLES[name]
    rated = with_suggestion(content, marks)
    check_has(rated, marks)
    assert without_suggestion(rated) == content
    # What exiv2's reader, which is Adobe's, says of everything else is the same, too.
    before, after = read_by_exiv2(content), read_by_exiv2(rated)
    assert after["Xmp.xmp.Rating"] == after["Xmp.mlsp.WrittenRating"] == str(marks.rating)
    ours = {"Xmp.xmp.Rating", "Xmp.xmp.Label", "Xmp.digiKam.PickLabel"}
    found = [
        {key: value for key, value in values.items() if key not in ours and "Xmp.mlsp." not in key}
        for values in (before, after)
    ]
    assert found[0] == found[1]


def test_exiftool_reads_every_sample_and_utf_16(tmp_path: Path) -> None:
    contents = {
        "new": EMPTY_SIDECAR,
        **SAMPLES,
        "utf-16": DARKTABLE.replace(b"UTF-8", b"UTF-16").decode().encode("utf-16"),
    }
    files = []
    for rating, (name, content) in enumerate(contents.items()):
        file = tmp_path / f"{name}.xmp"
        file.write_bytes(with_suggestion(content, Marks(rating % 5 + 1)))
        files.append(file)
    for rating, found in enumerate(read_by_exiftool(files)):
        assert "ExifTool:Warning" not in found
        assert found["XMP-xmp:Rating"] == rating % 5 + 1, found["SourceFile"]
    assert len(files) == 7


def test_a_rating_is_changed_in_its_place() -> None:
    rated = with_suggestion(DARKTABLE, Marks(3))
    assert rated.replace(b'xmp:Rating="3"', b'xmp:Rating="0"', 1) == DARKTABLE.replace(
        b'darktable:history_end="1"',
        b'darktable:history_end="1"\n'
        b'   mlsp:WrittenRating="3"\n'
        b'   xmlns:mlsp="https://github.com/mlsp-photos/mlsp/xmp/1.0/"\n'
        b'   mlsp:ReplacedRating="0"',
    )
    again = with_suggestion(rated, Marks(5))
    assert again == rated.replace(b'Rating="3"', b'Rating="5"')
    assert without_suggestion(again) == DARKTABLE


def test_a_rating_in_another_description_and_under_another_prefix() -> None:
    rated = with_suggestion(EXIFTOOL, Marks(2))
    assert b"<xap:Rating>2</xap:Rating>" in rated
    assert b"xmp:Rating" not in rated
    assert rated.index(b"mlsp:WrittenRating") < rated.index(b"dc:format")


def test_ratings_of_other_things_are_not_the_photos() -> None:
    packet = parse_packet(LIGHTROOM)
    assert packet.rating is None
    assert packet.extension == "cr2"
    assert b'changed="/metadata" xmp:Rating="2"' in with_suggestion(LIGHTROOM, Marks(4))


@pytest.mark.parametrize(
    ("attribute", "rating", "is_by_hand"),
    [
        ("", None, False),
        ('xmp:Rating="0"', 0, False),
        ('xmp:Rating=""', 0, False),
        ('xmp:Rating="4"', 4, True),
        ('xmp:Rating=" -1 "', -1, True),
        ('xmp:Rating="+2.5"', 3, True),
        ('xmp:Rating="4" m:WrittenRating="4"', 4, False),
        ('xmp:Rating="4.0" m:WrittenRating="4"', 4, False),
        ('xmp:Rating="3" m:WrittenRating="4"', 3, True),
        ('xmp:Rating="0" m:WrittenRating="4"', 0, True),
        ('m:WrittenRating="4"', None, True),
        ('xmp:Rating="4" m:WrittenRating="hand 4"', 4, True),
    ],
)
def test_whose_rating_it_is(attribute: str, rating: int | None, is_by_hand: bool) -> None:
    own = 'xmlns:m="https://github.com/mlsp-photos/mlsp/xmp/1.0/"'
    packet = parse_packet(xmp(f'<rdf:Description rdf:about="" {XMP} {own} {attribute}/>'))
    assert (packet.rating, packet.is_by_hand) == (rating, is_by_hand)


def test_a_rating_by_hand_is_marked_as_such() -> None:
    by_hand = with_marks(with_suggestion(DARKTABLE, Marks(4)), Marks(4))
    packet = parse_packet(by_hand)
    assert (packet.rating, packet.is_by_hand, packet.is_ours_by_hand) == (4, True, True)
    assert with_suggestion(by_hand, Marks(4)) == by_hand
    changed = parse_packet(by_hand.replace(b'xmp:Rating="4"', b'xmp:Rating="2"'))
    assert (changed.is_by_hand, changed.is_ours_by_hand) == (True, False)


def test_only_our_rating_is_taken_out() -> None:
    for content in (
        DIGIKAM,
        DARKTABLE,
        with_suggestion(DIGIKAM, Marks(2)).replace(b'xmp:Rating="2"', b'xmp:Rating="3"'),
    ):
        with pytest.raises(SidecarError, match="^the rating in it is not one that mlsp wrote$"):
            without_suggestion(content)


def test_our_rating_is_taken_out_of_a_file_that_another_program_has_rewritten() -> None:
    theirs = DARKTABLE.replace(b'Rating="0"', b'Rating="3"')
    for content, rating, is_by_hand in ((DARKTABLE, 0, False), (theirs, 3, True)):
        rewritten = with_suggestion(content, Marks(2)).replace(
            b"mlsp:ReplacedRating=", b'darktable:raw="1" mlsp:ReplacedRating='
        )
        packet = parse_packet(without_suggestion(rewritten))
        assert (packet.rating, packet.is_by_hand) == (rating, is_by_hand)


NO_XMP = "it is XML but not XMP: it has no rdf:RDF where XMP has it"
TWO = "it has more than one Rating, so it is not clear which one counts"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is damaged or not XML: no element found: line 1, column 0"),
        (b"\xff\xd8\xff\xe0 a photo", "it is damaged or not XML: not well-formed (invalid token): line 1, column 0"),
        (DARKTABLE[:-20], "it is damaged or not XML: unclosed token: line 21, column 1"),
        (DARKTABLE.replace(b"xmlns:xmp=", b"xmlns:map="), "it is damaged or not XML: unbound prefix: line 4, column 2"),
        (b"<svg/>", NO_XMP),
        (b'<a><b><RDF xmlns="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></b></a>', NO_XMP),
        (
            b'<RDF xmlns="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>',
            "its rdf:RDF is an empty-element tag, which leaves no room for a rating",
        ),
        (
            b'<?xml version="1.0" encoding="shift_jis"?>' + EMPTY_SIDECAR,
            "its encoding is neither UTF-8 nor UTF-16: multi-byte encodings are not supported",
        ),
        (EMPTY_SIDECAR.decode().encode("utf-32"), "it is damaged or not XML: not well-formed (invalid token): line 1, column 1"),
        (
            b'<!DOCTYPE bomb [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + EMPTY_SIDECAR,
            "it declares a document type, 'bomb': XMP never does, and an XML bomb could hide in it",
        ),
        (
            b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + EMPTY_SIDECAR,
            "it declares a document type, 'x': XMP never does, and an XML bomb could hide in it",
        ),
        (xmp(f'<rdf:Description {XMP} xmp:Rating="3"><xmp:Rating>3</xmp:Rating></rdf:Description>'), TWO),
        (xmp(f'<rdf:Description {XMP} xmp:Rating="3"/><rdf:Description {XMP} xmp:Rating="3"/>'), TWO),
        (xmp(f'<rdf:Description {XMP} xmp:Rating="6"/>'), "its Rating must be -1 or 0 to 5, got '6'"),
        (xmp(f'<rdf:Description {XMP} xmp:Rating="good"/>'), "its Rating must be -1 or 0 to 5, got 'good'"),
        (
            xmp(f"<rdf:Description {XMP}><xmp:Rating><!-- ? -->3</xmp:Rating></rdf:Description>"),
            "its Rating is written in a way that is not read: '<!-- ? -->3'",
        ),
        (
            xmp(f"<rdf:Description {XMP}><xmp:Rating/></rdf:Description>"),
            "its Rating is written in a way that is not read: ''",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(SidecarError, match=f"^{re.escape(message)}$"):
        with_suggestion(content, Marks(3))


def test_what_is_nested_deeply_is_no_trouble() -> None:
    deep = "".join(f'<a xmlns:p{number}="u">' for number in range(5_000))
    content = xmp(f'<rdf:Description rdf:about="" {XMP}>{deep}{"</a>" * 5_000}</rdf:Description>')
    assert without_suggestion(with_suggestion(content, Marks(3))) == content


@st.composite
def sidecars(draw: st.DrawFn) -> bytes:
    """XMP in all the forms that it may have."""
    quote = draw(st.sampled_from("'\""))
    newline = draw(st.sampled_from(["\n", "\r\n", "\r", " "]))
    prefix = draw(st.sampled_from(["xmp", "xap", "mlsp", "é"]))
    at_root = draw(st.booleans())
    declared = f"xmlns:{prefix}={quote}http://ns.adobe.com/xap/1.0/{quote}"
    count = draw(st.integers(0, 3))
    rated = draw(st.none() | st.integers(0, count - 1)) if count else None
    rating = draw(st.sampled_from(["0", "", "3", "-1", " 2 ", "4.0", "\n1"]))
    as_element = draw(st.booleans())
    text = draw(
        st.text(
            st.characters(
                codec="utf-8", exclude_categories=["Cc"], exclude_characters="<&'\"\ufffe\uffff"
            )
        )
    )
    descriptions = []
    for number in range(count):
        parts = [f"rdf:about={quote}{quote}"] if draw(st.booleans()) else []
        if not at_root:
            parts.append(declared)
        if draw(st.booleans()):
            parts.append(f"{prefix}:Label = {quote}{text}{quote}")
        inner = draw(
            st.sampled_from(
                [
                    "",
                    f"<!-- {prefix}:Rating -->",
                    f"<{prefix}:Nickname>{text.replace('>', '')}</{prefix}:Nickname>",
                ]
            )
        )
        if number == rated and as_element:
            inner += f"<{prefix}:Rating >{rating}</{prefix}:Rating>"
        elif number == rated:
            parts.insert(
                draw(st.integers(0, len(parts))), f"{prefix}:Rating={quote}{rating}{quote}"
            )
        tag = newline.join(["<rdf:Description", *parts]) + draw(st.sampled_from(["", newline]))
        if inner or draw(st.booleans()):
            descriptions.append(f"{tag}>{inner}</rdf:Description >")
        else:
            descriptions.append(f"{tag}/>")
    rdf = f"<rdf:RDF xmlns:rdf={quote}http://www.w3.org/1999/02/22-rdf-syntax-ns#{quote} {declared if at_root else ''}>"
    document = rdf + newline + newline.join(descriptions) + newline + "</rdf:RDF>"
    if draw(st.booleans()):
        document = f"<m:xmpmeta xmlns:m={quote}adobe:ns:meta/{quote}>{document}</m:xmpmeta>"
    if draw(st.booleans()):
        document = f"<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>{newline}{document}{' ' * 99}<?xpacket end='w'?>"
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "le", "be"]))
    marks = {"le": (b"\xff\xfe", "utf-16-le"), "be": (b"\xfe\xff", "utf-16-be")}
    mark, codec = marks.get(encoding, (b"", encoding))
    return (
        mark
        + document.encode(codec)
        + (newline * draw(st.integers(0, 2))).encode(codec.removesuffix("-sig"))
    )


def suggestions() -> st.SearchStrategy[Marks]:
    flags, labels = st.sampled_from([None, "pick"]), st.sampled_from([None, "red", "purple"])
    others = st.sampled_from([Marks(flag="reject"), Marks(label="green"), Marks(flag="pick")])
    return st.builds(Marks, st.integers(1, 5), flags, labels) | others


@given(content=sidecars(), first=suggestions(), second=suggestions())
def test_taking_ours_out_gives_the_file_back(content: bytes, first: Marks, second: Marks) -> None:
    before = parse_packet(content)
    rated = with_suggestion(content, first)
    check_has(rated, first)
    ElementTree.fromstring(rated)  # noqa: S314 - made above
    assert with_suggestion(rated, first) == rated
    if first.rating is not None and before.rating == first.rating:
        return  # a person gave it
    assert not is_labelled_by_hand(parse_packet(rated)) or first.label is None
    assert without_suggestion(rated) == content
    changed = with_suggestion(rated, second)
    check_has(changed, second)
    if is_suggested(parse_packet(changed)):
        assert without_suggestion(changed) == content
