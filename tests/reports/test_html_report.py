"""The HTML report in a real browser; what a user sees and does."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import IFD, Base

import mlsp.reports
from mlsp.base.errors import UnreadablePhotoError
from mlsp.base.results import ScoreFailure
from mlsp.culling.marks import Marks
from mlsp.culling.xmp import rate_shot, write_shot_marks
from mlsp.photos.thumbnails import MIN_BYTES
from mlsp.reports import write_report
from mlsp.reports.html_report import link, picture_size, write_html
from mlsp.reports.rows import ReportModel
from mlsp.scoring.results import Score, ScoreResult

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

HEADS = ("quality", "beauty")
STATIC = Path(mlsp.reports.__file__).parent / "gallery"


def scored(
    photo: Path, quality: float, beauty: float, size: tuple[int, int] = (400, 300)
) -> ScoreResult:
    """Scores whose percentiles are given; the values are a hundredth of them."""
    scores = {
        "quality": Score(quality / 100, quality),
        "beauty": Score(beauty / 100, beauty),
    }
    return ScoreResult(photo, scores, *size)


def draw(path: Path, colour: str, size: tuple[int, int] = (400, 300), taken: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    Image.new("RGB", size, colour).save(path, "JPEG", exif=exif)
    os.utime(path, (1.6e9, 1.6e9))  # 2020-09-13
    return path


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos in two folders below, and their report."""
    folder = tmp_path_factory.mktemp("trip") / "lake & hill"
    results = [
        scored(draw(folder / "sun" / "a1.jpg", "orange", taken="2024:05:01 08:00:00"), 90, 92),
        scored(draw(folder / "sun" / "a2.jpg", "gold", taken="2024:05:02 09:30:00"), 80, 84),
        scored(draw(folder / "sun" / "old" / "b1.jpg", "brown", (300, 400)), 75, 71, (300, 400)),
        scored(draw(folder / "rain" / "c10.jpg", "navy", taken="2024:06:01 08:00:00"), 40, 90),
        scored(draw(folder / "rain" / "c9.jpg", "teal"), 30, 50),
        scored(draw(folder / "rain" / "d.jpg", "gray", (900, 600)), 10, 12, (900, 600)),
    ]
    failed = [ScoreFailure(folder / "broken.jpg", UnreadablePhotoError("the file is <i>empty</i>"))]
    write(folder / "report.html", results, failed)
    return folder


def write(path: Path, results: Sequence[ScoreResult], failed: Sequence[ScoreFailure] = ()) -> None:
    write_report(path, results, failed, ReportModel("default", HEADS))


def wait(page: Page, condition: str) -> None:
    """Wait until something holds. The browser's driver would evaluate text, which the report's policy forbids."""
    page.evaluate(
        f"""async () => {{
            const end = performance.now() + 5000;
            while (!({condition})) {{
                if (performance.now() > end) throw new Error("waited for nothing");
                await new Promise(requestAnimationFrame);
            }}
        }}"""
    )


def show(page: Page, path: Path) -> list[str]:
    """Open a report; gives the requests, and fails the test where the browser complains, of its content security policy say."""
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(path.as_uri())
    page.wait_for_selector(".g-bar")
    wait(page, "document.querySelector('.g-empty, .g-card img[src], .g-missing')")
    assert complaints == []
    return requests


def names(page: Page) -> list[str]:
    """Names of the cards, in their order."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    return list(
        page.eval_on_selector_all(
            ".g-card",
            "all => all.sort((a, b) => a.dataset.place - b.dataset.place).map(card => card.querySelector('.g-name').textContent)",
        )
    )


ALL = ["a1.jpg", "a2.jpg", "b1.jpg", "c10.jpg", "c9.jpg", "d.jpg"]


def embedded(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Data and pictures that are in a report."""
    text = path.read_text("utf-8")
    data = re.search(r'id="report">(.*?)</script>', text)
    assert data is not None
    pieces = re.findall(r'id="pictures-\d+">\n(.*?)\n</script>', text, re.DOTALL)
    return json.loads(data[1]), "\n".join(pieces).splitlines()


