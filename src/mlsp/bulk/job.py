"""A bulk run: its input, the shards that are done and to do, and its results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version

from mlsp.base.errors import SettingsError
from mlsp.bulk.manifest import Manifest
from mlsp.bulk.records import Shard
from mlsp.bulk.results import ResultDataset, check_folder
from mlsp.bulk.shard_scoring import ScorerSettings
from mlsp.bulk.sources import Source, SourceSpec, open_source
from mlsp.bulk.survey import Fingerprint, Survey, survey
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
        retry_failed: score shards again in which photos failed.
    """

    spec: SourceSpec
    dataset: str
    shard_size: int = DEFAULT_SHARD_SIZE
    scorer: ScorerSettings = field(default_factory=ScorerSettings)
    retry_failed: bool = False


@dataclass(frozen=True, slots=True)
class BulkJob:
    """A run that is ready to start or to continue.

    Attributes:
        source: the input.
        survey: its counts and fingerprint.
        dataset: where results go.
        model: the scorer's.
        settings: as they were asked for.
        retried: names of shards that are done and to be done again.
        kept: names of shards that were done before and stay as they are.
    """

    source: Source
    survey: Survey
    dataset: ResultDataset
    model: Model
    settings: BulkSettings
    retried: frozenset[str]
    kept: frozenset[str] = frozenset()

    def failed_earlier(self) -> int:
        """Count the photos that failed in earlier runs and are not tried again.

        Raises:
            ShardError: a store cannot be reached.
        """
        return sum(failed for _, failed in self.dataset.failed_in(sorted(self.kept)))

    @property
    def shards_done(self) -> int:
        """Number of shards that need not be scored."""
        return len(self.dataset.done) - len(self.retried)

    @property
    def photos_to_do(self) -> int | None:
        """Estimated number of photos to score: the last shard of a source may be smaller. None if it is known only after reading."""
        if self.survey.photos is None:
            return None
        return max(self.survey.photos - self.shards_done * self.settings.shard_size, 0)

    def shards_to_do(self) -> Iterator[Shard]:
        """List the shards to score, lazily.

        Raises:
            SettingsError: the input is not what it was when it was surveyed.
            ShardError: a store cannot be reached.
        """
        fingerprint = Fingerprint()
        for shard in self.source.shards(self.settings.shard_size):
            fingerprint.add(shard.name)
            if not self.dataset.exists(shard) or shard.name in self.retried:
                yield shard
        if fingerprint.digest() != self.survey.fingerprint:
            raise SettingsError(
                "the sources changed while their photos were scored: give them to a data set of their own when they are at rest"
            )


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
    found = survey(source, settings.shard_size, on_photos)
    if not found.shards:
        raise SettingsError(f"no photos found in {', '.join(settings.spec.sources)}")
    dataset = dataset.begin(
        Manifest(
            input_sha256=found.fingerprint,
            shard_size=settings.shard_size,
            shards=found.shards,
            photos=found.photos,
            model=model.name,
            model_sha256=model.fingerprint,
            precision=settings.scorer.precision,
            max_pixels=settings.scorer.max_pixels,
            mlsp=version("mlsp"),
        )
    )
    retried: frozenset[str] = frozenset()
    if settings.retry_failed:
        retried = frozenset(
            name for name, failed in dataset.failed_in(sorted(dataset.done)) if failed
        )
    return BulkJob(
        source, found, dataset, model, settings, retried, frozenset(dataset.done) - retried
    )
