"""Stored features -> values: a model's heads applied to a feature file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlsp.base.arrays import Float32Array
from mlsp.base.closing import Closing
from mlsp.base.errors import EngineError, FeatureStoreError, PhotoError, SettingsError
from mlsp.base.machine import usable_cores
from mlsp.base.results import ScoreFailure
from mlsp.features.engines.openvino_votes import OpenVinoVotes, open_even_votes
from mlsp.features.store.npz import FeatureArray
from mlsp.features.store.store import FeatureStore
from mlsp.models.model import Model, load_model
from mlsp.scoring.heads import Heads

# Of float32 features at once: enough to keep the processor busy.
_BATCH_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Predicted:
    """Scores of stored features.

    Attributes:
        source: name of the photo, or the number of the row from 0 where the file has no names.
        scores: on the scales of the ratings, by the head's name, in the model's order.
        votes: shares of the ratings in `FeaturePredictor.bins`, which add up to 1, by the head's name.
    """

    source: str | int
    scores: Mapping[str, float]
    votes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows that are read and to be scored, or the row that cannot be read."""

    sources: Sequence[str | int]
    features: Float32Array | PhotoError


class FeaturePredictor(Closing):
    """Scores a file of features by a model; closed by `close` or by `with`.

    A score is the mean over all stored views, within the ends of the ratings' scale, as `mlsp.scoring.scorer.Scorer` gives it of the photo.

    Args:
        model: name of an installed model, or a folder; it need not hold a network.
        features: a feature file of ours, whose features must be of the model's kind; or an `.npz` with one array (rows, C) or
            (rows, views, C) of narrow features, (rows, G, G, C) or (rows, views, G, G, C) of any. Heads on narrow features read
            wide ones too, by their mean.
        votes: predict the distributions of people's votes, too.

    Attributes:
        model: the model's record.
        column: what names a row: `photo`, or `row` for an `.npz`.
        bins: ratings, ascending, whose shares of the votes are predicted, by the head's name; empty unless `votes`.

    Raises:
        ModelError: the model is missing or damaged.
        FeatureStoreError: the file cannot be read, or holds features of another kind.
        SettingsError: there is no such file, or no head predicts votes.
    """

    def __init__(self, model: Path | str, features: Path, *, votes: bool = False) -> None:
        self.model: Model = load_model(model)
        self._heads = Heads.open(self.model, threads=usable_cores())
        self.bins, self._votes = _open_votes(self.model) if votes else ({}, {})
        self._source: FeatureArray | FeatureStore
        self.column: Literal["photo", "row"]
        if not features.exists():
            raise SettingsError(f"there is no file of features {features}")
        if features.suffix.lower() == ".npz":
            self.column = "row"
            self._source = FeatureArray(
                features, grid=self.model.feature_spec.grid, channels=self._heads.channels
            )
        else:
            self.column = "photo"
            self._source = _open_store(features, self.model)

    def __len__(self) -> int:
        return len(self._source)

    def close(self) -> None:
        """Close the file of features."""
        self._source.close()

    def results(self) -> Iterator[Predicted | ScoreFailure]:
        """Score all rows.

        Yields:
            Exactly one result per row, in order. A photo that failed or is still to be extracted, a damaged row, and one that gives no
            number are `ScoreFailure`.

        Raises:
            FeatureStoreError: an `.npz` is damaged.
        """
        batches = (
            _store_batches(self._source, self.model)
            if isinstance(self._source, FeatureStore)
            else _array_batches(self._source)
        )
        for batch in batches:
            yield from self._predict(batch)

    def _predict(self, batch: _Batch) -> list[Predicted | ScoreFailure]:
        if isinstance(batch.features, PhotoError):
            return [_failed(source, batch.features) for source in batch.sources]
        votes = self._predict_votes(batch.features)
        return [
            _failed(source, PhotoError(str(outputs)))
            if isinstance(outputs, EngineError)
            else Predicted(source, outputs.values, shares)
            for source, outputs, shares in zip(
                batch.sources, self._heads.compute(batch.features), votes, strict=True
            )
        ]

    def _predict_votes(self, features: Float32Array) -> list[dict[str, tuple[float, ...]]]:
        """Shares of each photo of (N, V, G, G, C), means over the views as scores are."""
        photos, views = features.shape[:2]
        crops = features.reshape(photos * views, *features.shape[2:])
        by_head = {
            name: head.predict(crops).reshape(photos, views, -1).mean(axis=1, dtype=np.float64)
            for name, head in self._votes.items()
        }
        return [
            {name: tuple(shares[photo].tolist()) for name, shares in by_head.items()}
            for photo in range(photos)
        ]


def _open_votes(
    model: Model,
) -> tuple[dict[str, tuple[float, ...]], dict[str, OpenVinoVotes]]:
    """Open the heads that predict votes for ratings at even steps over their scale; return these, and the heads, by name."""
    bins: dict[str, tuple[float, ...]] = {}
    opened: dict[str, OpenVinoVotes] = {}
    for head in model.heads:
        values, votes = open_even_votes(model.folder / head.file, head.lowest, head.highest)
        if votes is not None:
            bins[head.name], opened[head.name] = values, votes
    if not opened:
        raise SettingsError(
            f"no head of model {model.name!r} predicts votes for evenly spaced ratings: train one by mlsp train --distribution"
            " on ratings with votes, or leave out --votes"
        )
    return bins, opened


def _open_store(path: Path, model: Model) -> FeatureStore:
    feature_spec = model.feature_spec
    if not feature_spec.weights_sha256:
        # Heads that came without their network: whose features they read is known, but not by which file of weights.
        with FeatureStore.open(path) as store:
            feature_spec = replace(
                feature_spec, weights_sha256=store.layout.feature_spec.weights_sha256
            )
    return FeatureStore.open(path, expect=feature_spec)


def _store_batches(store: FeatureStore, model: Model) -> Iterator[_Batch]:
    layout = store.layout
    # What is read: wide features where narrow ones are made of them.
    grid = layout.grid_sources[model.feature_spec.grid]
    rows = _rows_of_batch(layout.views * grid * grid * layout.channels)
    is_done = store.done
    # A row that is not done makes a batch of its own, so that results come in order.
    start = 0
    while start < len(store):
        if not is_done[start]:
            message = store.photo(start).message
            why = f"its extraction failed: {message}" if message else "it is not extracted yet"
            yield _Batch([store.ids[start]], PhotoError(why))
            start += 1
            continue
        window = is_done[start : start + rows]
        count = len(window) if window.all() else int(np.argmin(window))
        yield from _read(store, np.arange(start, start + count), model)
        start += count


def _read(store: FeatureStore, indices: NDArray[np.intp], model: Model) -> Iterator[_Batch]:
    sources = [store.ids[index] for index in indices]
    try:
        yield _Batch(sources, store.read_batch(indices, grid=model.feature_spec.grid))
    except FeatureStoreError as error:
        if len(indices) == 1:
            yield _Batch(sources, PhotoError(str(error)))
            return
        # One damaged row must not take the others with it.
        for index in indices:
            yield from _read(store, np.array([index]), model)


def _array_batches(array: FeatureArray) -> Iterator[_Batch]:
    start = 0
    for features in array.batches(_rows_of_batch(array.values_per_row)):
        yield _Batch(range(start, start + len(features)), features)
        start += len(features)


def _rows_of_batch(values_per_row: int) -> int:
    return max(1, _BATCH_BYTES // (4 * values_per_row))


def _failed(source: str | int, error: PhotoError) -> ScoreFailure:
    return ScoreFailure(Path(source if isinstance(source, str) else f"row {source}"), error)