# What is seen


def test_photos_are_ranked_and_described(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    assert names(page) == ALL
    assert page.title() == "lake & hill: photos by score"
    assert page.text_content("h1") == "lake & hill"
    assert page.text_content(".g-count") == "6 photos"
    first = page.locator(".g-card").first
    assert first.get_attribute("aria-label") == (
        "1. a1.jpg; overall 91; quality 0.90, percentile 90; beauty 0.92, percentile 92"
    )
    widths = first.locator(".g-meter span").evaluate_all("all => all.map(bar => bar.style.width)")
    assert widths == ["90%", "92%"]
    # The picture is that of the photo.
    colour = first.locator("img").evaluate(
        """async (image) => {
            await image.decode();
            const canvas = new OffscreenCanvas(1, 1).getContext("2d");
            canvas.drawImage(image, 0, 0, 1, 1);
            return [...canvas.getImageData(0, 0, 1, 1).data];
        }"""
    )
    assert np.abs(np.subtract(colour, (255, 165, 0, 255))).max() <= 4


def test_the_page_makes_no_request(page: Page, collection: Path) -> None:
    requests = show(page, collection / "report.html")
    page.mouse.wheel(0, 5000)
    page.wait_for_timeout(100)
    assert requests == [(collection / "report.html").as_uri()]
    text = (collection / "report.html").read_text("utf-8")
    assert "default-src 'none'" in text
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == []


def test_what_the_policy_forbids_is_stopped(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    blocked: list[str] = []
    page.on("console", lambda message: blocked.append(message.text))
    page.evaluate(
        """() => {
            document.body.append(Object.assign(document.createElement("script"), { textContent: "window.hacked = 1" }));
            document.body.append(Object.assign(new Image(), { src: "http://127.0.0.1:9/pixel.png" }));
        }"""
    )
    page.wait_for_timeout(50)
    assert page.evaluate("window.hacked") is None
    assert sum("Content Security Policy" in text for text in blocked) == 2


def test_failed_photos_are_listed_with_their_reasons(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    page.click("summary")
    assert page.text_content(".g-failed summary") == "1 photo could not be scored"
    assert page.locator(".g-failed li").all_text_contents() == [
        "broken.jpg: the file is <i>empty</i>"
    ]
    # The list for programs is still there.
    assert "broken.jpg" in (collection / "report.errors.csv").read_text("utf-8")


def test_nothing_but_failures(page: Page, tmp_path: Path) -> None:
    write(
        tmp_path / "r.html", [], [ScoreFailure(tmp_path / "x.jpg", UnreadablePhotoError("empty"))]
    )
    show(page, tmp_path / "r.html")
    assert page.is_visible("text=No photo has been scored.")
    assert page.is_visible("text=1 photo could not be scored")
    page.keyboard.press("c")
    page.keyboard.press("ArrowDown")
    assert not page.is_visible(".g-viewer")


# Filters and order


def test_filter_by_name(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    page.keyboard.press("/")
    page.keyboard.type("RAIN C")
    assert names(page) == ["c10.jpg", "c9.jpg"]
    assert page.text_content(".g-count") == "2 of 6 photos"
    page.keyboard.type("zzz")
    assert names(page) == []
    assert page.is_visible(".g-empty")
    page.click("text=Show all")
    assert names(page) == ALL


def test_enter_leaves_the_field_for_the_photos(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    page.keyboard.press("/")
    page.keyboard.type("sun")
    page.keyboard.press("Enter")
    page.keyboard.press("Home")
    assert names(page) == ALL[:3]
    assert page.locator(".g-card.g-active .g-name").inner_text() == "a1.jpg"


def test_filter_by_folder_holds_those_below(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    choice = page.locator(".g-filters select", has_text="All folders")
    assert [text.strip() for text in choice.locator("option").all_text_contents()] == [
        "All folders (6)", "rain (3)", "sun (3)", "old (1)",
    ]  # fmt: skip
    choice.select_option("sun")
    assert names(page) == ["a1.jpg", "a2.jpg", "b1.jpg"]
    choice.select_option("sun/old")
    assert names(page) == ["b1.jpg"]


def test_filter_by_score(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    page.locator(".g-filters select").first.select_option("quality")
    page.locator("[aria-label='Lowest score shown']").fill("31")
    page.locator("[aria-label='Highest score shown']").fill("80")
    assert names(page) == ["a2.jpg", "b1.jpg", "c10.jpg"]
    assert page.text_content(".g-range-text") == "31 – 80 of 100"
    # The lower end stops at the upper one.
    page.locator("[aria-label='Lowest score shown']").fill("95")
    assert page.text_content(".g-range-text") == "80 – 80 of 100"
    assert names(page) == ["a2.jpg"]


def test_the_histogram_counts_all_and_the_shown(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    names(page)
    heights = "all => all.map(bar => bar.style.height)"
    page.locator(".g-filters select", has_text="All folders").select_option("rain")
    names(page)
    every = page.locator(".g-bin-all").evaluate_all(heights)
    these = page.locator(".g-bin-shown").evaluate_all(heights)
    # Bins of 4: overall 91, 82, 73, 65, 40, 11.
    assert [place for place, height in enumerate(every) if height != "0%"] == [
        2,
        10,
        16,
        18,
        20,
        22,
    ]
    assert [place for place, height in enumerate(these) if height != "0%"] == [2, 10, 16]
    assert page.get_attribute(".g-histogram", "aria-label") == (
        "Histogram of overall from 0 to 100; half of 6 are below 73"
    )


def test_filter_by_date_and_what_it_goes_by(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    assert page.text_content(".g-note") == (
        "3 photos do not say when they were taken: the file's time counts."
    )
    page.fill("[aria-label='From this day']", "2024-05-02")
    assert names(page) == ["a2.jpg", "c10.jpg"]
    page.fill("[aria-label='To this day']", "2024-05-02")
    assert names(page) == ["a2.jpg"]
    page.fill("[aria-label='From this day']", "")
    page.fill("[aria-label='To this day']", "2020-12-31")
    assert names(page) == ["b1.jpg", "c9.jpg", "d.jpg"]
    page.locator(".g-card").first.click()
    assert "file of Sep 13, 2020" in (page.text_content(".g-facts") or "")


@pytest.mark.parametrize(
    ("label", "order"),
    [
        ("quality", ALL),
        ("beauty", ["a1.jpg", "c10.jpg", "a2.jpg", "b1.jpg", "c9.jpg", "d.jpg"]),
        ("name", ["c9.jpg", "c10.jpg", "d.jpg", "a1.jpg", "a2.jpg", "b1.jpg"]),
        ("date", ["c10.jpg", "a2.jpg", "a1.jpg", "c9.jpg", "d.jpg", "b1.jpg"]),
    ],
)
def test_sort(page: Page, collection: Path, label: str, order: list[str]) -> None:
    show(page, collection / "report.html")
    page.select_option("[aria-label='Sort by']", label=label)
    assert names(page) == order
    # The rank stays that of the overall score.
    ranks = {name: str(rank) for rank, name in enumerate(ALL, 1)}
    assert (
        page.locator(".g-card", has_text="c10.jpg").locator(".g-rank").text_content()
        == ranks["c10.jpg"]
    )
    page.click("[aria-label*='turn round']")
    if label != "date":  # three have the same time: those stay in the order of their names
        assert names(page) == order[::-1]
    else:
        assert names(page) == ["c9.jpg", "d.jpg", "b1.jpg", "a1.jpg", "a2.jpg", "c10.jpg"]


def test_order_and_size_stay_when_the_page_is_loaded_again(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    page.select_option("[aria-label='Sort by']", label="name")
    page.click("[aria-label*='turn round']")
    page.click("[aria-label='Pictures only']")
    page.fill("[aria-label='Size of the pictures']", "300")
    before = names(page)
    width = page.locator(".g-card").first.bounding_box()["width"]  # type: ignore[index]
    page.reload()
    page.wait_for_selector(".g-card")
    assert names(page) == before == ["b1.jpg", "a2.jpg", "a1.jpg", "d.jpg", "c10.jpg", "c9.jpg"]
    assert page.input_value("[aria-label='Sort by']") == "photo"
    assert page.get_attribute("[aria-label='Pictures only']", "aria-pressed") == "true"
    assert page.input_value("[aria-label='Size of the pictures']") == "300"
    assert page.locator(".g-card").first.bounding_box()["width"] == width  # type: ignore[index]
    # Another tab begins as ever.
    other = page.context.new_page()
    show(other, collection / "report.html")
    assert names(other) == ALL


# By keyboard


def test_what_other_programs_say_is_shown(page: Page, tmp_path: Path) -> None:
    photos = [draw(tmp_path / f"{name}.jpg", "teal") for name in "abc"]
    write_shot_marks([photos[0]], Marks(4))
    write_shot_marks([photos[1]], Marks(flag="reject"))
    # Our own stars are nobody's.
    rate_shot([photos[2]], Marks(5))
    write(tmp_path / "r.html", [scored(photo, 50, 50) for photo in photos])
    show(page, tmp_path / "r.html")
    badges = page.locator(".g-marks")
    assert sorted(badges.all_inner_texts()) == ["", "★★★★"]
    label = page.locator(".g-card", has=badges).first.get_attribute("aria-label")
    assert label is not None
    assert label.endswith("; 4 stars")
    assert page.locator("[aria-label=Stars] option").all_inner_texts()[2] == "★★★★ and more (1)"
    page.select_option("[aria-label=Stars]", "4")
    assert names(page) == ["a.jpg"]
    page.get_by_role("button", name="Show all").click()
    page.select_option("[aria-label=Flag]", "not rejected")
    assert names(page) == ["a.jpg", "c.jpg"]


def panes(page: Page) -> list[str]:
    return page.locator(".g-pane .g-name").all_text_contents()


def test_compare_two_to_four_by_keyboard_alone(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    press = page.keyboard.press
    press("ArrowRight")  # the first becomes active
    press(" ")
    press("ArrowRight")
    press("ArrowRight")
    press(" ")
    assert page.text_content(".g-main") == "Compare 2"
    press("c")
    assert panes(page) == ["a1.jpg", "b1.jpg"]
    press("+")
    press("+")
    press("+")  # four at most
    assert panes(page) == ["a1.jpg", "b1.jpg", "c10.jpg", "c9.jpg"]
    press("ArrowRight")
    press("ArrowDown")  # another photo, none that is there already
    assert panes(page) == ["a1.jpg", "d.jpg", "c10.jpg", "c9.jpg"]
    press("ArrowUp")
    press("ArrowUp")
    assert panes(page) == ["a1.jpg", "a2.jpg", "c10.jpg", "c9.jpg"]
    press("-")
    assert panes(page) == ["a1.jpg", "c10.jpg", "c9.jpg"]
    boxes = [pane.bounding_box() for pane in page.locator(".g-pane").all()]
    # Two rows show three landscape photos larger than one would.
    assert len({box["y"] for box in boxes if box}) == 2
    press("z")
    assert (
        page.locator(".g-photo").first.evaluate("image => getComputedStyle(image).objectFit")
        == "none"
    )
    press("Escape")
    assert not page.is_visible(".g-viewer")
    # The keyboard goes on where it was.
    press("ArrowLeft")
    assert page.locator(".g-card.g-active .g-name").text_content() == "a2.jpg"
    press("Escape")
    assert page.text_content(".g-main") == "Compare"


def test_look_through_photos_one_by_one(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    assert panes(page) == ["d.jpg"]
    page.keyboard.press("ArrowRight")
    assert panes(page) == ["d.jpg"]
    page.keyboard.press("ArrowLeft")
    assert panes(page) == ["c9.jpg"]
    assert page.text_content(".g-said") == "5 of 6 · c9.jpg"
    page.keyboard.press("Escape")
    page.keyboard.press("c")  # none is chosen: this and the next, round the end
    assert panes(page) == ["d.jpg", "a1.jpg"]


def test_many_are_chosen_and_the_first_four_compared(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    cards = page.locator(".g-card")
    cards.nth(0).click(modifiers=["Control"])
    cards.nth(4).click(modifiers=["Shift"])
    assert page.locator(".g-chosen").count() == 5
    assert page.text_content(".g-hidden") == "5 photos chosen"
    assert page.text_content(".g-main") == "Compare 4"
    page.keyboard.press("c")
    assert len(panes(page)) == 4
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert page.locator(".g-chosen").count() == 0
    page.keyboard.press("Control+a")
    assert page.locator(".g-chosen").count() == 6


def test_keys_are_explained(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    page.keyboard.press("?")
    assert page.is_visible("text=compare the chosen photos")
    assert page.locator(".g-help").evaluate("dialog => dialog.scrollTop") == 0
    page.keyboard.press("Enter")
    assert not page.is_visible("text=compare the chosen photos")


# Photos themselves


def test_full_screen_shows_the_photo_itself(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    page.locator(".g-card").last.click()
    wait(page, "document.querySelector('.g-photo').naturalWidth === 900")
    assert page.get_attribute(".g-name[href]", "href") == "rain/d.jpg"


def test_a_photo_that_has_gone_is_shown_small(page: Page, tmp_path: Path) -> None:
    photo = draw(tmp_path / "a.jpg", "red", (900, 600))
    write(tmp_path / "r.html", [scored(photo, 5, 5)])
    photo.unlink()
    page.goto((tmp_path / "r.html").as_uri())
    page.locator(".g-card").click()
    page.get_by_text("Small picture: ").wait_for()
    assert page.locator(".g-photo").evaluate("image => image.naturalWidth") == 320


def test_a_photo_that_cannot_be_read_any_more(page: Page, tmp_path: Path) -> None:
    write(tmp_path / "r.html", [scored(tmp_path / "gone.jpg", 5, 5)])
    show(page, tmp_path / "r.html")
    assert page.locator(".g-missing").count() == 1
    assert names(page) == ["gone.jpg"]
    assert embedded(tmp_path / "r.html")[0]["records"][0]["captured"] is None


# Names of any kind

NASTY = [
    b'"><img src=x onerror=hacked=1>.jpg',
    b"<script>hacked=1<",  # a folder, so that the path holds the end of a script
    b"<!--<script>.jpg",
    b"latin \xe9.jpg",
    b"line\nbreak.jpg",
    "\u2028 \u202egpj.exe".encode(),
    b"$title ${x} &lt; %20.jpg",
    b"javascript:hacked=1.jpg",
    b"'\\\".jpg",
]


@pytest.mark.skipif(os.name != "posix", reason="names that only POSIX allows")
def test_large_pictures_stand_for_photos_that_are_elsewhere(page: Page, tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "a.jpg"
    photo.parent.mkdir()
    exif = Image.Exif()
    exif[Base.Model] = "Camera 1"
    exif.get_ifd(IFD.Exif)[Base.FNumber] = 2.8
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(noise).resize((1600, 1200)).save(photo, exif=exif)
    result = ScoreResult(photo, {head: Score(0.5, 50.0) for head in HEADS}, 1600, 1200)
    report = tmp_path / "sent" / "r.html"
    report.parent.mkdir()
    write_html(report, [result], [], ReportModel("default", HEADS), preview=1000)
    photo.unlink()
    show(page, report)
    with page.expect_event("requestfailed"):
        page.locator(".g-card").click()
    page.wait_for_function("document.querySelector('.g-photo').naturalWidth === 1000")
    assert page.locator(".g-facts").last.inner_text() == "f/2.8 · Camera 1"
    # Of a picture that is in the page, the browser gives the pixels.
    page.get_by_text("clipped").wait_for()
    wait(page, "!document.querySelector('.g-frame-note')")


def test_no_name_takes_effect(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "<b>$style"
    paths = [folder / os.fsdecode(name) for name in NASTY]
    paths[1] = paths[1] / "script><img src=x onerror=hacked=1>.jpg"
    for path in paths:
        draw(path, "red", (500, 400))
    results = [scored(path, 90 - place, 90) for place, path in enumerate(paths)]
    failures = [
        ScoreFailure(path.with_suffix(".bad"), UnreadablePhotoError(os.fsdecode(name)))
        for path, name in zip(paths, NASTY, strict=True)
    ]
    report = folder / "reports" / "r.html"
    report.parent.mkdir()
    write_html(report, results, failures, ReportModel("</script><b>", HEADS))
    show(page, report)
    assert page.text_content("h1") == "<b>$style"
    shown = names(page)
    assert shown[0] == '"><img src=x onerror=hacked=1>.jpg'
    assert shown[1] == "script><img src=x onerror=hacked=1>.jpg"
    assert shown[3:6] == ["latin \\xe9.jpg", "line\\nbreak.jpg", "\\u2028 \\u202egpj.exe"]
    page.click("summary")
    assert page.locator(".g-failed li").count() == len(NASTY)
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    page.locator(".g-card").first.click()
    for place in range(len(NASTY)):
        # Every photo itself is found, whatever its name.
        wait(page, "document.querySelector('.g-photo').naturalWidth === 500")
        assert panes(page) == [shown[place]]
        page.keyboard.press("ArrowRight")
    assert page.evaluate("window.hacked") is None
    assert (
        page.locator("img:not(.g-thumbnail, .g-photo), b:not(.g-failed b, .g-scores b)").count()
        == 0
    )


@pytest.mark.skipif(os.name != "posix", reason="names of POSIX")
@given(
    st.binary(min_size=1, max_size=30).filter(
        lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
    )
)
def test_a_link_leads_to_its_photo(name: bytes) -> None:
    photo = Path("/photos/2024") / os.fsdecode(name)
    url = link(photo, Path("/photos/reports/new"))
    assert re.fullmatch(r"\.\./\.\./2024/[\w.~%-]+", url, re.ASCII)
    assert unquote_to_bytes(url) == b"../../2024/" + name


# Size


def test_pictures_are_bounded_in_bytes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 600, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    done: list[ScoreResult] = []
    results = [scored(tmp_path / "noise.png", 50, 50), scored(tmp_path / "gone.jpg", 5, 5)]
    write_report(tmp_path / "r.html", results, [], ReportModel("m", HEADS), on_picture=done.append)
    assert done == results
    data, pictures = embedded(tmp_path / "r.html")
    assert pictures[1] == "-"
    content = base64.b64decode(pictures[0])
    size = picture_size(2)
    assert size.max_bytes / 2 < len(content) <= size.max_bytes
    assert Image.open(io.BytesIO(content)).format == "JPEG"
    assert data["media_type"] == "image/jpeg"


@pytest.mark.parametrize("photos", [0, 1, 2_000, 2_001, 5_000, 5_001, 15_000])
def test_all_pictures_together_are_bounded(photos: int) -> None:
    size = picture_size(photos)
    assert photos * size.max_bytes <= 60_000_000
    assert size.max_bytes >= MIN_BYTES


def test_of_5000_photos_only_those_in_sight_are_in_the_page(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    first = draw(folder / "0.jpg", "red")
    results = [scored(folder / f"{place}.jpg", 100 - place / 50, 50) for place in range(5000)]
    results[3210] = replace(results[3210], source=first)
    write(tmp_path / "r.html", results)
    requests = show(page, tmp_path / "r.html")
    assert page.locator(".g-card").count() < 60
    page.keyboard.press("End")
    assert names(page)[-1] == "4999.jpg"
    assert page.locator(".g-card").count() < 60
    page.evaluate("window.scrollTo(0, 0)")
    assert names(page)[:2] == ["0.jpg", "1.jpg"]
    # Pictures are found beyond the first piece.
    page.keyboard.press("/")
    page.keyboard.type("0.jpg")
    page.select_option("[aria-label='Sort by']", label="name")
    wait(page, "document.querySelectorAll('.g-card img[src]').length === 2")
    assert len(requests) == 1


def test_a_model_without_percentiles(page: Page, tmp_path: Path) -> None:
    photo = draw(tmp_path / "a.jpg", "red")
    scores = [Score(value, math.nan, place) for value, place in ((7.5, 75.0), (3.0, 30.0))]
    results = [ScoreResult(photo, {"taste": score}, 400, 300) for score in scores]
    results.append(ScoreResult(photo, {"taste": Score(math.nan, math.nan)}, 400, 300))
    write_html(tmp_path / "r.html", results, [], ReportModel("mine", ("taste",)))
    show(page, tmp_path / "r.html")
    labels = page.locator(".g-card").evaluate_all("all => all.map(card => card.ariaLabel)")
    assert labels == [
        "1. a.jpg; overall 75; taste 7.50",
        "2. a.jpg; overall 30; taste 3.00",
        "3. a.jpg; overall –; taste –",
    ]
    page.locator(".g-filters select").first.select_option("taste")
    assert page.text_content(".g-range-text") == "3.00 – 7.50"


# Everyone


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(page: Page, collection: Path, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    show(page, collection / "report.html")
    page.click("summary")
    page.keyboard.press("/")
    for key in ("", "c", "?"):
        if key:
            page.locator(".g-grid").focus()
            page.keyboard.press(key)
        found = Axe().run(
            page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]}
        )
        assert found.violations_count == 0, found.generate_report()
        page.keyboard.press("Escape")


@pytest.mark.parametrize("width", [320, 390, 820])
def test_fits_onto_a_phone(page: Page, collection: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    show(page, collection / "report.html")
    page.click(".g-toggle")
    assert page.is_visible(".g-histogram")
    for viewer in (False, True):
        if viewer:
            page.click(".g-main")
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
    assert len(panes(page)) == 2
    close = page.locator("[aria-label=Close]").bounding_box()
    assert close is not None
    assert close["x"] + close["width"] <= width


def test_the_focus_is_visible(page: Page, collection: Path) -> None:
    show(page, collection / "report.html")
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            continue
        outline = page.evaluate(
            "() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + parseFloat(s.outlineWidth) }"
        )
        is_grid = page.evaluate("document.activeElement.classList.contains('g-grid')")
        # The grid shows its active card instead.
        assert outline in ("solid2", "auto1") or is_grid


# What other pages build on


@pytest.fixture
def gallery(page: Page) -> Page:
    """A page of another host, which loads the gallery's modules as they are, under the strictest policy."""
    policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:"

    def serve(route: Route) -> None:
        name = route.request.url.rsplit("/", 1)[1]
        if name:
            route.fulfill(path=STATIC / name)
        else:
            body = '<!doctype html><link rel="stylesheet" href="gallery.css"><main></main>'
            headers = {"Content-Security-Policy": policy, "Content-Type": "text/html"}
            route.fulfill(body=body, headers=headers)

    page.route("http://gallery.test/**", serve)
    page.goto("http://gallery.test/")
    page.evaluate("async () => { window.Gallery = (await import('/gallery.js')).Gallery; }")
    page.evaluate(
        """() => {
            window.record = (id, overall) => ({ id, photo: `f/${id}.jpg`, folder: "f", captured: null, width: 4, height: 3, overall, scores: {} });
            window.seen = [];
            window.gallery = new Gallery(document.querySelector("main"), {
                onkey: (event, record) => { if (event.key !== "5") return false; seen.push(record.id); return true; },
                badge: (record) => document.createTextNode(record.stars ?? ""),
                badgeText: (record) => `${record.stars ?? 0} stars`,
                details: () => Object.assign(document.createElement("button"), { textContent: "rate" }),
            });
            gallery.setRecords([record("a", 9), record("b", 8)]);
            gallery.focus();
        }"""
    )
    return page


def test_a_host_gets_keys_with_their_photo(gallery: Page) -> None:
    gallery.keyboard.press("End")
    gallery.keyboard.press("5")
    gallery.keyboard.press("Enter")
    gallery.keyboard.press("ArrowLeft")
    gallery.keyboard.press("5")
    assert gallery.evaluate("seen") == ["b", "a"]
    assert gallery.locator(".g-caption button").text_content() == "rate"


def test_a_host_updates_while_the_user_looks(gallery: Page) -> None:
    gallery.keyboard.press("End")
    gallery.evaluate("gallery.update([record('c', 9.5), { ...record('b', 8), stars: 3 }])")
    wait(gallery, "gallery.shown.length === 3")
    assert names(gallery) == ["c.jpg", "a.jpg", "b.jpg"]
    # The active photo stays the active one.
    assert gallery.evaluate("gallery.active.id") == "b"
    assert gallery.locator(".g-active").get_attribute("aria-label") == (
        "3. b.jpg; overall 8; 3 stars"
    )
    gallery.evaluate("gallery.setCondition('stars', (record) => record.stars > 2)")
    assert names(gallery) == ["b.jpg"]
    gallery.evaluate("gallery.setCondition('stars', null)")
    assert names(gallery) == ["c.jpg", "a.jpg", "b.jpg"]


def test_a_host_adds_a_score(gallery: Page) -> None:
    gallery.evaluate("gallery.update([{ ...record('b', 8), scores: { taste: [0.5, 70] } }])")
    gallery.evaluate("gallery.setColumns(['taste'])")
    assert gallery.locator(".g-value").all_text_contents() == ["–", "70"]
    gallery.select_option("[aria-label='Sort by']", label="taste")
    assert names(gallery) == ["b.jpg", "a.jpg"]
    gallery.locator(".g-filters select").first.select_option("taste")
    gallery.evaluate("gallery.setColumns([])")
    # What was sorted by is gone.
    assert names(gallery) == ["a.jpg", "b.jpg"]
    assert gallery.locator(".g-filters select").first.input_value() == "overall"


def test_what_is_in_sight_stays_while_better_photos_come(gallery: Page) -> None:
    many = "Array.from({ length: 400 }, (_, place) => record(`${place}`, 80 - place / 10))"
    gallery.evaluate(f"gallery.setRecords({many})")
    gallery.evaluate("window.scrollTo(0, 5000)")
    card = gallery.locator("[aria-label^='101. ']")
    name, before = card.locator(".g-name").text_content(), card.bounding_box()
    drawn = card.element_handle()
    better = "Array.from({ length: 80 }, (_, place) => record(`better ${place}`, 90))"
    gallery.evaluate(f"gallery.update({better})")
    wait(gallery, "gallery.shown.length === 480")
    card = gallery.locator("[aria-label^='181. ']")
    assert card.locator(".g-name").text_content() == name
    assert card.bounding_box() == before
    # It is the same card: its picture is not loaded again.
    assert card.evaluate("(now, before) => now === before", drawn)
    assert gallery.locator(".g-card").count() < 60


def test_a_host_refreshes_its_badge(gallery: Page) -> None:
    gallery.evaluate("gallery.record('a').stars = 5; gallery.remark('a')")
    assert gallery.locator(".g-badge").all_text_contents() == ["5", ""]


# The command


def test_score_writes_a_page(page: Page, examples: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    done = subprocess.run(
        [sys.executable, "-m", "mlsp", "score", examples, tmp_path / "empty.jpg", "-o", tmp_path / "r.HTML"],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "6 scored, 1 failed in " in done.stderr
    show(page, tmp_path / "r.HTML")
    assert len(names(page)) == 6
    assert page.is_visible("text=1 photo could not be scored")
