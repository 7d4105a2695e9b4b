"""Results -> stars in sidecars, and `mlsp score --xmp` as a user runs it."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlsp.base.errors import SettingsError
from mlsp.base.results import ScoreFailure
from mlsp.cli.app import app
from mlsp.culling.xmp import StarSettings
from mlsp.culling.xmp.report import XmpSettings, write_stars, xmp_settings
from mlsp.scoring.results import Score, ScoreResult
from xmp_samples import DARKTABLE, DIGIKAM, read_by_exiftool, read_rating


def scored(folder: Path, name: str, *, quality: float, beauty: float) -> ScoreResult:
    photo = folder / name
    photo.touch()
    scores = {"quality": Score(0.5, quality, 50), "beauty": Score(4.0, beauty, 50)}
    return ScoreResult(photo, scores, 640, 480)


@pytest.mark.parametrize(
    ("by", "rating"),
    [("overall", 3), ("photo", 3), ("quality", 1), ("quality_percentile", 1), ("beauty", 5)],
)
def test_the_column_that_is_sorted_by_gives_the_stars(tmp_path: Path, by: str, rating: int) -> None:
    result = scored(tmp_path, "a.jpg", quality=10, beauty=95)
    assert str(write_stars([result], by=by)) == "stars: 1 written, 0 kept, 0 unchanged"
    assert read_rating(result.source) == rating


def test_a_head_without_percentiles_counts_by_its_scale(tmp_path: Path) -> None:
    result = scored(tmp_path, "a.jpg", quality=math.nan, beauty=95)
    write_stars([result], by="quality")
    assert read_rating(result.source) == 3
    first = scored(tmp_path, "b.jpg", quality=50, beauty=95)
    last = ScoreResult(tmp_path / "a.jpg", {"quality": Score(1.0, math.nan)}, 1, 1)
    message = "'quality' has no percentiles and no scale, so it gives neither stars nor keywords: --sort by another column"
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        write_stars([first, last], by="quality")
    assert read_rating(first.source) is None


def test_every_photo_is_counted_once(tmp_path: Path) -> None:
    results = [
        scored(tmp_path, f"{name}.jpg", quality=50, beauty=50)
        for name in ("new", "kept", "same", "damaged", "gone")
    ]
    (tmp_path / "kept.xmp").write_bytes(DIGIKAM)
    (tmp_path / "damaged.jpg.xmp").write_bytes(DARKTABLE[:-1].replace(b"/rdf:RDF", b"/rdf"))
    (tmp_path / "gone.jpg").unlink()
    write_stars(results[2:3])
    seen: list[ScoreResult | ScoreFailure] = []
    summary = write_stars(results, on_result=seen.append)
    assert str(summary) == "stars: 1 written, 1 kept, 1 unchanged, 2 failed"
    assert seen == [*results[:3], *summary.failed]
    assert [failed.source.name for failed in summary.failed] == ["damaged.jpg", "gone.jpg"]
    assert str(summary.failed[0].error) == (
        f"the sidecar {str(tmp_path / 'damaged.jpg.xmp')!r} is left alone:"
        " it is damaged or not XML: mismatched tag: line 21, column 3"
    )


def test_photos_that_share_a_name(tmp_path: Path) -> None:
    results = [scored(tmp_path, name, quality=50, beauty=50) for name in ("a.jpg", "a.cr2")]
    summary = write_stars(results, settings=XmpSettings(convention="photo.xmp"))
    assert (
        str(summary)
        == "stars: 1 written, 0 kept, 0 unchanged, 1 left out (photo.xmp belongs to another photo)"
    )


def test_settings_of_the_command_line() -> None:
    assert xmp_settings(False, thresholds=None, names=None, overwrite=False) is None
    assert xmp_settings(True, thresholds=None, names=None, overwrite=False) == XmpSettings()
    assert xmp_settings(
        True, thresholds="1, 2,3,4.5", names="lightroom", overwrite=True
    ) == XmpSettings(StarSettings((1, 2, 3, 4.5)), "photo.xmp", True)


ABOUT_SIDECARS = "--xmp, which writes sidecars"


@pytest.mark.parametrize(
    ("wanted", "thresholds", "names", "overwrite", "message"),
    [
        (False, "20,45,70,90", None, False, ABOUT_SIDECARS),
        (False, None, "both", False, ABOUT_SIDECARS),
        (False, None, None, True, ABOUT_SIDECARS),
        (
            True,
            "20;45;70;90",
            None,
            False,
            "got '20;45;70;90'",
        ),
        (
            True,
            "90,70,45,20",
            None,
            False,
            "got 90,70,45,20",
        ),
        (
            True,
            None,
            "darktabel",
            False,
            "'darktabel': did you mean 'darktable'? Known: 'both', 'darktable', 'lightroom'",
        ),
    ],
)
def test_settings_that_are_none(
    wanted: bool, thresholds: str | None, names: str | None, overwrite: bool, message: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        xmp_settings(wanted, thresholds=thresholds, names=names, overwrite=overwrite)


def test_score_with_xmp(examples: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("rocket.jpg", "chelsea.png", "clock_motion.png"):
        shutil.copy(examples / name, photos)
    before = {file: file.read_bytes() for file in photos.iterdir()}
    (photos / "chelsea.xmp").write_bytes(DIGIKAM)
    (photos / "rocket.jpg.xmp").write_text("notes")

    def score(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mlsp", "score", str(photos), "--xmp", *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = score("--xmp-keywords", "rank")
    assert done.returncode == 1
    # What is left alone is named once.
    *_, failed, summary, keywords = done.stderr.splitlines()
    assert done.stderr.count("is left alone") == 1
    assert keywords == "keywords: 2 written, 0 unchanged; `mlsp stars undo` takes them back"
    assert failed == (
        f"{photos / 'rocket.jpg'}: the sidecar {str(photos / 'rocket.jpg.xmp')!r} is left alone:"
        " it is damaged or not XML: syntax error: line 1, column 0"
    )
    assert summary == (
        "stars: 1 written, 1 kept, 0 unchanged, 1 failed; `mlsp stars undo` takes them back"
    )
    assert len(done.stdout.splitlines()) == 4
    assert read_rating(photos / "chelsea.png") == 4
    assert (photos / "rocket.jpg.xmp").read_text() == "notes"
    (photos / "rocket.jpg.xmp").unlink()
    again = score(
        "--overwrite-ratings", "--star-thresholds", "0.1,0.2,0.3,0.4", "--xmp-names", "lightroom"
    )
    assert again.returncode == 0, again.stderr
    assert again.stderr.splitlines()[-1] == (
        "stars: 3 written, 0 kept, 0 unchanged; `mlsp stars undo` takes them back"
    )
    sidecars = [photos / f"{name}.xmp" for name in ("chelsea", "clock_motion", "rocket")]
    assert [found["XMP-xmp:Rating"] for found in read_by_exiftool(sidecars)] == [5, 5, 5]
    for said in ("2 sidecars restored, 1 removed", "1 sidecar restored, 3 removed"):
        undone = CliRunner().invoke(app, ["stars", "undo"])
        assert undone.exit_code == 0, undone.output
        assert undone.stdout.rstrip().endswith(f": {said}")
    assert (photos / "chelsea.xmp").read_bytes() == DIGIKAM
    assert sorted(photos.glob("*.xmp")) == [photos / "chelsea.xmp"]
    assert {file: file.read_bytes() for file in before} == before
