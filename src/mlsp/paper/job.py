"""Job of an experiment: which rows to run, from which files, with which settings."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlsp.base.errors import SettingsError, unknown_name
from mlsp.models.heads import HEADS, list_heads
from mlsp.paper.measuring import groups_of
from mlsp.paper.records import Row
from mlsp.paper.tables import EXPERIMENTS
from mlsp.photos.crops import VIEW_COUNTS, ViewsName
from mlsp.ratings.datasets import load_ratings
from mlsp.ratings.splits import SplitSettings
from mlsp.ratings.table import RatingTable
from mlsp.training import TrainSettings
from mlsp.training.recipes import find_recipe


@dataclass(frozen=True, slots=True)
class ExperimentJob:
    """Rows to run, from which files and with which settings.

    Attributes:
        name: key of `EXPERIMENTS`.
        features: feature files; each row takes the first that has its features.
        ratings: see `mlsp.ratings.datasets.registry.load_ratings`; or the table itself.
        output: folder of the results; those that are there are kept.
        backbone: network in place of the paper's; None for the paper's.
        own_size: run the rows on photos at their own size where the paper brings them to 256×256.
        views: in place of the paper's corners8; None for these.
        recipe: in place of the paper's; None for that.
        rows: run only rows whose label fits to one of these patterns of `fnmatch`, in any case; of the others what is there already.
        scores: tables of scores by label of a row, whose result they are: of fine-tuned models, say.
        folds: 1, or how many times to split and train, so that each photo is a test photo once.
        seeds: so many trainings of each head, with seeds from that of the settings on, for the spread over them.
        levels: that rows read where the paper has all, see `mlsp.training.HeadTrainer`.
        first: X of rows with a 3FC; None for the paper's.
        column: channels of each column of rows with Pool-3FC; None for the paper's.
        lowest: end of a table's scale.
        highest: the other one.
        group: a table's column that puts photos into groups.
        heads: names of `mlsp.list_heads`, each of which gets rows of its own, see `mlsp.paper.further_heads`.
        split: how the ratings are split.
        settings: how to train; not its recipe.
        photos: folder of the photos, which figures show; None for where the ratings have them.

    Raises:
        SettingsError: there is no such experiment, recipe, head or kind of views, or scores are given for folds.
    """

    name: str
    features: tuple[Path, ...]
    ratings: str | RatingTable
    output: Path
    backbone: str | None = None
    own_size: bool = False
    views: ViewsName | None = None
    recipe: str | None = None
    rows: tuple[str, ...] = ("*",)
    scores: Mapping[str, Path] = field(default_factory=dict)
    folds: int = 1
    seeds: int = 1
    levels: str = "all"
    first: int | None = None
    column: int | None = None
    lowest: float | None = None
    highest: float | None = None
    group: str = "group"
    heads: tuple[str, ...] = ()
    split: SplitSettings = field(default_factory=SplitSettings)
    settings: TrainSettings = field(default_factory=TrainSettings)
    photos: Path | None = None

    def __post_init__(self) -> None:
        if self.name not in EXPERIMENTS:
            raise SettingsError(unknown_name("experiment", self.name, EXPERIMENTS))
        if self.recipe is not None:
            find_recipe(self.recipe)
        if self.views is not None and self.views not in VIEW_COUNTS:
            raise SettingsError(unknown_name("views", self.views, VIEW_COUNTS))
        for head in self.heads:
            if head not in list_heads():
                raise SettingsError(unknown_name("head", head, list_heads()))
        for name, value in (("folds", self.folds), ("seeds", self.seeds)):
            if value < 1:
                raise SettingsError(f"{name} must be at least 1, got {value}")
        if self.scores and self.folds > 1:
            raise SettingsError(
                "scores of a table are those of one model on one split: leave out the folds, or the scores"
            )

    @property
    def by_group(self) -> bool:
        """True if intervals draw groups: where the split keeps them together."""
        return self.split.by == "group"

    def load_ratings(self) -> RatingTable:
        """Return the rated photos.

        Raises:
            RatingsError: see `mlsp.ratings.datasets.registry.load_ratings`.
        """
        if isinstance(self.ratings, RatingTable):
            return self.ratings
        return load_ratings(
            self.ratings,
            photos=self.photos,
            lowest=self.lowest,
            highest=self.highest,
            group=self.group,
        )

    def files(self) -> dict[str, Path]:
        """Return the photos' files by their names, for figures that show photos; some may be missing."""
        if self.name != "fig8":
            return {}
        return {rating.photo_id: rating.photo for rating in self.load_ratings()}

    def groups(self) -> dict[str, str] | None:
        """Return groups by the photos' names where intervals draw whole groups; None where they draw photos."""
        return groups_of(self.load_ratings()) if self.by_group else None

    def as_asked(self, row: Row) -> Row:
        """Return a row with the size, views, recipe, levels and widths of the job."""
        if self.own_size:
            row = replace(row, resize=None)
        if self.views is not None and row.views == "corners8":
            row = replace(row, views=self.views)
        sizes = HEADS[row.head].sizes if row.head in HEADS else ()
        return replace(
            row,
            recipe=self.recipe or row.recipe,
            levels=self.levels if row.head and row.last_levels is None else "all",
            first=self.first if "first" in sizes else None,
            column=self.column if "column" in sizes else None,
        )

    def runs(self, row: Row) -> bool:
        """Return whether a row is to run if it has no result."""
        return any(_fits(row.label, pattern) for pattern in self.rows)

    def check_labels(self, rows: tuple[Row, ...]) -> None:
        """Refuse labels that no row has.

        Raises:
            SettingsError: `rows` or `scores` name none, or `scores` several at once.
        """
        labels = [row.label for row in rows]
        for label in self.scores:
            if label not in labels:
                raise SettingsError(unknown_name(f"row of {self.name}", label, labels))
            if labels.count(label) > 1:
                raise SettingsError(
                    f"{self.name} has {labels.count(label)} rows {label!r}: choose the network of one by --backbone"
                )
        for pattern in self.rows:
            if not any(_fits(label, pattern) for label in labels):
                known = ", ".join(map(repr, dict.fromkeys(labels)))
                raise SettingsError(f"no row of {self.name} is like {pattern!r}: there are {known}")


def parse_scores(texts: Sequence[str]) -> dict[str, Path]:
    """Read `ROW=FILE.csv`.

    Args:
        texts: of them; a file may have an equals sign, no label has.

    Raises:
        SettingsError: one has no equals sign, or a row comes twice.
    """
    found: dict[str, Path] = {}
    for text in texts:
        label, equals, file = text.partition("=")
        if not (label and equals and file):
            raise SettingsError(f"scores {text!r}: expected ROW=FILE.csv")
        if label in found:
            raise SettingsError(
                f"scores of row {label!r} are given twice: {found[label]} and {file}: keep one"
            )
        found[label] = Path(file)
    return found


def _fits(label: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(label.lower(), pattern.lower())
