"""Scoring and extraction on a real Ray cluster of two nodes on this machine, one of which is killed while it works."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bulk_samples import jpeg, read_rows, write_photos
from mlsp.backbones import backbone
from mlsp.base.errors import FeatureStoreError, SettingsError
from mlsp.base.results import ScoreFailure
from mlsp.bulk import BulkJob, BulkSettings, ShardReport, SourceSpec, prepare, run_local
from mlsp.features.extraction.plan import NetworkPlan
from mlsp.features.extraction.run import Extraction
from mlsp.features.opening import RunnableBackbone
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.models.model import load_model
from mlsp.photos.listing import NamedPhoto, list_photos

ray = pytest.importorskip("ray", reason="the cluster is an extra: pip install '.[ray]'")
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
    from mlsp.bulk.ray_cluster import RaySettings
    from mlsp.bulk.ray_driver import run_on_ray

    expected = tmp_path / "one process"
    list(run_local(job_of(photos, expected)))

    dataset = tmp_path / "cluster"
    job = job_of(photos, dataset)
    run = run_on_ray(job, RaySettings(workers=2, cpus_per_worker=1))
    reports: list[ShardReport] = list(disturbed(cluster, run, "_ShardWorker"))
    assert [report.error for report in reports] == [None] * (PHOTOS // SHARD_SIZE)
    assert {report.name for report in reports} == job_of(photos, expected).dataset.done
    assert read_rows(str(dataset)) == read_rows(str(expected))
    assert len(read_rows(str(dataset))) == PHOTOS
    # Resumed: nothing is left, and no worker is asked for, as there is no node for one.
    assert list(run_on_ray(job_of(photos, dataset), RaySettings(workers=1))) == []


def disturbed(cluster: Any, run: Iterator[Any], worker: str) -> Iterator[Any]:
    """What a run gives while its cluster changes: it gets a second node, loses one of two workers, and of the next two one with its node."""
    first = cluster.add_node(**NODE)
    killed = 0
    is_first_lost = False
    for number, result in enumerate(run, 1):
        yield result
        if number == 3:
            # There was a worker asked for that had no room: the cluster grows.
            second = cluster.add_node(**NODE)
        if number < 3 or is_first_lost:
            continue
        # Between two results the run finds that it needs another worker, whose process takes seconds to start; meanwhile there shall be
        # something left to do, on a quick machine too.
        patience = time.monotonic() + 4
        while len(working := set(workers(worker)) - {killed}) < 2 and time.monotonic() < patience:
            time.sleep(0.1)
        if len(working) < 2:
            continue
        if not killed:
            killed = working.pop()
            os.kill(killed, signal.SIGKILL)
        else:
            is_first_lost = True
            cluster.remove_node(first, allow_graceful=False)
    cluster.remove_node(second)
    assert is_first_lost


def workers(title: str) -> list[int]:
    """Processes of the cluster's workers whose titles begin so; all of them descend from this one."""
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

    start = f"ray::{title}".encode()
    return [name for name in names if names[name].startswith(start) and is_own(name)]


def test_a_cluster_without_room_says_so(cluster: Any, photos: Path, tmp_path: Path) -> None:
    from mlsp.bulk.ray_cluster import RaySettings
    from mlsp.bulk.ray_driver import run_on_ray

    del cluster
    settings = RaySettings(cpus_per_worker=64, start_seconds=0.1)
    with pytest.raises(SettingsError) as caught:
        list(run_on_ray(job_of(photos, tmp_path / "scores"), settings))
    assert str(caught.value) == (
        "the cluster had no room for a worker of 64 cores in 0 seconds: ask for fewer, or add a machine"
    )


def test_numbers_below_one() -> None:
    from mlsp.bulk.ray_cluster import RaySettings

    with pytest.raises(SettingsError, match="^workers must be at least 1, got 0$"):
        RaySettings(workers=0)
    with pytest.raises(SettingsError, match="^cpus_per_worker must be at least 1, got 0$"):
        RaySettings(cpus_per_worker=0)


@pytest.fixture(scope="module")
def node(cluster: Any) -> Iterator[None]:
    """A node that stays."""
    added = cluster.add_node(**NODE)
    yield
    cluster.remove_node(added)


