"""Work that a pool of workers on a Ray cluster does; see `mlsp.bulk.ray_pool`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
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
        is_repeatable: whether two workers may do the same task at a time, and the first to end counts. Only where each has one task.
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
    is_repeatable: bool = False
    seconds: Callable[[Task], float] | None = None


@dataclass(slots=True, eq=False)
class NumberedTask(Generic[Task]):
    """A task.

    Attributes:
        number: position in the order.
        task: what is to be done.
        lost_workers: number of workers lost with it.
    """

    number: int
    task: Task
    lost_workers: int = 0


@dataclass(slots=True, eq=False)
class PoolMember(Generic[Task]):
    """A worker and its tasks.

    Attributes:
        actor: Ray's handle.
        tasks: that it has; none while it is not placed on a machine yet or prepares.
        is_ready: whether it may have some.
    """

    actor: Any
    tasks: list[NumberedTask[Task]] = field(default_factory=list)
    is_ready: bool = False


@dataclass(frozen=True, slots=True)
class Call(Generic[Task]):
    """A call on the cluster.

    Attributes:
        worker: that does it.
        task: None while the worker prepares.
        begun: time at which it was made.
    """

    worker: PoolMember[Task]
    task: NumberedTask[Task] | None
    begun: float = field(default_factory=time.monotonic)
