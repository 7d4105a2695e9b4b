"""Explains scores: the path every user takes."""

from __future__ import annotations

from pathlib import Path

from mlsp.explaining.explanation import Explanation
from mlsp.model import Model
from mlsp.scoring import Scorer


class Explainer:
    """Explains the scores of a model. Several threads may use it at once.

    Args:
        scorer: gives the scores that are explained.

    Raises:
        ModelError: the model's network is of a form that cannot be explained.
    """

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer

    def explain(self, source: Path) -> dict[str, Explanation]:
        """Explain the scores of a photo.

        Args:
            source: the photo.

        Returns:
            One explanation a head, by the head's name.

        Raises:
            PhotoError: the photo cannot be scored.
        """
        raise NotImplementedError


def explain(
    scorer: Explainer | Scorer | Model | Path | str, source: Path
) -> dict[str, Explanation]:
    """Explain the scores of one photo.

    Args:
        scorer: what scores it. For more than one photo make an `Explainer` once and pass that: making it takes about half a second.
        source: the photo.

    Returns:
        One explanation a head, by the head's name.

    Raises:
        PhotoError: the photo cannot be scored.
        ModelError: there is no such model, or it cannot be explained.
    """
    if isinstance(scorer, Explainer):
        return scorer.explain(source)
    if isinstance(scorer, Model):
        scorer = scorer.folder
    if not isinstance(scorer, Scorer):
        scorer = Scorer.load(scorer)
    return Explainer(scorer).explain(source)
