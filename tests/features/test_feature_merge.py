"""Stores of several machines become one, and leave for other tools, without a changed number."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import pytest

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import FeatureStoreError, OutputError, SettingsError
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.compression import Compression
from mlsp.features.store.merge import merge
from mlsp.features.store.npz import export_npz
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore

KIND = FeatureSpec("fake", "0" * 64, ("first", "last"), "whole", None, 5)
LAYOUT = StoreLayout(KIND, (4, 2), (1, 5))


def features(name: str) -> dict[Grid, Float32Array]:
    rng = np.random.default_rng(list(name.encode()))
    wide = rng.normal(size=(1, 5, 5, 6)).astype(np.float16).astype(np.float32)
    return {1: wide[:, 2:3, 2:3], 5: wide}


def make(
    path: Path,
    done: list[str],
    *,
    failed: tuple[str, ...] = (),
    pending: tuple[str, ...] = (),
    layout: StoreLayout = LAYOUT,
    sha256: str = "ab" * 32,
) -> Path:
    with FeatureStore.create(path, layout, [*done, *failed, *pending]) as store:
        for index, name in enumerate(done):
            store.write(index, features(name), width=3, height=2, content_sha256=sha256)
        for index, name in enumerate(failed, start=len(done)):
            store.write_failure(index, f"{path.stem} failed on {name}")
    return path


def test_done_wins_over_failed_over_pending(tmp_path: Path) -> None:
    one = make(tmp_path / "one.h5", ["a", "b"], failed=("c", "d"), pending=("e", "f"))
    two = make(tmp_path / "two.h5", ["g", "b", "c"], failed=("e", "d"), pending=("f",))
    merge([one, two], tmp_path / "all.h5")
    with FeatureStore.open(tmp_path / "all.h5") as store:
        assert store.ids == ("a", "b", "c", "d", "e", "f", "g")
        assert [store.photo(index).status for index in range(7)] == [
            "done", "done", "done", "failed", "failed", "pending", "done",
        ]  # fmt: skip
        assert store.photo(3).message == "one failed on d"
        assert store.photo(4).message == "two failed on e"
        for index in store.rows("done").tolist():
            np.testing.assert_array_equal(store.read(index, grid=5), features(store.ids[index])[5])
        assert store.check() == []


@pytest.mark.parametrize("before", [None, "zstd"])
@pytest.mark.parametrize("after", ["none", "zstd"])
def test_merging_compresses_and_decompresses(
    before: Compression | None, after: Literal["none", "zstd"], tmp_path: Path
) -> None:
    pytest.importorskip("hdf5plugin", reason="compression is an extra")
    # One row is pending, so a compressed source still has its journal.
    layout = dataclasses.replace(LAYOUT, compression=before)
    source = make(tmp_path / "source.h5", ["a", "b"], pending=("c",), layout=layout)
    merge([source], tmp_path / "output.h5", compression=after)
    wanted = dataclasses.replace(LAYOUT, compression=None if after == "none" else after)
    expected = make(tmp_path / "expected.h5", ["a", "b"], failed=("c",), layout=wanted)
    with FeatureStore.open(tmp_path / "output.h5", mode="a") as store:
        assert store.layout == wanted
        assert store.check() == []
        store.write_failure(2, "expected failed on c")
    assert (tmp_path / "output.h5").read_bytes() == expected.read_bytes()
    with h5py.File(tmp_path / "output.h5") as file:
        np.testing.assert_array_equal(file["wide"][1], features("b")[5])


def test_stores_that_differ_are_not_merged(tmp_path: Path) -> None:
    one = make(tmp_path / "one.h5", ["a"])
    wide_only = dataclasses.replace(
        LAYOUT, feature_spec=dataclasses.replace(KIND, backbone="other")
    )
    two = make(tmp_path / "two.h5", ["b"], layout=wide_only)
    with pytest.raises(FeatureStoreError) as caught:
        merge([one, two], tmp_path / "all.h5")
    assert str(caught.value) == (
        f"feature file {two} cannot be merged with {one}: backbone is 'other', expected 'fake'"
    )
    three = make(tmp_path / "three.h5", ["a"], sha256="cd" * 32)
    with pytest.raises(FeatureStoreError) as caught:
        merge([one, three], tmp_path / "all.h5")
    assert str(caught.value) == (
        f"photo 'a' is another file in {three} than in {one}: their SHA-256 are {'cd' * 32} and {'ab' * 32}; "
        "rename one of them"
    )
    with pytest.raises(FeatureStoreError) as caught:
        merge([one], two)
    assert str(caught.value) == f"feature file {two} exists: continue it, or choose another name"
    with pytest.raises(SettingsError, match=r"^merging needs at least one feature file, got none$"):
        merge([], tmp_path / "all.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.h5", "three.h5", "two.h5"]


def test_a_damaged_row_is_not_merged(tmp_path: Path) -> None:
    one = make(tmp_path / "one.h5", ["a", "b"])
    content = bytearray(one.read_bytes())
    content[content.index(features("b")[5].astype(np.float16).tobytes())] ^= 1
    one.write_bytes(content)
    with pytest.raises(FeatureStoreError) as caught:
        merge([one], tmp_path / "all.h5")
    assert str(caught.value) == (
        f"photo 'b': its checksum differs, feature file {one} is damaged there: run mlsp features check {one} --reset, then extract again"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["one.h5"]


def test_export_is_what_numpy_reads(tmp_path: Path) -> None:
    store = make(tmp_path / "one.h5", ["x/a.jpg", "y/b.jpg"], failed=("c.jpg",), pending=("d.jpg",))
    output = tmp_path / "out.npz"
    assert export_npz(store, output) == 2
    first = output.read_bytes()
    with np.load(output) as archive:
        assert list(archive) == ["a.jpg/narrow", "a.jpg/wide", "b.jpg/narrow", "b.jpg/wide"]
        assert archive["b.jpg/narrow"].dtype == archive["b.jpg/wide"].dtype == np.float32
        np.testing.assert_array_equal(archive["b.jpg/narrow"], features("y/b.jpg")[1][:, 0, 0])
        np.testing.assert_array_equal(archive["a.jpg/wide"], features("x/a.jpg")[5])
    export_npz(store, output)
    assert output.read_bytes() == first
    assert export_npz(store, output, keys="photo_id") == 2
    with np.load(output) as archive:
        assert next(iter(archive)) == "x/a.jpg/narrow"


def test_export_replaces_exports_only(tmp_path: Path) -> None:
    store = make(tmp_path / "one.h5", ["a.jpg"])
    np.savez(tmp_path / "own.npz", holiday=np.zeros(3))
    (tmp_path / "notes.npz").write_text("not an archive")
    for name in ("own.npz", "notes.npz", "one.h5"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(OutputError, match="was not written by this command") as caught:
            export_npz(store, tmp_path / name)
        assert name in str(caught.value)
        assert (tmp_path / name).read_bytes() == before
    (tmp_path / "empty.npz").touch()
    assert export_npz(store, tmp_path / "empty.npz") == 1


def test_export_refuses_names_that_clash(tmp_path: Path) -> None:
    store = make(tmp_path / "one.h5", ["x/a.jpg", "y/a.jpg"])
    with pytest.raises(FeatureStoreError) as caught:
        export_npz(store, tmp_path / "out.npz")
    assert str(caught.value) == (
        f"photos 'x/a.jpg' and 'y/a.jpg' of {store} have one file name: export them with keys by photo_id"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["one.h5"]


def test_export_refuses_unknown_keys(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError,
        match=r"^unknown keys 'photo_ids': did you mean 'photo_id'\? Known: 'file_name', 'photo_id'$",
    ):
        export_npz(tmp_path / "f.h5", tmp_path / "f.npz", keys="photo_ids")  # type: ignore[arg-type]
