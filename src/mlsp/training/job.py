"""From a feature file and ratings to a model, as `mlsp train` does it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlsp.backbones import backbone
from mlsp.backbones.weights.downloads import Progress
from mlsp.backbones.weights.finding import check_weights
from mlsp.base.errors import ModelError, OutputError, SettingsError, WeightsError, unknown_name
from mlsp.features.graph_cache import cached_graph
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import HEADS, HeadSpec
from mlsp.models.model import Model
from mlsp.models.writing import check_model_folder
from mlsp.photos.crops import VIEW_COUNTS
from mlsp.ratings.datasets import load_ratings
from mlsp.ratings.splits import Split, SplitSettings, check_overlap, split_ratings
from mlsp.ratings.table import RatingTable
from mlsp.training.closed_form import CLOSED_FORMS
from mlsp.training.epochs import TrainingCallbacks
from mlsp.training.recipes import small_collection_hint
from mlsp.training.settings import TrainSettings
from mlsp.training.trained import TrainedHead, level_names
from mlsp.training.trainer import train_closed_form, train_head

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainJob:
    """What to train, from which files.

    Attributes:
        features: feature file.
        ratings: see `mlsp.ratings.datasets.registry.load_ratings`.
        output: folder of the model.
        head: key in `mlsp.models.heads.HEADS`, or one of `CLOSED_FORMS`.
        levels: `all`; `last5`, the last five; or names, with commas between them.
        more_dropout: see `HeadSpec`.
        distribution: learn the distribution of the votes, not their mean.
        name: of the model; that of the folder by default.
        weights: of the network that made the features; by default the published ones.
        lowest: end of a table's scale, see `load_ratings`.
        highest: the other one.
        split: how the ratings are split.
        settings: how to train.
        run_folder: see `train_head`; by default beside the model, with `.run` after its name.

    Raises:
        SettingsError: there is no such head, or an option does not go with it.
    """

    features: Path
    ratings: str
    output: Path
    head: str
    levels: str = "all"
    more_dropout: bool = False
    distribution: bool = False
    name: str | None = None
    weights: Path | None = None
    lowest: float | None = None
    highest: float | None = None
    split: SplitSettings = field(default_factory=SplitSettings)
    settings: TrainSettings = field(default_factory=TrainSettings)
    run_folder: Path | None = None

    def __post_init__(self) -> None:
        if self.head not in (*HEADS, *CLOSED_FORMS):
            raise SettingsError(unknown_name("head", self.head, (*HEADS, *CLOSED_FORMS)))
        if self.head in CLOSED_FORMS:
            given = {
                "more_dropout": self.more_dropout,
                "distribution": self.distribution,
                "epochs": self.settings.epochs,
                "batch": self.settings.batch,
                "run_folder": self.run_folder,
            }
            for name, value in given.items():
                if value:
                    raise SettingsError(
                        f"head {self.head!r} is fitted in closed form: leave out {name}"
                    )

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.run_folder or self.output.absolute().with_name(self.output.name + ".run")

    def spec(self, feature_spec: FeatureSpec, ratings: RatingTable) -> HeadSpec:
        """The head, on the ratings' scale."""
        levels = level_names(feature_spec, self.levels)
        if self.distribution:
            # Says what to do where the table has only means.
            _ = ratings.votes
        return HeadSpec(
            self.head,
            levels=None if levels is None else tuple(levels),
            more_dropout=self.more_dropout,
            output="distribution" if self.distribution else "mos",
            lowest=ratings.lowest,
            highest=ratings.highest,
            bins=ratings.bins if self.distribution else None,
        )


@dataclass(frozen=True, slots=True)
class Done:
    """What came out.

    Attributes:
        trained: the head.
        model: as written.
        note: why the model has no network; empty where it has.
    """

    trained: TrainedHead
    model: Model
    note: str


def run_job(
    job: TrainJob,
    callbacks: TrainingCallbacks | None = None,
    *,
    on_download: Progress | None = None,
) -> Done:
    """Train and write the model; in a run folder that holds this very run, go on where it was.

    Args:
        job: what to train.
        callbacks: are told of the progress.
        on_download: see `mlsp.backbones.weights.finding.find_weights`.

    Raises:
        MlspError: something does not go together, see `train_head`; files are checked before the training where that can be.
    """
    check_model_folder(job.output)
    with FeatureStore.open(job.features) as store:
        ratings = load_ratings(job.ratings, lowest=job.lowest, highest=job.highest)
        split = split_ratings(ratings, job.split)
        check_overlap(ratings, split)
        feature_spec = store.layout.feature_spec
        grid: Grid = 1 if job.head in CLOSED_FORMS else HEADS[job.head].grid
        graph, note = find_backbone_graph(feature_spec, grid, job.weights, on_download=on_download)
        if job.head in CLOSED_FORMS:
            trained = train_closed_form(
                job.head,
                store,
                ratings=ratings,
                split=split,
                levels=level_names(feature_spec, job.levels),
                settings=job.settings,
            )
        else:
            spec = job.spec(feature_spec, ratings)
            _hint(job, feature_spec, grid, split)
            trained = train_head(
                store,
                ratings,
                split,
                spec,
                job.settings,
                run_folder=job.folder,
                callbacks=callbacks,
            )
    model = trained.write(job.output, name=job.name, backbone_graph=graph)
    return Done(trained, model, note)


def _hint(job: TrainJob, feature_spec: FeatureSpec, grid: Grid, split: Split) -> None:
    recipe = job.settings.of_recipe()
    batch = job.settings.batch or recipe.batch_size(grid, VIEW_COUNTS[feature_spec.views])
    hint = small_collection_hint(recipe, grid, len(split.train), batch)
    if hint:
        _log.warning("mlsp: %s", hint)


def find_backbone_graph(
    feature_spec: FeatureSpec,
    grid: Grid,
    weights: Path | None = None,
    *,
    on_download: Progress | None = None,
) -> tuple[Path | None, str]:
    """Find or export the graph of the network that made features.

    Args:
        feature_spec: of the features.
        grid: of the head.
        weights: of the network; by default those published ones that the features were made with.
        on_download: see `mlsp.backbones.weights.finding.find_weights`.

    Returns:
        The graph and an empty note; or None and why there is none.

    Raises:
        WeightsError: `weights` are given, and cannot be read or are not those that the features were made with.
        SettingsError: `weights` are given of a network that is not known.
    """
    if weights is not None:
        # Also of a network that is not known here.
        check_weights(weights, feature_spec.backbone, sha256=feature_spec.weights_sha256)
    feature_spec = replace(feature_spec, grid=grid)
    hint = "give the weights that the features were made with by --weights FILE"
    try:
        spec = backbone(feature_spec.backbone)
        if weights is None and spec.export == "never":
            return None, f"no graph of {spec.name} is right for photos of every size"
        if weights is None and feature_spec.weights_sha256 not in {
            file.sha256 for file in spec.weights
        }:
            return (
                None,
                f"the features were made with weights that are not the published ones: {hint}",
            )
        return cached_graph(feature_spec, weights, on_download=on_download), ""
    except (OutputError, SettingsError, WeightsError) as error:
        if weights is not None:
            raise
        return None, f"{error}; {hint}"
    except ModelError as error:
        if weights is not None:
            raise
        # A network that turned out to have no graph.
        return None, str(error)
