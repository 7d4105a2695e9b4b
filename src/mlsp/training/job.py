"""From a feature file and ratings to a model, as `mlsp train` does it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from mlsp.backbones.weights.downloads import Progress
from mlsp.features.spec import Grid
from mlsp.features.store.store import FeatureStore
from mlsp.models.model import Model
from mlsp.models.writing import check_model_folder, replaced_model
from mlsp.photos.crops import VIEW_COUNTS
from mlsp.ratings.datasets import load_ratings
from mlsp.ratings.splits import SplitSettings, check_overlap, split_rows
from mlsp.training.backbone_graph import find_backbone_graph
from mlsp.training.epochs import TrainingCallbacks
from mlsp.training.head_trainer import HeadTrainer
from mlsp.training.recipes import small_collection_hint
from mlsp.training.run_folder import run_folder_of
from mlsp.training.settings import TrainSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainJob:
    """Files and settings of a training.

    Attributes:
        features: feature file.
        ratings: see `mlsp.ratings.datasets.registry.load_ratings`.
        output: folder of the model.
        trainer: of the head.
        name: of the model; that of the folder by default.
        weights: of the network that made the features; by default the published ones.
        lowest: lower end of a table's scale, see `load_ratings`.
        highest: upper end of it.
        group: a table's column that puts photos into groups.
        split: how the ratings are split.
        run_folder: see `HeadTrainer.fit`; by default beside the model, with `.run` after its name.
    """

    features: Path
    ratings: str
    output: Path
    trainer: HeadTrainer
    name: str | None = None
    weights: Path | None = None
    lowest: float | None = None
    highest: float | None = None
    group: str = "group"
    split: SplitSettings = field(default_factory=SplitSettings)
    run_folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A model that was trained.

    Attributes:
        model: as written.
        note: why the model has no network; empty where it has.
    """

    model: Model
    note: str


def run_job(
    job: TrainJob,
    callbacks: TrainingCallbacks | None = None,
    *,
    on_download: Progress | None = None,
) -> Done:
    """Train and write the model; in a run folder that holds this very run, continue it.

    Args:
        job: what to train.
        callbacks: are called as the run goes on.
        on_download: see `mlsp.backbones.weights.finding.find_weights`.

    Raises:
        MlspError: something does not go together, see `HeadTrainer.fit`; files are checked before the training where that can be.
    """
    check_model_folder(job.output)
    replaced = replaced_model(job.output)
    if replaced:
        _log.warning("mlsp: %s", replaced)
    with FeatureStore.open(job.features) as store:
        ratings = load_ratings(job.ratings, lowest=job.lowest, highest=job.highest, group=job.group)
        split = split_rows(ratings, job.split)
        check_overlap(ratings, split)
        feature_spec = store.layout.feature_spec
        trainer = job.trainer
        graph, note = find_backbone_graph(
            feature_spec, trainer.grid, job.weights, on_download=on_download
        )
        folder = job.run_folder
        if not trainer.is_closed_form:
            views = VIEW_COUNTS[feature_spec.views]
            hint = hint_for(trainer.settings, trainer.grid, views, len(split.train))
            if hint:
                _log.warning("mlsp: %s", hint)
            folder = run_folder_of(job.output, folder)
        trained = trainer.fit_split(store, ratings, split, run_folder=folder, callbacks=callbacks)
    model = trained.write(job.output, name=job.name, backbone_graph=graph)
    return Done(model, note)


def hint_for(settings: TrainSettings, grid: Grid, views: int, photos: int) -> str:
    """Return advice about a collection that is small for a training; empty where it is not.

    Args:
        settings: of the training.
        grid: 1 for narrow features, 5 for wide ones.
        views: stored of each photo.
        photos: to learn from.
    """
    recipe = settings.of_recipe()
    batch = settings.batch or recipe.batch_size(grid, views)
    return small_collection_hint(recipe, grid, photos, batch)
