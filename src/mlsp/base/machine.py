"""What this process may use: of its machine, where a container's limits count, and of what another process opened, nothing."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mlsp.base.errors import SettingsError

_CGROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores(*, cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> int:
    """Return the number of processor cores that this process may use: at least 1.

    Args:
        cgroups: where Linux mounts them.
        membership: file with the groups of this process.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    for folder in _folders(cgroups, membership, "cpu"):
        quota, period = _quota(folder)
        if quota > 0 and period > 0:
            cores = min(cores, math.ceil(quota / period))
    return max(1, cores)


def usable_memory(*, cgroups: Path = _CGROUPS, membership: Path = _MEMBERSHIP) -> int | None:
    """Return the bytes of memory that this process may use; None where the system does not say.

    Args:
        cgroups: see `usable_cores`.
        membership: see `usable_cores`.
    """
    limits = []
    if sys.platform != "win32":
        with suppress(ValueError, OSError):
            limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for folder in _folders(cgroups, membership, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _number(folder / name)
            if limit > 0:
                limits.append(limit)
    return min(limits, default=None)


def check_not_forked(opened_by: int, noun: str) -> None:
    """Refuse what a process opened before this one was forked from it: the threads that would answer are not here.

    Args:
        opened_by: identifier of the process that opened it.
        noun: of what it is, for the message.

    Raises:
        SettingsError: it was another process.
    """
    if os.getpid() != opened_by:
        raise SettingsError(
            f"the {noun} was opened by process {opened_by}, of which this one is a fork, and would never answer:"
            " open a scorer in each process"
        )


def _folders(cgroups: Path, membership: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's group and of those above it, of both versions of cgroups: a limit of any of them holds."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        root = cgroups / controllers if controllers else cgroups
        if controllers and not root.is_dir():
            root = cgroups / controller
        folder = root / path.lstrip("/")
        # In a container the path may be that of the host, of which only the root is mounted.
        for each in (folder, *folder.parents):
            if each == root or root in each.parents:
                yield each


def _quota(folder: Path) -> tuple[int, int]:
    try:
        quota, _, period = (folder / "cpu.max").read_text().partition(" ")
        return (int(quota), int(period)) if quota != "max" else (0, 0)
    except (OSError, ValueError):
        return _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")


def _number(path: Path) -> int:
    """Return the number in a file; 0 where there is none, or the word `max`."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0
