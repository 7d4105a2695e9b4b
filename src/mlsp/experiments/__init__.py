"""The paper's tables and figures, run on any rated photos whose features are stored. Running one needs torch.

records    what a row is, and what came out of it
tables     the paper's rows and numbers: EXPERIMENTS
features   which feature file a row runs on, or the command that makes it
baselines  what needs no features: calling all photos alike, their width and height
runner     run_experiment: runs what is missing
writing    Markdown, CSV and a plot
"""

from __future__ import annotations

from mlsp.experiments.records import Outcome, PaperNumbers, Result, Row
from mlsp.experiments.runner import ExperimentJob, run_experiment
from mlsp.experiments.tables import EXPERIMENTS
from mlsp.experiments.writing import as_markdown, write_outcomes

__all__ = [
    "EXPERIMENTS",
    "ExperimentJob",
    "Outcome",
    "PaperNumbers",
    "Result",
    "Row",
    "as_markdown",
    "run_experiment",
    "write_outcomes",
]
