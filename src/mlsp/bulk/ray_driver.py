"""A run on a Ray cluster: actors score shards, this process hands them out.

Not Ray Data, because it would hold the list of the whole input, and would try a shard that kills its worker for ever; see
`docs/decisions/023-bulk.md`. At any time each worker has one shard, so what is in memory does not grow with the input, and it is known
which shard a lost worker had: another gets it.

Workers use OpenVINO on processors; the scorer has no path for GPUs. They need mlsp with its `bulk` extra on their machines, and the sources and the data set under
the same names as here: on an object store, or on a file system that all share. The model is sent to them.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlsp.bulk.driver import score_and_write
from mlsp.bulk.job import BulkJob
from mlsp.bulk.records import Shard, ShardReport
from mlsp.bulk.results import ResultDataset
from mlsp.bulk.shard_scoring import ScorerSettings
from mlsp.bulk.sources import Source
from mlsp.errors import MissingExtraError, MlspError, SettingsError
from mlsp.model import MODEL_FILE, Model

if TYPE_CHECKING:
    from mlsp.scoring import Scorer

_log = logging.getLogger(__name__)

DEFAULT_CPUS = 2
_TRIES = 3
_WAIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class RaySettings:
    """How a cluster is used.

    Attributes:
        address: `auto` for the cluster that runs on this machine or that RAY_ADDRESS names, or `ray://HOST:PORT`.
        workers: most at the same time; None for as many as there is room for when the run begins.
        cpus_per_worker: cores of each.
        start_seconds: how long to wait for the first worker, which may need a new machine.

    Raises:
        SettingsError: a number is below 1.
    """

    address: str = "auto"
    workers: int | None = None
    cpus_per_worker: int = DEFAULT_CPUS
    start_seconds: float = 900

    def __post_init__(self) -> None:
        for name, number in (("workers", self.workers), ("cpus_per_worker", self.cpus_per_worker)):
            if number is not None and number < 1:
                raise SettingsError(f"{name} must be at least 1, got {number}")


@dataclass(frozen=True, slots=True)
class _Order:
    """All that a worker needs to know, the same for all.

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
    """What runs on the cluster."""

    def __init__(self, order: _Order) -> None:
        self._order = order
        self._scorer: Scorer | None = None

    def prepare(self) -> None:
        """Load the model. Not when it is made: what goes wrong then, Ray does not tell apart from a lost machine."""
        with tempfile.TemporaryDirectory(prefix="mlsp-") as folder:
            for name, content in self._order.model_files.items():
                Path(folder, name).write_bytes(content)
            self._scorer = replace(self._order.scorer, model=folder).load()
        found = self._scorer.model.fingerprint
        if found != self._order.model_sha256:
            raise SettingsError(
                f"the model arrived with SHA-256 {found}, expected {self._order.model_sha256}"
            )

    def score(self, shard: Shard) -> ShardReport:
        """Score a shard and write its rows."""
        if self._scorer is None:
            raise SettingsError("the worker has no model yet")
        return score_and_write(
            self._scorer,
            Source(()),
            self._order.dataset,
            shard,
            threads=self._order.scorer.threads,
        )


def run_on_ray(job: BulkJob, settings: RaySettings) -> Iterator[ShardReport]:
    """Score what is to do of a job, on a Ray cluster.

    Workers are asked for as long as there are shards for them, so a cluster that grows by demand grows; those without work are given
    back, so it shrinks. What runs when the caller stops early is ended.

    Args:
        job: the run.
        settings: how the cluster is used.

    Yields:
        What became of each shard, in the order in which they end. One that cannot be read or written, or that loses its
        worker three times, is reported with its error, and the others go on.

    Raises:
        SettingsError: the cluster cannot be reached or has no room, results may not be written, or the input changed.
        MissingExtraError: ray is not installed.
        MlspError: workers die before they score anything, or the cluster is lost.
    """
    ray = _connect(settings.address)
    pool = _Pool(ray, job, settings)
    try:
        yield from pool.run()
    finally:
        pool.close()


def _connect(address: str) -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("A run on a Ray cluster", "ray") from error
    if not ray.is_initialized():
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError, ImportError, TimeoutError) as error:
            # The last line says what happened, those before it where in Ray.
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise SettingsError(
                f"no Ray cluster can be reached at {address!r}: {reason}. `ray start --head` starts one on this machine; one that asks"
                " for a token wants RAY_AUTH_MODE=token"
            ) from error
    return ray


def _model_files(model: Model) -> dict[str, bytes]:
    files = [head.file for head in model.heads] + [MODEL_FILE, model.backbone.name]
    return {name: (model.folder / name).read_bytes() for name in files}


@dataclass
class _Worker:
    """A worker and what it does now.

    Attributes:
        actor: Ray's handle.
        shard: that it scores; None while it waits for a place or loads the model.
        is_ready: whether it has the model.
    """

    actor: Any
    shard: Shard | None = None
    is_ready: bool = False


