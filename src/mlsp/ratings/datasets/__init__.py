"""Public data sets of rated photos, one file each: from the published files to a rating table."""

from __future__ import annotations

from mlsp.ratings.datasets.registry import DATASETS, load_ratings

__all__ = ["DATASETS", "load_ratings"]
