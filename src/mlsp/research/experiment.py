"""The paper's tables from a notebook."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.base.arguments import checked
from mlsp.base.errors import MissingExtraError, SettingsError
from mlsp.paper import ExperimentJob, Outcome, PairResult, as_markdown, check_claims
from mlsp.paper import run_experiment as run_job
from mlsp.paper.writing import outcome_cells
from mlsp.photos.crops import ViewsName
from mlsp.research.feature_set import FeatureSet
from mlsp.training import TrainingCallbacks, TrainSettings

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """Rows of a table of the paper with their results.

    Attributes:
        name: of the table.
        outcomes: of its rows.
        tested: pairs of the paper's claims, of `claims` only.
    """

    name: str
    outcomes: tuple[Outcome, ...]
    tested: tuple[PairResult, ...] = ()

    def frame(self) -> DataFrame:
        """Return the table as a data frame, one row for each of its rows.

        Returns:
            `label`, `backbone`, `views`; each metric with the ends of its 95 % interval, with mean and deviation over seeds, and the
            paper's number; `note`: how it came out, or why it did not run. NaN where there is no number.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtraError("A data frame", "research") from error
        return pd.DataFrame([outcome_cells(outcome) for outcome in self.outcomes])

    def __repr__(self) -> str:
        done = sum(outcome.result is not None for outcome in self.outcomes)
        return f"ExperimentResult({self.name!r}: {done} of {len(self.outcomes)} rows have a result)"

    def _repr_markdown_(self) -> str:
        return as_markdown(self.name, self.outcomes, self.tested)


@checked
def run_experiment(
    name: str,
    photos: FeatureSet,
    *,
    features: Sequence[Path | str] = (),
    output: Path | str | None = None,
    seeds: int = 1,
    folds: int = 1,
    rows: Sequence[str] = ("*",),
    backbone: str | None = None,
    own_size: bool = False,
    views: ViewsName | None = None,
    recipe: str | None = None,
    levels: str = "all",
    first: int | None = None,
    column: int | None = None,
    heads: Sequence[str] = (),
    settings: TrainSettings | None = None,
    callbacks: TrainingCallbacks | None = None,
) -> ExperimentResult:
    """Run a table or figure of the paper, as `mlsp experiment` does it.

    Args:
        name: `table2`, `table3`, `table4`, `fig7`, `fig8` or `claims`.
        photos: features and ratings, and how they are split.
        features: further feature files of the same photos; each row reads the first that has its features.
        output: folder that keeps results, so that the same call goes on after an interruption; None keeps nothing.
        seeds: trainings of each head, for the spread over them.
        folds: for small collections: each photo is tested once; 1 for the split of `photos`.
        rows: run only rows whose label fits one of these patterns.
        backbone: network in place of the paper's.
        own_size: take photos at their own size where the paper has 256×256.
        views: in place of the paper's `corners8`.
        recipe: in place of `paper`.
        levels: that rows read where the paper has all, see `mlsp.HeadTrainer`.
        first: X of rows with a 3FC; None for the paper's.
        column: channels of each column of rows with Pool-3FC; None for the paper's.
        heads: of `mlsp.list_heads`, a registered one say: each gets rows with the sizes, views and levels of Single-3FC, in `table4` of
            Pool-3FC.
        settings: of the training, such as `TrainSettings(epochs=10)`; its recipe, and what is missing, are those named here.
        callbacks: are called as the training goes on.

    Raises:
        MlspError: something is unknown, or files do not go together, see `mlsp experiment`.

    Examples:
        >>> photos = FeatureSet("corners.h5", "ava:FOLDER")  # doctest: +SKIP
        >>> run_experiment("table3", photos, seeds=5).frame()  # doctest: +SKIP
    """
    for what, several in (("features", features), ("rows", rows), ("heads", heads)):
        # Else its letters would be taken for them.
        if isinstance(several, (str, Path)):
            raise SettingsError(
                f"expected several {what}, got one: pass a list, [{str(several)!r}]"
            )
    with ExitStack() as stack:
        folder = output or stack.enter_context(tempfile.TemporaryDirectory())
        job = ExperimentJob(
            name,
            (photos.store.path, *map(Path, features)),
            photos.ratings,
            Path(folder),
            backbone=backbone,
            own_size=own_size,
            views=views,
            recipe=recipe,
            rows=tuple(rows),
            folds=folds,
            seeds=seeds,
            levels=levels,
            first=first,
            column=column,
            heads=tuple(dict.fromkeys(heads)),
            split=photos.split_settings,
            settings=replace(settings or TrainSettings(), missing=photos.missing),
        )
        outcomes = run_job(job, callbacks=callbacks)
        tested = check_claims(outcomes, job.groups()) if name == "claims" else ()
        return ExperimentResult(name, outcomes, tested)
