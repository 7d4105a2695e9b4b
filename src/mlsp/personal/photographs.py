"""Read the features of judged photos, wherever these have moved, and learn from them."""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlsp.base.arrays import Float32Array, Float64Array
from mlsp.base.errors import ModelError, PhotoError, RatingsError
from mlsp.base.results import ScoreFailure
from mlsp.features.pipeline import PhotoFeatures
from mlsp.models.model import Model
from mlsp.personal.judgements import Judgements, PhotoReference
from mlsp.personal.learning import learn_taste
from mlsp.personal.linear_heads import linear_heads
from mlsp.personal.records import Taste
from mlsp.photos import find_photos, read_bytes
from mlsp.photos.camera_data import camera_data
from mlsp.scoring.scorer import Scorer

# Photos taken within this time are shots of one scene.
_BURST_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class JudgedPhotos:
    """Judged photos with what a taste is learned from.

    Attributes:
        features: (photos, C).
        prior: (photos, H) percentiles by the model.
        ratings: rows and stars.
        comparisons: rows of the better and of the worse photos.
        groups: (photos,) burst of each photo: photos taken within seconds of each other.
        failed: judged photos that could not be used; their judgements are left out.
    """

    features: Float32Array
    prior: Float64Array
    ratings: tuple[list[int], list[float]]
    comparisons: tuple[list[int], list[int]]
    groups: tuple[int, ...]
    failed: tuple[ScoreFailure, ...]


def check_base(scorer: Scorer) -> None:
    """Raise ModelError where a taste cannot be learned on a model's features."""
    feature_spec = scorer.model.feature_spec
    if feature_spec.grid != 1 or feature_spec.views != "whole":
        raise ModelError(
            f"a taste is learned from narrow features of whole photos, the model {scorer.model.name!r} reads a grid of {feature_spec.grid} and"
            f" views {feature_spec.views!r}: choose another with --model"
        )


def read_judged_photos(
    scorer: Scorer,
    judgements: Judgements,
    *,
    photos: Path | None = None,
    hint: str = "",
    advance: Callable[[PhotoFeatures | ScoreFailure], None] = lambda _: None,
) -> JudgedPhotos:
    """Read the features of judged photos; cached ones are not computed again.

    A photo that is not where it was is looked for in a folder: by its content where the judgement has it, else by its name.

    Args:
        scorer: of the model whose scores are the prior.
        judgements: ratings and comparisons.
        photos: folder to look in, with its subfolders.
        hint: what to do about a photo that is not where it was, where there is no such folder; part of its failure.
        advance: called with each photo's result.

    Raises:
        ModelError: the model's features cannot be learned from.
        RatingsError: nothing was judged, or none of the photos can be used.
    """
    check_base(scorer)
    named = judgements.photos()
    if not named:
        raise RatingsError(
            "nothing was rated or compared yet: rate photos with `mlsp serve FOLDER` first, or give a table of ratings"
        )
    results = _read(scorer, {one: one.path for one in named if one.path.is_file()}, advance)
    lost = [one for one in named if not _is_it(one, results.get(one))]
    if photos is not None and lost:
        results |= _read(scorer, _found(lost, photos), advance)
    rows: dict[str, int] = {}
    row_of: dict[PhotoReference, int] = {}
    kept: list[PhotoFeatures] = []
    failed: list[ScoreFailure] = list(judgements.failed)
    for failure in failed:
        advance(failure)
    for one in named:
        result = _checked(one, results.get(one), photos, hint)
        if isinstance(result, ScoreFailure):
            advance(result)
            failed.append(result)
            continue
        if result.content_sha256 not in rows:
            rows[result.content_sha256] = len(kept)
            kept.append(result)
        row_of[one] = rows[result.content_sha256]
    if not kept:
        reason = f" ({failed[0].source}: {failed[0].error})" if failed else ""
        raise RatingsError(f"none of {len(named)} judged photos can be used{reason}")
    # The last rating of a photo, and of its copies, counts.
    stars = {row_of[photo]: value for photo, value in judgements.ratings if photo in row_of}
    pairs = [
        (row_of[better], row_of[worse])
        for better, worse in judgements.comparisons
        if better in row_of and worse in row_of and row_of[better] != row_of[worse]
    ]
    return JudgedPhotos(
        np.stack([one.features.reshape(-1) for one in kept]),
        np.array([_percentiles(scorer, one) for one in kept]),
        (list(stars), list(stars.values())),
        ([better for better, _ in pairs], [worse for _, worse in pairs]),
        _bursts([one.source for one in kept]),
        tuple(failed),
    )


