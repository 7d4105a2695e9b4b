"""Progress where there is no terminal; the clock is faked."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlsp.base.errors import UnreadablePhotoError
from mlsp.base.results import ScoreFailure
from mlsp.cli import progress as module
from mlsp.cli.progress import RunProgress
from mlsp.cli.writing import WritingProgress
from mlsp.culling.xmp.journal import Journal


class Clock:
    """Time that passes when told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def run(clock: Clock, *, quiet: bool) -> None:
    failed = ScoreFailure(Path("a.jpg"), UnreadablePhotoError("the file is empty"))
    with RunProgress(1000, done_word="extracted", quiet=quiet) as progress:
        for _ in range(100):
            clock.now += 1.25
            progress.advance(failed)
    progress.summarise(998, 2, [Path("f.h5"), Path("g.h5")])


def test_a_line_a_minute_says_speed_and_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    run(clock, quiet=False)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line != "a.jpg: the file is empty"] == [
        "48 of 1000, 0.8 photos/s, 0:19:50 left",
        "96 of 1000, 0.8 photos/s, 0:18:50 left",
        "998 extracted, 2 failed in 125.0 s → f.h5, g.h5",
    ]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (0, "before a file was written"),
        (2, "after 2 files were written: `mlsp stars undo` takes that back, the same command writes the rest"),
    ],
)  # fmt: skip
def test_an_interruption_tells_what_was_written(
    capsys: pytest.CaptureFixture[str], files: int, said: str
) -> None:
    def write() -> None:
        with (
            Journal("mlsp score --xmp") as journal,
            WritingProgress(50, done_word="rated", quiet=False, journal=journal),
        ):
            for number in range(files):
                for _ in range(2):
                    journal.note(Path(f"{number}.xmp"), None, b"")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert capsys.readouterr().err == f"mlsp: interrupted {said}\n"


def test_quiet_names_only_what_failed(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    run(clock, quiet=True)
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["a.jpg: the file is empty"] * 100
    assert captured.out == ""
