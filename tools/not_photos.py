"""Make pictures that are no photos: screenshots, charts, documents, drawings, even colours and noise.

    python tools/not_photos.py FOLDER [--count 400]

A head learns from them what a photo is not (`tools/build_default_model.py --not-photos FOLDER`). Everything is drawn here: pages of made-up
text in a browser (chat, list, table, code, article; wide and as on a phone, light and dark), charts by matplotlib, shapes by Pillow.
Seeded; names begin with the kind.
"""

from __future__ import annotations

import argparse
import html
import inspect
import random
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pygments
import pygments.styles
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from playwright.sync_api import sync_playwright
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from mlsp.training.ladders import not_photos

_WORDS = [
    "the",
    "of",
    "a",
    "to",
    "in",
    "is",
    "was",
    "for",
    "on",
    "that",
    "with",
    "as",
    "by",
    "from",
    "at",
    "an",
    "be",
    "this",
    "are",
    "or",
    "which",
    "one",
    "had",
    "not",
    "but",
    "what",
    "all",
    "were",
    "when",
    "we",
    "there",
    "can",
    "more",
    "if",
    "out",
    "so",
    "up",
    "said",
    "time",
    "people",
    "water",
    "long",
    "little",
    "very",
    "after",
    "words",
    "called",
    "just",
    "where",
    "most",
    "know",
    "get",
    "through",
    "back",
    "much",
    "before",
    "go",
    "good",
    "new",
    "write",
    "our",
    "used",
    "me",
    "man",
    "too",
    "any",
    "day",
    "same",
    "right",
    "look",
    "think",
    "also",
    "around",
    "another",
    "came",
    "come",
    "work",
    "three",
    "word",
    "must",
    "because",
    "does",
    "part",
    "even",
    "place",
    "well",
    "such",
    "here",
    "take",
    "why",
    "things",
    "help",
    "put",
    "years",
    "different",
    "away",
    "again",
    "off",
    "went",
    "old",
    "number",
]
_SIZES = ((1280, 800), (1920, 1080), (390, 844), (360, 640), (820, 1180), (1024, 768))
_FONTS = ("sans-serif", "serif", "monospace", "system-ui")