def plan() -> NetworkPlan:
    """The embedded model's network: nothing is to be exported."""
    model = load_model("default")
    spec = backbone(model.feature_spec.backbone)
    channels = tuple(
        level.channels for level in spec.levels if level.name in model.feature_spec.levels
    )
    layout = StoreLayout(model.feature_spec, channels, (1,))
    network = RunnableBackbone(model.feature_spec, "float32", model.backbone, "openvino", "cpu")
    return NetworkPlan(network, layout, spec.smallest_side)


def test_features_are_the_same_file_whatever_is_killed(
    cluster: Any, photos: Path, tmp_path: Path
) -> None:
    from mlsp.bulk.ray_cluster import RaySettings
    from mlsp.bulk.ray_extraction import RayExtraction

    listed = [*list_photos(photos), NamedPhoto("gone.jpg", photos / "gone.jpg")]
    with Extraction(plan().open(), listed, tmp_path / "plain.h5") as plain:
        expected = list(plain.results())
    output = tmp_path / "cluster.h5"
    settings = RaySettings(workers=2, cpus_per_worker=1)
    with RayExtraction(plan(), listed, output, settings) as extraction:
        assert extraction.photos_to_do == PHOTOS + 1
        run = extraction.results()
        results = list(disturbed(cluster, run, "_PhotoWorker"))
    assert [result.source for result in results] == [photo.path for photo in listed]
    failed = [str(result.error) for result in results if isinstance(result, ScoreFailure)]
    assert failed == [str(result.error) for result in expected if isinstance(result, ScoreFailure)]
    assert len(failed) == 2
    assert output.read_bytes() == (tmp_path / "plain.h5").read_bytes()
    # Resumed: nothing is left, and no worker is asked for, as there is no node for one.
    with RayExtraction(plan(), listed, output, settings) as extraction:
        assert extraction.photos_failed_earlier == 2
        assert list(extraction.results()) == []


def test_a_task_that_kills_three_workers_is_given_up_and_the_others_go_on(node: None) -> None:
    from mlsp.bulk.ray_cluster import RaySettings
    from mlsp.bulk.ray_jobs import PoolJob
    from mlsp.bulk.ray_pool import run_pool

    del node

    # Defined here, so that its code is sent along: workers cannot import tests.
    class Worker:
        def __init__(self, order: str) -> None:
            self.order = order

        def prepare(self) -> None:
            assert self.order == "the order"

        def work(self, task: int) -> str:
            if task == 0:
                # Those after it are done before, until no more may be begun.
                time.sleep(0.5)
            if task == 6:
                os._exit(1)
            return f"{task} is done"

    def lost(task: int, why: str) -> str:
        return f"{task} {why.partition(',')[0]}"

    drawn: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(12):
            drawn.append(number)
            yield number

    job: PoolJob[int, str] = PoolJob(
        worker=Worker,
        order=lambda: "the order",
        tasks=tasks(),
        task_count=12,
        lost=lost,
        tasks_per_worker=2,
        in_order=4,
    )
    reports = []
    for report in run_pool(job, RaySettings(workers=1, cpus_per_worker=1)):
        reports.append(report)
        # The next four, and the one that is drawn ahead.
        assert len(drawn) <= len(reports) + 5
    expected = [f"{number} is done" for number in range(12)]
    expected[6] = "6 lost its worker 3 times"
    assert reports == expected


