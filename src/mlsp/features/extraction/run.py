"""Photos -> one feature file: `mlsp extract`. Interrupted at any moment it goes on where it was.

list_photos ── Shard ──────┐
plan_network ─ NetworkPlan ┴ Extraction ─ FeaturePipeline ─ FeatureStore

`mlsp.bulk.ray_extraction` does the same with a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import FeatureValueError, PhotoError, SettingsError
from mlsp.base.results import ScoreFailure
from mlsp.features.engines import Engine
from mlsp.features.pipeline import FeaturePipeline, PhotoFeatures
from mlsp.features.pooling import narrow_from_wide
from mlsp.features.spec import Grid
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.photos.crops import min_photo_side
from mlsp.photos.listing import NamedPhoto

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a list, for one of several machines.

    Attributes:
        number: of this part, from 1.
        count: of all parts.

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
        """Read a shard as users write it.

        Raises:
            SettingsError: it is not written so.

        Examples:
            >>> Shard.parse("3/8")
            Shard(number=3, count=8)
        """
        number, separator, count = text.partition("/")
        if not (separator and number.isdecimal() and count.isdecimal()):
            raise SettingsError(f"a shard is written 3/8, the third of eight parts; got {text!r}")
        return cls(int(number), int(count))

    def of(self, items: Sequence[_Item]) -> Sequence[_Item]:
        """Its part of a list: every `count`-th, so that long and short photos spread evenly.

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


@dataclass(frozen=True, slots=True)
class ExtractionNetwork:
    """A network ready to extract, and the form in which its features are kept.

    Attributes:
        engine: runs it.
        layout: of the feature file; its kind and precision are the engine's.
        smallest_side: pixels that it needs of each side of a view.

    Raises:
        SettingsError: the layout is not of the engine's features.
    """

    engine: Engine
    layout: StoreLayout
    smallest_side: int

    def __post_init__(self) -> None:
        made = (self.engine.feature_spec, self.engine.precision)
        kept = (self.layout.feature_spec, self.layout.precision)
        if made != kept:
            raise SettingsError(f"the engine makes features of {made}, the layout keeps {kept}")


class ExtractionRun:
    """A feature file, and what of it is to do; use it in `with`.

    Args:
        layout: of the file.
        photos: all photos of the file, done or not; the same in the same order whenever it is continued.
        output: the feature file; is made, or continued where it was.
        retry_failed: try photos again that failed in an earlier run.

    Attributes:
        store: the feature file.
        photos: as given.
        photos_failed_earlier: photos that failed in an earlier run and are not tried again.

    Raises:
        FeatureStoreError: the output holds other features or photos, or is written by another process.
        OutputError: the output cannot be written.
        SettingsError: there are no photos, or two have one name.
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
        failed = self.store.failed()
        self._todo: list[int] = self.store.pending().tolist()
        if retry_failed:
            self._todo = sorted([*self._todo, *failed.tolist()])
        self.photos_failed_earlier = 0 if retry_failed else len(failed)

    @property
    def photos_to_do(self) -> int:
        """Photos that had no features, or are tried again, when the file was opened."""
        return len(self._todo)

    def check_complete(self) -> None:
        """Say what is missing, once all results are there; a run in one process misses nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        feature_spec: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.store.close()


class Extraction(ExtractionRun):
    """An extraction of photos into a feature file; use it in `with`, and iterate over `results()`.

    Args:
        network: see `mlsp.features.extraction.plan.NetworkPlan.open`.
        photos: all photos of the file, done or not; the same in the same order whenever it is continued.
        output: the feature file; is made, or continued where it was.
        retry_failed: try photos again that failed in an earlier run.
        workers: photos decoded at the same time, and computed, if the engine does not join them; by default one more than the cores, so
            that one decodes while the others compute.
        max_pixels: photos with more are refused before they are decoded; by default as `DecodeSettings`.

    Raises:
        FeatureStoreError: the output holds other features or photos, or is written by another process.
        OutputError: the output cannot be written.
        SettingsError: there are no photos, two have one name, or a number is below 1.
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
            min_side=min_photo_side(network.smallest_side, network.engine.feature_spec.views),
            workers=workers,
            max_pixels=max_pixels,
        )
        self._network = network
        super().__init__(network.layout, photos, output, retry_failed=retry_failed)

    def results(self) -> Iterator[PhotoFeatures | ScoreFailure]:
        """Extract what is to do; each result is in the store when it comes, on the disk a few seconds later.

        Yields:
            One result for each photo, in the order of the rows. A photo that cannot be read, is too small, or has features that
            the store's dtype cannot hold, is a `ScoreFailure`.

        Raises:
            FeatureStoreError: the disk is full. What was extracted before stays.
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


def by_grid(features: Float32Array, grids: Sequence[Grid]) -> dict[Grid, Float32Array]:
    """Features of one pass for each grid that is kept.

    Args:
        features: (V, G, G, C), as the network made them.
        grids: G itself, and perhaps 1.
    """
    return {
        grid: features if features.shape[1] == grid else narrow_from_wide(features)
        for grid in grids
    }
