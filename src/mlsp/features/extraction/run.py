"""Photos -> one feature file. Interrupted at any moment, it continues where it stopped.

list_photos ── Shard ──────┐
plan_network ─ NetworkPlan ┴ Extraction ─ FeaturePipeline ─ FeatureStore

`mlsp.bulk.ray_extraction` does the same on a Ray cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mlsp.base.arrays import Float32Array
from mlsp.base.closing import Closing
from mlsp.base.errors import FeatureValueError, PhotoError, SettingsError
from mlsp.base.results import ScoreFailure
from mlsp.features.extraction.plan import ExtractionNetwork
from mlsp.features.pipeline import FeaturePipeline, PhotoFeatures
from mlsp.features.pooling import narrow_from_wide
from mlsp.features.spec import Grid
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.photos.listing import NamedPhoto, list_photos

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several parts of a list of photos, for one of several machines.

    Attributes:
        number: of this part, from 1.
        count: number of parts.

    Raises:
        SettingsError: the number is not one of 1…count.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise SettingsError(
                f"a shard is 1/N to N/N, got {self.number}/{self.count}: with three machines give them 1/3, 2/3 and 3/3"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Parse a shard as users write it: its number, a slash, the number of shards.

        Raises:
            SettingsError: it is written otherwise.

        Examples:
            >>> Shard.parse("3/8")
            Shard(number=3, count=8)
        """
        number, separator, count = text.partition("/")
        if not (separator and number.isdecimal() and count.isdecimal()):
            raise SettingsError(f"a shard is written 3/8, the third of eight parts; got {text!r}")
        return cls(int(number), int(count))

    def of(self, items: Sequence[_Item]) -> Sequence[_Item]:
        """Return this part of a list: every `count`-th item, so that large and small photos spread evenly.

        Raises:
            SettingsError: there are fewer items than parts, and this part is empty.

        Examples:
            >>> Shard(2, 3).of("abcdefg")
            'be'
        """
        part = items[self.number - 1 :: self.count]
        if not part:
            raise SettingsError(
                f"shard {self.number}/{self.count} of {len(items)} photos is empty: make fewer shards"
            )
        return part


class ExtractionRun(Closing):
    """A feature file and the photos of it that are still to do; use it in `with`.

    Args:
        layout: of the file.
        photos: all photos of the file, done or not; the same in the same order whenever it is continued.
        output: the feature file; made, or continued where it stopped.
        retry_failed: try photos again that failed in an earlier run.

    Attributes:
        store: the feature file.
        photos: as given.
        photos_failed_earlier: number of photos that failed in an earlier run and are not tried again.

    Raises:
        FeatureStoreError: the output has other features or photos, or is being written by another process.
        OutputError: the output cannot be written.
        SettingsError: there are no photos, or two have one id.
    """

    def __init__(
        self,
        layout: StoreLayout,
        photos: Sequence[NamedPhoto],
        output: Path,
        *,
        retry_failed: bool = False,
    ) -> None:
        self.photos = photos
        self.store = FeatureStore.resume(output, layout, [photo.photo_id for photo in photos])
        failed = self.store.rows("failed").tolist()
        self._todo: list[int] = self.store.rows("pending").tolist()
        if retry_failed:
            self._todo = sorted(self._todo + failed)
        self.photos_failed_earlier = 0 if retry_failed else len(failed)

    @property
    def photos_to_do(self) -> int:
        """Number of photos that had no features, or are tried again, when the file was opened."""
        return len(self._todo)

    def close(self) -> None:
        """Close the feature file; may be called twice."""
        self.store.close()


