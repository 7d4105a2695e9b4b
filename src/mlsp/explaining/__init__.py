"""Explain scores: how much each position of a photo raises or lowers them. `Explainer` is the way in.

photo, and its baselines ─ crops ─ LevelMaps: the network's maps before pooling ─┐
                                              head ─ slopes of its features ─────┴ contributions ─ Explanation
Explanation ─┬ heat_map_png ─ explain_files
             └ check_by_occlusion: cover a cell, score again, compare
"""

from __future__ import annotations

from mlsp.explaining.explainer import Explainer, explain
from mlsp.explaining.explanation import Explanation, LevelShare, Reason
from mlsp.explaining.files import Explained, explain_files
from mlsp.explaining.occlusion import OcclusionCheck, check_by_occlusion
from mlsp.explaining.picture import heat_map_png

__all__ = [
    "Explained",
    "Explainer",
    "Explanation",
    "LevelShare",
    "OcclusionCheck",
    "Reason",
    "check_by_occlusion",
    "explain",
    "explain_files",
    "heat_map_png",
]
