from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlsp.base.machine import usable_cores, usable_memory

ALL_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def group(tmp_path: Path, line: str, files: dict[str, str]) -> dict[str, Path]:
    """Cgroups in a folder, and a process's membership in one of them."""
    for name, content in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "membership").write_text(line)
    return {"cgroups": tmp_path / "cgroup", "membership": tmp_path / "membership"}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("0::/\n", "cpu.max"),
        ("0::/a/b\n", "a/b/cpu.max"),
        # A limit of a group above holds too, and in a container only the root is there.
        ("0::/a/b\n", "a/cpu.max"),
        ("0::/../host/docker/1\n", "cpu.max"),
    ],
)
def test_a_quota_of_processor_time_limits_the_cores(tmp_path: Path, line: str, name: str) -> None:
    assert usable_cores(**group(tmp_path, line, {name: "100000 100000\n"})) == 1
    assert usable_cores(**group(tmp_path, line, {name: "50000 100000\n"})) == 1
    assert usable_cores(**group(tmp_path, line, {name: "max 100000\n"})) == ALL_CORES


def test_the_first_version_of_cgroups_is_understood(tmp_path: Path) -> None:
    quota = {
        "cpu,cpuacct/a/cpu.cfs_quota_us": "100000",
        "cpu,cpuacct/a/cpu.cfs_period_us": "100000",
    }
    assert usable_cores(**group(tmp_path, "4:cpu,cpuacct:/a\n", quota)) == 1
    quota["cpu,cpuacct/a/cpu.cfs_quota_us"] = "-1"
    assert usable_cores(**group(tmp_path, "4:cpu,cpuacct:/a\n", quota)) == ALL_CORES
    memory = {"memory/a/memory.limit_in_bytes": "1000000"}
    assert usable_memory(**group(tmp_path, "5:memory:/a\n", memory)) == 1_000_000


def test_a_limit_of_memory_counts(tmp_path: Path) -> None:
    whole = usable_memory(**group(tmp_path, "0::/a\n", {"a/memory.max": "max\n"}))
    assert usable_memory(**group(tmp_path, "0::/a\n", {"a/memory.max": "5000000\n"})) == 5_000_000
    if whole is not None:
        assert whole > 5_000_000


def test_without_groups_the_machine_counts(tmp_path: Path) -> None:
    nothing = {"cgroups": tmp_path, "membership": tmp_path / "missing"}
    assert usable_cores(**nothing) == ALL_CORES
