"""The paper's tables and figures, run on any rated photos whose features are stored. Running one needs torch.

records    what a row is, and what came out of it
tables     the paper's rows and numbers: EXPERIMENTS
job        what to run, from which files
features   which feature file a row runs on, or the command that makes it
baselines  what needs no features: calling all photos alike, their width and height
folds      each photo a test photo once
measuring  metrics with intervals
runner     run_experiment: runs what is missing
claims     which of the paper's claims the rows bear out
writing    Markdown and CSV; plots: pictures
"""

from __future__ import annotations

from mlsp.paper.claims import CLAIMS, Claim, PairResult, check_claims
from mlsp.paper.job import ExperimentJob, parse_scores
from mlsp.paper.records import Outcome, PaperNumbers, Result, Row
from mlsp.paper.runner import run_experiment
from mlsp.paper.tables import EXPERIMENTS
from mlsp.paper.writing import as_markdown, write_outcomes

__all__ = [
    "CLAIMS",
    "EXPERIMENTS",
    "Claim",
    "ExperimentJob",
    "Outcome",
    "PairResult",
    "PaperNumbers",
    "Result",
    "Row",
    "as_markdown",
    "check_claims",
    "parse_scores",
    "run_experiment",
    "write_outcomes",
]
