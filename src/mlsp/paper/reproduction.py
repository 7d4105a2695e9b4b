"""The paper on one page: the commands that reproduce its tables and figures, in order, and what each takes.

A step is a command of `mlsp` as a user could type it: features that rows need, networks that are fine-tuned, tables. Nothing else
computes anything, so each step goes on where it was interrupted, and can be run by hand.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from mlsp.backbones import backbone
from mlsp.base.atomic_file import atomic_write_text
from mlsp.base.errors import OutputError, SettingsError, unknown_name
from mlsp.paper.features import level_count
from mlsp.paper.records import Row
from mlsp.paper.tables import EXPERIMENTS
from mlsp.photos import ReadAs
from mlsp.photos.crops import VIEW_COUNTS
from mlsp.training import TrainSettings
from mlsp.training.finetuning import FinetuneSettings
from mlsp.training.finetuning.output import TEST_SCORES
from mlsp.training.run_folder import run_folder_of
from mlsp.training.settings import Device

TABLES = ("table2", "fig7", "table3", "fig8", "table4")
_GRIDS = {(1,): "narrow", (5,): "wide", (1, 5): "both"}
_FLOAT16_BYTES = 2


@dataclass(frozen=True, slots=True)
class ReproductionSettings:
    """What to reproduce, on which photos.

    Attributes:
        ratings: see `mlsp.ratings.datasets.registry.load_ratings`.
        output: folder of features, models and results.
        photos: folder of the photos; None for where the ratings have them.
        tables: keys of `TABLES`.
        narrow: leave out wide features, and with them Pool-3FC.
        finetunes: run the fine-tuned rows.
        backbone: network in place of the paper's; None for these.
        weights: file of that network's weights; None for the published ones.
        recipe: see `TrainSettings`.
        epochs: at most; None for the recipe's.
        seeds: trainings of each head, for the spread.
        device: see `TrainSettings`.
        read_as: see `mlsp.photos.DecodeSettings`.
        lowest: end of a table's scale.
        highest: the other one.
        has_votes: whether the ratings are votes; NIMA is left out where they are means.

    Raises:
        SettingsError: there is no such table, a setting is refused by those named above, or weights are given for both of the paper's
            networks.
    """

    ratings: str
    output: Path
    photos: Path | None = None
    tables: tuple[str, ...] = TABLES
    narrow: bool = False
    finetunes: bool = True
    backbone: str | None = None
    weights: Path | None = None
    recipe: str = "paper"
    epochs: int | None = None
    seeds: int = 1
    device: Device = "auto"
    read_as: ReadAs = "upright"
    lowest: float | None = None
    highest: float | None = None
    has_votes: bool = True

    def __post_init__(self) -> None:
        for table in self.tables:
            if table not in TABLES:
                raise SettingsError(unknown_name("table", table, TABLES))
        if self.weights is not None and self.backbone is None:
            raise SettingsError("weights are those of one network: name it by --backbone")
        # Their steps would refuse them one by one, the last after hours.
        TrainSettings(self.recipe, epochs=self.epochs, device=self.device)
        FinetuneSettings(epochs=self.epochs, device=self.device, read_as=self.read_as)


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the reproduction.

    Attributes:
        kind: `extract`, `finetune` or `experiment`.
        arguments: of `mlsp`.
        output: file or folder that it writes.
        rows: that need it; of an experiment those that it trains.
    """

    kind: Literal["extract", "finetune", "experiment"]
    arguments: tuple[str, ...]
    output: Path
    rows: tuple[Row, ...]

    @property
    def is_done(self) -> bool:
        """True if this very command need not run again; an experiment always runs, and keeps the results that it has."""
        if self.kind == "experiment" or not self.output.exists():
            return False
        try:
            return self._note.read_text("utf-8") == self._command
        except OSError:
            return False

    def note_done(self) -> None:
        """Write down beside the output that the command made it."""
        if self.kind != "experiment":
            with atomic_write_text(self._note) as file:
                file.write(self._command)

    @property
    def _note(self) -> Path:
        return self.output.with_name(f"{self.output.name}.command")

    @property
    def _command(self) -> str:
        return f"mlsp {shlex.join(self.arguments)}\n"

    @property
    def test_scores(self) -> Path:
        """Table of the test photos' scores, of a fine-tuning."""
        return run_folder_of(self.output) / TEST_SCORES


