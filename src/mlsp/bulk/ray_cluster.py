"""The Ray cluster of a run: which, how much of it, and how it is reached."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlsp.errors import MissingExtraError, SettingsError

DEFAULT_CPUS = 2
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class RaySettings:
    """How a cluster is used.

    Attributes:
        address: `auto` for the cluster that runs on this machine or that RAY_ADDRESS names; `ray://HOST:PORT`; `HOST:PORT` of a
            cluster that this machine belongs to; or `local` to start one here that ends with the run.
        workers: most at the same time; None for as many as there is room for when the run begins.
        cpus_per_worker: cores of each.
        start_seconds: how long to wait for the first worker, which may need a new machine.
        gpus_per_worker: GPUs of each.

    Raises:
        SettingsError: a number is too small.
    """

    address: str = "auto"
    workers: int | None = None
    cpus_per_worker: int = DEFAULT_CPUS
    start_seconds: float = 900
    gpus_per_worker: int = 0

    def __post_init__(self) -> None:
        for name, number in (("workers", self.workers), ("cpus_per_worker", self.cpus_per_worker)):
            if number is not None and number < 1:
                raise SettingsError(f"{name} must be at least 1, got {number}")
        if self.gpus_per_worker < 0:
            raise SettingsError(f"gpus_per_worker must be at least 0, got {self.gpus_per_worker}")

    @property
    def size(self) -> str:
        """What a worker needs, in words."""
        words = f"{self.cpus_per_worker} cores"
        return f"{words} and {self.gpus_per_worker} GPU" if self.gpus_per_worker else words


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Be connected to a cluster; one that was started here ends with the context.

    Args:
        address: see `RaySettings`; where this process is connected already, that cluster is used.

    Yields:
        The module `ray`.

    Raises:
        SettingsError: it cannot be reached.
        MissingExtraError: ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("A run on a Ray cluster", "ray") from error
    if ray.is_initialized():
        yield ray
        return
    here: dict[str, Any] = {}
    if address == LOCAL:
        # What is started here for one run reports to nobody.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        here = {"include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **here)
    except (ConnectionError, RuntimeError, ValueError, ImportError, TimeoutError) as error:
        # The last line says what happened, those before it where in Ray.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise SettingsError(
            f"no Ray cluster can be reached at {address!r}: {reason}. `ray start --head` starts one on this machine; one that asks"
            " for a token wants RAY_AUTH_MODE=token"
        ) from error
    try:
        yield ray
    finally:
        if address == LOCAL:
            ray.shutdown()
