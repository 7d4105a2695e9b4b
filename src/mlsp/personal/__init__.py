"""A model of one user's taste, learned from stars, picks, rejects and comparisons; needs numpy, and onnx to write it.

features ─ components ─ fitting (ridge and Bradley-Terry, shrunk to the default's heads) ─ cross_validation ─ agreement ─ Taste
                                                                                   Taste ─ model_folder ─ an ordinary model
    judgements     ratings files, tables and sidecars -> ratings and comparisons
    photographs    the judged photos -> features, wherever they have moved
    linear_heads   a model's heads as weights, where they are linear
    learning       `learn_taste`, from features; `learn_from_photos` is the way in from photos
    user_ratings/  the file of stars, picks and comparisons that `mlsp serve` writes
"""

from __future__ import annotations

from mlsp.personal.judgements import (
    Judgements,
    PhotoReference,
    read_judgements,
    read_sidecar_judgements,
)
from mlsp.personal.learning import learn_taste
from mlsp.personal.linear_heads import LinearHead, linear_heads
from mlsp.personal.model_folder import judged, personal_model_folder, write_personal_model
from mlsp.personal.photographs import (
    JudgedPhotos,
    check_base,
    learn_from_photos,
    read_judged_photos,
)
from mlsp.personal.records import Bounds, Taste, TasteAgreement
from mlsp.personal.settings import TasteSettings

__all__ = [
    "Bounds",
    "JudgedPhotos",
    "Judgements",
    "LinearHead",
    "PhotoReference",
    "Taste",
    "TasteAgreement",
    "TasteSettings",
    "check_base",
    "judged",
    "learn_from_photos",
    "learn_taste",
    "linear_heads",
    "personal_model_folder",
    "read_judged_photos",
    "read_judgements",
    "read_sidecar_judgements",
    "write_personal_model",
]