def plan_steps(settings: ReproductionSettings) -> tuple[Step, ...]:
    """Return the commands, in their order."""
    rows_of = {
        name: EXPERIMENTS[name].rows(settings.backbone, partial(level_count, stores=()))
        for name in TABLES
        if name in settings.tables
    }
    every = [row for rows in rows_of.values() for row in rows]
    extractions = list(_extractions(settings, every))
    finetunes = list(_finetunes(settings, every)) if settings.finetunes else []
    experiments = [
        _experiment(settings, name, rows, extractions, finetunes) for name, rows in rows_of.items()
    ]
    return (*extractions, *finetunes, *experiments)


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk that a folder is or will be on."""
    path = folder.absolute()
    return shutil.disk_usage(next(one for one in (path, *path.parents) if one.exists())).free


def check_disk(output: Path, needed: int) -> None:
    """Refuse a reproduction that the disk cannot hold, before it begins.

    Args:
        output: folder of it, which need not be there.
        needed: bytes.

    Raises:
        OutputError: less is free.
    """
    free = free_bytes(output)
    if free < needed:
        raise OutputError(
            f"{output} needs {needed / 1e9:,.1f} GB more, and {free / 1e9:,.1f} GB are free: free some, name a folder on another disk, or"
            " leave out what --plan names"
        )


def feature_bytes(step: Step, photos: int) -> int:
    """Return the size of a step's feature file."""
    row = step.rows[0]
    cells = sum(grid**2 for grid in _grids(step.rows))
    channels = backbone(row.backbone).channels
    return photos * channels * cells * VIEW_COUNTS[row.views] * _FLOAT16_BYTES


def _grids(rows: Sequence[Row]) -> tuple[int, ...]:
    return tuple(sorted({row.grid for row in rows}))


def _extractions(settings: ReproductionSettings, rows: Sequence[Row]) -> Iterator[Step]:
    wanted: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        if row.kind in ("head", "closed_form"):
            wanted.setdefault((row.backbone, row.resize, row.views), []).append(row)
    # Small files first: the first tables are there in hours.
    for of in sorted(
        wanted.values(), key=lambda of: (of[0].resize is None, of[0].views != "whole")
    ):
        step = _extraction(settings, of)
        narrow = [row for row in of if row.grid == 1]
        if settings.narrow and len(narrow) < len(of) and not step.is_done:
            if narrow:
                yield _extraction(settings, narrow, "-narrow")
        else:
            yield step


def _extraction(settings: ReproductionSettings, rows: Sequence[Row], suffix: str = "") -> Step:
    row = rows[0]
    name = f"{row.backbone}-{row.size or 'own-size'}-{row.views}{suffix}.h5"
    file = settings.output / "features" / name
    arguments = [
        *("extract", settings.ratings, *row.extract_options(_GRIDS[_grids(rows)])),
        *("--missing", "leave-out", *_reading(settings), *_device(settings)),
        *("--output", str(file)),
    ]
    return Step("extract", tuple(arguments), file, tuple(rows))


def _finetunes(settings: ReproductionSettings, rows: Sequence[Row]) -> Iterator[Step]:
    for row in dict.fromkeys(row for row in rows if row.kind == "finetuned"):
        if row.distribution and not settings.has_votes:
            continue
        label = re.sub(r"[^a-z0-9]+", "-", row.label.lower())
        folder = settings.output / "models" / f"{row.backbone}-{label}"
        arguments = [
            *("finetune", settings.ratings, *row.finetune_options()),
            *("--missing", "leave-out", *_reading(settings)),
            *(*_scale(settings), *_device(settings), *_epochs(settings), "--output", str(folder)),
        ]
        yield Step("finetune", tuple(arguments), folder, (row,))


def _experiment(
    settings: ReproductionSettings,
    name: str,
    rows: Sequence[Row],
    extractions: Sequence[Step],
    finetunes: Sequence[Step],
) -> Step:
    arguments = ["experiment", name, "--ratings", settings.ratings]
    for step in extractions:
        # Width and height are in any file.
        if any(row in rows for row in step.rows) or name == "table4":
            arguments += ["--features", str(step.output)]
    for step in finetunes:
        (row,) = step.rows
        if row in rows:
            arguments += ["--scores", f"{row.label}={step.test_scores}"]
    if settings.backbone is not None:
        arguments += ["--backbone", settings.backbone]
    arguments += [
        *("--missing", "leave-out", "--recipe", settings.recipe, *_photos(settings)),
        *(*_scale(settings), *_device(settings), *_epochs(settings)),
        *("--output", str(settings.output / "results")),
    ]
    if settings.seeds > 1:
        arguments += ["--seeds", str(settings.seeds)]
    trained = [row for row in rows if row.kind == "head"]
    kept = [row for row in trained if not (settings.narrow and row.grid > 1)]
    return Step("experiment", tuple(arguments), settings.output / "results", tuple(kept))


def _photos(settings: ReproductionSettings) -> tuple[str, ...]:
    return () if settings.photos is None else ("--photos", str(settings.photos))


def _reading(settings: ReproductionSettings) -> tuple[str, ...]:
    """Return the options by which photos and network are read."""
    weights = () if settings.weights is None else ("--weights", str(settings.weights))
    usual = settings.read_as == "upright"
    read_as = () if usual else ("--read-as", settings.read_as)
    return (*weights, *_photos(settings), *read_as)


def _scale(settings: ReproductionSettings) -> tuple[str, ...]:
    ends = (("--lowest", settings.lowest), ("--highest", settings.highest))
    return tuple(text for name, end in ends if end is not None for text in (name, f"{end:g}"))


def _device(settings: ReproductionSettings) -> tuple[str, ...]:
    return () if settings.device == "auto" else ("--device", settings.device)


def _epochs(settings: ReproductionSettings) -> tuple[str, ...]:
    return () if settings.epochs is None else ("--epochs", str(settings.epochs))
