"""Workers on a Ray cluster: actors take tasks from this process, which knows at any time who has which.

Not Ray Data, because it would hold the list of the whole input, and would try a task that kills its worker for ever; see
`docs/decisions/023-bulk.md`, and `045-ray-data-again.md` for what both measured. Each worker has one task or a few, so what is in
memory does not grow with the input, and it is known what a lost worker had: another gets it.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator, Iterator
from functools import cached_property
from typing import Any, Generic

from mlsp.base.errors import MlspError, SettingsError
from mlsp.bulk.ray_cluster import RaySettings, connected
from mlsp.bulk.ray_jobs import TRIES, Call, NumberedTask, PoolJob, PoolMember, Report, Task

_log = logging.getLogger(__name__)

_WAIT_SECONDS = 5.0
# A worker that was asked for takes its room at once, or in a second or two.
_ROOM_SECONDS = 8.0
# A task that takes so long, and twice as long as any before, is begun by an idle worker too.
_STRAGGLER_SECONDS = 30.0


def run_pool(job: PoolJob[Task, Report], settings: RaySettings) -> Generator[Report, None, None]:
    """Do tasks on a Ray cluster.

    Workers are asked for as long as there are tasks for them, so a cluster that grows by demand grows; those without work are given
    back, so it shrinks. What runs when the caller stops early is ended.

    Yields:
        The report of each task. While the caller takes its time, workers go on with the tasks that they have.

    Raises:
        SettingsError: the cluster cannot be reached or has no room.
        MissingExtraError: ray is not installed.
        MlspError: a worker raised it, workers die before they do anything, or the cluster is lost.
    """
    with connected(settings.address) as ray:
        pool = _Pool(ray, job, settings)
        try:
            yield from pool.run()
        finally:
            pool.close()


class _Pool(Generic[Task, Report]):
    """Workers, and the tasks that they are to do; see `run_pool`."""

    def __init__(self, ray: Any, job: PoolJob[Task, Report], settings: RaySettings) -> None:
        self._ray = ray
        self._job = job
        self._settings = settings
        self._workers: list[PoolMember[Task]] = []
        # Calls on the cluster, by Ray's reference to the result.
        self._running: dict[Any, Call[Task]] = {}
        self._again: deque[NumberedTask[Task]] = deque()
        self._reports: dict[int, Report] = {}
        self._next_report = 0
        # Of parts of tasks, whose numbers are below all others.
        self._part_number = 0
        self._early_deaths = 0
        self._longest_task = 0.0
        self._room_since: float | None = None
        self._room_seconds = _ROOM_SECONDS
        # One is drawn ahead, so that the end is known before a worker asks for more.
        self._upcoming = self._drawn(0)

    def run(self) -> Generator[Report, None, None]:
        """Hand out tasks until none is left."""
        if self._upcoming is None:
            return
        last_event = time.monotonic()
        wait_seconds = min(_WAIT_SECONDS, self._settings.start_seconds)
        while True:
            # Reports that were taken made room for more tasks.
            self._hand_out()
            self._ask_anew()
            self._adapt()
            if not self._running:
                return
            done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=wait_seconds)
            if done:
                last_event = time.monotonic()
                self._settle(done[0])
                # So that the workers have work while the caller takes its time.
                self._hand_out()
                self._adapt()
            else:
                self._check_start(last_event)
            self._end_overdue()
            yield from self._due_reports()

    def close(self) -> None:
        """End the workers that still run."""
        if not self._ray.is_initialized():
            # The cluster is gone; asked to end something, Ray would start one of its own.
            return
        for worker in list(self._workers):
            self._dismiss(worker)
        self._running.clear()

    @cached_property
    def _limit(self) -> int:
        """Maximum number of workers at a time."""
        if self._settings.workers is not None:
            return self._settings.workers
        there = self._ray.cluster_resources()
        room = there.get("CPU", 0) // self._settings.cpus_per_worker
        if self._settings.gpus_per_worker:
            room = min(room, there.get("GPU", 0) // self._settings.gpus_per_worker)
        return max(1, int(room))

    @cached_property
    def _order(self) -> Any:
        return self._ray.put(self._job.order())

    @cached_property
    def _actor_class(self) -> Any:
        # This pool gives the tasks of a lost worker to another, not Ray, which would retry for ever.
        make = self._ray.remote(
            num_cpus=self._settings.cpus_per_worker,
            num_gpus=self._settings.gpus_per_worker,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=self._job.tasks_per_worker,
        )
        return make(self._job.worker)

    def _drawn(self, number: int) -> NumberedTask[Task] | None:
        for task in self._job.tasks:
            return NumberedTask(number, task)
        return None

    def _adapt(self) -> None:
        """Ask for workers while there are tasks without one, give back those not placed yet when there are none."""
        left = len(self._again)
        if self._upcoming is not None:
            # An estimate, as what there is may have changed since it was counted.
            left += max(self._job.task_count - self._upcoming.number, 1)
        loading = [worker for worker in self._workers if not worker.is_ready]
        for worker in loading[left:]:
            self._give_back(worker)
        for _ in range(min(self._limit - len(self._workers), left - len(loading))):
            worker = PoolMember[Task](self._actor_class.remote(self._order))
            self._workers.append(worker)
            self._running[worker.actor.prepare.remote()] = Call(worker, None)

    def _ask_anew(self) -> None:
        """Give back a worker that is not placed although there is room, so that another is asked for.

        Where nodes come and go, Ray sometimes never places an actor that it was asked for before.
        """
        waiting = [worker for worker in self._workers if not worker.is_ready]
        if not (waiting and self._has_room()):
            self._room_since = None
            return
        now = time.monotonic()
        if self._room_since is None:
            self._room_since = now
        elif now - self._room_since > self._room_seconds:
            self._give_back(waiting[-1])
            self._room_since = None
            # The room may be divided among machines, none of which has enough.
            self._room_seconds *= 2

    def _has_room(self) -> bool:
        free = self._ray.available_resources()
        cpus, gpus = self._settings.cpus_per_worker, self._settings.gpus_per_worker
        return bool(free.get("CPU", 0) >= cpus and free.get("GPU", 0) >= gpus)

    def _give_back(self, worker: PoolMember[Task]) -> None:
        self._dismiss(worker)
        self._running = {
            key: call for key, call in self._running.items() if call.worker is not worker
        }

    def _hand_out(self) -> None:
        """Give tasks to the workers that have too few, first to those that have least; dismiss those for which there is none."""
        ready = [worker for worker in self._workers if worker.is_ready]
        for held in range(self._job.tasks_per_worker):
            for worker in ready:
                if len(worker.tasks) == held and (given := self._next_for(worker)) is not None:
                    self._begin(worker, given)
        if not self._again and self._upcoming is None:
            self._use_idle([worker for worker in ready if not worker.tasks])

    def _begin(self, worker: PoolMember[Task], given: NumberedTask[Task]) -> None:
        worker.tasks.append(given)
        self._running[worker.actor.work.remote(given.task)] = Call(worker, given)

    def _use_idle(self, idle: list[PoolMember[Task]]) -> None:
        """Let idle workers begin the tasks that take too long, for which each waits as long as there may be one; dismiss the others."""
        held = [task for worker in self._workers for task in worker.tasks]
        alone = [
            (call.begun, call.task)
            for call in self._running.values()
            if self._job.is_repeatable and call.task is not None and held.count(call.task) == 1
        ]
        for worker in idle[len(alone) :]:
            self._dismiss(worker)
        patience = max(_STRAGGLER_SECONDS, 2 * self._longest_task)
        # Calls are kept in the order in which they were made.
        for worker, (begun, task) in zip(idle, alone, strict=False):
            if time.monotonic() - begun > patience:
                _log.info("task %d takes long and is begun once more", task.number)
                self._begin(worker, task)

    def _next_for(self, worker: PoolMember[Task]) -> NumberedTask[Task] | None:
        if self._again:
            # It may be what its worker died of, so it is alone with the next and takes no other task with it.
            return None if worker.tasks else self._again.popleft()
        given = self._upcoming
        if given is None or any(task.lost_workers for task in worker.tasks):
            return None
        ahead = self._job.in_order
        if ahead is not None and given.number >= self._next_report + ahead * self._limit:
            return None
        self._upcoming = self._drawn(given.number + 1)
        return given

    def _dismiss(self, worker: PoolMember[Task]) -> None:
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        try:
            self._ray.kill(worker.actor)
        except (self._ray.exceptions.RayError, ValueError, ConnectionError) as error:
            _log.debug("a worker was already gone: %s", error)

    def _settle(self, reference: Any) -> None:
        """Take the report of a worker, or find that it is lost."""
        call = self._running.pop(reference)
        worker, held = call.worker, call.task
        if held is not None:
            worker.tasks.remove(held)
        try:
            report = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            # An error of mlsp in a worker has a message for the user: a write-protected data set, a damaged model.
            cause = getattr(error, "cause", None)
            if isinstance(cause, MlspError):
                raise cause from error
            self._dismiss(worker)
            self._lose(held, error)
            return
        if held is None:
            worker.is_ready = True
            self._early_deaths = 0
        else:
            self._reports[held.number] = report
            self._longest_task = max(self._longest_task, time.monotonic() - call.begun)
            for other in [one for one in self._workers if held in one.tasks]:
                self._give_back(other)  # It was slower.

    def _end_overdue(self) -> None:
        """End the workers whose tasks take longer than they may."""
        seconds = self._job.seconds
        if seconds is None:
            return
        now = time.monotonic()
        for reference, call in list(self._running.items()):
            worker, held = call.worker, call.task
            if held is not None and now - call.begun > (most := seconds(held.task)):
                del self._running[reference]
                worker.tasks.remove(held)
                self._dismiss(worker)
                self._lose(held, TimeoutError(f"it took more than {most:.0f} s"))

    def _lose(self, held: NumberedTask[Task] | None, error: Exception) -> None:
        lines = str(error).strip().splitlines() or ["no more is known"]
        # If the worker's own code failed, the reason is in the last line; if it was lost, in the first.
        has_failed = hasattr(error, "cause") or "creation task" in lines[0]
        reason = f"{type(error).__name__}: {lines[-1 if has_failed else 0]}"
        if held is None:
            self._early_deaths += 1
            # A lost machine takes all that were loading on it.
            if self._early_deaths >= TRIES + len(self._workers):
                raise MlspError(
                    f"{self._early_deaths} workers in a row were lost before they did anything: {reason}. Look into the cluster's logs"
                ) from error
            return
        if any(held in worker.tasks for worker in self._workers):
            return  # Another is at it.
        held.lost_workers += 1
        parts = self._job.divided(held.task) if held.lost_workers == TRIES - 1 else ()
        if parts:
            _log.info("task %d lost its worker and is divided: %s", held.number, reason)
            for part in parts:
                self._part_number -= 1
                # Where a part can be divided, one more loss is enough to do so.
                losses = TRIES - 2 if self._job.divided(part) else 0
                self._again.append(NumberedTask(self._part_number, part, losses))
            return
        if held.lost_workers < TRIES:
            _log.info("task %d lost its worker and goes to another: %s", held.number, reason)
            self._again.append(held)
            return
        why = f"lost its worker {TRIES} times, for want of memory perhaps: {reason}"
        self._reports[held.number] = self._job.lost(held.task, why)

    def _due_reports(self) -> Iterator[Report]:
        if self._job.in_order is None:
            while self._reports:
                yield self._reports.pop(next(iter(self._reports)))
            return
        while self._next_report in self._reports:
            report = self._reports.pop(self._next_report)
            self._next_report += 1
            yield report

    def _check_start(self, last_event: float) -> None:
        if any(worker.is_ready for worker in self._workers):
            return
        if time.monotonic() - last_event > self._settings.start_seconds:
            raise SettingsError(
                f"the cluster had no room for a worker of {self._settings.size} in"
                f" {self._settings.start_seconds:.0f} seconds: ask for fewer, or add a machine"
            )
