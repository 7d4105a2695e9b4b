"""The Ray cluster of a run: its address, the resources to use, and the connection."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlsp.base.errors import MissingExtraError, SettingsError
from mlsp.base.machine import usable_cores

DEFAULT_CPUS = 2
LOCAL = "local"
_ANSWER_SECONDS = 10


@dataclass(frozen=True, slots=True)
class RaySettings:
    """Address of a cluster, and the resources of a run.

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

    @classmethod
    def parse(
        cls,
        where: str,
        *,
        workers: int | None = None,
        cpus_per_worker: int | None = None,
        gpus_per_worker: int = 0,
    ) -> RaySettings:
        """Parse an address as users write it.

        Args:
            where: `local`, `ray`, `HOST:PORT` or `ray://HOST:PORT`; `ray` is `auto` above.
            workers: see above.
            cpus_per_worker: see above; by default 2, or so that all workers have room where they are on this machine.
            gpus_per_worker: see above.

        Raises:
            SettingsError: it is not written so, or a number is too small.
        """
        if where not in {LOCAL, "ray"} and not re.fullmatch(r"(ray://)?[^/\s]+:\d+", where):
            raise SettingsError(f"--on is local, ray, HOST:PORT or ray://HOST:PORT, got {where!r}")
        if cpus_per_worker is None:
            cpus_per_worker = DEFAULT_CPUS
            if where == LOCAL and workers is not None:
                cpus_per_worker = max(1, usable_cores() // max(1, workers))
        address = "auto" if where == "ray" else where
        return cls(address, workers, cpus_per_worker, gpus_per_worker=gpus_per_worker)

    @property
    def size(self) -> str:
        """Resources that a worker needs, for messages."""
        words = f"{self.cpus_per_worker} cores"
        return f"{words} and {self.gpus_per_worker} GPU" if self.gpus_per_worker else words


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect to a cluster for the context; one that was started here ends with it.

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
    _check_answers(address)
    here: dict[str, Any] = {}
    if address == LOCAL:
        # A cluster started here for one run sends no usage statistics.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        here = {"include_dashboard": False, "num_cpus": usable_cores()}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **here)
    except (ConnectionError, RuntimeError, ValueError, ImportError, TimeoutError) as error:
        # The last line is the message, those before it the trace in Ray.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].rstrip(".")
        raise SettingsError(
            f"no Ray cluster can be reached at {address!r}: {reason}. `ray start --head` starts one on this machine; one that asks"
            " for a token wants RAY_AUTH_MODE=token"
        ) from error
    try:
        yield ray
    finally:
        if address == LOCAL:
            ray.shutdown()


def _check_answers(address: str) -> None:
    """Fail in seconds if nothing listens at the address; Ray takes minutes."""
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if not (separator and port.isdecimal()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"no Ray cluster answers at {address!r}: {error}. Give the host and port that `ray start --head` named"
        ) from error
