from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation_samples import rated_table
from mlsp.base.errors import ModelError, RatingsError, SettingsError
from mlsp.base.results import ScoreFailure
from mlsp.evaluation import FileScores, PhotoScores, ScoringSettings, Unscored, open_source
from mlsp.models.model import load_model
from mlsp.models.records import ClassifierRecord, Label
from mlsp.ratings.table import RatingTable
from mlsp.reports import write_report
from mlsp.reports.rows import ReportModel
from mlsp.scoring.results import Score, ScoreResult
from mlsp.scoring.scorer import Scorer
from redness import ConstantEngine


def write_csv(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


class ColourHead:
    """Scores a photo by the mean of one colour, 0…1."""

    def __init__(self, channel: int) -> None:
        self._channel = channel

    def predict(self, features: np.ndarray) -> np.ndarray:
        return features[:, 0, 0, self._channel] + 1


def colour_scorer() -> Scorer:
    model = load_model()
    return Scorer.of(
        model, ConstantEngine(model.feature_spec), [ColourHead(0), ColourHead(2)], workers=2
    )


def colour_table(folder: Path) -> RatingTable:
    table = rated_table(4, folder=folder)
    for index, rating in enumerate(table):
        if index != 2:
            Image.new("RGB", (80, 80), (0, 0, 50 * index)).save(rating.photo)
    return table


def test_a_model_scores_photos_and_failures_are_listed(tmp_path: Path) -> None:
    seen: list[ScoreResult | ScoreFailure] = []
    table = colour_table(tmp_path)
    found = PhotoScores(colour_scorer(), "beauty").read(table, advance=seen.append)
    assert list(found.scores) == ["000.jpg", "001.jpg", "003.jpg"]
    assert found.scores["003.jpg"] == pytest.approx(1 + 150 / 255, abs=0.02)
    assert found.unscored == (Unscored("002.jpg", "there is no such file"),)
    assert (found.name, found.head, found.scale) == ("default", "beauty", (1, 7))
    assert found.learned_from == load_model().heads[1].ratings
    assert [type(result) for result in seen] == [
        ScoreResult,
        ScoreResult,
        ScoreFailure,
        ScoreResult,
    ]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_every_report_of_mlsp_score_can_be_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scores{suffix}"
    scored = [
        ScoreResult(Path(f"photos/00{number}.jpg"), {"beauty": Score(value, 50.0)}, 80, 80, "")
        for number, value in enumerate((5.5, 6.25, math.nan))
    ]
    labels = [
        ClassifierRecord("faults", "", "", (Label("soft", "out of focus"),)),
        ClassifierRecord("kinds", "", "", (Label("people", "people"),)),
    ]
    write_report(path, scored, [], ReportModel("default", ["beauty"], labels), every=True)
    source = open_source(str(path), head=None, settings=ScoringSettings())
    assert isinstance(source, FileScores)
    found = source.read(rated_table(4))
    assert found.scores == {"000.jpg": 5.5, "001.jpg": 6.25}
    assert [one.photo_id for one in found.unscored] == ["002.jpg", "003.jpg"]
    assert found.head == "beauty"


def test_a_damaged_table_is_told(tmp_path: Path) -> None:
    cut = tmp_path / "cut.jsonl"
    cut.write_text('{"photo": "000.jpg", "beauty": 5}\n{"photo": "00', "utf-8")
    with pytest.raises(
        SettingsError,
        match=f"^line 2 of table {cut} cannot be read: .*: was it written to its end\\?$",
    ):
        FileScores(cut).read(rated_table(4))
    cut.write_text("[1]\n", "utf-8")
    with pytest.raises(
        SettingsError, match=f"^line 1 of table {cut} cannot be read: it is no JSON object, "
    ):
        FileScores(cut).read(rated_table(4))
    parquet = tmp_path / "cut.parquet"
    parquet.write_bytes(b"PAR1")
    with pytest.raises(SettingsError, match=f"^table {parquet} cannot be read: "):
        FileScores(parquet).read(rated_table(4))


def test_no_photo_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        RatingsError,
        match=f"^Sample: none of the 4 rated photos is there, not even {tmp_path}/000.jpg: give the folder that holds them by --photos$",
    ):
        PhotoScores(colour_scorer(), "beauty").read(rated_table(4, folder=tmp_path))


def test_a_table_of_mlsp_score_fits_by_the_ends_of_paths(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "s.csv",
        [
            ("photo", "overall", "beauty", "beauty_percentile", "width", "height", "model"),
            ("photos/000.jpg", "50.0", "5.5", "50.0", "80", "80", "default"),
            ("./001.jpg", "50.0", "6.5", "50.0", "80", "80", "default"),
            ("photos/other.jpg", "50.0", "1.5", "50.0", "80", "80", "default"),
            ("photos/002.jpg", "50.0", "", "50.0", "80", "80", "default"),
        ],
    )
    found = FileScores(path).read(rated_table(4))
    assert found.scores == {"000.jpg": 5.5, "001.jpg": 6.5}
    assert found.unscored == (
        Unscored("002.jpg", "has no number in column 'beauty' of s.csv, but ''"),
        Unscored("003.jpg", "is not in s.csv"),
    )
    assert (found.name, found.head, found.scale, found.learned_from) == (
        "s.csv",
        "beauty",
        None,
        None,
    )


