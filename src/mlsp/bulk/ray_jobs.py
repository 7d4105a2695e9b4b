"""Work that a pool of workers on a Ray cluster does; see `mlsp.bulk.ray_pool`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

Task = TypeVar("Task")
Report = TypeVar("Report")
_TaskIn = TypeVar("_TaskIn", contravariant=True)
_ReportOut = TypeVar("_ReportOut", covariant=True)

TRIES = 3


class PoolWorker(Protocol[_TaskIn, _ReportOut]):
    """Actor on the cluster; constructed from the order of its job."""

    def prepare(self) -> None:
        """Load what it needs. Not in the constructor: Ray cannot tell an error there from a lost machine."""

    def work(self, task: _TaskIn) -> _ReportOut:
        """Do a task. An `MlspError` ends the run; after any other error the task goes to another worker."""


@dataclass(frozen=True, slots=True)
class PoolJob(Generic[Task, Report]):
    """Work of a pool.

    Attributes:
        worker: class of the workers.
        order: makes the argument of each worker's constructor; called once, when the cluster is there.
        tasks: drawn one by one when there are workers for them.
        task_count: estimated number of tasks.
        lost: makes the report of a task that lost its worker three times, from it and the reason.
        tasks_per_worker: tasks that each has at a time; its methods then run in as many threads.
        in_order: None: reports come as they are ready. A number: they come in the order of the tasks, and at most so many tasks per
            worker are started beyond the one whose report is awaited, as the reports of the others wait in memory.
        divided: makes the parts of a task that lost two workers, of which one part only is to blame; none where it has no parts. Each
            has a report of its own. Only without an order.
        seconds: that a task may take; a worker that takes longer is ended and counts as lost. None for any time.
    """

    worker: Callable[[Any], PoolWorker[Task, Report]]
    order: Callable[[], object]
    tasks: Iterator[Task]
    task_count: int
    lost: Callable[[Task, str], Report]
    tasks_per_worker: int = 1
    in_order: int | None = None
    divided: Callable[[Task], Sequence[Task]] = lambda task: ()
    seconds: Callable[[Task], float] | None = None
