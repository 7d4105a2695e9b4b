"""`mlsp explain` as a user runs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

# In a process without what scoring does not need either.
WITHOUT_TORCH = """
import sys
for name in ("torch", "scipy", "pandas", "sklearn", "matplotlib", "onnx", "fastapi"):
    sys.modules[name] = None
from mlsp.cli import main
main()
"""


def explain(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, "explain", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def photo(examples: Path, tmp_path: Path) -> Path:
    with Image.open(examples / "chelsea.png") as image:
        image.convert("RGB").resize((200, 133)).save(tmp_path / "cat.jpg")
    return tmp_path / "cat.jpg"


def test_writes_a_picture_a_score_and_says_what_mattered(photo: Path, tmp_path: Path) -> None:
    shutil.copy(photo, tmp_path / "bad.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"")
    before = photo.read_bytes()
    done = explain(
        photo,
        tmp_path / "bad.jpg",
        "-o",
        tmp_path / "maps",
    )
    assert done.returncode == 1, done.stderr
    assert photo.read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == [
        "cat.beauty.png",
        "cat.quality.png",
    ]
    shown = done.stdout.splitlines()
    assert shown[0] == str(photo)
    # Kind and faults, where the model finds them.
    lines = [
        shown[0],
        *(line for line in shown if line.startswith(("  quality", "  beauty", "    two"))),
    ]
    assert lines[1].startswith("  quality 0.")
    assert lines[1].endswith(f" % of rated photos: {tmp_path / 'maps' / 'cat.quality.png'}")
    assert re.fullmatch(r"    two ways of covering its parts agree by [+-]0\.\d\d \(.*\)", lines[2])
    assert len(lines) == 5
    assert f"{tmp_path / 'bad.jpg'}: the file is empty" in done.stderr
    assert "1 explained, 1 failed in " in done.stderr


def test_one_head_into_one_file(photo: Path, tmp_path: Path) -> None:
    done = explain(photo, "--head", "beauty", "-o", tmp_path / "why.png", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    with Image.open(tmp_path / "why.png") as picture:
        assert picture.width >= 400
    lines = done.stdout.splitlines()
    assert lines[-2].startswith("  beauty ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--head", "qualty"], "mlsp: unknown head 'qualty': did you mean 'quality'?"),
        (["--model", "defualt"], "mlsp: unknown model 'defualt': did you mean 'default'?"),
        (["-o", "one.png"], "mlsp: 'one.png' is one file, but there are 2 pictures to write"),
    ],
)
def test_usage_errors_exit_with_2(photo: Path, arguments: list[str], message: str) -> None:
    done = explain(photo, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert done.stdout == ""


def test_no_photos(tmp_path: Path) -> None:
    done = explain(tmp_path)
    assert (done.returncode, done.stderr) == (2, f"mlsp: no photos found in {tmp_path}\n")
