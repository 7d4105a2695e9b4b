"""Feature files that version 0.1 wrote still open and give the numbers that it read from them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mlsp.base.errors import FeatureStoreError
from mlsp.features.spec import FeatureSpec
from mlsp.features.store.merge import merge
from mlsp.features.store.records import StoredPhoto
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore

FOLDER = Path(__file__).parents[1] / "reference" / "first_edition"
SPEC = FeatureSpec(
    "inception_v3", "ab" * 32, ("mixed9", "mixed10"), "whole_mirrored", longest_side=512, grid=5
)
IDS = ("a/one.jpg", "ünï.jpg", "broken.jpg", "four.jpg", "later.jpg")


@pytest.fixture(params=sorted(path.stem for path in FOLDER.glob("*.h5")))
def name(request: pytest.FixtureRequest) -> str:
    form: str = request.param
    if form.startswith(("zstd", "blosc2")):
        pytest.importorskip("hdf5plugin", reason="compression is an extra")
    return form


def test_there_is_a_file_of_every_form() -> None:
    assert {path.name for path in FOLDER.glob("*.h5*")} == {
        *("float16.h5", "float32.h5", "uint8_level.h5", "uint8_channel.h5", "zstd.h5", "blosc2.h5"),
        *("zstd_unfinished.h5", "zstd_unfinished.h5.journal"),
        *("blosc2_unfinished.h5", "blosc2_unfinished.h5.journal"),
    }


def test_its_numbers_are_those_that_version_0_1_read(name: str) -> None:
    with (
        FeatureStore.open(FOLDER / f"{name}.h5", expect=SPEC) as store,
        np.load(FOLDER / "features.npz") as expected,
    ):
        assert store.ids == IDS
        rows = store.rows("done")
        assert rows.tolist() == ([0, 1, 3, 4] if name in ("zstd", "blosc2") else [0, 1, 3])
        for grid in store.layout.grids:
            features = store.read_batch(rows, grid=grid)
            np.testing.assert_array_equal(features, expected[f"{name}/{grid}"], strict=True)
            np.testing.assert_array_equal(store.read(3, view=1, grid=grid), features[2, 1:])
        assert store.layout.grids == ((5,) if name == "uint8_channel" else (1, 5))
        assert store.check() == []
        assert store.photo(2).message == "not a photo"
        assert store.photo(3) == StoredPhoto(IDS[3], "done", 643, 480, f"{3:064x}", None)


@pytest.mark.parametrize("form", ["float16", "float32", "uint8_level", "zstd_unfinished"])
def test_an_extraction_continues_it(form: str, tmp_path: Path) -> None:
    if form == "zstd_unfinished":
        pytest.importorskip("hdf5plugin", reason="compression is an extra")
    for file in FOLDER.glob(f"{form}.h5*"):
        shutil.copy(file, tmp_path)
    dtype = "float16" if form == "zstd_unfinished" else form
    compression = "zstd" if form == "zstd_unfinished" else None
    layout = StoreLayout(SPEC, (4, 2), (1, 5), dtype, compression, precision="bfloat16")  # type: ignore[arg-type]
    with FeatureStore.resume(tmp_path / f"{form}.h5", layout, IDS) as store:
        last = {grid: store.read(0, grid=grid) for grid in (1, 5)}
        store.write(4, last, width=1, height=1, content_sha256="0" * 64)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == [f"{form}.h5"]
    with FeatureStore.open(tmp_path / f"{form}.h5") as store:
        assert store.check() == []
        np.testing.assert_array_equal(store[[0, 1, 3]], _expected(f"{form}/5"))


@pytest.mark.parametrize("form", ["blosc2", "blosc2_unfinished", "uint8_channel"])
def test_forms_that_are_no_longer_written_are_read_only(form: str, tmp_path: Path) -> None:
    if form != "uint8_channel":
        pytest.importorskip("hdf5plugin", reason="compression is an extra")
    for file in FOLDER.glob(f"{form}.h5*"):
        shutil.copy(file, tmp_path)
    path = tmp_path / f"{form}.h5"
    before = path.read_bytes()
    with pytest.raises(FeatureStoreError, match=rf"{form}\.h5 .* '{form.split('_unf')[0]}'.*0\.1"):
        FeatureStore.open(path, mode="a")
    with pytest.raises(FeatureStoreError, match=r"out\.h5 .*0\.1"):
        merge([path], tmp_path / "out.h5")
    assert path.read_bytes() == before
    assert not [file for file in tmp_path.iterdir() if not file.name.startswith(path.name)]


@pytest.mark.parametrize("form", ["blosc2", "blosc2_unfinished"])
def test_blosc2_becomes_zstd(form: str, tmp_path: Path) -> None:
    pytest.importorskip("hdf5plugin", reason="compression is an extra")
    merge([FOLDER / f"{form}.h5"], tmp_path / "zstd.h5", compression="zstd")
    with FeatureStore.open(tmp_path / "zstd.h5", mode="a") as store:
        assert store.layout.compression == "zstd"
        assert store.check() == []
        np.testing.assert_array_equal(store[store.done], _expected(f"{form}/5"))


def _expected(key: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    with np.load(FOLDER / "features.npz") as archive:
        features: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = archive[key]
    return features
