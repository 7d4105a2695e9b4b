"""Heads: from features to a score. Importing this needs torch and scikit-learn, extra `train`.

    forms             HEADS, the registry of the architectures; register_head
    records           HeadSpec: a head to be built
    score_head        build_head -> ScoreHead: levels chosen, scale of the ratings
    fully_connected   Single-1FC, 3FC, Multi-3FC
    pool              Pool-3FC
    layers            Keras's initialisation and batch norms
    losses            squared earth mover's distance, mean of a distribution
    estimators        base of the heads in closed form, which are scikit-learn estimators
    square_roots      the input of those
    ridge, kernel     RidgeHead and KernelHead; their torch modules
    kernel_pairs      pairs of photos that a kernel head learns from beside ratings
    kernel_metric     directions that a kernel head learns
    kernel_networks   small networks that share its score

Notebooks use it as `mlsp.heads`; `mlsp.models` writes what it builds, `mlsp.training` trains it. Scoring never imports it.
"""

from __future__ import annotations

try:
    import sklearn as _sklearn  # noqa: F401
    import torch as _torch  # noqa: F401
except ImportError as _error:
    from mlsp.base.errors import MissingExtraError

    raise MissingExtraError("Building heads", "train") from _error

from mlsp.models.heads.forms import (
    CLOSED_FORMS,
    HEADS,
    BodySpec,
    HeadForm,
    list_heads,
    register_head,
)
from mlsp.models.heads.kernel import KernelHead, fit_kernels
from mlsp.models.heads.kernel_metric import KernelMetric
from mlsp.models.heads.kernel_module import KernelModule
from mlsp.models.heads.kernel_networks import KernelNetworks
from mlsp.models.heads.kernel_pairs import Differences, fit_kernel_with_pairs
from mlsp.models.heads.layers import parameter_count
from mlsp.models.heads.losses import emd_squared, mean_of_bins
from mlsp.models.heads.records import FeatureLevel, HeadSpec
from mlsp.models.heads.ridge import RidgeHead, RidgeModule, fit_ridges
from mlsp.models.heads.score_head import ScoreHead, build_head

__all__ = [
    "CLOSED_FORMS",
    "HEADS",
    "BodySpec",
    "Differences",
    "FeatureLevel",
    "HeadForm",
    "HeadSpec",
    "KernelHead",
    "KernelMetric",
    "KernelModule",
    "KernelNetworks",
    "RidgeHead",
    "RidgeModule",
    "ScoreHead",
    "build_head",
    "emd_squared",
    "fit_kernel_with_pairs",
    "fit_kernels",
    "fit_ridges",
    "list_heads",
    "mean_of_bins",
    "parameter_count",
    "register_head",
]
