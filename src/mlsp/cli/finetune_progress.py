"""Progress of fine-tuning on stderr: that of training, and a line per failed photo in any case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from mlsp.base.text import printable
from mlsp.cli.train_progress import TrainProgress

if TYPE_CHECKING:
    from mlsp.base.results import ScoreFailure


class FinetuneProgress(TrainProgress):
    """Progress of fine-tuning; see `TrainProgress`."""

    def failed(self, failed: ScoreFailure) -> None:
        """Name a photo that is left out."""
        text = f"{printable(str(failed.source))}: {printable(str(failed.error))}"
        self._console.print(Text(text, style="red"))
