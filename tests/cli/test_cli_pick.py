"""`mlsp pick`, on bursts of real photos."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageFilter

from children import call_mlsp
from face_samples import portrait, with_shut_eyes


def mlsp(*arguments: str | Path, cache: Path) -> subprocess.CompletedProcess[str]:
    return call_mlsp(*arguments, env={"MLSP_CACHE_DIR": str(cache)})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that photos are scored once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def shoot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two bursts of three, of which the first two shots are spoilt, one photo alone, and a broken one."""
    folder = tmp_path_factory.mktemp("shoot")
    (folder / "day [1]").mkdir()
    examples = Path(__file__).parents[2] / "examples"
    for number, name in enumerate(("astronaut.png", "chelsea.png")):
        image = Image.open(examples / name).convert("RGB")
        image.thumbnail((400, 400))
        shots = (
            image.filter(ImageFilter.GaussianBlur(1.5)),
            ImageEnhance.Brightness(image).enhance(0.4),
            image.crop((8, 5, image.width, image.height)),
        )
        for second, shot in enumerate(shots):
            exif = Image.Exif()
            exif.get_ifd(0x8769)[0x9003] = f"2024:05:0{number + 1} 12:00:0{3 * second}"
            shot.save(folder / "day [1]" / f"IMG_{number}{second}.jpg", exif=exif)
    Image.open(examples / "rocket.jpg").save(folder / "alone.jpg")
    (folder / "broken.jpg").write_bytes(b"no photo")
    return folder


BEST = ["alone.jpg", "day [1]/IMG_02.jpg", "day [1]/IMG_12.jpg"]