def main() -> None:
    """Draw them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=400, help="so many in all, of five kinds")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    each = arguments.count // 5
    rng = random.Random(0)  # noqa: S311 - nothing secret is drawn
    _screenshots(arguments.folder, each * 2, rng)
    for number in range(each):
        _chart(rng, number).savefig(arguments.folder / f"chart_{number:03}.png")
        plt.close("all")
        _drawing(rng).save(arguments.folder / f"drawing_{number:03}.png")
    frames = not_photos(each, 512, np.random.default_rng(0))
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(arguments.folder / f"frame_{number:03}.png")


def _sentence(rng: random.Random, least: int = 4, most: int = 18) -> str:
    words = rng.choices(_WORDS, k=rng.randint(least, most))
    return " ".join(words).capitalize() + rng.choice((".", ".", ".", "?", "!", ""))


def _screenshots(folder: Path, count: int, rng: random.Random) -> None:
    pages = (_chat, _list, _table, _code, _article)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium-headless-shell", args=["--no-sandbox"]
        )
        for number in range(count):
            width, height = rng.choice(_SIZES)
            page = browser.new_page(viewport={"width": width, "height": height})
            dark = rng.random() < 0.4
            back = f"hsl({rng.randint(0, 359)} {rng.randint(0, 40)}% {rng.randint(4, 18) if dark else rng.randint(90, 100)}%)"
            accent = f"hsl({rng.randint(0, 359)} {rng.randint(30, 90)}% {rng.randint(35, 60)}%)"
            style = (
                f"body{{font-family:{rng.choice(_FONTS)};font-size:{rng.randint(12, 22)}px;margin:{rng.randint(0, 40)}px;"
                f"background:{back};color:{'#ddd' if dark else '#222'}}} .accent{{background:{accent};color:#fff}}"
                " .box{border:1px solid #8886;padding:8px;margin:6px;border-radius:8px} header{padding:12px;font-weight:bold}"
                " td,th{border:1px solid #8884;padding:4px 10px} table{border-collapse:collapse}"
            )
            body = pages[number % len(pages)](rng)
            header = (
                f"<header class=accent>{_sentence(rng, 1, 4)}</header>"
                if rng.random() < 0.7
                else ""
            )
            page.set_content(f"<style>{style}</style>{header}{body}")
            page.screenshot(path=folder / f"screenshot_{number:03}.png")
            page.close()
        browser.close()


def _chat(rng: random.Random) -> str:
    return "".join(
        f"<div class='box {rng.choice(('', 'accent'))}' style='width:60%;margin-left:{rng.choice((0, 35))}%'>{_sentence(rng)}</div>"
        for _ in range(rng.randint(4, 25))
    )


def _list(rng: random.Random) -> str:
    return "".join(
        f"<div class=box><b>{_sentence(rng, 2, 5)}</b><br><small>{_sentence(rng)}</small></div>"
        for _ in range(rng.randint(4, 25))
    )


def _table(rng: random.Random) -> str:
    columns = rng.randint(3, 12)
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{rng.uniform(0, 999):.{rng.randint(0, 2)}f}</td>" for _ in range(columns))
        for _ in range(rng.randint(5, 45))
    )
    return f"<table>{rows}</table>"


def _code(rng: random.Random) -> str:
    lines = inspect.getsource(rng.choice((argparse, html, inspect, random))).splitlines()
    start = rng.randrange(max(1, len(lines) - 60))
    style = rng.choice(sorted(pygments.styles.get_all_styles()))
    formatter = HtmlFormatter(style=style, full=False, noclasses=True, linenos=rng.random() < 0.5)
    code: str = pygments.highlight("\n".join(lines[start : start + 60]), PythonLexer(), formatter)
    return code


def _article(rng: random.Random) -> str:
    paragraphs = "".join(
        f"<p>{' '.join(_sentence(rng) for _ in range(rng.randint(2, 9)))}</p>" for _ in range(8)
    )
    return f"<h1>{_sentence(rng, 2, 6)}</h1>{paragraphs}"


def _chart(rng: random.Random, number: int) -> Figure:
    generator = np.random.default_rng(number)
    with plt.style.context(rng.choice(plt.style.available)):
        figure, axes = plt.subplots(figsize=(rng.uniform(4, 9), rng.uniform(3, 7)), dpi=100)
        values = generator.standard_normal((rng.randint(2, 6), rng.randint(5, 60))).cumsum(axis=1)
        match number % 6:
            case 0:
                axes.plot(values.T)
            case 1:
                axes.bar(np.arange(len(values[0])), np.abs(values[0]))
            case 2:
                axes.pie(np.abs(values[:, -1]) + 0.1, labels=rng.choices(_WORDS, k=len(values)))
            case 3:
                axes.scatter(values[0], values[1], c=values[0])
            case 4:
                axes.imshow(values, aspect="auto")
            case _:
                axes.stackplot(np.arange(values.shape[1]), np.abs(values))
        axes.set_title(_sentence(rng, 2, 6))
    return figure


def _drawing(rng: random.Random) -> Image.Image:
    size = rng.choice(((512, 512), (800, 600), (600, 800)))
    image = Image.new("RGB", size, tuple(rng.choices(range(256), k=3)))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 40)):
        colour = tuple(rng.choices(range(256), k=3))
        points = [
            (rng.uniform(0, size[0]), rng.uniform(0, size[1])) for _ in range(rng.randint(3, 7))
        ]
        (left, right), (top, bottom) = (sorted(axis[:2]) for axis in zip(*points, strict=True))
        match rng.randint(0, 3):
            case 0:
                draw.polygon(points, fill=colour)
            case 1:
                draw.ellipse((left, top, right, bottom), fill=colour, outline="black")
            case 2:
                draw.line(points, fill=colour, width=rng.randint(1, 12))
            case _:
                draw.rectangle((left, top, right, bottom), fill=colour)
    return image


if __name__ == "__main__":
    main()
