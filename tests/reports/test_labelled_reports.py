"""Faults and kinds in every report, by a real model."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console

import mlsp
from labelled_models import NOT_PHOTOS, LabelledModel
from mlsp.reports import columns, sort_results, write_report
from mlsp.reports.ranking import Top
from mlsp.reports.rows import ReportModel, report_table
from mlsp.reports.table import plain_lines, print_table, render_table, unranked_line
from mlsp.scoring.relative import relative_percentiles
from mlsp.scoring.results import ScoreResult

if TYPE_CHECKING:
    from playwright.sync_api import Page

HEADS = ("quality", "beauty")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def results(labelled: LabelledModel) -> list[ScoreResult]:
    scorer = mlsp.Scorer(labelled.model.folder, precision="float32")
    found = scorer.score(sorted(labelled.photos.iterdir()))
    return [result for result in found if isinstance(result, ScoreResult)]


def test_columns_of_kind_and_faults(labelled: LabelledModel, results: list[ScoreResult]) -> None:
    classifiers = labelled.model.classifiers
    names = columns(HEADS, classifiers)
    assert names[-6:] == ("kind", "faults", "width", "height", "files", "model")
    every = report_table(results, ReportModel("labelled", HEADS, classifiers), every=True)
    assert {"beauty_percentile_all", "soft_probability", "not_photo_probability"} < {*every.names}
    for cells, result in zip(every.rows, results, strict=True):
        row = dict(zip(every.names, cells, strict=True))
        assert row["faults"] == result.faults
        assert row["soft_probability"] == result.fault_probabilities["soft"]
        assert row["beauty_percentile_all"] == result.scores["beauty"].percentile_all
        assert math.isnan(row["beauty_percentile"]) == (not result.is_photo)  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_files_have_kind_and_faults(
    labelled: LabelledModel, results: list[ScoreResult], tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"scores{suffix}"
    ranked = sort_results(results, heads=HEADS)
    write_report(file, ranked, [], ReportModel("labelled", HEADS, labelled.model.classifiers))
    rows: list[dict[str, Any]]
    if suffix == ".csv":
        with file.open(newline="", encoding="utf-8") as stream:
            rows = [{**row, "faults": row["faults"].split()} for row in csv.DictReader(stream)]
    elif suffix == ".jsonl":
        rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    else:
        rows = pq.read_table(file).to_pylist()
    for row, result in zip(rows, ranked, strict=True):
        assert row["photo"] == str(result.source)
        assert (row["kind"], tuple(row["faults"])) == (result.kind, result.faults)
    # A program that sorts by any percentile puts what is no photo last.
    for row in rows[-2:]:
        assert Path(row["photo"]).name in NOT_PHOTOS
        for name in ("overall", "quality_percentile", "beauty_percentile"):
            assert row[name] in ("", None) or math.isnan(row[name])
    assert any(row["faults"] for row in rows)


@pytest.mark.parametrize("by", ["overall", "quality", "beauty_percentile", "photo"])
def test_what_is_no_photo_comes_last(results: list[ScoreResult], by: str) -> None:
    ranked = sort_results(results, by, heads=HEADS)
    assert {result.source.name for result in ranked[-2:]} == {*NOT_PHOTOS}
    assert len(sort_results(results, by, heads=HEADS, top=99)) == 15


def test_the_best_tenth(results: list[ScoreResult]) -> None:
    ranked = sort_results(results, heads=HEADS)
    for text, count in (("10%", 2), ("1 %", 1), ("100%", 15), ("3", 3)):
        assert sort_results(results, heads=HEADS, top=Top.of(text)) == ranked[:count]
    for text in ("0", "0%", "101%", "2.5", "-3", "ten", "10%%", ""):
        with pytest.raises(mlsp.SettingsError, match="such as 20, or a share such as 10%, got"):
            Top.of(text)


def test_percentiles_among_the_photos_of_a_run(results: list[ScoreResult]) -> None:
    found = relative_percentiles(results)
    assert [result.source for result in found] == [result.source for result in results]
    photos = sort_results((result for result in found if result.is_photo), heads=HEADS)
    assert [result.overall for result in photos] == pytest.approx(
        [100 * (14 - place) / 14 for place in range(15)]
    )
    assert [result.source for result in photos] == [
        result.source for result in sort_results(results, heads=HEADS)[:15]
    ]
    for head in HEADS:
        percentiles = sorted(result.scores[head].percentile for result in photos)
        assert percentiles == pytest.approx([100 * place / 14 for place in range(15)])
    assert [one for one in found if not one.is_photo] == [
        one for one in results if not one.is_photo
    ]
    (alone,) = relative_percentiles(results[:1])
    assert (alone.overall, alone.scores["quality"].percentile) == (50, 50)
    twins = relative_percentiles([results[0], results[0], results[2]])
    assert twins[0].overall == twins[1].overall
    assert {twins[0].overall, twins[2].overall} in ({25, 100}, {75, 0})


def test_the_table_names_faults_and_what_is_no_photo(
    labelled: LabelledModel, results: list[ScoreResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    ranked = sort_results(results, heads=HEADS)
    print_table(ranked, ReportModel("labelled", HEADS), stream=terminal)
    *table, last = re.sub(r"\x1b\[[\d;]*m", "", terminal.getvalue()).splitlines()
    for fault in ("dark", "soft"):
        assert sum(bool(re.search(rf"\d\s+{fault}\b", line)) for line in table) == 5
    assert not any(name in line for line in table for name in NOT_PHOTOS)
    assert last == "2 are no photos, and not ranked: chart.png, screenshot.png"
    good = [result for result in ranked if not result.faults and result.is_photo]
    console = Console(width=100, file=io.StringIO())
    names = [
        str(column.header) for column in render_table(good, heads=HEADS, console=console).columns
    ]
    assert "faults" not in names
    others = [result for result in results if not result.is_photo]
    assert unranked_line(others[:1]) == "1 is no photo, and not ranked: chart.png"
    assert unranked_line(others * 4).endswith("chart.png and 3 more")
    reported = ReportModel("labelled", HEADS, labelled.model.classifiers)
    lines = list(plain_lines(report_table(ranked, reported)))
    assert lines[-1].split("\t")[1] == ""
    assert lines[-1].split("\t")[6] == "not_photo"


def test_a_data_frame_has_kind_and_faults(results: list[ScoreResult]) -> None:
    frame = mlsp.to_dataframe(results)
    assert list(frame["kind"]) == [result.kind for result in results]
    assert list(frame["faults"]) == [result.faults for result in results]
    assert frame.sort_values("overall")["kind"].tail(2).tolist() == ["not_photo", "not_photo"]


def test_a_notebook_shows_them(results: list[ScoreResult]) -> None:
    dark = next(result for result in results if result.source.name == "dark_chelsea.png")
    assert repr(dark).endswith("kind=animals, faults=dark)")
    assert "<td>faults</td><td>dark</td>" in dark._repr_html_()


def _names(page: Page) -> list[str]:
    page.wait_for_timeout(100)
    script = "all => all.sort((a, b) => a.dataset.place - b.dataset.place).map(card => card.querySelector('.g-name').textContent)"
    return list(page.eval_on_selector_all(".g-card", script))


def test_a_page_shows_and_filters_faults_and_kinds(
    page: Page, labelled: LabelledModel, results: list[ScoreResult], tmp_path: Path
) -> None:
    page.set_viewport_size({"width": 1280, "height": 2000})
    ranked = sort_results(results, heads=HEADS)
    reported = ReportModel("labelled", HEADS, labelled.model.classifiers)
    write_report(tmp_path / "r.html", ranked, [], reported, is_relative=True)
    page.goto((tmp_path / "r.html").as_uri())
    page.wait_for_selector(".g-card")
    assert page.text_content(".g-count") == "15 photos, 2 not photos"
    assert _names(page) == [result.source.name for result in ranked]
    dark = page.locator(".g-card", has_text="dark_coffee.png")
    assert dark.locator(".g-fault").all_text_contents() == ["dark"]
    assert dark.locator(".g-fault").get_attribute("title") == "too dark"
    assert "; dark" in (dark.get_attribute("aria-label") or "")
    chart = page.locator(".g-card", has_text="chart.png")
    assert chart.locator(".g-fault").all_text_contents() == ["not a photo"]
    assert chart.locator(".g-rank").text_content() == "–"
    assert (chart.get_attribute("aria-label") or "").startswith("chart.png; not a photo")
    assert "photos here" in (dark.locator(".g-score").first.get_attribute("title") or "")
    # Turned round, what is no photo still comes last.
    page.click(".g-sort .g-button")
    assert set(_names(page)[-2:]) == {*NOT_PHOTOS}
    page.click(".g-sort .g-button")

    page.select_option("[aria-label=Fault]", label="soft (5)")
    assert all(name.startswith("soft_") for name in _names(page))
    page.select_option("[aria-label='Kind of photo']", label="people (3)")
    assert _names(page) == ["soft_astronaut.png"]
    page.click("text=Show all")
    assert len(_names(page)) == 17
    page.select_option("[aria-label=Fault]", label="none (7)")
    page.select_option("[aria-label='Kind of photo']", label="animals (3)")
    assert _names(page) == ["chelsea.png"]
    page.click(".g-card")
    caption = page.locator(".g-caption")
    assert page.locator(".g-caption >> .g-fault").all_text_contents() == ["small"]
    assert "photos here" in (caption.locator("li").first.get_attribute("title") or "")


def test_a_page_of_a_model_without_classifiers_has_no_filter_of_them(
    page: Page, results: list[ScoreResult], tmp_path: Path
) -> None:
    plain = [
        replace(result, kind=None, faults=(), kind_probabilities={}, fault_probabilities={})
        for result in results
    ]
    write_report(tmp_path / "r.html", plain, [], ReportModel("plain", HEADS))
    page.goto((tmp_path / "r.html").as_uri())
    page.wait_for_selector(".g-card")
    assert page.text_content(".g-count") == "17 photos"
    for label in ("Fault", "Kind of photo"):
        assert page.locator(f"[aria-label='{label}']").is_hidden()
    small = [result.is_small for result in plain].count(True)
    assert 0 < small < len(plain)
    assert page.locator(".g-fault").all_text_contents() == ["small"] * small
