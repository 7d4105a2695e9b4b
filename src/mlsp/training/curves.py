"""Curves of loss and agreement over the epochs, as a picture."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from mlsp.training.run_folder import EpochRecord


def draw_curves(file: BinaryIO, log: Sequence[EpochRecord]) -> None:
    """Draw losses, and SRCC and PLCC of the validation photos, into a PNG."""
    # Imported here: heads in closed form have no curves, and settings that are refused none either.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # No pyplot, which would choose a window system and keep the figure.
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    losses, agreement = figure.subplots(1, 2)
    epochs = [record.epoch for record in log]
    marker = "." if len(log) < 30 else ""
    losses.plot(epochs, [record.train_loss for record in log], marker=marker, label="train")
    losses.plot(
        epochs, [record.validation_loss for record in log], marker=marker, label="validation"
    )
    losses.set_yscale("log")
    losses.set_ylabel("loss")
    agreement.plot(epochs, [record.validation_srcc for record in log], marker=marker, label="SRCC")
    agreement.plot(epochs, [record.validation_plcc for record in log], marker=marker, label="PLCC")
    agreement.set_ylabel("validation")
    best = [record.epoch for record in log if record.is_best][-1]
    changes = [
        later.epoch - 0.5
        for earlier, later in itertools.pairwise(log)
        if later.learning_rate != earlier.learning_rate
    ]
    for axes in (losses, agreement):
        axes.axvline(best, color="0.6", linewidth=1, label="best epoch")
        for position in changes:
            axes.axvline(position, color="0.6", linewidth=1, linestyle=":")
        axes.set_xlabel("epoch (dotted: the learning rate changes)")
        axes.legend()
    figure.savefig(file, format="png", dpi=110)
