"""Fine-tuning: photos and ratings -> a network and its head, learned end to end (sections 3.3 and 4.1 of the paper).

    settings     epochs, rates, crops, memory, precision
    start        the network and head that a run begins with, from names and files; checks of the photos
    photos       rated photos -> batches of random views, decoded ahead
    network      network and head as one; a batch in pieces; memory saved by blocks
    scores       means over random views
    loop         epochs
    output       agreement with people, the model folder

The schedule, the targets and the run's folder are those of `mlsp.training`. Importing this needs torch.
"""

from __future__ import annotations

from mlsp.base.errors import MissingExtraError

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as _error:
    raise MissingExtraError("Fine-tuning", "train") from _error

from mlsp.training.finetuning.finetune import finetune
from mlsp.training.finetuning.output import Finetuned
from mlsp.training.finetuning.settings import FinetuneSettings
from mlsp.training.finetuning.start import Pretrained

__all__ = ["FinetuneSettings", "Finetuned", "Pretrained", "finetune"]
