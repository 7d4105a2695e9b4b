"""A bulk run: its input, the shards that are done and to do, and its results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version

from mlsp.base.errors import SettingsError
from mlsp.bulk.manifest import Manifest
from mlsp.bulk.records import Shard, ShardError
from mlsp.bulk.result_files import Failed
from mlsp.bulk.results import ResultDataset, check_folder
from mlsp.bulk.shard_scoring import ScorerSettings
from mlsp.bulk.sources import Source, SourceSpec, open_source
from mlsp.bulk.survey import Survey, survey
from mlsp.models.model import Model, load_model
from mlsp.reports.rows import label_columns

DEFAULT_SHARD_SIZE = 1000


@dataclass(frozen=True, slots=True)
class BulkSettings:
    """Settings of a run.

    Attributes:
        spec: the input.
        dataset: folder or URL of the results.
        shard_size: photos per file of results; at most so many are scored again after a kill.
        scorer: how photos are scored.
        retry_failed: score photos again that failed; those that could not be reached are scored again in any case.

    Raises:
        SettingsError: `dataset` is no text.
    """

    spec: SourceSpec
    dataset: str
    shard_size: int = DEFAULT_SHARD_SIZE
    scorer: ScorerSettings = field(default_factory=ScorerSettings)
    retry_failed: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.dataset, str):
            raise SettingsError(f"expected a folder or URL as a str, got {self.dataset!r}")


@dataclass(frozen=True, slots=True)
class BulkJob:
    """A run that is ready to start or to continue.

    Attributes:
        source: the input.
        survey: its counts and fingerprint.
        dataset: where results go.
        model: the scorer's.
        settings: as they were asked for.
        failed: rows with an error in the shards that were done before, by the shard's name; where there are some.
    """

    source: Source
    survey: Survey
    dataset: ResultDataset
    model: Model
    settings: BulkSettings
    failed: Mapping[str, Failed]

    @property
    def failed_earlier(self) -> int:
        """Number of photos that failed in earlier runs and are not tried again."""
        return sum(failed.count - self._again(failed) for failed in self.failed.values())

    @property
    def shards_done(self) -> int:
        """Number of shards of which nothing is to be scored."""
        again = sum(self._again(failed) > 0 for failed in self.failed.values())
        return len(self.dataset.done) - again

    @property
    def photos_to_do(self) -> int | None:
        """Estimated number of photos to score: the last shard of a source may be smaller. None if it is known only after reading."""
        if self.survey.photos is None:
            return None
        whole = self.survey.photos - len(self.dataset.done) * self.settings.shard_size
        return max(whole, 0) + sum(map(self._again, self.failed.values()))

    def shards_missing(self) -> int:
        """Count the shards that are not in the data set now.

        Raises:
            ShardError: the store cannot be reached.
        """
        return max(self.survey.shards - len(self.dataset.shards_now()), 0)

    def shards_to_do(self) -> Iterator[Shard]:
        """List the shards to score, lazily; of those that are done, the rows to score again.

        Raises:
            OutputError: a file of the data set is damaged.
            ShardError: a store cannot be reached, or the list of the input is no longer what it was: a disk that is gone has no photos.
        """
        seen = 0
        for shard in self.source.shards(self.settings.shard_size):
            if not self.survey.has(shard):
                break
            seen = shard.number + 1
            name = shard.name
            failed = self.failed.get(name)
            if name not in self.dataset.done:
                yield shard
            elif failed is not None and self._again(failed):
                is_all = self.settings.retry_failed
                rows = self.dataset.failed_rows(name) if is_all else failed.temporary
                yield replace(shard, rows=rows)
        else:
            if seen == self.survey.shards:
                return
        raise ShardError(
            "the list of the photos is not what it was when the run began: what holds them is away, or they are not at rest"
        )

    def _again(self, failed: Failed) -> int:
        """Number of rows to score again among those with an error in a shard."""
        return failed.count if self.settings.retry_failed else len(failed.temporary)


def prepare(settings: BulkSettings, *, on_photos: Callable[[int], object] | None = None) -> BulkJob:
    """List the input, and start its data set or find the shards that are done.

    Args:
        settings: of the run.
        on_photos: called with the number of photos that were listed so far.

    Raises:
        SettingsError: the input or the data set cannot be used.
        ModelError: the model is missing or damaged.
        ShardError: a store cannot be reached.
        MissingExtraError: pyarrow or fsspec is not installed.
    """
    check_folder(settings.dataset)
    model = load_model(settings.scorer.model)
    dataset = ResultDataset.at(
        settings.dataset,
        heads=(head.name for head in model.heads),
        model=model.name,
        labels=label_columns(model.classifiers),
    )
    source = open_source(settings.spec)
    begun = dataset.begun()
    found = survey(source, settings.shard_size, on_photos, earlier=begun)
    if found.last is None:
        raise SettingsError(f"no photos found in {', '.join(settings.spec.sources)}")
    manifest = Manifest(
        input_sha256=found.fingerprint,
        shard_size=settings.shard_size,
        shards=found.shards,
        photos=found.photos,
        model=model.name,
        model_sha256=model.fingerprint,
        precision=settings.scorer.precision,
        max_pixels=settings.scorer.max_pixels,
        mlsp=version("mlsp"),
        prefix_sha256=found.prefix,
        last_shard=found.last.name,
        last_photos=found.last.piece.photo_count,
    )
    dataset = dataset.begin(manifest, begun, found.continued)
    failed = {name: rows for name, rows in dataset.failed_in(sorted(dataset.done)) if rows.count}
    return BulkJob(source, found, dataset, model, settings, failed)
