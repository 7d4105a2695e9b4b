"""Keywords into XMP and out again, and as other programs read them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mlsp.base.errors import SettingsError, SidecarError
from mlsp.cli.app import app
from mlsp.culling.marks import Marks
from mlsp.culling.xmp import rate_shot
from mlsp.culling.xmp.editing import EMPTY_SIDECAR
from mlsp.culling.xmp.keywords import RUN_KEYWORDS, keyword_kinds, keywords_of, with_keywords
from mlsp.culling.xmp.packet import parse_packet
from mlsp.culling.xmp.rating import remove_stars
from mlsp.culling.xmp.suggesting import with_suggestion, without_suggestion
from xmp_samples import DARKTABLE, DIGIKAM, EXIFTOOL, SAMPLES, read_by_exiftool, read_by_exiv2

OURS = ["mlsp|score|83", "mlsp|burst|Zoë & 1<2"]
TAGGED = DARKTABLE.replace(
    b"   <darktable:history>",
    b'   <dc:subject xmlns:dc="http://purl.org/dc/elements/1.1/">\n    <rdf:Bag>\n'
    b"     <rdf:li>Rome</rdf:li>\n     <rdf:li>a|b</rdf:li>\n    </rdf:Bag>\n   </dc:subject>\n"
    b"   <darktable:history>",
    1,
)
EMPTY_LIST = TAGGED.replace(b"\n     <rdf:li>Rome</rdf:li>\n     <rdf:li>a|b</rdf:li>\n    ", b"")
CONTENTS = {"new": EMPTY_SIDECAR, "tagged": TAGGED, "empty list": EMPTY_LIST, **SAMPLES}


def keywords_in(content: bytes) -> list[str]:
    return keywords_of(parse_packet(content))


@pytest.mark.parametrize("name", CONTENTS)
def test_they_are_taken_out_to_the_byte(name: str) -> None:
    content = CONTENTS[name]
    tagged = with_keywords(content, OURS)
    assert keywords_in(tagged) == OURS
    assert with_keywords(tagged, OURS) == tagged
    other = with_keywords(tagged, ["mlsp|rank|07"])
    assert keywords_in(other) == ["mlsp|rank|07"]
    for changed in (tagged, other):
        assert with_keywords(changed, ()) == content
    rated = with_suggestion(tagged, Marks(5, None, "red"))
    assert with_keywords(without_suggestion(rated), ()) == content


def test_two_other_programs_read_them_beside_the_others() -> None:
    found = read_by_exiv2(with_keywords(TAGGED, OURS))
    assert found["Xmp.dc.subject"] == ["Rome", "a|b", *OURS]
    assert found["Xmp.lr.hierarchicalSubject"] == OURS
    tags = "Menschen/Zoë & Ötzi 📷"
    found = read_by_exiv2(with_keywords(DIGIKAM, OURS))
    assert found["Xmp.digiKam.TagsList"] == [tags, "mlsp/score/83", "mlsp/burst/Zoë & 1<2"]


@pytest.mark.parametrize(
    "content", [DARKTABLE, DIGIKAM, EXIFTOOL], ids=["dt", "digikam", "exiftool"]
)
def test_utf_16(tmp_path: Path, content: bytes) -> None:
    wide = content.decode().replace("UTF-8", "UTF-16").encode("utf-16")
    tagged = with_keywords(wide, OURS)
    (tmp_path / "a.xmp").write_bytes(tagged)
    (found,) = read_by_exiftool([tmp_path / "a.xmp"])
    assert str(OURS[1]) in str(found["XMP-dc:Subject"])
    assert with_keywords(tagged, ()) == wide


def test_earlier_ones_are_replaced_wherever_a_program_has_put_them() -> None:
    sorted_ = with_keywords(TAGGED, ["mlsp|score|10"]).replace(b"Rome", b"mlsp|rank|3")
    tagged = with_keywords(sorted_, ["mlsp|score|83"])
    assert read_by_exiv2(tagged)["Xmp.dc.subject"] == ["a|b", "mlsp|score|83"]
    assert read_by_exiv2(with_keywords(tagged, ()))["Xmp.dc.subject"] == ["a|b"]


def test_a_list_that_is_not_understood_is_left_alone() -> None:
    odd = TAGGED.replace(b"<rdf:Bag>\n", b"<rdf:Bag/>", 1).replace(
        b"     <rdf:li>Rome</rdf:li>\n     <rdf:li>a|b</rdf:li>\n    </rdf:Bag>\n", b""
    )
    with pytest.raises(SidecarError, match="its subject is written in a way"):
        with_keywords(odd, OURS)


@given(
    texts=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1),
        max_size=3,
    )
)
def test_any_text(texts: list[str]) -> None:
    keywords = [f"mlsp|burst|x{text}x" for text in dict.fromkeys(texts)]
    allowed = [word for word in keywords if "\ufffe" not in word and "\uffff" not in word]
    tagged = with_keywords(EMPTY_SIDECAR, allowed)
    assert keywords_in(tagged) == allowed
    assert with_keywords(tagged, ()) == EMPTY_SIDECAR


def test_kinds_of_the_command_line() -> None:
    assert keyword_kinds(None, RUN_KEYWORDS) == ()
    assert keyword_kinds("rank, Score", RUN_KEYWORDS) == ("rank", "score")
    with pytest.raises(SettingsError, match="'burst'.*'rank', 'score'"):
        keyword_kinds("burst", RUN_KEYWORDS)


def test_score_and_pick_write_them_and_undo_and_remove_take_them_out(
    examples: Path, tmp_path: Path
) -> None:
    names = ("rocket.jpg", "chelsea.png")
    photos = [Path(shutil.copy(examples / name, tmp_path)) for name in names]
    again = Path(shutil.copy(photos[0], tmp_path / "rocket again.jpg"))
    again.write_bytes(again.read_bytes() + b"\0")
    sidecar = tmp_path / "rocket.jpg.xmp"
    sidecar.write_bytes(DIGIKAM)

    def run(*command: str) -> str:
        done = CliRunner().invoke(app, [command[0], *command[1:]])
        assert done.exit_code == 0, done.output
        return done.output

    def keywords(name: str) -> list[str]:
        return keywords_in((tmp_path / f"{name}.xmp").read_bytes())

    said = run("score", str(tmp_path), "--xmp", "--xmp-keywords", "score,rank")
    assert "keywords: 3 written, 0 unchanged; `mlsp stars undo`" in said
    assert keywords("chelsea.png")[1] == "mlsp|rank|1"
    # A photo that somebody rated keeps its stars and gets keywords.
    assert [word.rpartition("|")[0] for word in keywords("rocket.jpg")] == [
        "mlsp|score",
        "mlsp|rank",
    ]
    assert b'xmp:Rating="4"' in sidecar.read_bytes()
    run("pick", str(tmp_path), "--xmp-keywords", "rank,burst")
    assert keywords("chelsea.png") == []
    assert keywords("rocket.jpg") == ["mlsp|rank|2", "mlsp|burst|rocket again"]
    assert keywords("rocket again.jpg") == ["mlsp|rank|1", "mlsp|burst|rocket again"]
    assert run("stars", "remove", str(tmp_path)).startswith("stars: taken out of ")
    assert sidecar.read_bytes() == DIGIKAM
    for _ in range(3):
        run("stars", "undo")
    assert sidecar.read_bytes() == DIGIKAM
    assert list(tmp_path.glob("*.xmp")) == [sidecar]


def test_they_stay_beside_stars_that_change(examples: Path, tmp_path: Path) -> None:
    photo = Path(shutil.copy(examples / "rocket.jpg", tmp_path))
    rate_shot([photo], Marks(3))
    sidecar = tmp_path / "rocket.jpg.xmp"
    sidecar.write_bytes(with_keywords(sidecar.read_bytes(), OURS))
    rate_shot([photo], Marks(4, None, "blue"))
    assert keywords_in(sidecar.read_bytes()) == OURS
    assert str(remove_stars([photo])) == "stars: taken out of 2 files"
    assert sidecar.read_bytes() == EMPTY_SIDECAR
