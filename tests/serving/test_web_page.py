"""The page of `mlsp serve` in a real browser, against a real server with a small real collection."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from PIL import Image, ImageFilter, ImageOps
from PIL.ExifTags import IFD, Base

from mlsp.base.results import ScoreFailure
from mlsp.culling.marks import Marks
from mlsp.culling.shots import Shot
from mlsp.culling.xmp import read_marks, write_shot_marks
from mlsp.features.pipeline import PhotoFeatures
from mlsp.models.model import load_model
from mlsp.personal.user_ratings import UserRatings
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer
from mlsp.serving.web.app import create_app
from mlsp.serving.web.page_controller import PageController
from mlsp.serving.web.security import Access

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Route

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
VIEWS = ("photos", "compare", "taste")


class Served:
    """A server in a thread.

    Args:
        photos: a folder.
        file: where ratings are kept.
        load: loads the model.
    """

    def __init__(self, photos: Path, file: Path, load: Callable[[Path | str], Scorer]) -> None:
        self._ratings = UserRatings.open(file)
        sources = sorted(photos.rglob("*.*"))
        self.controller = PageController(
            [Shot(source) for source in sources], self._ratings, load, left_out="1 video (.mp4)"
        )
        listening = socket.create_server(("127.0.0.1", 0))
        self.access = Access(listening.getsockname()[1])
        config = uvicorn.Config(
            create_app(self.controller, self.access), log_level="error", lifespan="off", ws="none"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), daemon=True)
        self._thread.start()
        self.controller.start()
        self.address = f"http://127.0.0.1:{self.access.port}/"

    def let_in(self, page: Page) -> None:
        """Give a browser the cookie; the link itself works once."""
        cookie = {"name": self.access.cookie, "value": self.access.session, "url": self.address}
        page.context.add_cookies([cookie])  # type: ignore[list-item]

    def open(self, page: Page, view: str = "photos") -> None:
        """Show a view of the page."""
        self.let_in(page)
        page.goto(f"{self.address}#{view}")
        page.locator(f"#{view} h1").wait_for()
        if view == "photos":
            page.wait_for_selector(".g-card img[src]")

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self.controller.stop()
        self._ratings.close()


def exif(time: str, model: str = "Camera 1") -> Image.Exif:
    """What a camera writes into a photo taken at a time."""
    found = Image.Exif()
    found[Base.Model] = model
    values = {Base.DateTimeOriginal: time, Base.ExposureTime: 1 / 250, Base.ISOSpeedRatings: 400}
    found.get_ifd(IFD.Exif).update(values)  # type: ignore[arg-type]
    return found


@pytest.fixture(scope="module")
def collection(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photos in two folders, the examples light and dark, taken hours apart, and a file that is none."""
    folder = tmp_path_factory.mktemp("served") / "a trip"
    for number, source in enumerate(sorted(examples.glob("*.*g"))):
        with Image.open(source) as opened:
            small = ImageOps.contain(opened.convert("RGB"), (360, 360))
        for hour, (name, photo) in enumerate(
            (("light", small), ("dark", small.point(lambda value: value // 3)))
        ):
            path = folder / name / f"{number}_{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            photo.save(path, exif=exif(f"2024:05:03 {2 * number + hour:02}:00:00"))
    (folder / "light" / "broken.jpg").write_bytes(b"no photo")
    return folder


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer("default", workers=2)


@pytest.fixture(scope="module")
def served(
    collection: Path, scorer: Scorer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    found = Served(
        collection,
        tmp_path_factory.mktemp("ratings") / "ratings.sqlite",
        lambda model: scorer if model == "default" else Scorer(model),
    )
    assert found.controller.scoring.wait(60)
    yield found
    found.close()


@pytest.fixture
def started() -> Iterator[Callable[[Served], Served]]:
    """Ends a test's own servers with it."""
    with contextlib.ExitStack() as stack:
        yield lambda served: stack.enter_context(contextlib.closing(served))


@pytest.fixture
def opened(page: Page, served: Served, collection: Path) -> Iterator[Page]:
    """The page with all photos, of which none is rated; fails where the browser complains of the content security policy."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    for sidecar in collection.rglob("*.xmp"):
        sidecar.unlink()
    while served.controller.rated.undo()[0] is not None:
        pass
    served.controller.files.look()
    served.open(page)
    yield page
    assert [text for text in complaints if "Content Security Policy" in text] == []


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def either(opened: Page, request: pytest.FixtureRequest) -> Page:
    """The same at both widths."""
    opened.set_viewport_size(request.param)
    return opened


def api(page: Page, path: str, body: object = None) -> Any:
    """Ask the server, as the page does."""
    return page.evaluate(
        """async ([path, body]) => {
            const options = { method: "POST", headers: { "Content-Type": "application/json" }, body };
            return (await fetch(`/api/${path}`, body === null ? {} : options)).json();
        }""",
        [path, None if body is None else json.dumps(body)],
    )


def rated(page: Page) -> dict[str, tuple[int | None, str | None]]:
    """What the server knows: stars and flag by the photo's path."""
    answer = api(page, "photos?since=0")
    rows = [dict(zip(answer["fields"], row, strict=True)) for row in answer["rows"]]
    return {
        row["photo"]: (row["stars"], row["flag"]) for row in rows if row["stars"] or row["flag"]
    }


def said(page: Page, text: str) -> None:
    """Wait for what is read out and shown."""
    page.locator(".p-toast.p-shown [role=status]", has_text=text).wait_for()


def settled(page: Page) -> None:
    """Wait until nothing waits to be sent."""
    page.evaluate(
        """async () => {
            const end = performance.now() + 5000;
            while (Object.keys(localStorage).some((key) => key.startsWith("mlsp outbox"))) {
                if (performance.now() > end) throw new Error("answers still wait");
                await new Promise((done) => setTimeout(done, 20));
            }
        }"""
    )


def names(page: Page) -> list[str]:
    """Names on the cards, in their order."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    script = "all => all.sort((a, b) => a.dataset.place - b.dataset.place).map(card => card.querySelector('.g-name').textContent)"
    return list(page.eval_on_selector_all(".g-grid .g-card", script))


def check(page: Page, expected: list[str]) -> None:
    """These photos are shown; of many, the first are drawn."""
    drawn = names(page)
    assert drawn == expected[: len(drawn)]
    count = page.locator(".g-count").inner_text()
    assert int(count.split()[0]) == len(expected)


def card(page: Page, name: str) -> Locator:
    return page.locator(".g-grid .g-card", has=page.locator(f'.g-name[title$="{name}"]'))


def path_of(page: Page, place: int) -> str:
    """Path of the photo on a card."""
    found = page.locator(f'.g-card[data-place="{place}"] .g-name').get_attribute("title")
    assert found is not None
    return found


# Photos come in


class PacedScorer:
    """Gives each result only when it may."""

    def __init__(self, scorer: Scorer) -> None:
        self.model = scorer.model
        self.may = threading.Semaphore(0)
        self._scorer = scorer

    def scores_and_features(
        self, sources: Iterable[Path]
    ) -> Iterator[tuple[ScoreResult, PhotoFeatures] | ScoreFailure]:
        for result in self._scorer.scores_and_features(sources):
            assert self.may.acquire(timeout=30)
            yield result


def test_photos_come_in_while_they_are_scored(
    page: Page,
    collection: Path,
    scorer: Scorer,
    started: Callable[[Served], Served],
    tmp_path: Path,
) -> None:
    loaded = threading.Event()
    paced = PacedScorer(scorer)

    def load(_: Path | str) -> Scorer:
        assert loaded.wait(30)
        return paced  # type: ignore[return-value]

    served = started(Served(collection, tmp_path / "ratings.sqlite", load))
    served.let_in(page)
    page.goto(served.address)
    page.wait_for_selector("text=Loading the model")
    loaded.set()
    # The keys are for the photos, though there is none yet.
    page.wait_for_selector("text=0 of 13 scored")
    paced.may.release(3)
    page.wait_for_selector("text=3 of 13 scored")
    check(page, names(page))
    assert len(names(page)) == 3
    # What is rated meanwhile stays, wherever the photo comes to stand, and keeps the keys.
    page.keyboard.press("Home")
    page.keyboard.press("4")
    first = names(page)[0]
    paced.may.release(10)
    page.wait_for_selector(".g-count:text-is('12 photos')")
    page.wait_for_selector("progress[aria-label='Photos scored']", state="hidden")
    assert (page.locator(".g-failed li").text_content() or "").startswith("light/broken.jpg: ")
    active = page.locator(".g-card.g-active")
    assert active.locator(".g-name").inner_text() == first
    assert active.locator(".g-marks").inner_text() == "★★★★"
    assert page.locator(".p-progress [role=status]").inner_text() == "12 photos scored"
    assert page.is_visible("text=Left out: 1 video (.mp4)")


# Stars and flags


def test_keys_rate_the_active_photo(either: Page) -> None:
    page = either
    first, second, third = (path_of(page, place) for place in range(3))
    for key in ("Home", "4", "ArrowRight", "x", "ArrowRight", "p", "2"):
        page.keyboard.press(key)
    said(page, f"{Path(third).name}: 2 stars, picked")
    settled(page)
    assert rated(page) == {first: (4, None), second: (None, "reject"), third: (2, "pick")}
    label = card(page, first).get_attribute("aria-label")
    assert label is not None
    assert label.endswith("; 4 stars")
    assert card(page, first).locator(".g-marks").inner_text() == "★★★★"
    # Stays after the page is loaded again.
    page.reload()
    page.wait_for_selector(".g-marks.g-reject")
    assert page.locator(".g-marks").count() == 3
    # U takes the flag, then the stars; 0 the stars.
    for key in ("Home", "ArrowRight", "ArrowRight", "u"):
        page.keyboard.press(key)
    said(page, f"{Path(third).name}: 2 stars")
    page.keyboard.press("u")
    said(page, f"{Path(third).name}: rating removed")
    page.keyboard.press("Home")
    page.keyboard.press("0")
    said(page, f"{Path(first).name}: rating removed")
    settled(page)
    assert rated(page) == {second: (None, "reject")}


def test_shift_rates_and_goes_on(opened: Page) -> None:
    first, second = path_of(opened, 0), path_of(opened, 1)
    for key in ("Home", "Shift+Digit5", "Shift+P"):
        opened.keyboard.press(key)
    settled(opened)
    assert rated(opened) == {first: (5, None), second: (None, "pick")}
    assert opened.locator(".g-card.g-active").get_attribute("data-place") == "2"


def test_full_screen_keys_and_mouse(either: Page) -> None:
    page = either
    first, second = path_of(page, 0), path_of(page, 1)
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.keyboard.press("3")
    said(page, "3 stars")
    page.get_by_role("button", name="Pick").click()
    said(page, "3 stars, picked")
    stars = page.get_by_role("group", name=f"Your rating of {Path(first).name}")
    assert (
        stars.get_by_role("button", name="3 stars", exact=True).get_attribute("aria-pressed")
        == "true"
    )
    assert stars.locator(".p-lit").count() == 3
    # A star that is pressed again takes the stars away; the focus stays on it.
    stars.get_by_role("button", name="3 stars", exact=True).focus()
    page.keyboard.press("Enter")
    said(page, f"{Path(first).name}: picked")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "3 stars"
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="5 stars", exact=True).click()
    said(page, f"{Path(second).name}: 5 stars")
    settled(page)
    assert rated(page) == {first: (None, "pick"), second: (5, None)}


def test_stars_by_touch(browser: Browser, opened: Page, served: Served) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)  # type: ignore[arg-type]
    page = context.new_page()
    served.open(page)
    first = path_of(page, 0)
    page.locator(".g-card").first.locator(".g-picture").tap()
    star = page.get_by_role("button", name="4 stars", exact=True)
    box = star.bounding_box()
    assert box is not None
    assert box["width"] >= 36
    assert box["height"] >= 44
    star.tap()
    said(page, "4 stars")
    # Nothing is wider than the phone.
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    settled(page)
    assert rated(page) == {first: (4, None)}
    page.locator(".p-toast button").tap()
    said(page, "Undone")
    assert rated(page) == {}
    context.close()


def test_undo(opened: Page) -> None:
    page = opened
    first = path_of(page, 0)
    for key in ("Home", "1", "2", "3", "x"):
        page.keyboard.press(key)
    settled(page)
    page.keyboard.press("Control+z")
    said(page, "Undone: ")
    assert rated(page) == {first: (3, None)}
    page.keyboard.press("z")
    page.wait_for_function("() => document.querySelector('.g-marks').textContent === '★★'")
    page.click("button[aria-label=Undo]")
    page.wait_for_function("() => document.querySelector('.g-marks').textContent === '★'")
    # Full-screen too, from the toast.
    page.locator(".g-grid").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.keyboard.press("5")
    page.locator(".g-viewer .p-toast >> text=Undo").click()
    said(page, "Undone: ")
    page.keyboard.press("Control+z")
    page.wait_for_selector(".p-rating:not(:has(.p-lit))")
    assert rated(page) == {}
    page.keyboard.press("Control+z")
    said(page, "Nothing to undo")


def test_filter_by_rating(either: Page) -> None:
    page = either
    shown = names(page)
    paths = [path_of(page, place) for place in range(3)]
    for key in ("Home", "5", "ArrowRight", "3", "ArrowRight", "x"):
        page.keyboard.press(key)
    if page.locator(".g-toggle").is_visible():
        page.click(".g-toggle")
    page.select_option("[aria-label=Stars]", "4")
    check(page, shown[:1])
    page.select_option("[aria-label=Stars]", "some")
    check(page, shown[:2])
    page.select_option("[aria-label=Stars]", "")
    page.select_option("[aria-label=Flag]", "not rejected")
    check(page, [*shown[:2], *shown[3:]])
    show_all = page.get_by_role("button", name="Show all")
    show_all.click()
    check(page, shown)
    assert show_all.is_disabled()
    # What is rated goes out of sight, and the next takes its place under the keys.
    page.select_option("[aria-label=Stars]", "none")
    check(page, shown[2:])
    page.locator(".g-grid").focus()
    page.keyboard.press("Home")
    page.keyboard.press("1")
    page.wait_for_selector(f'.g-card.g-active .g-name:text-is("{shown[3]}")')
    page.keyboard.press("2")
    settled(page)
    check(page, shown[4:])
    assert [rated(page)[path][0] for path in paths] == [5, 3, 1]


def test_full_screen_photos_stay_though_the_filter_hides_them(opened: Page) -> None:
    page = opened
    shown = names(page)
    page.select_option("[aria-label=Stars]", "none")
    page.locator(".g-grid").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.keyboard.press("4")
    settled(page)
    page.keyboard.press("ArrowRight")
    assert page.locator(".g-viewer .g-name").inner_text() == shown[1]
    page.keyboard.press("Escape")
    assert names(page) == shown[1:]


def test_labels(either: Page) -> None:
    page = either
    first, second = path_of(page, 0), path_of(page, 1)
    for key in ("Home", "6", "ArrowRight", "8", "3", "ArrowLeft", "7"):
        page.keyboard.press(key)
    said(page, f"{Path(first).name}: yellow label")
    page.keyboard.press("Enter")
    purple = page.get_by_role("button", name="purple label")
    box = purple.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 24
    purple.click()
    said(page, f"{Path(first).name}: purple label")
    assert purple.get_attribute("aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert card(page, first).locator(".g-dot").get_attribute("data-label") == "purple"
    label = card(page, second).get_attribute("aria-label")
    assert label is not None
    assert label.endswith("; 3 stars, green label")
    if page.locator(".g-toggle").is_visible():
        page.click(".g-toggle")
    page.locator("[aria-label=Label] option", has_text="green (1)").wait_for(state="attached")
    page.select_option("[aria-label=Label]", "green")
    check(page, [Path(second).name])


def test_what_other_programs_say_is_shown_and_followed(opened: Page, served: Served) -> None:
    page = opened
    first = path_of(page, 0)
    id_ = next(id_ for id_, e in served.controller.collection._entries.items() if e.shown == first)
    source = served.controller.entry(id_).source
    write_shot_marks([source], Marks(5))
    served.controller.files.look()
    badge = card(page, first).locator(".g-marks")
    badge.wait_for(timeout=10_000)
    assert badge.inner_text() == "★★★★★"
    write_shot_marks([source], Marks(flag="reject"))
    served.controller.files.look()
    card(page, first).locator(".g-marks.g-reject").wait_for(timeout=10_000)


# Stacks


@pytest.fixture(scope="module")
def burst(
    examples: Path, scorer: Scorer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A burst of three, of which the second is sharp, and a photo that stands alone."""
    folder = tmp_path_factory.mktemp("burst") / "shoot"
    folder.mkdir()
    with Image.open(examples / "coffee.png") as opened:
        sharp = ImageOps.contain(opened.convert("RGB"), (640, 640))
    soft = sharp.filter(ImageFilter.GaussianBlur(2))
    for second, photo in enumerate((soft, sharp, soft.crop((4, 4, 636, 420)))):
        photo.save(folder / f"IMG_{second}.jpg", exif=exif(f"2024:05:03 10:00:0{second}"))
    with Image.open(examples / "chelsea.png") as opened:
        opened.convert("RGB").save(
            folder / "alone.jpg", exif=exif("2024:05:03 12:00:00", "Camera 2")
        )
    ratings = tmp_path_factory.mktemp("ratings") / "ratings.sqlite"
    with contextlib.closing(Served(folder, ratings, lambda _: scorer)) as found:
        assert found.controller.scoring.wait(60)
        assert found.controller.stacks.wait(60)
        yield found


FLAGS = {"IMG_0.jpg": "reject", "IMG_1.jpg": "pick", "IMG_2.jpg": "reject"}


def flags(page: Page) -> dict[str, str | None]:
    settled(page)
    return {name: flag for name, (_, flag) in rated(page).items()}


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_a_burst_is_one_tile_that_opens_to_its_frames(
    page: Page, burst: Served, size: dict[str, int]
) -> None:
    page.set_viewport_size(size)  # type: ignore[arg-type]
    burst.open(page)
    assert sorted(names(page)) == ["IMG_1.jpg", "alone.jpg"]
    tile = card(page, "IMG_1.jpg")
    assert tile.locator(".g-stack").inner_text().strip() == "3"
    assert "; burst of 3 photos; suggested: sharper than IMG_" in str(
        tile.get_attribute("aria-label")
    )
    # All by keyboard: there, its frames, keep it, back.
    page.keyboard.press("End")
    if page.locator(".g-active .g-name").inner_text() != "IMG_1.jpg":
        page.keyboard.press("Home")
    page.keyboard.press("Enter")
    frames = page.get_by_role("group", name="burst of 3 photos").get_by_role("button")
    frames.nth(2).locator("img[src]").wait_for()
    assert str(frames.nth(0).get_attribute("aria-label")).startswith("IMG_1.jpg: suggested: sharp")
    assert page.locator(".g-strip-best:visible").count() == 1
    assert page.locator(".g-facts").last.inner_text() == "1/250 s · ISO 400 · Camera 1"
    page.get_by_text(re.compile(r"^clipped [\d.<]+ %$")).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert violations(page) == []
    page.keyboard.press("k")
    said(page, "IMG_1.jpg picked, 2 rejected")
    assert flags(page) == FLAGS
    page.keyboard.press("Control+z")
    said(page, "Undone: ratings of 3 photos")
    assert flags(page) == {}
    # Another frame may be kept instead, by mouse.
    frames.nth(1).click()
    other = page.locator(".g-viewer .g-caption .g-name").inner_text()
    page.get_by_role("button", name="Keep this, reject the rest").click()
    said(page, f"{other} picked, 2 rejected")
    assert flags(page)[other] == "pick"
    page.locator(".p-toast button").click()
    said(page, "Undone: ratings of 3 photos")
    page.keyboard.press("Escape")
    # Every photo for itself.
    page.keyboard.press("s")
    assert len(names(page)) == 4
    assert card(page, "IMG_1.jpg").locator(".g-stack").inner_text() == "best"
    page.keyboard.press("k")
    page.keyboard.press("Home")
    while page.locator(".g-active .g-name").inner_text() != "IMG_0.jpg":
        page.keyboard.press("ArrowRight")
    page.keyboard.press("s")
    assert len(names(page)) == 2
    # The tile of its stack takes the place of a frame.
    assert page.locator(".g-active .g-name").inner_text() == "IMG_1.jpg"
    while burst.controller.rated.undo()[0] is not None:
        pass


def test_copies_of_a_burst_do_not_compete(
    page: Page, examples: Path, scorer: Scorer, tmp_path: Path
) -> None:
    """Neither an export nor the same file in another folder is counted, rejected, or compared before a frame."""
    folder = tmp_path / "shoot"
    for name in ("export", "backup"):
        (folder / name).mkdir(parents=True)
    with Image.open(examples / "coffee.png") as opened:
        sharp = ImageOps.contain(opened.convert("RGB"), (640, 640))
    sharp.save(folder / "IMG_1.jpg", exif=exif("2024:05:03 10:00:01"))
    soft = sharp.filter(ImageFilter.GaussianBlur(2))
    soft.save(folder / "IMG_0.jpg", exif=exif("2024:05:03 10:00:00"))
    soft.resize((500, 333)).save(folder / "export" / "web.jpg")
    shutil.copy(folder / "IMG_1.jpg", folder / "backup")
    with contextlib.closing(Served(folder, tmp_path / "r.sqlite", lambda _: scorer)) as served:
        assert served.controller.scoring.wait(60)
        assert served.controller.stacks.wait(60)
        served.open(page)
        assert names(page) == ["IMG_1.jpg"]
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        strip = page.get_by_role("group", name="burst of 2 photos, 2 copies").get_by_role("button")
        labels = [str(one.get_attribute("aria-label")) for one in strip.all()]
        assert labels[2:] == [
            "IMG_1.jpg: a copy of shoot/IMG_1.jpg",
            "web.jpg: a copy of IMG_0.jpg",
        ]
        page.keyboard.press("k")
        said(page, "IMG_1.jpg picked, 1 rejected")
        assert flags(page) == {
            **dict.fromkeys(("IMG_1.jpg", "backup/IMG_1.jpg"), "pick"),
            "IMG_0.jpg": "reject",
        }
        # The frames side by side, and the active one alone again.
        caption = page.locator(".g-viewer .g-caption .g-name")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("c")
        assert caption.all_inner_texts() == ["IMG_0.jpg", "IMG_1.jpg"]
        page.keyboard.press("c")
        assert caption.all_inner_texts() == ["IMG_0.jpg"]


def test_frames_go_with_arrows_and_stacks_are_jumped_over(page: Page, burst: Served) -> None:
    burst.open(page)
    page.select_option("[aria-label='Sort by']", "photo")
    page.click("[aria-label='Now lowest first: turn round']")
    card(page, "alone.jpg").click()
    # From the last photo to the best frame of the stack before, not to its last frame.
    page.keyboard.press("ArrowUp")
    name = page.locator(".g-viewer .g-caption .g-name")
    assert name.inner_text() == "IMG_1.jpg"
    page.keyboard.press("ArrowRight")
    assert name.inner_text() in ("IMG_0.jpg", "IMG_2.jpg")
    page.keyboard.press("ArrowDown")
    assert name.inner_text() == "alone.jpg"
    page.keyboard.press("Escape")
    page.select_option("[aria-label=Camera]", "Camera 2")
    assert names(page) == ["alone.jpg"]
    page.click("text=Show all")
    assert names(page) == ["IMG_1.jpg", "alone.jpg"]
    # The frames of a stack are compared with each other.
    card(page, "IMG_1.jpg").click(modifiers=["Control"])
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    assert page.locator(".g-pane").count() == 3
    # The pictures have the window, but for a line under each.
    lines = [box for one in page.locator(".g-caption").all() if (box := one.bounding_box())]
    assert max(box["height"] for box in lines) < 50


def test_chosen_photos_are_rated_together(either: Page) -> None:
    page = either
    shown = [path_of(page, place) for place in range(4)]
    for key in ("Home", "Space", "ArrowRight", "Space", "4"):
        page.keyboard.press(key)
    said(page, "2 photos: 4 stars")
    # What is not among the chosen ones is rated alone.
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    page.get_by_role("region", name="Chosen photos").get_by_role("button", name="Pick").click()
    said(page, "2 photos: picked")
    settled(page)
    assert rated(page) == {
        shown[0]: (4, "pick"),
        shown[1]: (4, "pick"),
        shown[2]: (None, "reject"),
    }
    page.keyboard.press("Control+z")
    said(page, "Undone: ratings of 2 photos")
    assert rated(page)[shown[0]] == (4, None)
    page.get_by_role("button", name="Choose none").click()
    assert page.locator(".g-chosen").count() == 0


def test_no_photo_is_below_the_buttons_for_the_chosen_ones(either: Page) -> None:
    """Neither at the end of the page nor where arrow keys lead."""
    page = either
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    buttons = page.get_by_role("region", name="Chosen photos").bounding_box()
    page.keyboard.press("End")
    active = page.locator(".g-card.g-active").bounding_box()
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    note = page.locator("#photos .g-content > .g-note").bounding_box()
    assert buttons is not None
    assert active is not None
    assert note is not None
    assert active["y"] + active["height"] <= buttons["y"]
    assert note["y"] + note["height"] <= buttons["y"]


def test_all_are_chosen_and_rated_without_an_active_photo(opened: Page) -> None:
    page = opened
    page.keyboard.press("Control+a")
    page.keyboard.press("4")
    said(page, "12 photos: 4 stars")
    settled(page)
    assert set(rated(page).values()) == {(4, None)}
    page.keyboard.press("Control+z")
    said(page, "Undone: ")


def test_found_by_name_and_opened_by_keyboard(page: Page, burst: Served) -> None:
    burst.open(page)
    page.keyboard.press("k")
    said(page, "No photo is active: go to one by the arrow keys")
    for key in ("/", *"img", "Enter", "Enter"):
        page.keyboard.press(key)
    assert page.locator(".g-viewer .g-caption .g-name").inner_text() == "IMG_1.jpg"


def test_copies_take_no_ranks(page: Page, scorer: Scorer, examples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    for name in ("astronaut.png", "chelsea.png"):
        for copy in ("", "backup of "):
            shutil.copy(examples / name, folder / f"{copy}{name}")
    served = Served(folder, tmp_path / "r.sqlite", lambda _: scorer)
    try:
        served.open(page)
        page.wait_for_selector(".g-card .g-stack:has-text('2')")
        assert page.locator(".g-card .g-rank").all_inner_texts() == ["1", "2"]
    finally:
        served.close()


# Which is better?


def sides(page: Page) -> list[str]:
    page.wait_for_selector("#compare .p-side img")
    return page.locator(".p-side-name").all_inner_texts()


def another(page: Page, before: list[str]) -> list[str]:
    """The pair after this one."""
    page.wait_for_function(
        "(before) => String([...document.querySelectorAll('.p-side-name')].map(one => one.textContent)) !== String(before)"
        " && !document.querySelector('.p-chosen')",
        arg=before,
    )
    return sides(page)


def test_compare_by_keyboard(either: Page) -> None:
    page = either
    page.get_by_role("link", name="Which is better?").click()
    left, right = pair = sides(page)
    page.keyboard.press("ArrowLeft")
    said(page, f"{left} is better than {right}")
    pair = another(page, pair)
    page.keyboard.press("ArrowRight")
    said(page, f"{pair[1]} is better than {pair[0]}")
    pair = another(page, pair)
    page.keyboard.press("ArrowDown")
    said(page, "Can’t tell")
    second = another(page, pair)
    page.keyboard.press("=")
    another(page, second)
    assert api(page, "pair")["comparisons"] == 2
    page.wait_for_selector("text=2 pairs answered")
    # Both photos are in sight, beside each other or one above the other.
    boxes = [box for side in page.locator(".p-side").all() if (box := side.bounding_box())]
    assert all(box["y"] + box["height"] <= 844 and box["width"] > 150 for box in boxes)
    is_phone = page.viewport_size == PHONE
    assert (boxes[0]["x"] == boxes[1]["x"]) == is_phone


def test_compare_by_mouse_and_undo(opened: Page) -> None:
    page = opened
    page.click("text=Which is better?")
    pair = sides(page)
    page.get_by_role("button", name=f"Right is better: {pair[1]}").click()
    another(page, pair)
    assert api(page, "pair")["comparisons"] == 1
    page.keyboard.press("z")
    said(page, "Undone: ")
    # The same two are asked about again.
    page.wait_for_selector("text=asked again")
    assert sorted(sides(page)) == sorted(pair)
    assert api(page, "pair")["comparisons"] == 0


# My taste


def test_taste_that_is_not_known_yet(opened: Page) -> None:
    opened.keyboard.press("Home")
    opened.keyboard.press("3")
    opened.click("text=My taste")
    opened.wait_for_selector("text=1 rating and 0 comparisons so far: about 29 more are needed.")
    assert opened.get_by_role("button", name="Learn my taste").is_disabled()


def test_learn_and_install(
    page: Page,
    examples: Path,
    scorer: Scorer,
    started: Callable[[Served], Served],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    parts = itertools.product(sorted(examples.glob("*.*g")), range(3), range(2))
    for number, (source, column, row) in enumerate(parts):
        with Image.open(source) as opened:
            width, height = opened.width // 3, opened.height // 2
            left, top = column * width, row * height
            photo = opened.convert("RGB").crop((left, top, left + width, top + height))
        photo = ImageOps.contain(photo, (160, 160))
        if number % 2:
            photo = ImageOps.colorize(photo.convert("L"), "black", "#7fb0ff")
        photo.save(folder / f"{'blue' if number % 2 else 'other'} {number}.jpg")
    served = started(
        Served(
            folder,
            tmp_path / "ratings.sqlite",
            lambda model: scorer if model == "default" else Scorer(model),
        )
    )
    assert served.controller.scoring.wait(60)
    # Someone who likes blue, of which the default knows nothing.
    for entry in served.controller.collection.entries():
        stars = 5 if entry.shown.startswith("blue") else 1
        served.controller.rated.rate([(entry, {"stars": stars})])
    served.open(page, "taste")
    page.wait_for_selector(".p-amount:not(:empty)")
    page.wait_for_selector("text=36 ratings and 0 comparisons so far, which is enough.")
    (folder / "other 0.jpg").unlink()
    page.keyboard.press("Tab")
    assert focused(page) == "Learn my taste"
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Your own model predicts you better than the default does.")
    page.wait_for_selector("text=1 photo left out:")
    page.wait_for_selector("text=other 0.jpg: the photo is no longer there")
    own, general = (float(text) for text in page.locator(".p-agreement b").all_inner_texts())
    assert own > general
    page.get_by_label("Name", exact=True).fill("my taste")
    page.keyboard.press("Enter")
    page.get_by_text("a model cannot be called 'my taste'").wait_for()
    page.get_by_label("Name", exact=True).fill("dusk")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Your model is installed as dusk")
    assert page.locator(".p-command code").inner_text() == "mlsp score --model dusk PHOTOS"
    assert load_model("dusk").heads[0].name == "taste"
    # Its score is beside the others, and can be sorted by.
    page.click("text=Photos")
    page.wait_for_selector(".g-card .g-head:text-is('taste')")
    page.select_option("[aria-label='Sort by']", label="taste")
    page.wait_for_selector('.g-card[data-place="0"] .g-name[title^="blue"]')


def test_a_photo_that_takes_time_says_that_it_is_not_there_yet(opened: Page) -> None:
    page = opened
    # Held back until it is taken away again.
    page.route("**/api/photo/**", lambda _: None)
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    note = page.locator(".g-pane .g-frame-note")
    note.wait_for()
    assert note.inner_text() == "Loading the photo …"
    page.unroute("**/api/photo/**")
    note.wait_for(state="detached")
    assert page.locator(".g-photo").evaluate("image => image.src").count("side=4096") == 1


# Why, export


def test_heat_map(opened: Page) -> None:
    page = opened
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    # It takes a while: held back until it is taken away again.
    page.route("**/api/explain/**", lambda _: None)
    page.keyboard.press("e")
    said(page, "Computing what raised and lowered quality …")
    page.unroute("**/api/explain/**")
    heat = page.locator(".p-heat")
    heat.wait_for()
    said(page, "What raised and lowered quality")
    assert heat.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }")
    assert heat.get_attribute("alt") == "Heat map: what raised and lowered quality"
    assert page.locator(".p-why").inner_text() == "Why: quality"
    page.keyboard.press("e")
    page.wait_for_selector("text=Why: beauty")
    # It goes along to the next photo.
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('.g-pane[data-heat$="/beauty"]')
    assert page.locator(".p-why").inner_text() == "Why: beauty"
    page.keyboard.press("e")
    assert heat.count() == 0
    # That of the first photo again: the photo or the model may have changed since.
    page.keyboard.press("ArrowLeft")
    with page.expect_request("**/api/explain/*/quality*"):
        page.keyboard.press("e")
    heat.wait_for()


def test_export(opened: Page, collection: Path, tmp_path: Path) -> None:
    page = opened
    first = path_of(page, 0)
    assert page.is_visible("text=go from photo to photo")
    page.keyboard.press("Home")
    page.keyboard.press("4")
    page.click("text=Export")
    options = page.locator("#p-wanted option").all_inner_texts()
    assert options[:4] == [
        "picked (0)",
        "picked, or ★★★★ and more (1)",
        "★★★★★ (0)",
        "★★★★ and more (1)",
    ]
    with page.expect_download() as download:
        page.click("text=Rated photos (CSV)")
    lines = Path(download.value.path()).read_text("utf-8").splitlines()
    assert lines[0].startswith("photo,stars,flag,")
    assert len(lines) == 2
    assert Path(first).name in lines[1]
    page.click("text=Write ratings")
    page.wait_for_selector("text=Wrote the rating of 1 photo into 2 files")
    assert len(list(collection.rglob("*.xmp"))) == 2
    # It can be taken back by a page that is opened later, too.
    page.reload()
    page.wait_for_selector(".g-card img[src]")
    assert not page.is_visible("text=go from photo to photo")
    page.click("text=Export")
    page.get_by_role("button", name="Take back").click()
    page.wait_for_selector("text=Taken back: 2 that had been made are removed")
    assert list(collection.rglob("*.xmp")) == []
    assert rated(page) == {first: (4, None)}
    page.select_option("#p-wanted", "4+")
    page.locator("#p-folder").fill(str(tmp_path / "best"))
    page.get_by_role("button", name="Put them there").click()
    page.wait_for_selector(f"text=1 photo: 1 file put into {tmp_path / 'best'}")
    assert [path.name for path in tmp_path.rglob("*.jpg")] == [Path(first).name]
    page.keyboard.press("Escape")
    assert not page.is_visible("text=Write ratings")


def test_export_into_the_photos_by_keyboard(either: Page, collection: Path) -> None:
    page = either
    first = path_of(page, 0)
    before = {path: path.read_bytes() for path in collection.rglob("*.jpg")}
    page.keyboard.press("Home")
    page.keyboard.press("5")
    page.get_by_role("button", name="Export").focus()
    page.keyboard.press("Enter")
    keys = {"p-inside": " ", "SUMMARY": "Enter", "p-becomes": "5=4+purple", "p-keyword-score": " "}
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate("document.activeElement.id || document.activeElement.tagName")
        pressed = keys.pop(name, "Shift")
        (page.keyboard.type if "=" in pressed else page.keyboard.press)(pressed)
    assert keys == {}
    assert page.is_checked("#p-keyword-score")
    assert not page.is_checked("#p-keyword-rank")
    assert violations(page) == []
    page.get_by_role("button", name="Write ratings").press("Enter")
    page.wait_for_selector("text=Wrote the rating of 1 photo into 1 file; keywords of 12 photos")
    assert list(collection.rglob("*.xmp")) == []
    assert read_marks(collection / first) == Marks(4, None, "purple")
    assert rated(page) == {first: (5, None)}
    page.get_by_role("button", name="Take back").press("Enter")
    page.wait_for_selector("text=Taken back: 12 files are as they were")
    assert {path: path.read_bytes() for path in collection.rglob("*.jpg")} == before
    # A map that says nothing is told apart.
    page.fill("#p-becomes", "5=pink")
    page.get_by_role("button", name="Write ratings").press("Enter")
    page.wait_for_selector(".p-bad >> text=unknown mark 'pink'")


# Trouble


def test_answers_wait_while_the_server_is_away(opened: Page) -> None:
    page = opened
    first = path_of(page, 0)
    page.route("**/api/**", lambda route: route.abort())
    page.keyboard.press("Home")
    page.keyboard.press("5")
    page.keyboard.press("p")
    away = page.get_by_role("alert")
    away.get_by_text("2 answers of yours wait here").wait_for()
    assert away.inner_text().startswith("mlsp serve does not answer. Is it still running?")
    assert card(page, first).locator(".g-marks").inner_text() == "★★★★★"
    # Taking back what was not sent needs no server.
    page.keyboard.press("Control+z")
    said(page, "Undone: ")
    away.get_by_text("One answer of yours waits here").wait_for()
    page.unroute("**/api/**")
    page.wait_for_selector(".p-away:empty", state="attached")
    settled(page)
    assert rated(page) == {first: (5, None)}


def test_full_screen_says_too_that_the_server_is_away(opened: Page) -> None:
    page = opened
    page.route("**/api/**", lambda route: route.abort())
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    away = page.locator(".g-viewer").get_by_role("alert")
    away.get_by_text("mlsp serve does not answer. Is it still running?").wait_for()
    page.keyboard.press("ArrowRight")
    assert page.get_by_text("Small picture").locator("visible=true").count() == 0
    assert violations(page) == []
    page.keyboard.press("Escape")
    assert page.locator("header + .p-away").inner_text().startswith("mlsp serve does not answer.")
    page.unroute("**/api/**")
    page.wait_for_selector(".p-away:empty", state="attached")


def test_answers_wait_across_a_reload(opened: Page) -> None:
    page = opened
    first = path_of(page, 0)
    page.route("**/api/ratings", lambda route: route.abort())
    page.keyboard.press("Home")
    page.keyboard.press("2")
    page.wait_for_selector("text=One answer of yours waits here")
    page.on("dialog", lambda dialog: dialog.accept())
    page.unroute("**/api/ratings")
    page.reload()
    page.wait_for_selector(".g-marks")
    settled(page)
    assert rated(page) == {first: (2, None)}


def test_an_answer_whose_receipt_was_lost_counts_once(opened: Page) -> None:
    page = opened
    page.click("text=Which is better?")
    pair = sides(page)

    def lose(route: Route) -> None:
        """The server gets what was sent, and the page no answer."""
        route.fetch()
        route.abort()

    page.route("**/api/comparisons", lose, times=1)
    # Of what was lost there is no response: this is the second one's.
    with page.expect_response("**/api/comparisons"):
        page.keyboard.press("ArrowLeft")
    settled(page)
    page.wait_for_selector(".p-away:empty", state="attached")
    another(page, pair)
    assert api(page, "pair")["comparisons"] == 1


def test_what_the_server_refuses_is_said_and_taken_back(opened: Page) -> None:
    page = opened
    answer = json.dumps({"error": "photo 1 is gone"})
    page.route("**/api/ratings", lambda route: route.fulfill(status=404, body=answer))
    page.keyboard.press("Home")
    page.keyboard.press("2")
    said(page, "not done. photo 1 is gone")
    assert page.locator(".g-marks").count() == 0
    assert rated(page) == {}


# For everyone


def focused(page: Page) -> str:
    """Name of what has the focus; fails where it is not to be seen."""
    found: dict[str, str] = page.evaluate(
        """() => {
            const it = document.activeElement;
            const style = getComputedStyle(it);
            const inner = it.querySelector(".g-active");
            return {
                name: it.getAttribute("aria-label") ?? it.textContent.trim(),
                ring: style.outlineStyle !== "none" || (inner && getComputedStyle(inner, "::before").borderStyle !== "none") ? "yes" : "no",
            };
        }"""
    )
    assert found["ring"] == "yes", found
    return found["name"]


def violations(page: Page, **rules: Any) -> Any:
    """What axe finds: rules and the elements that break them."""
    if page.evaluate("typeof axe") == "undefined":
        axe = resources.files("axe_playwright_python") / "axe.min.js"
        page.evaluate(axe.read_text("utf-8"))
    return page.evaluate(
        """async (options) => (await axe.run(options)).violations.map(({ id, nodes }) => [id, nodes.map((node) => node.target)])""",
        {"resultTypes": ["violations"], **rules},
    )


def test_keyboard_alone(opened: Page) -> None:
    page = opened
    page.keyboard.press("Home")
    assert focused(page) == "Photos"
    page.locator(".p-nav a").first.focus()
    order = []
    for _ in range(9):
        page.keyboard.press("Tab")
        order.append(focused(page))
    assert order == [
        "Which is better?",
        "My taste",
        "Undo",
        "Export",
        "Sort by",
        "Now highest first: turn round",
        "Pictures only",
        "Size of the pictures",
        "Compare",
    ]
    # From there to the other view and its answers.
    for _ in range(8):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    sides(page)
    page.wait_for_function("() => document.activeElement.className === 'p-side'")
    assert focused(page).startswith("Left is better: ")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    said(page, " is better than ")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    text = page.locator(".g-help[open]").inner_text()
    assert re.search(r"Ctrl\+Z\s+undo the last rating", text)
    page.keyboard.press("Escape")
    assert page.locator(".g-help[open]").count() == 0


def test_motion_is_reduced(opened: Page) -> None:
    motion = "getComputedStyle(document.querySelector('.p-toast')).transitionDuration"
    assert "0.15s" in opened.evaluate(motion)
    opened.emulate_media(reduced_motion="reduce")
    assert opened.evaluate(motion) == "0s"


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_accessibility_checker_finds_nothing(opened: Page, size: Any) -> None:
    page = opened
    page.set_viewport_size(size)
    # Colours that are on their way to others are neither.
    page.emulate_media(reduced_motion="reduce")

    def check_view(view: str) -> None:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            # What differs between the two are colours.
            rules = {"runOnly": ["color-contrast"]} if scheme == "dark" else {}
            assert violations(page, **rules) == [], (view, scheme)

    page.keyboard.press("Home")
    page.keyboard.press("4")
    page.keyboard.press("p")
    check_view("photos")
    page.keyboard.press("?")
    check_view("keys")
    page.keyboard.press("Escape")
    page.click("text=Export")
    check_view("export")
    page.keyboard.press("Escape")
    page.locator(".g-grid").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("e")
    page.wait_for_selector(".p-heat")
    check_view("full-screen")
    page.keyboard.press("Escape")
    page.goto(f"{page.url.partition('#')[0]}#compare")
    sides(page)
    check_view("compare")
    page.goto(f"{page.url.partition('#')[0]}#taste")
    check_view("taste")
