"""Training: stored features and ratings -> a head (section 3.3 of the paper).

    recipes          learning rates, batches, beginnings and choice of the best: the paper's, the released code's, and for small collections
    settings         how
    rated_features   which row of the feature file holds which rated photo
    batches          features in batches, from memory or read ahead
    targets          what is learned, and what outputs mean
    learning_form    a head in the form in which it learns; large_dense: its first layer
    distributed      several processes as one
    loop             epochs
    run_folder       what goes on after a kill, the log; curves: a picture of it
    closed_form      ridge and kernel ridge
    trained          what came out, as a model
    job              from files to a model, as `mlsp train` does it

Importing this needs torch.
"""

from __future__ import annotations

try:
    import torch as _torch
except ImportError as _error:
    from mlsp.base.errors import MissingExtraError

    raise MissingExtraError("Training", "train") from _error

from mlsp.training.epochs import TrainingCallbacks
from mlsp.training.head_trainer import HeadTrainer
from mlsp.training.recipes import RECIPES, Recipe, Schedule
from mlsp.training.run_folder import EpochRecord
from mlsp.training.settings import TrainSettings
from mlsp.training.trained import Measured, TrainedHead
from mlsp.training.trainer import train_closed_form, train_head

__all__ = [
    "RECIPES",
    "EpochRecord",
    "HeadTrainer",
    "Measured",
    "Recipe",
    "Schedule",
    "TrainSettings",
    "TrainedHead",
    "TrainingCallbacks",
    "train_closed_form",
    "train_head",
]

del _torch
