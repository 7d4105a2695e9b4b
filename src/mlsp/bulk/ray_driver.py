"""A run on a Ray cluster: workers score shards, this process hands them out; see `mlsp.bulk.ray_pool`.

Workers use OpenVINO on processors; with the device `cuda` torch, each on a GPU of its own. They need mlsp with its `bulk` extra on their machines, and the
sources and the data set under the same names as here: on an object store, or on a file system that all share. The model is sent to them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.base.errors import ModelError
from mlsp.bulk.driver import score_and_write
from mlsp.bulk.job import BulkJob
from mlsp.bulk.ray_cluster import RaySettings
from mlsp.bulk.ray_jobs import PoolJob
from mlsp.bulk.ray_pool import run_pool
from mlsp.bulk.records import ShardError, ShardReport
from mlsp.bulk.results import ResultDataset
from mlsp.bulk.shard_parts import PartReport, ShardTask, divided, lost, whole_shards
from mlsp.bulk.shard_scoring import ScorerSettings, score_shard
from mlsp.models.model import MODEL_FILE, Model

if TYPE_CHECKING:
    from mlsp.scoring.scorer import Scorer


@dataclass(frozen=True, slots=True)
class _Order:
    """Settings of the workers, the same for all.

    Attributes:
        dataset: where results go.
        scorer: how photos are scored.
        model_files: content of the model's folder, by name.
        model_sha256: fingerprint that the model must have on arrival.
    """

    dataset: ResultDataset
    scorer: ScorerSettings
    model_files: dict[str, bytes]
    model_sha256: str


class _ShardWorker:
    """Actor that scores shards on the cluster."""

    def __init__(self, order: _Order) -> None:
        self._order = order
        self._scorer: Scorer

    def prepare(self) -> None:
        """Load the model."""
        with tempfile.TemporaryDirectory(prefix="mlsp-") as folder:
            for name, content in self._order.model_files.items():
                Path(folder, name).write_bytes(content)
            self._scorer = replace(self._order.scorer, model=folder).load()
        found = self._scorer.model.fingerprint
        if found != self._order.model_sha256:
            raise ModelError(
                f"the model arrived with SHA-256 {found}, expected {self._order.model_sha256}"
            )

    def work(self, task: ShardTask) -> ShardReport | PartReport:
        """Score a shard and write its rows; of a part, return them."""
        if task.whole is None:
            return score_and_write(self._scorer, self._order.dataset, task.shard)
        try:
            return PartReport(task, list(score_shard(self._scorer, task.shard)))
        except ShardError as error:
            return PartReport(task, (), str(error))


def run_on_ray(job: BulkJob, settings: RaySettings) -> Iterator[ShardReport]:
    """Score the shards of a job that are to do, on a Ray cluster; see `mlsp.bulk.ray_pool.run_pool`.

    Yields:
        What became of each shard, in the order in which they end. One that cannot be read or written is reported with its error,
        and the others go on. One that loses two workers, or takes absurdly long, is divided until the photo that is to blame is
        alone, which is a row with an error.

    Raises:
        SettingsError: the cluster cannot be reached or has no room, or the input changed.
        OutputError: results may not be written.
        MissingExtraError: ray is not installed.
        MlspError: workers die before they score anything, or the cluster is lost.
    """

    def order() -> _Order:
        scorer = job.settings.scorer
        if scorer.workers is None:
            # As for a process of its own: one more than the cores.
            scorer = replace(scorer, workers=settings.cpus_per_worker + 1)
        return _Order(job.dataset, scorer, _model_files(job.model), job.model.fingerprint)

    work: PoolJob[ShardTask, ShardReport | PartReport] = PoolJob(
        worker=_ShardWorker,
        order=order,
        tasks=map(ShardTask, job.shards_to_do()),
        task_count=job.survey.shards - job.shards_done,
        lost=lost,
        divided=divided,
        is_repeatable=True,
        seconds=lambda task: task.seconds,
    )
    return whole_shards(run_pool(work, settings), job.dataset)


def _model_files(model: Model) -> dict[str, bytes]:
    files = [
        *(head.file for head in model.heads),
        *(classifier.file for classifier in model.classifiers),
        MODEL_FILE,
        model.backbone.name,
    ]
    return {name: (model.folder / name).read_bytes() for name in files}
