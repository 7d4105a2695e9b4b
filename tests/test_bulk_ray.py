"""A run on a real Ray cluster of two nodes on this machine, one of which is killed while it works."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bulk_samples import read_rows, write_photos
from mlsp.bulk import BulkJob, BulkSettings, ShardReport, SourceSpec, prepare, run_local
from mlsp.errors import SettingsError

ray = pytest.importorskip("ray", reason="the cluster is an extra: pip install 'mlsp[ray]'")
pytestmark = [
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes as on Linux"),
]
PHOTOS = 60
SHARD_SIZE = 2
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that does no work, so that nodes can come and go."""
    from ray.cluster_utils import Cluster

    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    head = {**NODE, "num_cpus": 0, "include_dashboard": False}
    started = Cluster(initialize_head=True, head_node_args=head)
    ray.init(address=started.address, log_to_driver=False, logging_level=logging.ERROR)
    yield started
    ray.shutdown()
    started.shutdown()  # type: ignore[no-untyped-call]
    patch.undo()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bulk") / "photos"
    write_photos(folder, PHOTOS)
    (folder / "7.jpg").write_bytes(b"")
    return folder


def job_of(photos: Path, dataset: Path) -> BulkJob:
    return prepare(BulkSettings(SourceSpec((str(photos),)), str(dataset), SHARD_SIZE))


def test_a_killed_node_and_a_killed_worker_lose_nothing(
    cluster: Any, photos: Path, tmp_path: Path
) -> None:
    from mlsp.bulk.ray_driver import RaySettings, run_on_ray

    expected = tmp_path / "one process"
    list(run_local(job_of(photos, expected)))

    dataset = tmp_path / "cluster"
    first = cluster.add_node(**NODE)
    job = job_of(photos, dataset)
    reports: list[ShardReport] = []
    run = run_on_ray(job, RaySettings(workers=2, cpus_per_worker=1))
    for report in run:
        reports.append(report)
        if len(reports) == 3:
            # There was a worker asked for that had no room: the cluster grows.
            second = cluster.add_node(**NODE)
            wait_for_workers(2)
        elif len(reports) == 10:
            os.kill(workers()[0], signal.SIGKILL)
        elif len(reports) == 15:
            wait_for_workers(2)
            cluster.remove_node(first, allow_graceful=False)
    cluster.remove_node(second)
    assert [report.error for report in reports] == [None] * (PHOTOS // SHARD_SIZE)
    assert {report.name for report in reports} == job_of(photos, expected).dataset.done
    assert read_rows(str(dataset)) == read_rows(str(expected))
    assert len(read_rows(str(dataset))) == PHOTOS
    # Resumed: nothing is left, and no worker is asked for, as there is no node for one.
    assert list(run_on_ray(job_of(photos, dataset), RaySettings(workers=1))) == []


def workers() -> list[int]:
    """Processes of the cluster's workers that score, or are about to; all of them descend from this one."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
            names[int(folder.name)] = (folder / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue

    def is_own(process: int) -> bool:
        while process > 1:
            process = parents.get(process, 0)
            if process == os.getpid():
                return True
        return False

    return [name for name in names if names[name].startswith(b"ray::_ShardWorker") and is_own(name)]


def wait_for_workers(count: int) -> None:
    deadline = time.monotonic() + 30
    while len(workers()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_cluster_without_room_says_so(cluster: Any, photos: Path, tmp_path: Path) -> None:
    from mlsp.bulk.ray_driver import RaySettings, run_on_ray

    del cluster
    settings = RaySettings(cpus_per_worker=64, start_seconds=0.1)
    with pytest.raises(SettingsError) as caught:
        list(run_on_ray(job_of(photos, tmp_path / "scores"), settings))
    assert str(caught.value) == (
        "the cluster had no room for a worker of 64 cores in 0 seconds: ask for fewer, or add a machine"
    )


def test_numbers_below_one() -> None:
    from mlsp.bulk.ray_driver import RaySettings

    with pytest.raises(SettingsError, match="^workers must be at least 1, got 0$"):
        RaySettings(workers=0)
    with pytest.raises(SettingsError, match="^cpus_per_worker must be at least 1, got 0$"):
        RaySettings(cpus_per_worker=0)
