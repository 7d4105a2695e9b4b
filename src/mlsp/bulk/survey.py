"""One pass over the list of an input before the work begins: counts, a fingerprint, and a search for duplicates.

Takes microseconds a photo and about 10 bytes of memory, 8 of them its hash (benchmarks/survey.py); no photo is read.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mlsp.base.errors import SettingsError
from mlsp.bulk.manifest import Manifest
from mlsp.bulk.records import Shard
from mlsp.bulk.sources import Source

# So that comparing takes no memory of its own.
_COMPARED_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class Survey:
    """Counts and fingerprint of an input.

    Attributes:
        fingerprint: SHA-256 of the names of its shards, and so of all that is in them.
        shards: how many.
        photos: how many; None where there are tars, which only reading tells.
        prefix: fingerprint of all shards but the last.
        last: the last shard; None of an empty input.
        continued: the shard in which the input of an earlier run ends, perhaps with more photos behind that end; None where the input
            does not begin with that one.
        hashes: of the shards' names, in their order.
    """

    fingerprint: str
    shards: int
    photos: int | None
    prefix: str
    last: Shard | None
    continued: Shard | None
    hashes: array[int]

    def has(self, shard: Shard) -> bool:
        """Return whether a shard was at its place in the list, with the same photos."""
        return shard.number < self.shards and self.hashes[shard.number] == hash(shard.name)


def survey(
    source: Source,
    shard_size: int,
    on_photos: Callable[[int], object] | None = None,
    *,
    earlier: Manifest | None = None,
) -> Survey:
    """List an input once.

    Args:
        source: the input.
        shard_size: photos a shard.
        on_photos: called with the photos that were listed so far.
        earlier: manifest of an earlier run, whose input this one may begin with.

    Raises:
        SettingsError: a part cannot be listed, or a photo is there twice.
        ShardError: a store cannot be reached.
    """
    fingerprint = hashlib.sha256()
    # Python's own hash, which is another in each process: it is compared within one only.
    hashes, of_shards = array("q"), array("q")
    photos: int | None = 0
    shards = 0
    prefix = fingerprint.hexdigest()
    last = continued = None
    for shard in source.shards(shard_size):
        shards += 1
        prefix, last = fingerprint.hexdigest(), shard
        if earlier is not None and shards == earlier.shards and prefix == earlier.prefix_sha256:
            is_there = shard.begins_with(earlier.last_shard, earlier.last_photos)
            continued = shard if is_there else None
        fingerprint.update(f"{shard.name}\n".encode())
        of_shards.append(hash(shard.name))
        hashes.extend(map(hash, shard.piece.names))
        count = shard.piece.photo_count
        photos = None if photos is None or count is None else photos + count
        if on_photos is not None:
            on_photos(len(hashes))
    _check_different(source, shard_size, np.frombuffer(hashes, np.int64))
    return Survey(fingerprint.hexdigest(), shards, photos, prefix, last, continued, of_shards)


def _check_different(source: Source, shard_size: int, hashes: np.ndarray) -> None:
    hashes.sort()
    suspects: set[int] = set()
    for start in range(0, len(hashes), _COMPARED_AT_ONCE):
        some = hashes[start : start + _COMPARED_AT_ONCE + 1]
        suspects.update(some[1:][some[1:] == some[:-1]].tolist())
    if not suspects:
        return
    # Of five billion photos a few have equal hashes by chance.
    seen: set[str] = set()
    for shard in source.shards(shard_size):
        for name in shard.piece.names:
            if hash(name) not in suspects:
                continue
            if name in seen:
                raise SettingsError(
                    f"{name!r} is in the sources twice, but each photo has one row in the results: remove one of them,"
                    " or name a column with an id of each row by --id-column"
                )
            seen.add(name)
