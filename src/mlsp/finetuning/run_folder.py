"""The folder of a run: what goes on after a kill, the best weights, a log as CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mlsp.atomic_file import atomic_write, atomic_write_text
from mlsp.errors import SettingsError

_RUN_FILE = "run.json"
_LAST_FILE = "last.pt"
_BEST_FILE = "best.pt"
_LOG_FILE = "log.csv"


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """A line of the log.

    Attributes:
        epoch: from 1.
        learning_rate: in this epoch.
        train_loss: mean over the photos learned from.
        validation_loss: after it.
        validation_srcc: Spearman's correlation after it.
        photos: learned from.
        seconds: that it took.
        is_best: whether no earlier epoch had a lower validation loss.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    validation_srcc: float
    photos: int
    seconds: float
    is_best: bool


class RunFolder:
    """Reads and writes the folder of one run.

    Args:
        folder: is made if it is not there; its parent must be.
        identity: what the run is: everything that its result follows from, as JSON can hold it.

    Raises:
        SettingsError: the folder holds another run or something else, or cannot be made.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise SettingsError(f"run folder {folder} cannot be made: {error.strerror}") from error
        file = folder / _RUN_FILE
        # Through JSON, where tuples become lists, so that it compares with what is read.
        wanted = json.loads(json.dumps(identity))
        if not file.exists():
            if any(folder.iterdir()):
                raise SettingsError(f"{folder} is no run folder, and not empty: choose another")
            with atomic_write_text(file) as stream:
                stream.write(json.dumps(wanted, indent=1) + "\n")
            return
        try:
            found = json.loads(file.read_text("utf-8"))
            differing = [name for name in wanted if found.get(name) != wanted[name]]
        except (ValueError, AttributeError) as error:
            raise SettingsError(f"{file} is damaged: choose another run folder") from error
        if differing:
            name = differing[0]
            raise SettingsError(
                f"run folder {folder} was begun with {name} {found.get(name)!r}, got {wanted[name]!r}: give the same again,"
                " or choose another run folder"
            )

    def save(self, state: Mapping[str, Any], log: list[EpochRecord]) -> None:
        """Note what goes on after a kill; whole or not at all."""
        with atomic_write(self.folder / _LAST_FILE) as file:
            torch.save({**state, "log": [dataclasses.asdict(record) for record in log]}, file)
        self._write_log(log)

    def save_best(self, weights: Mapping[str, Any]) -> None:
        """Keep the weights of the best epoch so far."""
        with atomic_write(self.folder / _BEST_FILE) as file:
            torch.save(dict(weights), file)

    def load(self) -> tuple[dict[str, Any], list[EpochRecord]] | None:
        """What `save` noted last; None before the end of the first epoch.

        Raises:
            SettingsError: the file is damaged.
        """
        if not (self.folder / _LAST_FILE).exists():
            return None
        state = self._read(_LAST_FILE)
        return state, [EpochRecord(**record) for record in state.pop("log")]

    def load_best(self) -> dict[str, Any]:
        """What `save_best` kept last.

        Raises:
            SettingsError: the file is missing or damaged.
        """
        return self._read(_BEST_FILE)

    def _read(self, name: str) -> dict[str, Any]:
        file = self.folder / name
        try:
            state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise SettingsError(
                f"{file} is missing or damaged: remove the run folder and begin again"
            ) from error
        return state

    def _write_log(self, log: list[EpochRecord]) -> None:
        text = io.StringIO()
        fields = [field.name for field in dataclasses.fields(EpochRecord)]
        writer = csv.DictWriter(text, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(dataclasses.asdict(record) for record in log)
        with atomic_write_text(self.folder / _LOG_FILE) as stream:
            stream.write(text.getvalue())
