"""AVA (Murray et al. 2012): 255,530 photos of dpchallenge.com rated for aesthetics, 1…10, by about 210 people each.

Naila Murray, Luca Marchesotti and Florent Perronnin, "AVA: a large-scale database for aesthetic visual analysis", CVPR 2012. The
photos are their photographers'; the authors ask not to pass on photos or data.

The lists of `aesthetics_image_lists` and the README were checked against the published ones, `AVA.txt` against its README and its
first lines only, and the released code's table against the code that reads it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from mlsp.base.errors import RatingsError
from mlsp.base.text import listed
from mlsp.ratings.datasets.published_files import find_published, number, photo_folder, read_words
from mlsp.ratings.files import read_ratings
from mlsp.ratings.table import Rating, RatingTable, mean_of_votes

OFFICIAL_TEST_PHOTOS = 20_000
# Of the official ids, ascending, one a line, each line ended.
OFFICIAL_TEST_SHA256 = "89583a7cc8e16e2db9a2c3a1d95d77d62bcbcaf4768a2dd25925788c9b6310d0"
# The published AVA.txt is reported to have no votes for 70 of the official ids; many more are missing from a part of it only.
_MAX_WITHOUT_VOTES = 100
_NAME = "AVA"
_BINS = tuple(map(float, range(1, 11)))
_LISTS = "aesthetics_image_lists"
_RELEASED = "AVA_data_official_test.csv"
_log = logging.getLogger(__name__)


def load_ava(folder: Path, photos: Path | None = None, *, official: bool = True) -> RatingTable:
    """Read AVA with its official test list.

    Args:
        folder: holds `AVA.txt` and `aesthetics_image_lists/generic_test.jpgl`, itself or in `AVA_dataset`; or else the released
            code's table `AVA_data_official_test.csv`, itself or in `metadata`.
        photos: where `<id>.jpg` are, if not in `images` or `image`. They may be missing.
        official: refuse a test list that is not the official one. False takes any, for a part of AVA for example.

    Returns:
        In the order of the table. Photos of the test list are `test` and all others `train`, out of which
        `mlsp.ratings.splits.split_rows` takes the validation photos (the released table names them). The group is the challenge's id,
        which is also in column `challenge`; `tag_1` and `tag_2` are ids of the semantic tags, 0 for none. The released table has
        its own columns.

    Raises:
        RatingsError: a file is missing or not of the published form, or the test list is another one.
    """
    photos = photos or photo_folder(
        folder, ("images", "image", "AVA_dataset/images", "AVA_dataset/image")
    )
    released = [folder / start / _RELEASED for start in ("", "metadata")]
    root = next((r for r in (folder, folder / "AVA_dataset") if (r / "AVA.txt").is_file()), None)
    if root is not None:
        return _load_published(root, photos, official=official)
    for path in released:
        if path.is_file():
            table = read_ratings(path, photos=photos, lowest=1, highest=10)
            return replace(table, name=_NAME)
    raise RatingsError(
        f"{_NAME}: there is no AVA.txt and no {_RELEASED} in {folder}: give the published folder"
    )


def _load_published(root: Path, photos: Path, *, official: bool) -> RatingTable:
    test = _read_test_list(
        find_published(_NAME, root, (f"{_LISTS}/generic_test.jpgl", "generic_test.jpgl")),
        official=official,
    )
    ratings, tags = [], []
    votes_of: dict[str, tuple[float, ...]] = {}
    for where, words in read_words(_NAME, root / "AVA.txt", 15):
        _, image, *rest = words
        votes = tuple([number(where, "votes", word) for word in rest[:10]])
        if votes_of.get(image) == votes:
            _log.info("%s: photo %s comes again with the same votes: left out", where, image)
            continue
        votes_of[image] = votes
        mos = mean_of_votes(votes, _BINS)
        split = "test" if image in test else "train"
        name = f"{image}.jpg"
        ratings.append(Rating(photos / name, name, mos, split, rest[12], votes))
        tags.append((rest[10], rest[11]))
    _check_votes_of_test(root, test, {rating.photo_id for rating in ratings}, official=official)
    extra = {f"tag_{at + 1}": tuple(pair[at] for pair in tags) for at in range(2)}
    extra["challenge"] = tuple(rating.group for rating in ratings)
    return RatingTable(_NAME, _BINS[0], _BINS[-1], tuple(ratings), _BINS, extra)


def _read_test_list(path: Path, *, official: bool) -> frozenset[str]:
    ids = [number_of_photo for _, (number_of_photo,) in read_words(_NAME, path, 1)]
    test = frozenset(ids)
    if not official:
        return test
    faults = [f"{path} is not the official list of test photos"]
    if not all(image.isdecimal() for image in ids):
        faults.append("expected one number a line")
    elif len(test) != OFFICIAL_TEST_PHOTOS or len(ids) != len(test):
        faults.append(
            f"expected {OFFICIAL_TEST_PHOTOS} different ids, got {len(ids)} with {len(test)} different"
        )
    elif digest_of_ids(test) != OFFICIAL_TEST_SHA256:
        faults.append("it has as many ids, but other ones")
    else:
        return test
    raise RatingsError(
        f"{_NAME}: {'; '.join(faults)}: give {_LISTS}/generic_test.jpgl as published with AVA;"
        " lists made from challenges are others"
    )


def digest_of_ids(ids: Collection[str]) -> str:
    """Compute the SHA-256 of photo ids, whatever their order and line ends.

    Args:
        ids: decimal numbers.

    Examples:
        >>> digest_of_ids(["30", "4"]) == digest_of_ids(["4", "30"])
        True
    """
    text = "".join(f"{image}\n" for image in sorted(map(int, ids)))
    return hashlib.sha256(text.encode()).hexdigest()


def _check_votes_of_test(
    root: Path, test: Collection[str], photo_ids: Collection[str], *, official: bool
) -> None:
    without = sorted(f"{image}.jpg" for image in test if f"{image}.jpg" not in photo_ids)
    if len(without) > _MAX_WITHOUT_VOTES and official:
        raise RatingsError(
            f"{_NAME}: {root / 'AVA.txt'} has no votes for {len(without)} of {len(test)} test photos, expected"
            f" at most {_MAX_WITHOUT_VOTES}: {listed(without)}: give the whole AVA.txt"
        )
    if without:
        _log.info(
            "%s: no votes for %d of %d test photos: %s",
            _NAME,
            len(without),
            len(test),
            listed(without),
        )