def test_the_task_of_a_worker_that_hangs_is_done_by_another(
    cluster: Any, node: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlsp.bulk.ray_cluster import RaySettings
    from mlsp.bulk.ray_jobs import PoolJob
    from mlsp.bulk.ray_pool import run_pool

    del node
    # The clock: when a task takes too long, and how often it looks.
    monkeypatch.setattr("mlsp.bulk.ray_pool._STRAGGLER_SECONDS", 0.5)
    monkeypatch.setattr("mlsp.bulk.ray_pool._WAIT_SECONDS", 0.2)
    begun = tmp_path / "begun"

    class Worker:
        def __init__(self, order: None) -> None:
            del order

        def prepare(self) -> None:
            pass

        def work(self, task: int) -> int:
            with begun.open("a") as file:
                file.write(f"{task} ")
            if task == 1 and begun.read_text().split().count("1") == 1:
                time.sleep(600)
            return task

    def lost(task: int, why: str) -> int:
        raise AssertionError(why)

    job: PoolJob[int, int] = PoolJob(
        worker=Worker,
        order=lambda: None,
        tasks=iter(range(6)),
        task_count=6,
        lost=lost,
        is_repeatable=True,
    )
    second = cluster.add_node(**NODE)
    reports = list(run_pool(job, RaySettings(workers=2, cpus_per_worker=1)))
    cluster.remove_node(second)
    assert sorted(reports) == list(range(6))
    assert begun.read_text().split().count("1") == 2


def test_a_task_is_divided_until_what_kills_or_holds_its_worker_is_alone(
    node: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlsp.bulk.ray_cluster import RaySettings
    from mlsp.bulk.ray_jobs import PoolJob
    from mlsp.bulk.ray_pool import run_pool

    del node
    monkeypatch.setattr("mlsp.bulk.ray_pool.TRIES", 2)
    # The clock: how often it looks for workers that take too long.
    monkeypatch.setattr("mlsp.bulk.ray_pool._WAIT_SECONDS", 0.2)

    class Worker:
        def __init__(self, order: None) -> None:
            del order

        def prepare(self) -> None:
            pass

        def work(self, task: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
            if 2 in task:
                os._exit(1)
            if 3 in task:
                time.sleep(600)
            return "done", task

    def halves(task: tuple[int, ...]) -> list[tuple[int, ...]]:
        middle = len(task) // 2
        return [task[:middle], task[middle:]] if middle else []

    job: PoolJob[tuple[int, ...], tuple[str, tuple[int, ...]]] = PoolJob(
        worker=Worker,
        order=lambda: None,
        tasks=iter([(0, 1), (2, 3)]),
        task_count=2,
        lost=lambda task, why: (why.rpartition(": ")[2], task),
        divided=halves,
        seconds=lambda task: 1,
    )
    settings = RaySettings(workers=1, cpus_per_worker=1)
    reports = {task: told for told, task in run_pool(job, settings)}
    assert reports.keys() == {(0, 1), (2,), (3,)}
    assert (reports[0, 1], reports[3,]) == ("done", "it took more than 1 s")


def test_photos_that_workers_cannot_see_or_die_of(
    node: None, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    from mlsp.bulk.ray_cluster import RaySettings
    from mlsp.bulk.ray_extraction import RayExtraction

    del node
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number))
    # Takes so long that the worker can be caught at it.
    Image.new("RGB", (8000, 6000)).save(tmp_path / "large.png", compress_level=1)
    # A file that other processes do not see under this name.
    descriptor = os.dup2(os.open(tmp_path / "0.jpg", os.O_RDONLY), 900)
    request.addfinalizer(lambda: os.close(descriptor))
    unseen = Path("/proc/self/fd/900")
    listed = [
        NamedPhoto(path.name, path)
        for path in (tmp_path / "0.jpg", unseen, tmp_path / "1.jpg", tmp_path / "large.png")
    ]
    output = tmp_path / "f.h5"
    settings = RaySettings(workers=1, cpus_per_worker=1)
    with RayExtraction(plan(), listed, output, settings) as extraction:
        run = extraction.results()
        results = [next(run) for _ in range(3)]
        os.kill(workers("_PhotoWorker")[0], signal.SIGKILL)
        # From now on it is alone with its worker, whose title then says when it works.
        with (
            killing(lambda: workers("_PhotoWorker.work")),
            pytest.raises(FeatureStoreError) as caught,
        ):
            next(run)
    assert str(caught.value).startswith(
        f"1 of 4 photos are not in {output}, the first 'large.png': its part of the list lost its worker 3 times, for want of memory"
        " perhaps: "
    )
    assert str(caught.value).endswith(". The same command tries them again")
    assert isinstance(results[1], ScoreFailure)
    assert str(results[1].error) == (
        f"the worker on {socket.gethostname()} cannot read /proc/self/fd/900, this machine can: there is no such file. All machines must"
        " have the photos under the same path"
    )
    with FeatureStore.open(output) as store:
        assert store.rows("failed").tolist() == [1]
        assert store.rows("pending").tolist() == [3]


class killing:  # noqa: N801
    """Kills processes as soon as they are there, until the end of the context."""

    def __init__(self, found: Callable[[], list[int]]) -> None:
        self._found = found
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._kill)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _kill(self) -> None:
        while not self._ended.wait(0.01):
            for process in self._found():
                os.kill(process, signal.SIGKILL)
