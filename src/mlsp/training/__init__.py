"""Training: stored features and ratings -> a head (section 3.3 of the paper).

    head_trainer     HeadTrainer, the way in: tables, or a split of one, -> a trained head
    job              from files to a model, as `mlsp train` does it
    recipes          learning rates, batch sizes, initialisation, choice of the best epoch
    settings         seed, precision, device, batch size, memory
    rated_features   rows of the feature file that hold the rated photos
    batches          features in batches, from memory or read ahead
    targets          values to learn, losses, scores of outputs
    trainable_head   layers that learn faster; large_dense: the first one; adam
    epochs           the loop that heads and fine-tuning share; loop: that of heads
    run_folder       state after each epoch, log; curves: a picture of it
    closed_form      ridge and kernel ridge
    degradations     ways to make a photo worse
    ladders          copies of photos made worse in steps, or as good
    trainer          the functions behind HeadTrainer
    trained          a trained head; measured: its agreement; cards: of its model; backbone_graph: of its network
    finetuning/      photos and ratings -> a network and its head

Commands and the paper's tables may import it. Importing this needs torch.
"""

from __future__ import annotations

try:
    import torch as _torch
except ImportError as _error:
    from mlsp.base.errors import MissingExtraError

    raise MissingExtraError("Training", "train") from _error

from mlsp.training.epochs import TrainingCallbacks
from mlsp.training.head_trainer import HeadTrainer
from mlsp.training.measured import Measured
from mlsp.training.recipes import RECIPES, Recipe, Schedule
from mlsp.training.run_folder import EpochRecord
from mlsp.training.settings import TrainSettings
from mlsp.training.trained import TrainedHead
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
