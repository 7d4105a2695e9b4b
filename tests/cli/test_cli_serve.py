"""`mlsp serve` as a user runs it: a process of its own, with the embedded model."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from children import start_child
from mlsp.base.errors import MlspError
from mlsp.cli import app
from mlsp.personal.user_ratings import UserRatings


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "mlsp", "serve", *map(str, arguments)]


@contextlib.contextmanager
def served(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the link that it prints."""
    process = start_child(
        command(*arguments, "--no-open"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def let_in(client: httpx.Client, link: str) -> None:
    assert client.get(link).status_code == 200


def until_scored(client: httpx.Client) -> dict[str, object]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status: dict[str, dict[str, object]] = client.get("/api/status").json()
        if status["scoring"]["state"] in ("done", "failed"):
            break
        time.sleep(0.05)
    return status["scoring"]


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_serves_rates_and_ends_at_ctrl_c(examples: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine" / "ratings.sqlite"
    with served(examples, tmp_path / "gone.jpg", "--ratings", file) as (process, link):
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/\?key=[\w-]{43}", link)
        assert found is not None
        with httpx.Client(base_url=found[1], timeout=30) as client:
            let_in(client, link)
            scoring = until_scored(client)
            assert (scoring["state"], scoring["total"], scoring["failed"]) == ("done", 7, 1)
            body = {"ratings": [{"id": 0, "stars": 5}]}
            answer = client.post("/api/ratings", json=body, headers={"origin": found[1]})
            assert answer.status_code == 200
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=30)
        assert time.monotonic() - began < 10
        assert (process.returncode, stdout) == (0, "")
        assert stderr == (
            "left out: 3 .md, 1 .ipynb, 1 .lua\n"
            f"7 photos. The link works once, in a browser of this machine. Ratings: {file}. Ctrl-C ends.\n"
        )
    with UserRatings.open(file) as ratings:
        assert [rating.stars for rating in ratings.ratings()] == [5]
    assert os.listdir(file.parent) == ["ratings.sqlite"]


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
def test_ends_while_photos_are_scored(examples: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    content = (examples / "rocket.jpg").read_bytes()
    for place in range(500):
        (many / f"{place}.jpg").write_bytes(content + bytes([place % 256, place // 256]))
    with served(many, "--ratings", tmp_path / "r.sqlite") as (process, link):
        with httpx.Client(base_url=link.partition("/?")[0], timeout=30) as client:
            let_in(client, link)
            while client.get("/api/status").json()["scoring"]["done"] < 3:
                time.sleep(0.02)
            assert client.get("/api/photos").json()["rows"]
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=10)
        assert process.returncode == 0, stderr
        assert "Traceback" not in stderr


def test_what_cannot_be_served_is_said(examples: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.sqlite"
    notes.write_text("my notes\n")
    (tmp_path / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fresh = ("--ratings", str(tmp_path / "r.sqlite"))
        for arguments, message in (
            (["--model", "defualt"], "unknown model 'defualt': did you mean 'default'? "),
            (["--ratings", str(notes)], f"the ratings {notes} are damaged "),
            (
                ["--port", str(port), *fresh],
                f"cannot serve at port {port} (Address already in use): choose another with --port, or 0 for any that is free",
            ),
        ):
            done = CliRunner().invoke(app, ["serve", str(examples), "--no-open", *arguments])
            assert isinstance(done.exception, MlspError)
            assert str(done.exception).startswith(message)
    assert notes.read_text() == "my notes\n"
    empty = CliRunner().invoke(app, ["serve", str(tmp_path / "empty"), "--no-open"])
    assert isinstance(empty.exception, MlspError)
    assert str(empty.exception) == f"no photos found in {tmp_path / 'empty'}"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path / "gone", "--no-open"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"mlsp: {tmp_path / 'gone'} does not exist\n"


def test_other_machines_are_not_served(examples: Path) -> None:
    done = CliRunner().invoke(app, ["serve", str(examples), "--host", "0.0.0.0"])  # noqa: S104 - refused
    assert done.exit_code == 2
    assert "No such option: --host" in done.output


def test_without_the_extra_it_says_what_to_install(examples: Path) -> None:
    script = (
        "import sys\nsys.modules['fastapi'] = None\nsys.argv[1:] = ['serve', sys.argv[1]]\n"
        "from mlsp.cli import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(examples)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("mlsp: The page needs an extra: pip install '.[web]'")