@dataclass
class _Pool:
    """Workers, and the shards that they are to score.

    Attributes:
        ray: the module, connected.
        job: the run.
        settings: how the cluster is used.
    """

    ray: Any
    job: BulkJob
    settings: RaySettings
    _busy: dict[Any, _Worker] = field(default_factory=dict)
    _again: deque[Shard] = field(default_factory=deque)
    _tries: Counter[int] = field(default_factory=Counter)
    _early_deaths: int = 0

    def run(self) -> Generator[ShardReport, None, None]:
        """Hand out shards until none is left; see `run_on_ray`."""
        shards = self.job.shards_to_do()
        # One is drawn ahead, so that the end is known before a worker asks for more.
        upcoming = next(shards, None)
        # An estimate, as what is in the data set may have changed since.
        unlisted = self.job.survey.shards - self.job.shards_done - 1
        order = self.ray.put(self._order())
        limit = self.settings.workers or self._room()
        last_event = time.monotonic()
        while True:
            left = len(self._again) + (0 if upcoming is None else 1 + max(unlisted, 0))
            self._adapt(order, limit, left)
            if not self._busy:
                return
            done, _ = self.ray.wait(list(self._busy), num_returns=1, timeout=_WAIT_SECONDS)
            if not done:
                self._check_start(last_event)
                continue
            last_event = time.monotonic()
            worker = self._busy.pop(done[0])
            report = self._result(done[0], worker)
            if worker.is_ready:
                if self._again:
                    self._give(worker, self._again.popleft())
                elif upcoming is not None:
                    self._give(worker, upcoming)
                    upcoming = next(shards, None)
                    unlisted -= 1
                else:
                    self._dismiss(worker)
            # Last, so that the worker has work while the caller takes its time.
            if report is not None:
                yield report

    def _adapt(self, order: Any, limit: int, left: int) -> None:
        """Ask for workers while there are shards without one, give back those that wait for a place where there are none."""
        waiting = [key for key, worker in self._busy.items() if worker.shard is None]
        for key in waiting[left:]:
            self._dismiss(self._busy.pop(key))
        wanted = min(limit - len(self._busy), left - len(waiting))
        for _ in range(wanted):
            actor = self._actor_class.remote(order)
            self._busy[actor.prepare.remote()] = _Worker(actor)

    def _give(self, worker: _Worker, shard: Shard) -> None:
        worker.shard = shard
        self._busy[worker.actor.score.remote(shard)] = worker

    def close(self) -> None:
        """End what still runs."""
        if not self.ray.is_initialized():
            # The cluster is gone; asked to end something, Ray would start one of its own.
            return
        for worker in self._busy.values():
            self._dismiss(worker)
        self._busy.clear()

    def _order(self) -> _Order:
        scorer = self.job.settings.scorer
        if scorer.workers is None:
            # As for a process of its own: one more than the cores.
            scorer = replace(scorer, workers=self.settings.cpus_per_worker + 1)
        model = self.job.model
        return _Order(self.job.dataset, scorer, _model_files(model), model.fingerprint)

    def _room(self) -> int:
        cores = self.ray.cluster_resources().get("CPU", 0)
        return max(1, int(cores // self.settings.cpus_per_worker))

    @cached_property
    def _actor_class(self) -> Any:
        # What a lost worker had is given to another by this pool, not by Ray, which knows no end to that.
        make = self.ray.remote(
            num_cpus=self.settings.cpus_per_worker, max_restarts=0, max_task_retries=0
        )
        return make(_ShardWorker)

    def _dismiss(self, worker: _Worker) -> None:
        worker.is_ready = False
        try:
            self.ray.kill(worker.actor)
        except (self.ray.exceptions.RayError, ValueError, ConnectionError) as error:
            _log.debug("a worker was already gone: %s", error)

    def _result(self, reference: Any, worker: _Worker) -> ShardReport | None:
        """What a worker did; None where it is only ready now, or lost."""
        errors = self.ray.exceptions
        shard, worker.shard = worker.shard, None
        try:
            report: ShardReport | None = self.ray.get(reference)
        except errors.RayError as error:
            # What mlsp raises in a worker has a message for the user: a write-protected data set, a damaged model.
            cause = getattr(error, "cause", None)
            if isinstance(cause, MlspError):
                raise cause from error
            self._dismiss(worker)
            return self._lost(shard, error)
        if shard is None:
            worker.is_ready = True
            self._early_deaths = 0
            return None
        return report

    def _lost(self, shard: Shard | None, error: Exception) -> ShardReport | None:
        lines = str(error).strip().splitlines() or ["no more is known"]
        # Where the worker's own code failed, the last line says how; where it was lost, the first.
        has_failed = hasattr(error, "cause") or "creation task" in lines[0]
        reason = f"{type(error).__name__}: {lines[-1 if has_failed else 0]}"
        if shard is None:
            self._early_deaths += 1
            # A lost machine takes all that were loading on it.
            if self._early_deaths >= _TRIES + len(self._busy):
                raise MlspError(
                    f"{self._early_deaths} workers in a row were lost before they scored anything: {reason}. Look into the cluster's logs"
                ) from error
            return None
        self._tries[shard.number] += 1
        if self._tries[shard.number] < _TRIES:
            _log.info("shard %s lost its worker and goes to another: %s", shard.name, reason)
            self._again.append(shard)
            return None
        return ShardReport(
            shard.name,
            0,
            0,
            f"lost its worker {_TRIES} times, for want of memory perhaps: {reason}",
        )

    def _check_start(self, last_event: float) -> None:
        if any(worker.is_ready for worker in self._busy.values()):
            return
        if time.monotonic() - last_event > self.settings.start_seconds:
            raise SettingsError(
                f"the cluster had no room for a worker of {self.settings.cpus_per_worker} cores in"
                f" {self.settings.start_seconds:.0f} seconds: ask for fewer, or add a machine"
            )
