"""Scoring of millions of photos into a data set of Parquet files, by one process or a Ray cluster. Resumed shard by shard.

folders, tables, tars ─ sources ─ shards ─ survey ─┐                       ┌ driver      this process
manifest ─ results ────────────────────────────────┴ job ─ shard_scoring ──┴ ray_driver  actors on a cluster

The way in is `prepare`, then `run_local` or `mlsp.bulk.ray_driver.run_on_ray`; used by `mlsp bulk`. The scorer is the one of
every other path: this package only feeds it and stores its results. pyarrow, fsspec and ray load when they are needed.
"""

from __future__ import annotations

from mlsp.bulk.driver import run_local
from mlsp.bulk.job import BulkJob, BulkSettings, prepare
from mlsp.bulk.records import Shard, ShardError, ShardReport, SourcePhoto
from mlsp.bulk.results import ResultDataset
from mlsp.bulk.shard_scoring import ResultRow, ScorerSettings, score_shard
from mlsp.bulk.sources import Source, SourceSpec, open_source
from mlsp.bulk.tables import TableColumns

__all__ = [
    "BulkJob",
    "BulkSettings",
    "ResultDataset",
    "ResultRow",
    "ScorerSettings",
    "Shard",
    "ShardError",
    "ShardReport",
    "Source",
    "SourcePhoto",
    "SourceSpec",
    "TableColumns",
    "open_source",
    "prepare",
    "run_local",
    "score_shard",
]