def learn_from_photos(photos: JudgedPhotos, model: Model) -> Taste:
    """Learn a taste from judged photos, with what is known of them: see `learn_taste`.

    Args:
        photos: as `read_judged_photos` reads them.
        model: that whose scores are the prior.

    Raises:
        RatingsError: there are too few judgements, all ratings are the same, or all photos are.
    """
    return learn_taste(
        photos.features,
        prior=photos.prior,
        ratings=photos.ratings,
        comparisons=photos.comparisons,
        heads=linear_heads(model),
        groups=photos.groups,
    )


def _read(
    scorer: Scorer,
    paths: dict[PhotoReference, Path],
    advance: Callable[[PhotoFeatures | ScoreFailure], None],
) -> dict[PhotoReference, PhotoFeatures | ScoreFailure]:
    """Return features of photos; a file that several judgements name is read once."""
    files = list(dict.fromkeys(paths.values()))
    found: dict[Path, PhotoFeatures | ScoreFailure] = {}
    for path, result in zip(files, scorer.features(files), strict=True):
        found[path] = result
        # Failures are reported once the photo was not found elsewhere either.
        if isinstance(result, PhotoFeatures):
            advance(result)
    return {reference: found[path] for reference, path in paths.items()}


def _is_it(reference: PhotoReference, result: PhotoFeatures | ScoreFailure | None) -> bool:
    """Return whether a photo was found, with the content that was judged."""
    if isinstance(result, PhotoFeatures):
        return reference.content_sha256 in ("", result.content_sha256)
    return result is not None and not reference.content_sha256


def _checked(
    reference: PhotoReference,
    result: PhotoFeatures | ScoreFailure | None,
    folder: Path | None,
    hint: str,
) -> PhotoFeatures | ScoreFailure:
    if isinstance(result, ScoreFailure):
        return ScoreFailure(reference.path, result.error)
    if result is not None and _is_it(reference, result):
        return result
    what = (
        "the photo is no longer there"
        if result is None
        else "the photo was changed after it was judged"
    )
    more = hint if folder is None else f"the one that was judged is not in {folder} either"
    return ScoreFailure(reference.path, PhotoError(": ".join(filter(None, (what, more)))))


def _found(lost: list[PhotoReference], folder: Path) -> dict[PhotoReference, Path]:
    """Look for photos in a folder."""
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in find_photos([folder]):
        by_name[path.name].append(path)
    # Where the content is not known, several photos of one name may be meant: none is taken.
    found = {
        one: by_name[one.path.name][0]
        for one in lost
        if not one.content_sha256 and len(by_name[one.path.name]) == 1
    }
    wanted = {one.content_sha256: one for one in lost if one.content_sha256}
    names = {one.path.name for one in wanted.values()}
    # Every photo must be read for its content: those of a lost one's name first.
    everything = sorted(
        (path for paths in by_name.values() for path in paths),
        key=lambda path: path.name not in names,
    )
    for path in everything:
        if not wanted:
            break
        reference = wanted.pop(_sha256(path), None)
        if reference is not None:
            found[reference] = path
    return found


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(read_bytes(path)).hexdigest()
    except PhotoError:
        return ""


def _percentiles(scorer: Scorer, photo: PhotoFeatures) -> list[float]:
    return [score.standing for score in scorer.scores_of(photo.features).values()]


def _bursts(photos: list[Path]) -> tuple[int, ...]:
    """Return the burst of each photo; one without a time is a burst of its own."""
    times = [camera_data(photo).captured for photo in photos]
    bursts = list(range(len(photos)))
    dated = sorted((time, row) for row, time in enumerate(times) if time is not None)
    for (before, earlier), (after, later) in itertools.pairwise(dated):
        if (after - before).total_seconds() <= _BURST_SECONDS:
            bursts[later] = bursts[earlier]
    return tuple(bursts)
