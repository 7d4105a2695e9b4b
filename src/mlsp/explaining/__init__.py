"""Explain scores: how much each part of a photo raises or lowers them. `Explainer` is the way in.

photo ─ each cell covered in two ways, scored again ─ occlusion_effects ─ Explanation ─ heat_map_png ─ explain_files
"""

from __future__ import annotations

from mlsp.explaining.explainer import Explainer
from mlsp.explaining.explanation import Explanation, Reason
from mlsp.explaining.files import Explained, explain_files
from mlsp.explaining.occlusion import occlusion_effects
from mlsp.explaining.picture import heat_map_png

__all__ = [
    "Explained",
    "Explainer",
    "Explanation",
    "Reason",
    "explain_files",
    "heat_map_png",
    "occlusion_effects",
]
