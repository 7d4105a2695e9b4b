"""Agreement of models with people's ratings: metrics with intervals, and the most telling photos.

`training`, `paper` and `cli` import it; metrics and intervals need numpy alone. The way in is `evaluate`:

    open_source ─┬ PhotoScores   a model scores the photos  ┬ read ─ Predictions ┬ evaluate ─ Evaluation ─┬ write_evaluation   JSON
                 └ FileScores    a table has the scores     ┘                    │                        └ report             page, table
    load_ratings ─ choose_split ─────────────────────────────── RatingTable ─────┘

A metric is a function in `metrics` and a record in `measures`.
"""

from mlsp.evaluation.agreement import check_groups, evaluate
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
    "check_groups",
    "choose_split",
    "evaluate",
    "open_source",
    "write_evaluation",
]