def test_names_may_be_shorter_than_the_ratings_where_they_tell_photos_apart(tmp_path: Path) -> None:
    names = ["a/1.jpg", "b/1.jpg", "b/2.jpg", "c/b/2.jpg"]
    table = rated_table(4)
    table = replace(
        table,
        ratings=tuple(
            replace(rating, photo_id=name) for rating, name in zip(table, names, strict=True)
        ),
    )
    rows = [("photo", "beauty"), ("1.jpg", 1), ("a/1.jpg", 2), ("b/2.jpg", 3), ("x/c/b/2.jpg", 4)]
    found = FileScores(write_csv(tmp_path / "s.csv", rows)).read(table)
    assert found.scores == {"a/1.jpg": 2, "b/2.jpg": 3, "c/b/2.jpg": 4}


def test_accents_of_names_may_be_spelled_in_another_way(tmp_path: Path) -> None:
    (rating, other) = rated_table(2)
    table = replace(rated_table(2), ratings=(replace(rating, photo_id="a/cafe\u0301.jpg"), other))
    rows = [("photo", "beauty"), ("caf\u00e9.jpg", 1), ("001.jpg", 2)]
    found = FileScores(write_csv(tmp_path / "s.csv", rows)).read(table)
    assert found.scores == {"a/cafe\u0301.jpg": 1, "001.jpg": 2}


def test_a_model_gives_its_card_to_a_table_of_its_scores(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "s.csv", [("photo", "quality", "beauty"), *((f"00{i}.jpg", 1, i) for i in "123")]
    )
    source = open_source("default", head="beauty", scores=path, settings=ScoringSettings())
    found = source.read(rated_table(4))
    assert (found.name, found.scale) == ("default", (1, 7))
    assert found.scores == {"001.jpg": 1, "002.jpg": 2, "003.jpg": 3}


def test_sources_by_name(tmp_path: Path) -> None:
    settings = ScoringSettings(precision="float32", workers=1)
    assert open_source("some/s.CSV", head=None, settings=settings) == FileScores(
        Path("some/s.CSV"), None
    )
    source = open_source("default", head="quality", settings=settings)
    assert isinstance(source, PhotoScores)
    assert source.scorer.model.name == "default"
    for name, head, scores, error, message in (
        (
            "s.csv",
            None,
            Path("t.csv"),
            SettingsError,
            "s.csv and t.csv",
        ),
        (
            "default",
            None,
            None,
            SettingsError,
            "^model 'default' has the heads 'quality', 'beauty': choose one by --head$",
        ),
        (
            "default",
            "beaty",
            None,
            SettingsError,
            "^model 'default': unknown head 'beaty': did you mean 'beauty'\\? Known: 'beauty', 'quality'$",
        ),
        (
            "nodel",
            None,
            None,
            ModelError,
            "^unknown model 'nodel': Known: 'default', 'fast'; a folder of this name does not exist either$",
        ),
    ):
        with pytest.raises(error, match=message):
            open_source(name, head=head, scores=scores, settings=settings)


@pytest.mark.parametrize(
    ("rows", "head", "message"),
    [
        (
            [("image_id", "beauty")],
            None,
            "^table {path} has the columns 'image_id', 'beauty', expected one of 'photo', 'image', 'image_name' with the photos' names"
            " as in the ratings, and one for each head$",
        ),
        (
            [("photo", "width")],
            None,
            "^table {path} has no scores: expected a column for each head, named after it$",
        ),
        (
            [("photo", "quality", "beauty")],
            None,
            "^table {path} has the scores 'quality', 'beauty': choose one by --head$",
        ),
        (
            [("photo", "quality")],
            "beauty",
            "^table {path}: unknown head 'beauty': Known: 'quality'$",
        ),
        (
            [("photo", "beauty"), ("a/1.jpg", 5)],
            None,
            "^table {path} has none of the 4 rated photos of Sample: it names photos like 'a/1.jpg', the ratings like '000.jpg'$",
        ),
        (
            [("photo", "beauty")],
            None,
            "^table {path} has none of the 4 rated photos of Sample: it names no photos, the ratings some like '000.jpg'$",
        ),
        (
            [("photo", "beauty"), ("001.jpg", 5), ("a/001.jpg", 6)],
            None,
            "^table {path}: '001.jpg' and 'a/001.jpg' are both photo '001.jpg' of Sample: keep one of them$",
        ),
    ],
)
def test_bad_tables(
    rows: list[tuple[object, ...]], head: str | None, message: str, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "s.csv", rows)
    with pytest.raises(SettingsError, match=message.format(path=path)):
        FileScores(path, head).read(rated_table(4))


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "gone.csv"
    with pytest.raises(
        SettingsError,
        match=f"there is no table {path}",
    ):
        FileScores(path).read(rated_table(4))
