"""Features that an embedded model learns from: of rated photos, of their copies, of pictures that are no photos. Kept in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import UInt8Array
from mlsp.base.atomic_file import atomic_write
from mlsp.base.machine import usable_cores
from mlsp.features.engines import Engine
from mlsp.photos import DecodeSettings, read_photo
from mlsp.photos.near_duplicates import difference_hash, duplicate_groups
from mlsp.training.ladders import learned_copies

Features = NDArray[np.float16]
_Job = TypeVar("_Job")
_Made = TypeVar("_Made")
# Of a copy: kind, step, strength, loss, weight, photo, better.
_Row = tuple[str, int, float, float, float, int, int]


@dataclass(frozen=True, slots=True)
class Copies:
    """Photos and their copies.

    Attributes:
        features: (copies, C) float16; each photo itself, of kind `photo`, comes before its copies.
        kind: (copies,) see `mlsp.training.ladders.LearnedCopy`; so the rest.
        step: (copies,)
        strength: (copies,)
        loss: (copies,)
        weight: (copies,)
        photo: (copies,) index of the photo in its table.
        better: (copies,) row of the better one of the pair that a copy is the worse one of.
    """

    features: Features
    kind: NDArray[np.str_]
    step: NDArray[np.int64]
    strength: NDArray[np.float64]
    loss: NDArray[np.float64]
    weight: NDArray[np.float64]
    photo: NDArray[np.int64]
    better: NDArray[np.int64]


class FeatureFolder:
    """Features by the network that is open, computed once.

    Args:
        engine: the network, for crops of whole photos, 1×1.
        folder: of the files; one for each network.
    """

    def __init__(self, engine: Engine, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._engine = engine
        spec = engine.feature_spec
        self._decode = DecodeSettings(longest_side=spec.longest_side, reduction=spec.reduction)

    def of_photos(self, name: str, photos: Sequence[Path], *, mirrored: bool = False) -> Features:
        """Return (photos, C) float16."""
        file = self.folder / f"{name}{'-mirrored' * mirrored}.npy"

        def features(photo: Path) -> Features:
            pixels = self.pixels(photo)
            return self.compute(np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels)

        if not file.is_file():
            _write(file, np.stack(list(_told(file.stem, features, photos))))
        found: Features = np.load(file, mmap_mode="r")
        return found

    def of_copies(self, name: str, photos: Sequence[Path], chosen: NDArray[np.intp]) -> Copies:
        """Return the copies of some photos."""
        file = self.folder / f"{name}-copies.npy"
        about = file.with_suffix(".npz")

        def made(job: tuple[int, int]) -> tuple[list[Features], list[_Row]]:
            number, index = job
            pixels = self.pixels(photos[index])
            features = [self.compute(pixels)]
            rows: list[_Row] = [("photo", 0, 0.0, 0.0, 0.0, index, 0)]
            for copy in learned_copies(pixels, number, np.random.default_rng((number, index))):
                better = len(rows) - 1 if copy.step > 1 else 0
                features.append(self.compute(copy.pixels))
                rows.append(
                    (copy.kind, copy.step, copy.strength, copy.loss, copy.weight, index, better)
                )
            return features, rows

        if not (file.is_file() and about.is_file()):
            features: list[Features] = []
            rows: list[_Row] = []
            for some, their in _told(file.stem, made, list(enumerate(chosen.tolist()))):
                rows.extend((*row[:-1], row[-1] + len(features)) for row in their)
                features.extend(some)
            names = ("kind", "step", "strength", "loss", "weight", "photo", "better")
            with atomic_write(about) as stream:
                columns: dict[str, Any] = dict(
                    zip(names, map(np.array, zip(*rows, strict=True)), strict=True)
                )
                np.savez(stream, **columns)
            _write(file, np.stack(features))
        return Copies(np.load(file, mmap_mode="r"), **dict(np.load(about)))

    def look_alikes(self, name: str, photos: Sequence[Path]) -> NDArray[np.int64]:
        """Return a number for each photo, the same for photos that look alike."""
        file = self.folder / f"{name}-look-alikes.npy"
        if not file.is_file():
            hashes = _told(file.stem, lambda photo: difference_hash(self.pixels(photo)), photos)
            _write(file, duplicate_groups(np.array(list(hashes))))
        groups: NDArray[np.int64] = np.load(file)
        return groups

    def pixels(self, photo: Path) -> UInt8Array:
        """Decode a photo as it is scored."""
        return read_photo(photo, settings=self._decode).pixels

    def compute(self, pixels: UInt8Array) -> Features:
        """Return (C,) of a photo."""
        row: Features = self._engine.pooled(np.ascontiguousarray(pixels)[None])[0, 0, 0].astype(
            np.float16
        )
        return row


def _told(
    name: str, work: Callable[[_Job], _Made], jobs: Sequence[_Job], every: int = 500
) -> Iterable[_Made]:
    with ThreadPoolExecutor(usable_cores() + 1) as threads:
        for number, result in enumerate(threads.map(work, jobs), 1):
            if number % every == 0 or number == len(jobs):
                print(f"{name}: {number} of {len(jobs)}", flush=True)
            yield result


def _write(file: Path, array: NDArray[Any]) -> None:
    with atomic_write(file) as stream:
        np.save(stream, array)
