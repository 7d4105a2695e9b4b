"""An extraction on a Ray cluster: workers compute features, this process alone writes the feature file; see `mlsp.bulk.ray_pool`.

todo ─ pieces ─ workers: read, compute, encode ─ this process, in the order of the rows ─ FeatureStore

So the file is what `mlsp.features.extraction.run.Extraction` makes of the same photos, whatever is lost. Workers need this mlsp and these paths.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import (
    FeatureStoreError,
    FeatureValueError,
    MissingExtraError,
    PhotoError,
    SettingsError,
    UnreadablePhotoError,
    WeightsError,
)
from mlsp.base.results import ScoreFailure
from mlsp.base.spawning import allow_spawning
from mlsp.bulk.ray_cluster import LOCAL, RaySettings
from mlsp.bulk.ray_jobs import PoolJob
from mlsp.bulk.ray_pool import run_pool
from mlsp.features.extraction.plan import NetworkPlan
from mlsp.features.extraction.run import ExtractionRun, by_grid
from mlsp.features.pipeline import EncodedPhoto, FeaturePipeline, PhotoFeatures
from mlsp.features.store.codec import encode_grids
from mlsp.features.store.schema import StoreLayout
from mlsp.photos import DecodeSettings
from mlsp.photos.listing import NamedPhoto

# Bytes of features sent at a time. More would save little, and is in memory several times per worker.
_PIECE_BYTES = 16_000_000
_PIECE_PHOTOS = 32
_PIECES = 32  # of a short list, so that all workers end at about the same time
_PIECES_PER_WORKER = 2  # so that no thread of a worker waits for the next piece
_PIECES_AHEAD = 4  # per worker, while another one takes longer or was lost


@dataclass(frozen=True, slots=True)
class _Piece:
    """A few photos that a worker does at a time.

    Attributes:
        rows: of the photos in the feature file, ascending.
        photos: by absolute paths.
    """

    rows: tuple[int, ...]
    photos: tuple[NamedPhoto, ...]


@dataclass(frozen=True, slots=True)
class _PieceReport:
    """Outcome of a piece.

    Attributes:
        rows: of its photos.
        results: one per photo; none where the piece was lost.
        unseen: numbers of those photos among them that the worker cannot read because of where they are.
        host: of the worker.
        lost: why the piece was lost.
    """

    rows: tuple[int, ...]
    results: tuple[EncodedPhoto | ScoreFailure, ...] = ()
    unseen: frozenset[int] = frozenset()
    host: str = ""
    lost: str = ""


@dataclass(frozen=True, slots=True)
class _Order:
    """Settings of the workers, the same for all.

    Attributes:
        plan: of the network; its file is on another machine, perhaps.
        file: content of that file, (bytes,), so that Ray need not copy it.
        file_sha256: that it must have on arrival.
        versions: of the packages on which features depend.
        host: which has them.
        max_pixels: photos with more are refused before they are decoded.
        cores: of a worker, each of which computes one photo.
    """

    plan: NetworkPlan
    file: UInt8Array
    file_sha256: str
    versions: dict[str, str]
    host: str
    max_pixels: int
    cores: int


class _PhotoWorker:
    """Actor that extracts on the cluster. Two calls of `work` share its threads, so that none is idle while the last photo of a piece is computed."""

    def __init__(self, order: _Order) -> None:
        self._order = order
        self._pipeline: FeaturePipeline
        self._threads: ThreadPoolExecutor

    def prepare(self) -> None:
        """Open the network."""
        allow_spawning()  # Ray's main module allows it.
        order = self._order
        try:
            check_versions(order.plan.network.versions(), order.versions, order.host)
            with tempfile.TemporaryDirectory(prefix="mlsp-") as folder:
                file = Path(folder, order.plan.network.file.name)
                file.write_bytes(order.file.data)
                if (found := hashlib.sha256(order.file.data).hexdigest()) != order.file_sha256:
                    raise WeightsError(
                        f"the network arrived with SHA-256 {found}, expected {order.file_sha256}: try again"
                    )
                plan = replace(order.plan, network=replace(order.plan.network, file=file))
                network = plan.open(cores=order.cores)
        except MissingExtraError as error:
            # It is missing on that machine, which may be another.
            raise MissingExtraError(
                f"On {socket.gethostname()}: {error.purpose}", error.extra
            ) from None
        # As for a process of its own: one more than the cores, so that one decodes while the others compute.
        self._pipeline = FeaturePipeline(
            network.engine,
            min_side=network.min_photo_side,
            workers=order.cores + 1,
            max_pixels=order.max_pixels,
        )
        threads = self._pipeline.limiter.threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="mlsp")

    def work(self, task: _Piece) -> _PieceReport:
        """Compute the features of a piece."""
        results = tuple(self._threads.map(self._extract, task.photos))
        unseen = frozenset(
            number
            for number, result in enumerate(results)
            if isinstance(result, ScoreFailure) and _is_unseen(result)
        )
        return _PieceReport(task.rows, results, unseen, socket.gethostname())

    def _extract(self, photo: NamedPhoto) -> EncodedPhoto | ScoreFailure:
        return encode_photo(self._pipeline.extract_one(photo.path), photo, self._order.plan.layout)


class RayExtraction(ExtractionRun):
    """An extraction of photos into a feature file on a Ray cluster; use it in `with`, and iterate over `results()`.

    Args:
        plan: see `mlsp.features.extraction.plan.plan_network`.
        photos: all photos of the file, done or not; the same in the same order whenever it is continued. Workers read them.
        output: the feature file, of this machine; is made, or continued where it was.
        settings: how the cluster is used.
        retry_failed: try photos again that failed in an earlier run.
        max_pixels: photos with more are refused before they are decoded; by default as `DecodeSettings`.

    Raises:
        FeatureStoreError: the output holds other features or photos, or is written by another process.
        OutputError: the output cannot be written.
        SettingsError: there are no photos, two have one name, or a number is out of range.
    """

    def __init__(
        self,
        plan: NetworkPlan,
        photos: Sequence[NamedPhoto],
        output: Path,
        settings: RaySettings,
        *,
        retry_failed: bool = False,
        max_pixels: int | None = None,
    ) -> None:
        self._max_pixels = DecodeSettings.of(None, max_pixels).max_pixels
        self._plan = plan
        self._settings = replace(settings, gpus_per_worker=int(plan.network.device == "cuda"))
        super().__init__(plan.layout, photos, output, retry_failed=retry_failed)

    def results(self) -> Iterator[EncodedPhoto | ScoreFailure]:
        """Extract the photos to do; each result is in the store when it is yielded, on the disk a few seconds later.

        Yields:
            One result for each photo, in the order of the rows, but for those that lost their worker three times. A photo that its
            worker cannot read, that is too small, or has features that the store's dtype cannot hold, is a `ScoreFailure`.

        Raises:
            FeatureStoreError: photos lost their worker three times, after all other results. The file has no entry of them, so the
                next run tries them again.
            OutputError: the disk is full. What was extracted before stays.
            SettingsError: the cluster cannot be reached or has no room, or a worker's machine has other versions of the software.
            MissingExtraError: ray is not installed.
            MlspError: workers die before they extract anything, or the cluster is lost.
        """
        if not self._todo:
            return
        if self._plan.network.device == "cuda" and self._settings.address == LOCAL:
            # Ray would wait for a GPU to come.
            self._plan.network.check_device()
        size = _piece_size(self._plan.layout, len(self._todo))
        job = PoolJob(
            worker=_PhotoWorker,
            order=self._order,
            tasks=self._pieces(size),
            task_count=-(-len(self._todo) // size),
            lost=lambda piece, why: _PieceReport(piece.rows, lost=why),
            tasks_per_worker=_PIECES_PER_WORKER,
            in_order=_PIECES_AHEAD,
        )
        lost: list[tuple[NamedPhoto, str]] = []
        for report in run_pool(job, self._settings):
            if report.lost:
                lost += [(self.photos[row], report.lost) for row in report.rows]
                continue
            for number, (row, result) in enumerate(zip(report.rows, report.results, strict=True)):
                is_unseen = number in report.unseen
                yield self._store(row, result, report.host if is_unseen else None)
        if lost:
            photo, why = lost[0]
            raise FeatureStoreError(
                f"{len(lost)} of {self.photos_to_do} photos are not in {self.store.path}, the first {photo.photo_id!r}: its part of the"
                f" list {why}. The same command tries them again"
            )

    def _store(
        self, row: int, result: EncodedPhoto | ScoreFailure, unseen_on: str | None
    ) -> EncodedPhoto | ScoreFailure:
        # As the caller wrote it.
        source = self.photos[row].path
        if isinstance(result, EncodedPhoto):
            self.store.write_encoded(
                row,
                result.stored,
                width=result.width,
                height=result.height,
                content_sha256=result.content_sha256,
            )
            return replace(result, source=source)
        error = result.error
        if unseen_on is not None and os.access(source, os.R_OK):
            error = UnreadablePhotoError(
                f"the worker on {unseen_on} cannot read {os.path.abspath(source)}, this machine can: {error}. All machines must have"
                " the photos under the same path"
            )
        self.store.write_failure(row, str(error))
        return ScoreFailure(source, error)

    def _pieces(self, size: int) -> Iterator[_Piece]:
        for start in range(0, len(self._todo), size):
            rows = self._todo[start : start + size]
            photos = (self.photos[row] for row in rows)
            # Relative paths count from where this process is; workers are elsewhere.
            absolute = (replace(photo, path=photo.path.absolute()) for photo in photos)
            yield _Piece(tuple(rows), tuple(absolute))

    def _order(self) -> _Order:
        content = np.fromfile(self._plan.network.file, np.uint8)
        return _Order(
            self._plan,
            content,
            hashlib.sha256(content.data).hexdigest(),
            self._plan.network.versions(),
            socket.gethostname(),
            self._max_pixels,
            self._settings.cpus_per_worker,
        )


def encode_photo(
    result: PhotoFeatures | ScoreFailure, photo: NamedPhoto, layout: StoreLayout
) -> EncodedPhoto | ScoreFailure:
    """Encode the features of a photo as its file stores them.

    Returns:
        A `ScoreFailure` also where the file's dtype cannot hold the features.
    """
    if isinstance(result, ScoreFailure):
        return result
    try:
        stored = encode_grids(
            layout.codecs(), by_grid(result.features, layout.grids), photo.photo_id
        )
    except FeatureValueError as error:
        return ScoreFailure(result.source, PhotoError(str(error)))
    return EncodedPhoto(result.source, stored, result.width, result.height, result.content_sha256)


def check_versions(found: dict[str, str], expected: dict[str, str], host: str) -> None:
    """Refuse a worker whose features might differ.

    Args:
        found: versions by package, on the worker's machine.
        expected: on `host`.
        host: where the run was started.

    Raises:
        SettingsError: they differ.
    """
    differing = [name for name in expected if found.get(name) != expected[name]]
    if differing:
        there = " and ".join(f"{name} {found.get(name)}" for name in differing)
        here = " and ".join(f"{name} {expected[name]}" for name in differing)
        raise SettingsError(
            f"the worker on {socket.gethostname()} has {there}, {host} has {here}: features could differ, install the same on all machines"
        )


def _is_unseen(result: ScoreFailure) -> bool:
    return isinstance(result.error, UnreadablePhotoError) and not os.access(result.source, os.R_OK)


def _piece_size(layout: StoreLayout, photos: int) -> int:
    """Return the number of photos per piece."""
    photo_bytes = layout.views * sum(part.view_bytes for part in layout.parts())
    return max(1, min(_PIECE_BYTES // photo_bytes, _PIECE_PHOTOS, photos // _PIECES))
