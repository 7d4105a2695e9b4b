"""The learning rate of recipe `paper` (section 3.3), as what follows from the validation losses."""

from __future__ import annotations

import math
from dataclasses import dataclass

RATES = (1e-4, 1e-5, 1e-6)
_EPOCHS_A_RATE = 20
_PATIENCE = 5


@dataclass
class PaperSchedule:
    """Divides the learning rate by 10 every 20 epochs, or when the loss has not fallen for 5.

    Attributes:
        rate: index in `RATES`; their number when the run is over.
        epochs: with this rate.
        waited: epochs with this rate since the loss last fell.
        best: lowest loss of all epochs so far.
    """

    rate: int = 0
    epochs: int = 0
    waited: int = 0
    best: float = math.inf

    @property
    def learning_rate(self) -> float:
        """Of the next epoch."""
        return RATES[min(self.rate, len(RATES) - 1)]

    @property
    def is_over(self) -> bool:
        """Whether there is no next epoch."""
        return self.rate == len(RATES)

    def note(self, loss: float) -> tuple[bool, bool]:
        """Take an epoch's validation loss.

        Returns:
            Whether it is the lowest so far, and whether the rate changes now: then the best weights are to be loaded.
        """
        self.epochs += 1
        self.waited += 1
        is_best = loss < self.best
        if is_best:
            self.best, self.waited = loss, 0
        changes = self.epochs == _EPOCHS_A_RATE or self.waited == _PATIENCE
        if changes:
            self.rate, self.epochs, self.waited = self.rate + 1, 0, 0
        return is_best, changes
