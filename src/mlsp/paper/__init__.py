"""Tables, figures and claims of the paper, run on any rated photos whose features are stored.

`cli` imports it; running an experiment needs torch. The way in is `run_experiment`, then `write_outcomes`.

records    a row, and its result
tables     the paper's rows and numbers: EXPERIMENTS; further_heads: rows of other heads
job        rows to run, and their files
features   the feature file of a row, or the command that makes it
baselines  rows without features: the majority, width and height
folds      each photo a test photo once
measuring  metrics with intervals
runner     run_experiment: runs what is missing
claims     the paper's claims, tested on pairs of rows
writing    Markdown and CSV; plots and extremes: pictures
reproduction  all tables and figures as commands, in their order; costs: what they take
"""

from __future__ import annotations

from mlsp.paper.claims import CLAIMS, Claim, PairResult, check_claims
from mlsp.paper.job import ExperimentJob, parse_scores
from mlsp.paper.records import Outcome, PaperNumbers, Result, Row
from mlsp.paper.runner import run_experiment
from mlsp.paper.tables import EXPERIMENTS
from mlsp.paper.writing import as_markdown, check_outcome_files, write_outcomes

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
    "check_outcome_files",
    "parse_scores",
    "run_experiment",
    "write_outcomes",
]
