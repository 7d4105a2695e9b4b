"""Loss and agreement over the epochs, as a picture."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import BinaryIO, Protocol

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


class Epoch(Protocol):
    """What is drawn of an epoch; `EpochRecord` is one."""

    @property
    def epoch(self) -> int:
        """From 1."""

    @property
    def learning_rate(self) -> float:
        """In this epoch."""

    @property
    def train_loss(self) -> float:
        """Mean over the photos."""

    @property
    def validation_loss(self) -> float:
        """After it."""

    @property
    def validation_srcc(self) -> float:
        """After it."""

    @property
    def validation_plcc(self) -> float:
        """After it."""

    @property
    def is_best(self) -> bool:
        """Whether no earlier epoch was as good."""


def draw_curves(file: BinaryIO, log: Sequence[Epoch]) -> None:
    """Draw losses, and SRCC and PLCC of the validation photos, into a PNG.

    Args:
        file: to write to.
        log: at least one epoch.
    """
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
        for place in changes:
            axes.axvline(place, color="0.6", linewidth=1, linestyle=":")
        axes.set_xlabel("epoch (dotted: the learning rate changes)")
        axes.legend()
    figure.savefig(file, format="png", dpi=110)