def test_lists_the_best_and_reports(shoot: Path, cache: Path, tmp_path: Path) -> None:
    done = mlsp("pick", shoot, "--list", "--output", tmp_path / "picks.csv", cache=cache)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines() == [str(shoot / name) for name in BEST]
    assert "broken.jpg: it is not in a format that is read" in done.stderr
    assert "7 scored, 1 failed in " in done.stderr
    assert done.stderr.endswith("2 bursts and 1 alone, 3 picked\n")
    with (tmp_path / "picks.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["burst"] for row in rows] == ["", *"111", *"222"]
    assert [row["rank"] for row in rows] == ["", *"123", *"123"]
    assert [row["picked"] for row in rows] == ["yes", "yes", "no", "no", "yes", "no", "no"]
    assert (rows[0]["captured"], rows[1]["captured"]) == ("", "2024-05-01T12:00:06")
    assert float(rows[1]["quality"]) > float(rows[2]["quality"]) > 0
    # The astronaut's face, and the cat, which has none.
    assert [row["faces"] for row in rows] == ["", *"111", *"000"]
    assert [row["closed_eyes"] for row in rows] == ["", *"000", *"000"]
    assert (rows[0]["blur"], rows[0]["reason"]) == ("", "")
    assert float(rows[1]["blur"]) > 0
    assert rows[1]["reason"].endswith(f" {Path(rows[2]['photo']).stem}")
    assert rows[2]["reason"].endswith(" IMG_02")
    with (tmp_path / "picks.errors.csv").open(encoding="utf-8", newline="") as stream:
        assert [Path(row["photo"]).name for row in csv.DictReader(stream)] == ["broken.jpg"]


def test_copies_and_goes_on(shoot: Path, cache: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in shoot.rglob("*")}
    best = tmp_path / "new" / "best"
    done = mlsp("pick", shoot, "--copy-to", best, "--best", "2", "--bursts-only", cache=cache)
    assert done.returncode == 1, done.stderr
    assert done.stderr.endswith("2 bursts and 0 alone, 4 picked, 4 copied\n")
    copies = sorted(path for path in best.rglob("*") if path.is_file())
    assert len(copies) == 4
    assert {path.parent.name for path in copies} == {"day [1]"}
    for copy in copies:
        assert copy.read_bytes() == (shoot / copy.relative_to(best)).read_bytes()
    (best / "day [1]" / "IMG_02.jpg").unlink()
    again = mlsp("pick", shoot, "--copy-to", best, cache=cache)
    assert again.stderr.endswith("3 picked, 2 copied, 1 was there already\n")
    assert {path: path.stat().st_mtime_ns for path in shoot.rglob("*")} == before


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_all_is_copied_though_nobody_reads_the_table(
    shoot: Path, cache: Path, tmp_path: Path
) -> None:
    """As with `| head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "mlsp", "pick", shoot, "--copy-to", tmp_path / "best"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "MLSP_CACHE_DIR": str(cache)},
        )
    assert len([file for file in (tmp_path / "best").rglob("*") if file.is_file()]) == 3
    assert done.stderr.endswith("3 picked, 3 copied\n")


def test_a_shot_with_shut_eyes_is_not_picked(cache: Path, tmp_path: Path) -> None:
    """By its score alone it would be: 512 pixels show no blink."""
    for number, pixels in enumerate((with_shut_eyes(portrait())[:-4, :-3], portrait()[4:, 3:])):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 12:00:0{number}"
        Image.fromarray(pixels).save(tmp_path / f"{number}.jpg", exif=exif, quality=95)
    done = mlsp("pick", tmp_path, "--list", cache=cache)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "1.jpg")]
    table = mlsp("pick", tmp_path, "-q", cache=cache)
    rows = [line.split("\t") for line in table.stdout.splitlines()]
    assert [row[-1] for row in rows[1:]] == ["eyes open, closed in 0", "eyes closed, open in 1"]
    assert rows[1][rows[0].index("closed_eyes")] == "0"
    assert rows[2][rows[0].index("closed_eyes")] == "1"
    off = mlsp("pick", tmp_path, "-q", "--by", "quality", cache=cache)
    rows = [line.split("\t") for line in off.stdout.splitlines()]
    assert [row[-1] for row in rows[1:]] == ["", ""]


def test_stdout_is_a_table_for_programs(shoot: Path, cache: Path) -> None:
    done = mlsp("pick", shoot / "day [1]", "--by", "beauty", "-q", cache=cache)
    assert (done.returncode, done.stderr) == (0, "")
    header, *lines = (line.split("\t") for line in done.stdout.splitlines())
    assert header[:7] == ["photo", "burst", "set", "rank", "picked", "captured", "overall"]
    beauty = [float(line[header.index("beauty")]) for line in lines[:3]]
    assert len(lines) == 6
    assert beauty == sorted(beauty, reverse=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--list", "--copy-to", "x"],
            "--copy-to, --link-to, --hard-link-to and --list: choose one",
        ),
        (["--similarity", "2"], "mlsp: similarity must be above 0 and at most 1, got 2.0"),
        (["--faces", "no"], "mlsp: --faces is on or off, got 'no'"),
        (["--by", "qualty"], "mlsp: unknown score 'qualty': did you mean 'quality'?"),
        (["--output", "picks.html"], "its ending must be one of .csv, got '.html'"),
    ],
)
def test_usage_errors_exit_with_2(
    shoot: Path, cache: Path, arguments: list[str], message: str
) -> None:
    done = mlsp("pick", shoot, *arguments, cache=cache)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_folder_without_photos_exits_with_2(cache: Path, tmp_path: Path) -> None:
    done = mlsp("pick", tmp_path, cache=cache)
    assert done.returncode == 2
    assert done.stderr == f"mlsp: no photos found in {tmp_path}\n"


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """A shot as JPEG, raw photo and sidecar, one alone, and a film. No raw photo is read: the JPEG is scored."""
    folder = tmp_path / "card"
    folder.mkdir()
    examples = Path(__file__).parents[2] / "examples"
    for name in ("IMG_1.JPG", "IMG_2.JPG"):
        image = Image.open(examples / ("astronaut.png" if "1" in name else "rocket.jpg"))
        image.convert("RGB").resize((300, 200)).save(folder / name)
    for name in ("IMG_1.CR3", "IMG_1.xmp", "MVI_3.MP4"):
        (folder / name).write_bytes(b"not read")
    return folder


def test_a_shot_is_picked_with_all_its_files(card: Path, cache: Path, tmp_path: Path) -> None:
    best = tmp_path / "best"
    done = mlsp("pick", card, "--copy-to", best, "--output", tmp_path / "p.csv", cache=cache)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("left out: 1 video (.mp4)\n")
    assert "2 scored in " in done.stderr
    assert sorted(file.name for file in best.iterdir()) == [
        "IMG_1.CR3",
        "IMG_1.JPG",
        "IMG_1.xmp",
        "IMG_2.JPG",
    ]
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as stream:
        files = {Path(row["photo"]).name: row["files"] for row in csv.DictReader(stream)}
    assert files == {"IMG_1.JPG": "IMG_1.JPG|IMG_1.CR3|IMG_1.xmp", "IMG_2.JPG": "IMG_2.JPG"}
    listed = mlsp("pick", card, "--list", "--exclude", "*_2.*", cache=cache).stdout
    assert listed.splitlines() == [str(card / "IMG_1.JPG"), str(card / "IMG_1.CR3")]


def test_without_pairs_each_file_is_read(card: Path, cache: Path) -> None:
    done = mlsp("pick", card, "--pairs", "off", "-q", cache=cache)
    assert done.returncode == 1
    assert "IMG_1.CR3: it is not in a format that is read" in done.stderr
    wrong = mlsp("pick", card, "--pairs", "maybe", cache=cache)
    assert (wrong.returncode, wrong.stderr) == (2, "mlsp: --pairs is on or off, got 'maybe'\n")


def test_a_bracket_is_picked_whole(cache: Path, tmp_path: Path) -> None:
    image = Image.open(Path(__file__).parents[2] / "examples" / "chelsea.png").convert("RGB")
    image.thumbnail((300, 300))
    for number, bias in enumerate((0, -1, 1)):
        exif = Image.Exif()
        inner = exif.get_ifd(0x8769)
        inner[0x9003], inner[0x829A] = f"2024:05:01 12:00:0{number}", 2.0**bias / 250
        inner[0x9204], inner[0xA402] = float(bias), 2
        exposed = ImageEnhance.Brightness(image).enhance(2.0**bias)
        exposed.save(tmp_path / f"{number}.jpg", exif=exif)
    done = mlsp("pick", tmp_path, "-o", tmp_path / "p.csv", cache=cache)
    assert done.stderr.endswith("0 bursts and 0 alone, 1 bracket, 3 picked\n"), done.stderr
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["set"] for row in csv.DictReader(stream)] == ["bracket"] * 3
    split = mlsp("pick", tmp_path, "--list", "--split-sets", cache=cache)
    assert split.stderr.endswith("1 burst and 0 alone, 1 picked\n"), split.stderr
    assert len(split.stdout.splitlines()) == 1


@pytest.mark.parametrize("wrong", ["--by", "--rated", "--model", "--xmp-keywords"])
def test_a_wrong_option_leaves_no_folder(
    wrong: str, shoot: Path, cache: Path, tmp_path: Path
) -> None:
    done = mlsp("pick", shoot, wrong, "nonsense", "--copy-to", tmp_path / "best", cache=cache)
    assert done.returncode == 2
    assert "'nonsense'" in done.stderr
    assert not (tmp_path / "best").exists()
