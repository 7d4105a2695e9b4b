"""Heads: from features to a score. Importing this needs torch.

records           what heads there are, and what one is to be: HEADS, HeadSpec
score_head        build_head -> ScoreHead: levels chosen, scale of the ratings
fully_connected   Single-1FC, 3FC, Multi-3FC
pool              Pool-3FC
layers            Keras's initialisation and batch norms
losses            squared earth mover's distance, mean of a distribution
size_network      the paper's network on width and height alone
square_roots      what heads in closed form learn from
ridge             a linear head in closed form
kernel            one that compares a photo with the rated ones, in closed form
"""

from __future__ import annotations

from mlsp.models.heads.kernel import KernelHead, KernelSettings, fit_kernel, kernel_components
from mlsp.models.heads.layers import parameter_count
from mlsp.models.heads.losses import emd_squared, mean_of_bins
from mlsp.models.heads.records import HEADS, FeatureLevel, HeadForm, HeadSpec
from mlsp.models.heads.ridge import RidgeHead, RidgeSettings, fit_ridge, fit_ridges
from mlsp.models.heads.score_head import ScoreHead, build_head
from mlsp.models.heads.size_network import SizeNetwork, build_size_network

__all__ = [
    "HEADS",
    "FeatureLevel",
    "HeadForm",
    "HeadSpec",
    "KernelHead",
    "KernelSettings",
    "RidgeHead",
    "RidgeSettings",
    "ScoreHead",
    "SizeNetwork",
    "build_head",
    "build_size_network",
    "emd_squared",
    "fit_kernel",
    "fit_ridge",
    "fit_ridges",
    "kernel_components",
    "mean_of_bins",
    "parameter_count",
]
