"""Features, ratings and a split -> a head that has learned."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mlsp.backbones import Level
from mlsp.base.errors import SettingsError, unknown_name
from mlsp.features.store.store import FeatureStore
from mlsp.models.heads import HEADS, HeadSpec, build_head
from mlsp.ratings.splits import Split
from mlsp.ratings.table import RatingTable
from mlsp.training.batches import FeatureBatches, Rows
from mlsp.training.closed_form import CLOSED_FORMS, fit_closed_form
from mlsp.training.distributed import DistributedContext, open_distributed
from mlsp.training.loop import Learning, TrainingCallbacks, best_epoch, predict
from mlsp.training.rated_features import RatedFeatures, features_digest, join, ratings_digest
from mlsp.training.run_folder import RunFolder
from mlsp.training.settings import TrainSettings
from mlsp.training.targets import Targets, scores_of
from mlsp.training.trained import Measured, TrainedHead

# What costs only time or memory, or says when to stop, does not change what is learned up to there.
_IDENTITY = ("seed", "precision", "batch")


def train_head(
    features: FeatureStore,
    ratings: RatingTable,
    split: Split,
    head: HeadSpec,
    settings: TrainSettings | None = None,
    *,
    run_folder: Path,
    watch: TrainingCallbacks | None = None,
) -> TrainedHead:
    """Train a head; in a folder that holds this very run, go on where it was.

    Started by `torchrun`, the processes learn together, to the same weights as one; each returns them.

    Args:
        features: of all rated photos in the split, see `mlsp.training.rated_features.join`.
        ratings: what people think of them.
        split: of the table.
        head: what the head is to be, on the ratings' scale.
        settings: how; by default recipe `paper`.
        run_folder: keeps what goes on after a kill, `log.csv` and `curves.png`; only the first of several processes needs it.
        watch: is told of the progress.

    Returns:
        The head of the best epoch, measured in float32.

    Raises:
        SettingsError: head, features and ratings do not go together, the device is not there, the folder holds another run, or the
            loss is no number any more.
        RatingsError: a rated photo has no features, or too few are left to learn from.
        FeatureStoreError: the extraction is not finished, or a row is damaged.
    """
    settings, watch = settings or TrainSettings(), watch or TrainingCallbacks()
    levels = feature_levels(features)
    rated = join(features, ratings, split)
    rated.warn_of_failed()
    targets = Targets.of(ratings, head)
    with open_distributed(settings.device) as world:
        batches = FeatureBatches(
            features,
            rated.rows,
            head.grid,
            memory_bytes=settings.memory_bytes,
            workers=settings.workers,
            sharers=world.sharers,
        )
        built = build_head(head, levels, seed=settings.seed)
        if settings.of_recipe().begins_at_mean:
            built.begin_at(targets.mean_outputs(rated.split.train))
        folder = None
        if world.is_first:
            folder = RunFolder(run_folder, _identity(features, ratings, rated, head, settings))
        learning = Learning(
            built, batches, ratings, rated.split, targets, settings, world, folder, watch
        )
        best = learning.run()
        module = build_head(head, levels, seed=settings.seed)
        module.load_state_dict(best)
        module.eval()
        log = learning.log
        del learning, built
        validation, test = _measure(module, batches, ratings, rated.split, world)
    recipe = settings.of_recipe()
    batch = settings.batch or recipe.batch_size(head.grid, batches.views)
    how = (
        f"recipe {recipe.name}, {_levels_in_words(head, features)}, {len(log)} epochs of which {best_epoch(log)} was the best, batch {batch},"
        f" seed {settings.seed}, {settings.precision}"
    )
    return TrainedHead(
        module=module,
        title=title_of(head),
        grid=head.grid,
        feature_spec=features.layout.feature_spec,
        channels=features.layout.channels,
        ratings=ratings,
        split=rated.split,
        failed=rated.failed,
        how=how,
        best_epoch=best_epoch(log),
        history=tuple(log),
        validation=validation,
        test=test,
    )


def train_closed_form(
    name: str,
    features: FeatureStore,
    *,
    ratings: RatingTable,
    split: Split,
    levels: Sequence[str] | None = None,
    settings: TrainSettings | None = None,
) -> TrainedHead:
    """Fit a head in closed form on narrow features, its settings chosen by the validation photos.

    Args:
        name: one of `CLOSED_FORMS`: `ridge` or `kernel`.
        features: see `train_head`.
        ratings: likewise.
        split: likewise.
        levels: that it reads, in any order; None for all.
        settings: memory and workers; a closed form has no recipe, and no seed.

    Raises:
        SettingsError: there is no such head, the features have no such level, or do not fit into memory.
        RatingsError: see `train_head`.
        FeatureStoreError: likewise.
    """
    if name not in CLOSED_FORMS:
        raise SettingsError(unknown_name("head in closed form", name, CLOSED_FORMS))
    settings = settings or TrainSettings()
    chosen = HeadSpec("single_1fc", None if levels is None else tuple(levels)).chosen(
        feature_levels(features)
    )
    rated = join(features, ratings, split)
    rated.warn_of_failed()
    batches = FeatureBatches(
        features,
        rated.rows,
        1,
        memory_bytes=settings.memory_bytes,
        workers=settings.workers,
    )
    fitted = fit_closed_form(name, batches, ratings, rated.split, chosen)
    world = DistributedContext(0, 1, 1, torch.device("cpu"))
    validation, _ = _measure(fitted.unaware, batches, ratings, rated.split, world)
    _, test = _measure(fitted.head, batches, ratings, rated.split, world)
    return TrainedHead(
        module=fitted.head,
        title=fitted.title,
        grid=1,
        feature_spec=features.layout.feature_spec,
        channels=features.layout.channels,
        ratings=ratings,
        split=rated.split,
        failed=rated.failed,
        how=f"in closed form on square roots, {len(chosen)} of {len(features.layout.feature_spec.levels)} levels, {fitted.how}",
        best_epoch=None,
        history=(),
        validation=validation,
        test=test,
    )


def feature_levels(features: FeatureStore) -> tuple[Level, ...]:
    """Levels of a feature file, in the order of the channels."""
    layout = features.layout
    pairs = zip(layout.feature_spec.levels, layout.level_channels, strict=True)
    return tuple(Level(name, channels) for name, channels in pairs)


def title_of(head: HeadSpec) -> str:
    """A head's name as the paper has it: Single-3FC (+do)."""
    title = HEADS[head.name].title
    if head.more_dropout:
        title += " (+do)"
    return f"{title} for distributions" if head.output == "distribution" else title


