from __future__ import annotations

import base64
import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike
from PIL import Image

from evaluation_samples import noisy_scores, rated_table
from mlsp.evaluation import (
    Evaluation,
    EvaluationSettings,
    Predictions,
    Unscored,
    evaluate,
    write_evaluation,
)
from mlsp.evaluation.measures import MEASURES, Measure
from mlsp.evaluation.report.html import evaluation_page, write_evaluation_page
from mlsp.evaluation.report.plots import plots
from mlsp.evaluation.report.table import print_evaluation

QUICK = EvaluationSettings(resamples=100, shown=3)
# What has no end tag in HTML.
_VOID = {"meta", "img"}


class Page(HTMLParser):
    """The page's elements: tag, attributes and the text in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self._open == [], "an element was not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        words: list[str] = []
        self.elements.append((tag, dict(attrs), words))
        if tag not in _VOID:
            self._open.append(words)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for words in self._open:
            words.append(data)

    def texts(self, *tags: str) -> list[str]:
        return [" ".join(" ".join(words).split()) for tag, _, words in self.elements if tag in tags]

    def attributes(self) -> Iterator[tuple[str, str]]:
        for _, attributes, _ in self.elements:
            for name, value in attributes.items():
                yield name, value or ""


@cache
def compared() -> Evaluation:
    table = rated_table(groups=3)
    first = replace(
        noisy_scores(table, 1), unscored=(Unscored("007.jpg", "the file is empty"),), scale=(1, 5)
    )
    scores = {photo: score for photo, score in first.scores.items() if photo != "007.jpg"}
    return evaluate(
        replace(first, scores=scores),
        table,
        split="test",
        against=noisy_scores(table, 2, seed=4, name="other"),
        settings=QUICK,
    )


@cache
def compared_page() -> Page:
    return Page(evaluation_page(compared()))


def test_page_needs_nothing_else() -> None:
    page = compared_page()
    assert not {tag for tag, _, _ in page.elements} & {"script", "link", "iframe", "object", "base"}
    for name, value in page.attributes():
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:image/jpeg;base64,", "#")), value
        for address in re.findall(r"url\(([^)]*)\)", value):
            assert address.startswith("#")
        assert not name.startswith("on")
    (style,) = (words for tag, _, words in page.elements if tag == "style" and ":root" in words[0])
    assert "url(" not in "".join(style)
    assert "@import" not in "".join(style)


def test_numbers_have_intervals_and_accuracy_its_baseline() -> None:
    evaluation, page = compared(), compared_page()
    rows = page.texts("tr")
    srcc = evaluation.models[0].numbers["srcc"]
    (row,) = (row for row in rows if row.startswith("SRCC Same"))
    assert f"{srcc.value:.3f} {srcc.low:.3f} to {srcc.high:.3f}" in row
    assert evaluation.comparison is not None
    assert f"+{evaluation.comparison['srcc'].value:.3f}" in row
    assert row.endswith("0.020")
    (row,) = (row for row in rows if row.startswith("Accuracy"))
    assert f"Calling every photo what most are: {100 * evaluation.baseline.value:.1f} %" in row
    assert f"{100 * evaluation.models[1].numbers['accuracy'].value:.1f} %" in row
    assert " points" in row
    assert [text for text in page.texts("th") if text.startswith("group ")] == [
        "group 0",
        "group 1",
        "group 2",
    ]


def test_notes_and_photos_without_scores_are_told() -> None:
    page = compared_page()
    (notes,) = (
        "".join(words) for _, attributes, words in page.elements if attributes.get("role") == "note"
    )
    assert "Scores of 'beauty' of 'm' go from 1 to 5, the ratings' scale from 1 to 10." in notes
    assert "1 rated photos have no score and are left out" in notes
    assert "007.jpg: the file is empty" in page.texts("li")


def test_page_can_be_heard() -> None:
    page = compared_page()
    levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    for tag, attributes, words in page.elements:
        if attributes.get("role") == "img":
            assert attributes["aria-label"]
        if tag == "th":
            assert attributes["scope"] in ("col", "row")
        if tag == "html":
            assert attributes["lang"] == "en"
        if tag == "table":
            assert "".join(words).strip()
    assert sum(attributes.get("role") == "img" for _, attributes, _ in page.elements) == 8
    assert len(page.texts("caption")) == len(page.texts("table")) == 2


def test_plots_share_no_names_and_take_the_pages_colours() -> None:
    text = evaluation_page(compared())
    ids = Counter(value for name, value in Page(text).attributes() if name == "id")
    assert [name for name, count in ids.items() if count > 1] == []
    for name, value in Page(text).attributes():
        for target in re.findall(r"^#(.+)|url\(#([^)]+)\)", value):
            assert name == "fill" or (target[0] or target[1]) in ids
    assert re.findall("#0000[01][0-9]", text) == []
    assert "var(--density-1)" in text


def test_the_same_evaluation_is_the_same_page() -> None:
    assert evaluation_page(compared()) == evaluation_page(compared())


def test_many_photos_are_hexagons_without_points() -> None:
    table = rated_table(3000)
    predictions = noisy_scores(table, 1)
    found = evaluate(predictions, table, split="test", settings=QUICK)
    many = plots(found, found.models[0])["scatter"]
    few = plots(compared(), compared().models[0])["scatter"]
    assert "var(--accent)" in few
    assert "var(--accent)" not in many
    for level in (1, 6):
        assert f"var(--density-{level})" in many
    assert len(many) < 400_000


def test_names_take_no_effect(tmp_path: Path) -> None:
    bad = "<script>alert('x')</script>\u202egpj.\udce9\n&\"'.jpg"
    table = rated_table(40)
    table = replace(
        table,
        name=bad,
        ratings=(
            replace(table.ratings[0], photo_id=bad),
            *(replace(rating, group=bad) for rating in table.ratings[1:]),
        ),
    )
    scores = dict.fromkeys(table.photo_ids, 5.0) | {bad: 10.0, "005.jpg": 5.5}
    evaluation = evaluate(
        Predictions(bad, bad, scores, learned_from=bad), table, split="all", settings=QUICK
    )
    write_evaluation_page(tmp_path / "page.html", evaluation)
    text = (tmp_path / "page.html").read_bytes().decode("utf-8")
    page = Page(text)
    assert "script" not in {tag for tag, _, _ in page.elements}
    assert "\u202e" not in text
    shown = "<script>alert('x')</script>\\u202egpj.\\xe9\\n&\"'.jpg"
    assert shown in page.texts("p")
    assert shown in page.texts("th")
    assert page.texts("h1") == [f"How well {shown} of {shown} agrees with people"]


def test_photos_are_shown_small_and_in_few_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    table = rated_table(8, folder=tmp_path)
    for rating in table.ratings[:-1]:
        # Noise is the hardest to make small.
        Image.fromarray(rng.integers(0, 256, (600, 900, 3), dtype=np.uint8)).save(rating.photo)
    settings = replace(QUICK, shown=8, high_rated=8)
    page = Page(
        evaluation_page(evaluate(noisy_scores(table, 1), table, split="test", settings=settings))
    )
    images = [
        (attributes["alt"], (attributes["src"] or "").partition(",")[2])
        for tag, attributes, _ in page.elements
        if tag == "img"
    ]
    assert Counter(alt for alt, _ in images) == {f"Photo 00{index}.jpg": 3 for index in range(7)}
    for _, encoded in images:
        content = base64.b64decode(encoded)
        assert len(content) <= 24_000
        assert Image.open(io.BytesIO(content)).size == (256, 171)
    assert page.texts("span").count("photo cannot be read") == 3


@pytest.mark.parametrize("shown", [0, 3])
def test_photos_can_be_left_out(shown: int) -> None:
    evaluation = evaluate(
        noisy_scores(rated_table(), 1),
        rated_table(),
        split="test",
        settings=replace(QUICK, shown=shown),
    )
    page = Page(evaluation_page(evaluation))
    assert ("Photos that tell most" in page.texts("h2")) == (shown > 0)
    assert page.texts("span").count("photo cannot be read") == 3 * shown


def test_what_is_not_defined_is_a_dash() -> None:
    table = rated_table(groups=3)
    same = Predictions("m", "beauty", dict.fromkeys(table.photo_ids, 5.0))
    text = evaluation_page(evaluate(same, table, split="test", settings=QUICK))
    assert "nan" not in re.sub(r'src="[^"]*"', "", text)
    assert "in the right order" not in Page(text).texts("p")[1]


def test_a_metric_that_is_registered_is_in_every_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def bias(predicted: ArrayLike, actual: ArrayLike) -> float:
        return float(np.asarray(predicted).mean() - np.asarray(actual).mean())

    monkeypatch.setitem(MEASURES, "bias", Measure("Bias", "Mean error.", bias))
    table = rated_table()
    evaluation = evaluate(
        noisy_scores(table, 1), table, split="all", against=noisy_scores(table, 2), settings=QUICK
    )
    errors = [photo.error for photo in evaluation.models[0].photos]
    assert evaluation.models[0].numbers["bias"].value == pytest.approx(np.mean(errors))
    assert "Bias Mean error." in Page(evaluation_page(evaluation)).texts("th")
    stream = io.StringIO()
    print_evaluation(evaluation, stream=stream)
    assert "Bias" in stream.getvalue()
    write_evaluation(tmp_path / "x.json", evaluation)
    written = json.loads((tmp_path / "x.json").read_text("utf-8"))
    assert written["models"][0]["numbers"]["bias"]["value"] == pytest.approx(np.mean(errors))
    assert "bias" in written["comparison"]
