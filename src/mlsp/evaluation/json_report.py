"""Evaluations as JSON."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlsp.base.atomic_file import atomic_write_text
from mlsp.evaluation.records import Evaluation, JudgedPhoto

FORMAT = 1


def write_evaluation(path: Path, evaluation: Evaluation) -> None:
    """Write all of an evaluation but the scores of each photo: an object like the record, with `null` for what is not defined.

    Raises:
        OSError: the file cannot be written.
    """
    document = {"format": FORMAT, **asdict(evaluation)}
    for model, result in zip(document["models"], evaluation.models, strict=True):
        del model["photos"]
        for name in ("best", "worst", "largest_errors"):
            model[name] = [_photo(photo) for photo in getattr(result, name)]
    # A name that is not UTF-8 keeps its bytes as escapes, which JSON allows and UTF-8 does not.
    text = json.dumps(_plain(document), indent=1, allow_nan=False)
    with atomic_write_text(path) as stream:
        stream.write(text + "\n")


def _photo(photo: JudgedPhoto) -> dict[str, Any]:
    return {
        "photo": os.fspath(photo.photo_id),
        "rating": photo.rating,
        "score": photo.score,
        "error": photo.error,
        **({} if photo.votes is None else {"votes": photo.votes}),
        **({} if photo.predicted_votes is None else {"predicted_votes": photo.predicted_votes}),
    }


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case float() if not math.isfinite(value):
            return None
    return value
