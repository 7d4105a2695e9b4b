"""A writer of a feature store that `test_feature_store_crashes.py` runs, kills and interrupts.

python feature_store_writer.py kill STORE COMPRESSION SEED     # writer processes, killed until one gets through
python feature_store_writer.py fill STORE COMPRESSION LIMIT    # one writer; files may not grow beyond LIMIT bytes
python feature_store_writer.py slow STORE COMPRESSION 0        # one writer that says what it wrote, until SIGINT
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

from mlsp.base.errors import OutputError
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore

PHOTOS = 100
IDS = [f"{number:04d}.jpg" for number in range(PHOTOS)]
KIND = FeatureSpec("fake", "0" * 64, ("first", "last"), "corners8", None, 5)
FAILING = 37
SURE_KILLS = 6


def layout(compression: str) -> StoreLayout:
    return StoreLayout(
        KIND,
        (20, 12),
        (1, 5),
        compression=None if compression == "none" else compression,  # type: ignore[arg-type]
    )


def features(index: int) -> dict[Grid, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    rng = np.random.default_rng(index)
    wide = np.maximum(rng.normal(size=(8, 5, 5, 32)), 0).astype(np.float32)
    return {1: wide.mean(axis=(1, 2), keepdims=True), 5: wide}


def write_all(
    path: Path,
    compression: str,
    *,
    flush_every: int,
    say: bool = False,
    rows: int | None = None,
) -> None:
    """Write what is pending; after `rows` of them wait to be killed."""
    with FeatureStore.resume(path, layout(compression), IDS) as store:
        for count, index in enumerate(store.rows("pending").tolist()):
            if count == rows:
                signal.pause()
            if index == FAILING:
                store.write_failure(index, "not a photo")
            else:
                store.write(
                    index, features(index), width=640, height=480, content_sha256=f"{index:064x}"
                )
            if count % flush_every == 0:
                store.flush()
            if say:
                sys.stdout.write(f"{index}\n")
                sys.stdout.flush()
                time.sleep(0.005)


def kill_until_done(path: Path, compression: str, seed: int) -> None:
    rng = random.Random(seed)
    kills = 0
    while True:
        child = os.fork()
        if child == 0:
            # The first ones never get through, however fast the machine: 6 times at most 15 of 100 photos.
            rows = rng.randint(1, 15) if kills < SURE_KILLS else None
            write_all(path, compression, flush_every=7, rows=rows)
            os._exit(0)
        # Ever later on average, so that one gets through on a slow machine too.
        time.sleep(rng.uniform(0, 0.03 + 0.005 * kills))
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            if os.WEXITSTATUS(status) != 0:
                sys.exit("a writer failed")
            break
        kills += 1
    sys.stdout.write(f"{kills}\n")


def main() -> None:
    task, store, compression, number = sys.argv[1:]
    path = Path(store)
    if task == "kill":
        kill_until_done(path, compression, int(number))
    elif task == "slow":
        write_all(path, compression, flush_every=1000, say=True)
    else:
        FeatureStore.create(path, layout(compression), IDS).close()
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(number), resource.RLIM_INFINITY))
        try:
            write_all(path, compression, flush_every=1000)
        except OutputError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
