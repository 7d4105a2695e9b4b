"""Models and ratings -> how well they agree, in numbers with intervals and in the photos that tell most.

open_source ─┬ PhotoScores   a model scores the photos  ┬ read ─ Predictions ┬ evaluate ─ Evaluation ─┬ write_evaluation     JSON
             └ FileScores    a table has the scores     ┘                    │                        └ reports.evaluation_html
load_ratings ─ choose_split ─────────────────────────────── RatingTable ─────┘
"""

from mlsp.evaluation.agreement import evaluate
from mlsp.evaluation.json_report import write_evaluation
from mlsp.evaluation.records import (
    CalibrationBin,
    Evaluation,
    GroupResult,
    JudgedPhoto,
    ModelResult,
    Predictions,
    Unscored,
    VoteResult,
)
from mlsp.evaluation.settings import EvaluationSettings, choose_split
from mlsp.evaluation.sources import FileScores, PhotoScores, ScoringSettings, open_source

__all__ = [
    "CalibrationBin",
    "Evaluation",
    "EvaluationSettings",
    "FileScores",
    "GroupResult",
    "JudgedPhoto",
    "ModelResult",
    "PhotoScores",
    "Predictions",
    "ScoringSettings",
    "Unscored",
    "VoteResult",
    "choose_split",
    "evaluate",
    "open_source",
    "write_evaluation",
]
