"""Notebooks: rated features as arrays and as a torch data set, heads as estimators, scores with gradients.

    feature_set     FeatureSet: a feature file and its ratings, joined and split
    dataset         the same as a torch data set, safe in the workers of `DataLoader`
    head_regressor  HeadRegressor: a head as a scikit-learn estimator
    mlsp_module     MlspModule: a model's score with gradients to the pixels
    pixels          its photos, resized and cut in torch
    onnx_graph      its graphs in torch
    experiment      run_experiment: the paper's tables, as data frames
    array_file      arrays as a feature file and its ratings

Notebooks use it, and commands may. Joining, training and running tables is done by the packages below. Importing it needs torch and
scikit-learn, extra `train`.
"""

from __future__ import annotations

from mlsp.evaluation.intervals import paired_difference
from mlsp.evaluation.metrics import plcc, srcc
from mlsp.explaining import Explainer
from mlsp.ratings.splits import SplitSettings
from mlsp.research.experiment import ExperimentResult, run_experiment
from mlsp.research.feature_set import Arrays, FeatureSet
from mlsp.research.head_regressor import HeadRegressor
from mlsp.research.mlsp_module import MlspModule
from mlsp.training import TrainSettings

__all__ = [
    "Arrays",
    "ExperimentResult",
    "Explainer",
    "FeatureSet",
    "HeadRegressor",
    "MlspModule",
    "SplitSettings",
    "TrainSettings",
    "paired_difference",
    "plcc",
    "run_experiment",
    "srcc",
]
