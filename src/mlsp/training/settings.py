"""Settings of a training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from mlsp.base.arguments import checked
from mlsp.base.errors import SettingsError, unknown_name
from mlsp.base.parallel import check_workers
from mlsp.features.engines.torch_engine import check_device
from mlsp.training.rated_features import Missing
from mlsp.training.recipes import Recipe, find_recipe

Precision = Literal["float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda"]


def torch_device(name: str) -> torch.device:
    """Return a device by its name.

    Args:
        name: `cpu` or `cuda`; `auto` is a CUDA device if there is one, else the CPU.

    Raises:
        SettingsError: it is unknown or missing.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    check_device(name)
    return torch.device(name)


@checked
@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Settings of a training.

    Attributes:
        recipe: `paper`, `released`, `small` or `components`, see `mlsp.training.recipes`.
        seed: of the first weights, the order of photos, the views and the dropout.
        precision: of the large matrix products; all else is float32, see `mlsp.training.trainable_head`.
        device: `auto` is a CUDA device if there is one, else the CPU.
        epochs: at most; None for as many as the recipe has. A run can be continued with more.
        batch: photos per step; None for the recipe's.
        components: learn on so many principal components of each level in place of its channels; None learns on the channels. The
            head that comes out reads the channels.
        memory_bytes: features up to this size are held in memory, larger ones are read while training; None for half of the
            machine's memory. The result is the same.
        workers: threads that read features; None for one per core.
        missing: `leave-out` counts rated photos that are not in the feature file and leaves them out; `error` refuses them.

    Raises:
        SettingsError: a value is unknown or out of range.
    """

    recipe: str = "paper"
    seed: int = 0
    precision: Precision = "float32"
    device: Device = "auto"
    epochs: int | None = None
    batch: int | None = None
    components: int | None = None
    memory_bytes: int | None = None
    workers: int | None = None
    missing: Missing = "error"

    def __post_init__(self) -> None:
        find_recipe(self.recipe)
        for noun, name, known in (
            ("precision to train in", self.precision, get_args(Precision)),
            ("device", self.device, get_args(Device)),
            ("treatment of missing photos", self.missing, get_args(Missing)),
        ):
            if name not in known:
                raise SettingsError(unknown_name(noun, name, known))
        for field, least in (
            ("seed", 0),
            ("epochs", 1),
            ("batch", 2),
            ("components", 1),
            ("memory_bytes", 0),
        ):
            value = getattr(self, field)
            if value is not None and value < least:
                raise SettingsError(f"{field} must be at least {least}, got {value}")
        if self.workers is not None:
            check_workers(self.workers)

    def of_recipe(self) -> Recipe:
        """The recipe itself."""
        return find_recipe(self.recipe)
