"""Features, ratings and a split -> a trained head."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mlsp.backbones import Level
from mlsp.base.errors import RatingsError, SettingsError, unknown_name
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import CLOSED_FORMS, HeadSpec, build_head
from mlsp.models.heads.score_head import empty_head
from mlsp.ratings.splits import Split
from mlsp.ratings.table import RatingTable
from mlsp.training.batches import FeatureBatches, ordered_batches
from mlsp.training.closed_form import fit_closed_form
from mlsp.training.components import LevelComponents
from mlsp.training.epochs import TrainingCallbacks, best_epoch
from mlsp.training.loop import HeadLoop, scores_of_photos
from mlsp.training.measured import Measured
from mlsp.training.rated_features import RatedFeatures, features_digest, join, ratings_digest
from mlsp.training.run_folder import EpochRecord, RunFolder, head_identity
from mlsp.training.settings import TrainSettings, torch_device
from mlsp.training.targets import Targets
from mlsp.training.trained import TrainedHead

# Settings that only cost time or memory, or when to stop, do not change what is learned up to there.
_IDENTITY = ("seed", "precision", "batch", "components")
# Cells that components are found from: some ten for each channel of the widest level.
_MIN_CELLS = 20_000
_PHOTOS_AT_ONCE = 16


def train_head(
    features: FeatureStore,
    ratings: RatingTable,
    split: Split,
    head: HeadSpec,
    settings: TrainSettings | None = None,
    *,
    run_folder: Path | None = None,
    callbacks: TrainingCallbacks | None = None,
    warns: bool = True,
) -> TrainedHead:
    """Train a head; in a folder that holds this very run, continue it.

    Args:
        features: of all rated photos in the split, see `mlsp.training.rated_features.join`.
        ratings: what people think of them.
        split: of the table.
        head: what the head is to be, on the ratings' scale.
        settings: of the training; by default recipe `paper`.
        run_folder: keeps the run's state after each epoch, `log.csv` and `curves.png`; None keeps nothing.
        callbacks: are called as the run goes on.
        warns: log which rated photos have no features.

    Returns:
        The head of the best epoch, measured in float32.

    Raises:
        SettingsError: head, features and ratings do not go together, the device is missing, or the folder holds another run.
        TrainingError: a loss is not finite, or another process trains in the folder.
        RatingsError: a rated photo has no features, or too few are left to learn from.
        FeatureStoreError: the extraction is not finished, or a row is damaged.
    """
    settings = settings or TrainSettings()
    levels, device = feature_levels(features), torch_device(settings.device)
    rated = join(features, ratings, split, missing=settings.missing)
    if warns:
        rated.warn_of_left_out()
    targets, batches = Targets.of(ratings, head), _batches(features, rated, head, settings)
    recipe, seed = settings.of_recipe(), settings.seed
    components, learned_from = None, batches
    if settings.components is None:
        built = build_head(head, levels, seed=seed)
    else:
        components = _components(
            batches, rated, head.chosen(levels), count=settings.components, seed=seed
        )
        learned_from = _batches(features, rated, head, settings, components)
        built = build_head(head, _levels_of(components, levels, head), seed=seed)
        # A head that cannot be turned is an error now, not after the learning.
        components.in_channels(built.state_dict(), empty_head(head, levels, seed=seed).state_dict())
    if recipe.begins_at_mean:
        built.initialise_bias(targets.mean_outputs(rated.split.train))
    kept: AbstractContextManager[RunFolder | None] = nullcontext()
    if run_folder is not None:
        kept = RunFolder(run_folder, _identity(features, ratings, rated, head, settings))
    with kept as folder:
        loop = HeadLoop(
            built,
            learned_from,
            ratings,
            rated.split,
            targets,
            settings,
            device=device,
            folder=folder,
            callbacks=callbacks,
        )
        best = loop.run()
    module = empty_head(head, levels, seed=seed)
    if components is not None:
        best = components.in_channels(best, module.state_dict())
    module.load_state_dict(best)
    module.eval()
    batch = settings.batch or recipe.batch_size(head.grid, batches.views)
    best_one = best_epoch(loop.log)
    of_components = "" if components is None else f" by {sum(components.counts)} components"
    how = (
        f"recipe {recipe.name}, {len(head.chosen(levels))} of {len(levels)} levels{of_components}, {len(loop.log)} epochs of which"
        f" {best_one} was the best, batch {batch}, seed {seed}, {settings.precision}"
    )
    return _trained(
        features,
        ratings,
        rated,
        batches,
        module=module,
        measured=(module, module),
        device=device,
        title=title_of(head),
        how=how,
        best_epoch=best_one,
        history=tuple(loop.log),
    )


def train_closed_form(
    name: str,
    features: FeatureStore,
    *,
    ratings: RatingTable,
    split: Split,
    levels: Sequence[str] | None = None,
    settings: TrainSettings | None = None,
    warns: bool = True,
) -> TrainedHead:
    """Fit a head in closed form on narrow features, its settings chosen by the validation photos.

    Args:
        name: one of `CLOSED_FORMS`: `ridge` or `kernel`.
        features: see `train_head`.
        ratings: what people think of the photos.
        split: of the table.
        levels: that it reads, in any order; None for all.
        settings: memory, workers, and photos without features; a closed form has no recipe, and no seed.
        warns: see `train_head`.

    Raises:
        SettingsError: there is no such head, the features have no such level, or do not fit into memory.
        RatingsError: see `train_head`.
        FeatureStoreError: see `train_head`.
    """
    if name not in CLOSED_FORMS:
        raise SettingsError(unknown_name("head in closed form", name, CLOSED_FORMS))
    narrow = HeadSpec("single_1fc", None if levels is None else tuple(levels))
    chosen = narrow.chosen(feature_levels(features))
    settings = settings or TrainSettings()
    rated = join(features, ratings, split, missing=settings.missing)
    if warns:
        rated.warn_of_left_out()
    batches = _batches(features, rated, narrow, settings)
    fitted = fit_closed_form(name, batches, ratings, rated.split, chosen)
    return _trained(
        features,
        ratings,
        rated,
        batches,
        module=fitted.head,
        measured=(fitted.fitted_on_train, fitted.head),
        device=torch.device("cpu"),
        title=fitted.title,
        how=f"in closed form on square roots, {len(chosen)} of {len(features.layout.feature_spec.levels)} levels, {fitted.how}",
        best_epoch=None,
        history=(),
    )


def _trained(
    features: FeatureStore,
    ratings: RatingTable,
    rated: RatedFeatures,
    batches: FeatureBatches,
    *,
    module: nn.Module,
    measured: tuple[nn.Module, nn.Module],
    device: torch.device,
    title: str,
    how: str,
    best_epoch: int | None,
    history: tuple[EpochRecord, ...],
) -> TrainedHead:
    """The result, with `measured` the heads that score the validation and the test photos."""
    validation, test = (
        Measured.of(part, ratings, rows, scores_of_photos(head, batches, rows, device))
        for head, part, rows in zip(
            measured,
            ("validation", "test"),
            (rated.split.validation, rated.split.test),
            strict=True,
        )
    )
    if validation is None:
        raise RatingsError(f"{ratings.name}: fewer than 2 validation photos have features")
    return TrainedHead(
        module=module,
        grid=batches.grid,
        feature_spec=features.layout.feature_spec,
        channels=features.layout.channels,
        ratings=ratings,
        split=rated.split,
        failed=rated.left_out,
        validation=validation,
        test=test,
        title=title,
        how=how,
        best_epoch=best_epoch,
        history=history,
    )


def _batches(
    features: FeatureStore,
    rated: RatedFeatures,
    head: HeadSpec,
    settings: TrainSettings,
    components: LevelComponents | None = None,
) -> FeatureBatches:
    # The channels themselves are then read twice only.
    are_channels_of_components = settings.components is not None and components is None
    return FeatureBatches(
        features,
        rated.rows,
        head.grid,
        memory_bytes=0 if are_channels_of_components else settings.memory_bytes,
        workers=settings.workers,
        components=components,
    )


def _components(
    batches: FeatureBatches,
    rated: RatedFeatures,
    slices: Sequence[slice],
    *,
    count: int,
    seed: int,
) -> LevelComponents:
    """Find the components of train photos, drawn where there are many."""
    rows = rated.split.train
    photos = math.ceil(_MIN_CELLS / (batches.views * batches.grid**2))
    if len(rows) > photos:
        rows = np.random.default_rng(seed).choice(rows, photos, replace=False)
    found = batches.read(ordered_batches(np.sort(rows), size=_PHOTOS_AT_ONCE))
    return LevelComponents.fit(found, slices, count)


def feature_levels(features: FeatureStore) -> tuple[Level, ...]:
    """Return the levels of a feature file, in the order of the channels."""
    layout = features.layout
    pairs = zip(layout.feature_spec.levels, layout.level_channels, strict=True)
    return tuple(Level(name, channels) for name, channels in pairs)


def _levels_of(
    components: LevelComponents, levels: Sequence[Level], head: HeadSpec
) -> tuple[Level, ...]:
    """Return the levels that a head reads, with components in place of channels."""
    names = [level.name for level in levels if head.levels is None or level.name in head.levels]
    return tuple(Level(name, count) for name, count in zip(names, components.counts, strict=True))


def title_of(head: HeadSpec) -> str:
    """Return a head's name as the paper has it: Single-3FC (+do)."""
    title = head.title
    if head.more_dropout:
        title += " (+do)"
    return f"{title} for distributions" if head.output == "distribution" else title


def _identity(
    features: FeatureStore,
    ratings: RatingTable,
    rated: RatedFeatures,
    head: HeadSpec,
    settings: TrainSettings,
) -> Mapping[str, Any]:
    """Everything that the weights follow from."""
    used = rated.rows[rated.rows >= 0]
    return {
        "recipe": dataclasses.asdict(settings.of_recipe()),
        "head": head_identity(head),
        "features": features_digest(features, used),
        "ratings": ratings_digest(ratings, rated.split),
        **{name: getattr(settings, name) for name in _IDENTITY},
    }