def _levels_in_words(head: HeadSpec, features: FeatureStore) -> str:
    count = len(features.layout.feature_spec.levels)
    return f"{count if head.levels is None else len(head.levels)} of {count} levels"


def _measure(
    module: nn.Module,
    batches: FeatureBatches,
    ratings: RatingTable,
    split: Split,
    world: DistributedContext,
) -> tuple[Measured, Measured | None]:
    """Validation and test photos, in every process the same; the first computes."""
    found = None
    if world.is_first:
        found = [
            Measured.of(part, ratings, rows, _scores(module, batches, rows, world.device))
            for part, rows in (("validation", split.validation), ("test", split.test))
        ]
    validation, test = world.from_first(found)
    return validation, test


def _scores(module: nn.Module, batches: FeatureBatches, rows: Rows, device: torch.device) -> Any:
    # Scores are averaged as outputs of a head that gives one number.
    spec = HeadSpec("single_1fc" if batches.grid == 1 else "pool_3fc")
    module.to(device)

    def outputs(features: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            found: torch.Tensor = module(features)
        return found[:, None]

    scores = scores_of(predict(outputs, spec, batches, rows, device=device), spec)
    module.to("cpu")
    return scores


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
        "head": dataclasses.asdict(head),
        "features": features_digest(features, used),
        "ratings": ratings_digest(ratings, rated.split),
        **{name: getattr(settings, name) for name in _IDENTITY},
    }


def require_closed_form_goes_without(name: str, settings: Mapping[str, object]) -> None:
    """Refuse settings that mean nothing to a head in closed form.

    Raises:
        SettingsError: one is set.
    """
    for setting, value in settings.items():
        if value:
            raise SettingsError(f"head {name!r} is fitted in closed form: leave out {setting}")
