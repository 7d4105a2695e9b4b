"""Explainer: a photo -> an explanation per head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mlsp.base.arguments import checked
from mlsp.base.errors import EngineError, PhotoError, SettingsError, unknown_name
from mlsp.base.ranks import rank_correlation
from mlsp.base.results import ScoreFailure
from mlsp.explaining.explanation import Explanation, Reason
from mlsp.explaining.occlusion import occlusion_effects
from mlsp.models.records import HeadRecord
from mlsp.scoring.results import ScoreResult
from mlsp.scoring.scorer import Scorer


class Explainer:
    """Explains the scores of any model. Several threads may use it at once.

    Args:
        scorer: gives the scores to explain.
        heads: names of the heads to explain; all by default.

    Raises:
        SettingsError: the model has no such head.
    """

    @checked
    def __init__(self, scorer: Scorer, *, heads: Sequence[str] | None = None) -> None:
        self.scorer = scorer
        records = {record.name: record for record in scorer.model.heads}
        for name in heads or ():
            if name not in records:
                raise SettingsError(unknown_name("head", name, records))
        self._records = [record for name, record in records.items() if not heads or name in heads]

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the heads whose scores are explained."""
        return tuple(record.name for record in self._records)

    def explain(self, source: Path) -> dict[str, Explanation]:
        """Explain the scores of a photo; takes as long as scoring up to 99 photos.

        Args:
            source: the photo.

        Returns:
            One explanation per head, by the head's name.

        Raises:
            PhotoError: the photo cannot be scored.
        """
        (result,) = self.scorer.score([source])
        if isinstance(result, ScoreFailure):
            raise result.error
        try:
            effects = occlusion_effects(self.scorer, self.scorer.read(source).pixels)
        except EngineError as error:
            raise PhotoError(str(error)) from error
        reasons = self._reasons(result)
        explanations = {}
        for record in self._records:
            score = result.scores[record.name]
            of_head = effects[record.name]
            effect = of_head.mean(axis=0)
            average = _average(record)
            # Each cell has the same share in the difference of the photo from the average one.
            contributions = effect - effect.mean() + (score.value - average) / effect.size
            explanations[record.name] = Explanation(
                source=source,
                head=record.name,
                meaning=record.meaning,
                score=score,
                average=average,
                contributions=contributions.astype(np.float32),
                agreement=rank_correlation(*of_head),
                width=result.width,
                height=result.height,
                reasons=reasons,
                kind=result.kind,
            )
        return explanations

    def _reasons(self, result: ScoreResult) -> tuple[Reason, ...] | None:
        classifier = self.scorer.model.classifier("faults")
        if classifier is None:
            return None
        return tuple(
            Reason(name, classifier.label(name).meaning, result.fault_probabilities[name])
            for name in result.faults
        )


def _average(record: HeadRecord) -> float:
    """Return the score of the average rated photo; the middle of the scale where the model has no percentiles."""
    if record.quantiles:
        # In even steps: their mean, with half weight for the two ends, is that of the scores.
        inner = sum(record.quantiles) - (record.quantiles[0] + record.quantiles[-1]) / 2
        return inner / (len(record.quantiles) - 1)
    return (record.lowest + record.highest) / 2
