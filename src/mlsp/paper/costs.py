"""What the steps of a reproduction take on this machine: disk, and hours by their arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from mlsp.backbones import backbone, build_network
from mlsp.base.errors import PhotoError, RatingsError
from mlsp.models.heads import HeadSpec, parameter_count
from mlsp.models.heads.score_head import empty_head
from mlsp.paper.records import Row
from mlsp.paper.reproduction import ReproductionSettings, Step, feature_bytes, plan_steps
from mlsp.photos import read_photo
from mlsp.photos.crops import VIEW_COUNTS, crop_size
from mlsp.ratings.splits import Split
from mlsp.ratings.table import RatingTable
from mlsp.training.finetuning import FinetuneSettings
from mlsp.training.operations import head_operations, matrix_peak, network_operations
from mlsp.training.recipes import find_recipe

# Shares of a matrix product's speed that were measured on two cores: docs/features.md, docs/training.md, docs/finetuning.md.
_EXTRACTING, _TRAINING, _FINETUNING = 0.9, 0.45, 0.7
# Forward and back, and the second pass forward of a batch in pieces.
_FINETUNE_PASSES = 4
_SAMPLED_PHOTOS = 32
# Network, best network, Adam's two moments, and the model.
_FINETUNE_COPIES, _FLOAT32_BYTES = 5, 4


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step takes.

    Attributes:
        disk: bytes.
        seconds: on this machine, all epochs of the recipe.
    """

    disk: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Machine:
    """Speed of this machine.

    Attributes:
        flops: floating-point operations per second of a large float32 matrix product.
        width: mean width of the photos, in pixels.
        height: mean height.
    """

    flops: float
    width: int
    height: int

    @classmethod
    def measured(cls, table: RatingTable, *, device: str) -> Machine:
        """Multiply matrices, and read some of the photos.

        Raises:
            RatingsError: none of the photos that were tried can be read.
        """
        sizes = []
        for rating in table.ratings[:: max(1, len(table) // _SAMPLED_PHOTOS)]:
            try:
                photo = read_photo(rating.photo)
            except PhotoError:
                continue
            sizes.append((photo.width, photo.height))
        if not sizes:
            raise RatingsError(
                f"{table.name}: none of the photos that were tried can be read, not even {table.photos[0]}: give the folder of the photos"
            )
        width, height = (round(sum(sides) / len(sides)) for sides in zip(*sizes, strict=True))
        return cls(matrix_peak("float32", device), width, height)


def step_costs(
    steps: Iterable[Step],
    settings: ReproductionSettings,
    table: RatingTable,
    split: Split,
    machine: Machine,
) -> Mapping[Step, Cost]:
    """Return what each step takes."""
    epochs = settings.epochs or _max_epochs(settings.recipe)
    # Fine-tuning has recipe `paper` whatever the others have.
    tuned_epochs = settings.epochs or _max_epochs("paper")
    trained: dict[Row, None] = {}

    def cost(step: Step) -> Cost:
        row = step.rows[0] if step.rows else None
        if step.kind == "extract" and row is not None:
            operations = len(table) * _view_operations(row, machine) * VIEW_COUNTS[row.views]
            return Cost(feature_bytes(step, len(table)), operations / machine.flops / _EXTRACTING)
        if step.kind == "finetune" and row is not None:
            usual = FinetuneSettings()
            test_views, validation_views = (
                (1, 1) if row.views == "whole" else (usual.views, usual.validation_views)
            )
            views = len(split.test) * (test_views + VIEW_COUNTS[row.views]) + tuned_epochs * (
                _FINETUNE_PASSES * len(split.train) + validation_views * len(split.validation)
            )
            operations = views * _view_operations(row, machine)
            disk = _FINETUNE_COPIES * _FLOAT32_BYTES * _parameters(row)
            return Cost(disk, operations / machine.flops / _FINETUNING)
        # Tables have rows in common, which are trained once.
        designs = (row.design for row in step.rows)
        new = dict.fromkeys(row for row in designs if row not in trained)
        trained.update(new)
        operations = sum(map(_row_operations, new))
        photos = len(split.train) * epochs * settings.seeds
        return Cost(0, operations * photos / machine.flops / _TRAINING)

    return {step: cost(step) for step in steps}


def savings(
    settings: ReproductionSettings, table: RatingTable, split: Split, machine: Machine
) -> Mapping[str, Cost]:
    """Return what options save, by their names, of what is still to do."""

    def left(of: ReproductionSettings) -> Cost:
        costs = step_costs(plan_steps(of), of, table, split, machine)
        return total(cost for step, cost in costs.items() if not step.is_done)

    whole = left(settings)
    found = {}
    for option, without in (
        ("--narrow", replace(settings, narrow=True)),
        ("--no-finetune", replace(settings, finetunes=False)),
    ):
        rest = left(without)
        found[option] = Cost(whole.disk - rest.disk, whole.seconds - rest.seconds)
    return found


def total(costs: Iterable[Cost]) -> Cost:
    """Add costs."""
    every = list(costs)
    return Cost(sum(cost.disk for cost in every), sum(cost.seconds for cost in every))


def _max_epochs(name: str) -> int:
    recipe = find_recipe(name)
    return recipe.epochs_per_rate * len(recipe.rates(1))


def _view_operations(row: Row, machine: Machine) -> float:
    """Return the operations of a pass forward of one view."""
    width, height = row.resize or (machine.width, machine.height)
    if row.views == "corners8":
        width, height = crop_size((width, height))
    return _network_operations(row.backbone, width, height)


@cache
def _network_operations(name: str, width: int, height: int) -> float:
    return network_operations(backbone(name), width, height)


def _row_operations(row: Row) -> float:
    return _head_operations(replace(row, resize=None, views="whole"))


@cache
def _head_operations(row: Row) -> float:
    return head_operations(_head(row), backbone(row.backbone).levels)


def _parameters(row: Row) -> int:
    head = empty_head(_head(row), backbone(row.backbone).levels)
    return _network_parameters(row.backbone) + parameter_count(head)


@cache
def _network_parameters(name: str) -> int:
    return parameter_count(build_network(backbone(name)))


def _head(row: Row) -> HeadSpec:
    names = tuple(level.name for level in backbone(row.backbone).levels)
    return HeadSpec(row.head, None if row.last_levels is None else names[-row.last_levels :])
