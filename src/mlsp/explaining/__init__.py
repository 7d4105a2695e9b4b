"""Why a photo has its score: what each place of it adds and takes.

photo ─ views ─ LevelMaps: the network's maps before they are pooled ─┐
                                   head ─ slopes of its features ─────┴ contributions ─ Explanation ─ heat_map_png
                                                                             occlusion: cover a place, score again, compare
"""

from __future__ import annotations

from mlsp.explaining.explainer import Explainer, explain
from mlsp.explaining.explanation import Explanation, LevelShare
from mlsp.explaining.picture import heat_map_png

__all__ = ["Explainer", "Explanation", "LevelShare", "explain", "heat_map_png"]
