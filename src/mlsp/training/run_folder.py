"""The folder of a run: its state after each epoch, a log as CSV, and curves."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import pickle
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mlsp.base.atomic_file import atomic_write, atomic_write_text
from mlsp.base.closing import Closing
from mlsp.base.errors import OutputError, SettingsError, TrainingError
from mlsp.base.json_text import parse_object
from mlsp.base.one_writer import one_writer
from mlsp.base.records import record_of
from mlsp.models.heads import HeadSpec
from mlsp.training.curves import draw_curves

_RUN_FILE = "run.json"
_STATE_FILE = "last.pt"
_LOG_FILE = "log.csv"
_CURVES_FILE = "curves.png"
# A picture takes longer than an epoch of a small head.
_SECONDS_PER_PICTURE = 5


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """A line of the log.

    Attributes:
        epoch: from 1.
        learning_rate: in this epoch.
        train_loss: mean over the photos, as they were learned from.
        validation_loss: after it, of the means over all stored views.
        validation_srcc: Spearman's correlation after it.
        validation_plcc: Pearson's.
        seconds: that it took, validation included.
        rows_per_s: photos learned from in a second, validation left out.
        is_best: whether no earlier epoch was as good.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    validation_srcc: float
    validation_plcc: float
    seconds: float
    rows_per_s: float
    is_best: bool


def run_folder_of(model: Path, chosen: Path | None = None) -> Path:
    """Return the folder of a model's run: the chosen one, else that beside the model's, with `.run` after its name.

    Raises:
        SettingsError: the chosen folder is that of the model or in it, which is written as a whole.
    """
    if chosen is None:
        model = model.absolute()
        return model.with_name(f"{model.name}.run")
    if chosen.resolve().is_relative_to(model.resolve()):
        raise SettingsError(
            f"run folder {chosen} is the folder of the model or in it: choose another"
        )
    return chosen


def head_identity(head: HeadSpec) -> dict[str, Any]:
    """Return what tells a head from another; widths, which came later, only where they are not the paper's."""
    return record_of(head, later=("first", "column"))


class RunFolder(Closing):
    """Reads and writes the folder of one run; use it in `with`, which keeps a second training away.

    Args:
        folder: is made if it is not there; its parent must be.
        identity: everything that its result follows from, as JSON can hold it.

    Raises:
        SettingsError: the run in the folder was begun with other settings.
        OutputError: the folder holds something else, or cannot be made.
        TrainingError: the run's description is damaged, or another process trains in the folder.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self._drawn = time.monotonic()
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error
        with contextlib.ExitStack() as lock:
            lock.enter_context(one_writer(folder.absolute(), "run folder", busy=TrainingError))
            self._begin(identity)
            self._lock = lock.pop_all()

    def close(self) -> None:
        """Let others train in the folder; a second call does nothing."""
        self._lock.close()

    def _unusable(self, error: OSError) -> OutputError:
        return OutputError(
            f"run folder {self.folder} cannot be used: {error.strerror}: choose another"
        )

    def _begin(self, identity: Mapping[str, Any]) -> None:
        folder = self.folder
        file = folder / _RUN_FILE
        # Through JSON, where tuples become lists, so that it compares with what is read.
        wanted = json.loads(json.dumps(identity))
        try:
            if not file.exists():
                if any(folder.iterdir()):
                    raise OutputError(f"{folder} is no run folder, and not empty: choose another")
                with atomic_write_text(file) as stream:
                    stream.write(json.dumps(wanted, indent=1) + "\n")
                return
            found = parse_object(file.read_text("utf-8"))
        except OSError as error:
            raise self._unusable(error) from error
        except ValueError as error:
            raise TrainingError(f"{file} is damaged: choose another run folder") from error
        differing = list(_differences(found, wanted))
        if differing:
            raise SettingsError(
                f"run folder {folder} was begun with {'; with '.join(differing)}: give the same again, or choose another run folder"
            )

    def save(self, state: Mapping[str, Any], log: Sequence[EpochRecord]) -> None:
        """Write the state, whole or not at all; then the log, and the curves if they are some seconds old.

        Raises:
            OutputError: the disk is full.
        """
        with self._full_disk_is_told():
            with atomic_write(self.folder / _STATE_FILE) as file:
                torch.save({**state, "log": [dataclasses.asdict(record) for record in log]}, file)
            self._write_log(log)
            if time.monotonic() - self._drawn >= _SECONDS_PER_PICTURE:
                self._draw_curves(log)

    def finish(self, log: Sequence[EpochRecord]) -> None:
        """Write log and curves of all epochs, also of those that a killed run saved but did not write down.

        Raises:
            OutputError: the disk is full.
        """
        with self._full_disk_is_told():
            self._write_log(log)
            self._draw_curves(log)

    @contextlib.contextmanager
    def _full_disk_is_told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, RuntimeError) as error:
            # torch tells of a full disk in its own words.
            raise OutputError(
                f"run folder {self.folder} cannot be written: {error}: free some space, then the same command continues"
            ) from error

    def _write_log(self, log: Sequence[EpochRecord]) -> None:
        text = io.StringIO()
        fields = [field.name for field in dataclasses.fields(EpochRecord)]
        writer = csv.DictWriter(text, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(record) for record in log)
        with atomic_write_text(self.folder / _LOG_FILE) as stream:
            stream.write(text.getvalue())

    def _draw_curves(self, log: Sequence[EpochRecord]) -> None:
        with atomic_write(self.folder / _CURVES_FILE) as file:
            draw_curves(file, log)
        self._drawn = time.monotonic()

    def load(self) -> tuple[dict[str, Any], list[EpochRecord]] | None:
        """Return the last state that was saved, and the log; None before the end of the first epoch.

        Raises:
            TrainingError: the file is damaged.
        """
        file = self.folder / _STATE_FILE
        if not file.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
            log = [EpochRecord(**record) for record in state.pop("log")]
        except (
            OSError,
            RuntimeError,
            EOFError,
            KeyError,
            TypeError,
            pickle.UnpicklingError,
        ) as error:
            raise TrainingError(
                f"{file} is damaged: remove the run folder and begin again"
            ) from error
        return state, log


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield a phrase for each value that differs, inside records too."""
    for name in dict.fromkeys([*wanted, *found]):
        one, other = found.get(name), wanted.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from (f"{name} {phrase}" for phrase in _differences(one, other))
        elif one != other:
            yield f"{name} {one!r}, got {other!r}"