class Extraction(ExtractionRun):
    """An extraction in this process; use it in `with`, and iterate over `results()`.

    Args:
        network: see `mlsp.features.extraction.plan.NetworkPlan.open`.
        photos: see `ExtractionRun`.
        output: see `ExtractionRun`.
        retry_failed: see `ExtractionRun`.
        workers: photos decoded at the same time, and computed, if the engine does not batch them; by default one more than the
            cores, so that one decodes while the others compute.
        max_pixels: photos with more are refused before they are decoded; by default as `DecodeSettings`.

    Raises:
        FeatureStoreError: see `ExtractionRun`.
        OutputError: see `ExtractionRun`.
        SettingsError: see `ExtractionRun`; or a number is below 1.
    """

    def __init__(
        self,
        network: ExtractionNetwork,
        photos: Sequence[NamedPhoto],
        output: Path,
        *,
        retry_failed: bool = False,
        workers: int | None = None,
        max_pixels: int | None = None,
    ) -> None:
        self._pipeline = FeaturePipeline(
            network.engine,
            min_side=network.min_photo_side,
            workers=workers,
            max_pixels=max_pixels,
        )
        self._network = network
        super().__init__(network.layout, photos, output, retry_failed=retry_failed)

    def results(self) -> Iterator[PhotoFeatures | ScoreFailure]:
        """Extract the photos to do; each result is in the store when it is yielded, on the disk a few seconds later.

        Yields:
            One result per photo, in the order of the rows. A photo that cannot be read, is too small, or has features that
            the store's dtype cannot hold, is a `ScoreFailure`.

        Raises:
            OutputError: the disk is full. What was extracted before stays.
        """
        extracted = self._pipeline.extract(self.photos[index].path for index in self._todo)
        for index, result in zip(self._todo, extracted, strict=True):
            yield self._store(index, result)

    def _store(
        self, index: int, result: PhotoFeatures | ScoreFailure
    ) -> PhotoFeatures | ScoreFailure:
        if isinstance(result, PhotoFeatures):
            try:
                self.store.write(
                    index,
                    by_grid(result.features, self._network.layout.grids),
                    width=result.width,
                    height=result.height,
                    content_sha256=result.content_sha256,
                )
            except FeatureValueError as error:
                result = ScoreFailure(result.source, PhotoError(str(error)))
        if isinstance(result, ScoreFailure):
            self.store.write_failure(index, str(result.error))
        return result


def extract_to(
    network: ExtractionNetwork,
    photos: Path | str | Iterable[Path | str],
    output: Path | str,
    *,
    retry_failed: bool = False,
    workers: int | None = None,
    max_pixels: int | None = None,
) -> list[ScoreFailure]:
    """Extract photos into a feature file, to the end; `Extraction` does the same photo by photo.

    Args:
        network: see `mlsp.features.extraction.plan.NetworkPlan.open`.
        photos: a folder or table, see `mlsp.photos.listing.list_photos`; or paths, which are the ids in the file as they are given.
        output: the feature file; made, or continued where it stopped.
        retry_failed: see `Extraction`.
        workers: see `Extraction`.
        max_pixels: see `Extraction`.

    Returns:
        The photos that failed in this run, in the order of the rows. The features are in `FeatureStore.open(output)`.

    Raises:
        FeatureStoreError: see `Extraction`.
        OutputError: see `Extraction`; or the disk is full. What was extracted before stays.
        SettingsError: see `Extraction`; or there is no such folder or table.
    """
    if isinstance(photos, Path | str):
        named = list_photos(Path(photos))
    else:
        named = [NamedPhoto(path.as_posix(), path) for path in map(Path, photos)]
    with Extraction(
        network,
        named,
        Path(output),
        retry_failed=retry_failed,
        workers=workers,
        max_pixels=max_pixels,
    ) as extraction:
        return [result for result in extraction.results() if isinstance(result, ScoreFailure)]


def by_grid(features: Float32Array, grids: Sequence[Grid]) -> dict[Grid, Float32Array]:
    """Return the features of one pass for each grid that is stored.

    Args:
        features: (V, G, G, C), from the network.
        grids: G itself, and perhaps 1.
    """
    return {
        grid: features if features.shape[1] == grid else narrow_from_wide(features)
        for grid in grids
    }
