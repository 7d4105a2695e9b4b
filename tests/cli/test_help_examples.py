"""Every example that ends a command's help, run as it stands there, on small real data."""

from __future__ import annotations

import contextlib
import csv
import itertools
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import httpx
import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from caches import make_cache
from children import start_child
from keras_heads import seeded_head, write_keras
from mlsp.backbones import backbone
from mlsp.cli import app
from mlsp.culling.marks import Marks
from mlsp.culling.xmp import rate_shot, write_shot_marks
from mlsp.culling.xmp.journal import Journal
from waiting import until

COUNT = 48
RATED = 24
# What makes the files that others read.
BEFORE = {
    "features check": ("extract",),
    "features info": ("extract",),
    "features merge": ("extract",),
    "features export": ("extract",),
    "train": ("extract",),
    "experiment": ("extract",),
    "predict": ("train",),
    "evaluate": ("predict",),
}
# It downloads from the public internet; tests/models/test_released_models.py runs it against a server on this machine.
ONLINE = "models get"
# Run until they are told to end.
SERVERS = ("serve", "service")


def commands() -> dict[str, Any]:
    """All commands, and those of groups, by what is typed."""
    top = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    found = {}
    for name, command in top.items():
        for inner, one in getattr(command, "commands", {"": command}).items():
            found[f"{name} {inner}".strip()] = one
    return found


def examples_of(command: Any) -> list[str]:
    heading, *lines = (command.epilog or "").strip().splitlines()
    assert heading == "Examples:"
    return [line.strip().replace("\\[", "[") for line in lines]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, examples: Path) -> Path:
    """A folder with what the examples name: photos of a holiday, rated photos, ratings, heads."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "holiday").mkdir()
    for name, photo in (("cat.jpg", "chelsea.png"), ("sea.jpg", "rocket.jpg")):
        with Image.open(examples / photo) as opened:
            opened.convert("RGB").resize((160, 120)).save(folder / "holiday" / name)
    write_shot_marks([folder / "holiday" / "cat.jpg"], Marks(flag="pick"))
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    stars, mos = [], []
    for number in range(COUNT):
        tint, liked = ((200, 30, 20), 4) if number % 2 else ((20, 120, 200), 1)
        grain = rng.integers(0, 256, (8, 9, 3), dtype=np.uint8)
        image = Image.fromarray(grain).resize((72, 64), Image.Resampling.BICUBIC)
        path = folder / "photos" / f"{number:02}.png"
        Image.blend(image, Image.new("RGB", image.size, tint), 0.4).save(path)
        stars.append((path.name, liked + number // 2 % 2))
        write_shot_marks([path], Marks(stars[-1][1]))
        part = ("train", "train", "validation", "test")[number // 2 % 4]
        mos.append((path.name, f"{liked + number / COUNT:.3f}", part))
    _write(folder / "stars.csv", [("photo", "rating"), *stars])
    # Few, as networks are trained on them.
    _write(folder / "ratings.csv", [("photo", "mos", "split"), *mos[:RATED]])
    _write(folder / "other.csv", [("photo", "score"), *stars[:RATED]])
    files = [(f"key-{name}", f"photos/{name}") for name, _ in stars[:4]]
    _write(folder / "photos.csv", [("key", "file"), *files])
    channels = backbone("inception_resnet_v2").channels
    (folder / "notop.h5").write_bytes(b"features tell which network's these are, not the file")
    with h5py.File(folder / "released.h5", "w") as released:
        released["00.png"] = np.zeros(channels, np.float16)
    for kind, column in (("narrow", None), ("wide", 8)):
        head = seeded_head(channels, 16, column=column)
        write_keras(folder / f"irnv2_mlsp_{kind}_orig.h5", head, whole=False)
    return folder


def _write(path: Path, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)


@pytest.fixture(scope="module")
def done() -> set[str]:
    """Names of the commands whose examples were run."""
    return set()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, exported_networks: Path) -> Path:
    """One cache, so that photos are scored once."""
    folder = tmp_path_factory.mktemp("work") / "cache"
    make_cache(folder, exported_networks)
    return folder


def test_every_command_has_two_examples() -> None:
    for name, command in commands().items():
        lines = examples_of(command)
        assert len(lines) == 2, name
        # `mlsp models NAME` is `mlsp models show NAME`.
        typed = f"mlsp {name.removesuffix(' show')} "
        assert all(f"{line} ".startswith(typed) for line in lines), name


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", [name for name in commands() if name != ONLINE])
def test_examples_do_what_they_say(
    name: str, work: Path, cache: Path, done: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work)
    monkeypatch.setenv("MLSP_CACHE_DIR", str(cache))
    # No example opens a browser here.
    monkeypatch.setenv("BROWSER", "true")
    run(name, done)


def run(name: str, done: set[str]) -> None:
    if name in done:
        return
    for earlier in BEFORE.get(name, ()):
        run(earlier, done)
    if name == "features merge":
        _make_shards()
    if name == "stars undo":
        _make_runs()
    for line in examples_of(commands()[name]):
        _, *arguments = shlex.split(line)
        if name in SERVERS:
            _serve(arguments)
            continue
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, (line, result.output)
        written = [
            Path(one)
            for option, one in itertools.pairwise(arguments)
            # A plan names an output and writes none.
            if option in ("--output", "--copy-to") and "--plan" not in arguments
        ]
        assert all(path.exists() for path in written), line
        assert written or result.stdout or "--failed" in line, line
    done.add(name)


def _make_runs() -> None:
    for number, name in enumerate(("cat", "sea", "sea"), start=1):
        with Journal("mlsp score --xmp") as journal:
            rate_shot([Path("holiday", f"{name}.jpg")], Marks(number), note=journal.note)


def _serve(arguments: list[str]) -> None:
    # Whichever port the example names, another program may have it.
    command = [sys.executable, "-m", "mlsp", *arguments, "--port", "0"]
    with start_child(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            link = child.stdout.readline().strip()
            until(lambda: _answers(link), seconds=60)
            child.send_signal(signal.SIGINT)
            _, stderr = child.communicate(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
    assert child.returncode == 0, stderr


def _answers(link: str) -> bool:
    try:
        return httpx.get(link, timeout=60).status_code < 500
    except httpx.ConnectError:
        return False


def _make_shards() -> None:
    for part in (1, 2):
        options = ("--grid", "narrow", "--shard", f"{part}/2", "--output", f"part-{part}.h5")
        command = ["extract", "holiday/", "--backbone", "efficientnet_lite0", *options]
        assert CliRunner().invoke(app, command).exit_code == 0
