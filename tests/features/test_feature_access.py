"""A feature store as a notebook uses it: rows by index, slice, mask or id; a torch data set."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import FeatureStoreError, SettingsError
from mlsp.features.spec import FeatureSpec
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore

SPEC = FeatureSpec("fake", "0" * 64, ("first", "last"), "whole_mirrored", None, 5)
LAYOUT = StoreLayout(SPEC, (4, 2), (1, 5), dtype="float32")
IDS = ["a.jpg", "b/c.jpg", "broken.jpg", "d.jpg", "later.jpg"]
DONE = [0, 1, 3]


def wide(index: int) -> Float32Array:
    return np.random.default_rng(index).normal(size=(2, 5, 5, 6)).astype(np.float32)


@pytest.fixture(params=[None, "zstd"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param is not None:
        pytest.importorskip("hdf5plugin", reason="compression is an extra")
    layout = StoreLayout(SPEC, (4, 2), (1, 5), "float32", request.param)
    with FeatureStore.create(str(tmp_path / "f.h5"), layout, IDS) as store:
        for index in DONE:
            narrow = wide(index)[:, :1, :1]
            rows: Any = {1: narrow, 5: wide(index)}
            store.write(index, rows, width=9, height=8, content_sha256="0" * 64)
        store.write_failure(2, "not a photo")
    return tmp_path / "f.h5"


@pytest.fixture
def store(path: Path) -> Iterator[FeatureStore]:
    with FeatureStore.open(str(path)) as opened:
        yield opened


def test_one_photo_by_row_or_id(store: FeatureStore) -> None:
    keys: list[Any] = [3, -2, np.int64(3), "d.jpg"]
    for key in keys:
        features = store[key]
        assert features.dtype == np.float32
        np.testing.assert_array_equal(features, wide(3), strict=True)


def test_several_photos(store: FeatureStore) -> None:
    done = np.stack([wide(index) for index in DONE])
    for key in (store.done, DONE, np.array(DONE), ["a.jpg", "b/c.jpg", "d.jpg"]):
        np.testing.assert_array_equal(store[key], done, strict=True)
    np.testing.assert_array_equal(store[1::-1], done[[1, 0]], strict=True)
    np.testing.assert_array_equal(store[["d.jpg", "d.jpg"]], done[[2, 2]], strict=True)
    nothings: list[Any] = [[], slice(0), np.zeros(5, dtype=bool)]
    for nothing in nothings:
        assert store[nothing].shape == (0, 2, 5, 5, 6)


def test_what_it_holds(store: FeatureStore, path: Path) -> None:
    assert len(store) == 5
    assert store.ids == tuple(IDS)
    assert store.done.tolist() == [True, True, False, True, False]
    assert repr(store) == (
        f"FeatureStore({str(path)!r}: 5 photos, fake, 2 views, grids (1, 5), 6 channels)"
    )


def test_what_is_not_there_is_named(store: FeatureStore) -> None:
    with pytest.raises(IndexError, match=r"f\.h5 .*\b5\b"):
        store[5]
    with pytest.raises(IndexError, match=r"f\.h5 .*\b5\b.*\b6\b"):
        store[np.ones(6, dtype=bool)]
    with pytest.raises(FeatureStoreError, match=r"'c\.jpg'"):
        store["c.jpg"]
    with pytest.raises(FeatureStoreError, match=r"'broken\.jpg'.*not a photo"):
        store[1:3]
    with pytest.raises(FeatureStoreError, match=r"'later\.jpg'"):
        store[-1]


def test_reading_needs_no_lock_and_leaves_nothing_behind(path: Path) -> None:
    with FeatureStore.open(path, mode="a"), FeatureStore.open(path) as reader:
        np.testing.assert_array_equal(reader[0], wide(0))
    before = sorted(path.parent.iterdir())
    with FeatureStore.open(path) as reader:
        assert reader[0].shape == (2, 5, 5, 6)
        assert sorted(path.parent.iterdir()) == before


# A process of its own: workers that are forked out of the threads of a parallel test run may hang.
LOADERS = """
import sys

import numpy as np
import torch

from mlsp.features.store.store import FeatureStore

if __name__ == "__main__":
    with FeatureStore.open(sys.argv[1]) as store:
        data = store.torch_dataset(targets=[0.5, 1.5, 3.5])
        wanted = store[store.done]
        # Opened here first: forked workers must not use this process's file.
        np.testing.assert_array_equal(data[0][0], wanted[0])
        assert (len(data), float(data[2][1])) == (3, 3.5)
        for workers, method in ((0, None), (2, "fork"), (2, "spawn")):
            loader = torch.utils.data.DataLoader(
                data, batch_size=2, num_workers=workers, multiprocessing_context=method
            )
            batches = list(loader)
            np.testing.assert_array_equal(torch.cat([batch[0] for batch in batches]), wanted)
            assert torch.cat([batch[1] for batch in batches]).tolist() == [0.5, 1.5, 3.5]
    print("read")
"""


# Of both, compression is what other processes may lack.
@pytest.mark.parametrize("path", ["zstd"], indirect=True)
def test_a_data_loader_with_workers_reads_each_row_once(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="data sets are torch's")
    script = tmp_path / "loaders.py"
    script.write_text(LOADERS, "utf-8")
    done = subprocess.run(
        [sys.executable, script, path], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "read\n"), done.stderr


def test_a_data_set_outlives_its_store_and_goes_to_other_processes(
    path: Path, tmp_path: Path
) -> None:
    with FeatureStore.open(path) as store:
        data = store.torch_dataset([3, 0], grid=1)
        with pytest.raises(SettingsError, match=r"\b2\b.*\b3\b"):
            store.torch_dataset(targets=[1.0, 2.0])
        with pytest.raises(SettingsError, match=r"\(1, 5\)"):
            store.torch_dataset(grid=3)  # type: ignore[arg-type]
    expected = wide(3)[:, :1, :1]
    np.testing.assert_array_equal(data[0], expected)
    sent, returned = tmp_path / "data.pickle", tmp_path / "first.npy"
    sent.write_bytes(pickle.dumps(data))
    code = (
        "import pickle, sys; from pathlib import Path; import numpy as np;"
        " np.save(sys.argv[2], pickle.loads(Path(sys.argv[1]).read_bytes())[0])"
    )
    subprocess.run([sys.executable, "-c", code, sent, returned], check=True)
    np.testing.assert_array_equal(np.load(returned), expected)


def test_opening_a_store_loads_no_torch(path: Path) -> None:
    code = (
        "import sys; from mlsp.features.store.store import FeatureStore;"
        f"FeatureStore.open({str(path)!r})[0]; print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
