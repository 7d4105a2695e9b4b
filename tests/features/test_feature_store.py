"""A feature store gives back what was written, in any order, and refuses what does not fit."""

from __future__ import annotations

import dataclasses
import errno
import json
import multiprocessing
import pickle
import re
import shutil
import sys
import unicodedata
from pathlib import Path

import h5py
import numpy as np
import pytest

from mlsp.base.arrays import Float32Array
from mlsp.base.errors import FeatureStoreError, OutputError, SettingsError
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.compression import Compression
from mlsp.features.store.files import writer_lock
from mlsp.features.store.records import StoredPhoto
from mlsp.features.store.schema import StoreLayout, read_file
from mlsp.features.store.store import FeatureStore
from refusals import message

KIND = FeatureSpec("fake", "0" * 64, ("first", "last"), "corners8", None, 5)
LAYOUT = StoreLayout(KIND, (4, 2), (1, 5), dtype="float32")
IDS = ["b/one.jpg", "a/two.jpg", "ünï.jpg", "four\udcff.jpg", "five.jpg", "six.jpg"]
SHA256 = "ab" * 32


def features(index: int, layout: StoreLayout = LAYOUT) -> dict[Grid, Float32Array]:
    rng = np.random.default_rng(index)
    return {
        grid: rng.normal(size=(layout.views, grid, grid, layout.channels)).astype(np.float32)
        for grid in layout.grids
    }


def write(store: FeatureStore, index: int) -> None:
    store.write(
        index, features(index, store.layout), width=600 + index, height=400, content_sha256=SHA256
    )


@pytest.fixture(params=[None, "zstd"])
def layout(request: pytest.FixtureRequest) -> StoreLayout:
    compression: Compression | None = request.param
    if compression is not None:
        pytest.importorskip("hdf5plugin", reason="compression is an extra")
    return dataclasses.replace(LAYOUT, compression=compression)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "features.h5"


def test_rows_come_back_in_any_order(layout: StoreLayout, path: Path) -> None:
    with FeatureStore.create(path, layout, IDS) as store:
        for index in (3, 0, 5, 1):
            write(store, index)
        store.write_failure(2, "no photo")
        # Also before anything was flushed.
        np.testing.assert_array_equal(store.read(5, grid=5), features(5)[5])
    for _ in ("with a journal, if compressed", "finished"):
        with FeatureStore.open(path, expect=KIND) as store:
            assert store.ids == tuple(IDS)
            assert store.index_of("four\udcff.jpg") == 3
            assert store.index_of(unicodedata.normalize("NFD", IDS[2])) == 2
            batch = store.read_batch([5, 0, 5, 3], grid=1)
            expected = np.stack([features(index)[1] for index in (5, 0, 5, 3)])
            np.testing.assert_array_equal(batch, expected)
            assert batch.dtype == np.float32
            drawn = store.read_batch(np.array([1, 0]), views=np.array([7, 2]), grid=5)
            expected = np.stack([features(1)[5][7:], features(0)[5][2:3]])
            np.testing.assert_array_equal(drawn, expected)
            np.testing.assert_array_equal(store.read(3, view=6, grid=5), features(3)[5][6:7])
            assert store.check() == []
            assert store.photo(3) == StoredPhoto(IDS[3], "done", 603, 400, SHA256, None)
            assert store.photo(2) == StoredPhoto(IDS[2], "failed", None, None, None, "no photo")
        with FeatureStore.resume(path, layout, IDS) as store:
            for index in store.rows("pending").tolist():
                write(store, index)
    with FeatureStore.open(path) as store:
        assert (store.info().done, store.info().failed, store.info().pending) == (5, 1, 0)
    assert [file.name for file in path.parent.iterdir()] == ["features.h5"]


def test_a_failed_photo_can_be_tried_again(layout: StoreLayout, path: Path) -> None:
    with FeatureStore.create(path, layout, IDS[:2]) as store:
        store.write_failure(0, "disk was away")
        write(store, 1)
    with FeatureStore.open(path, mode="a") as store:
        assert store.rows("pending").tolist() == []
        assert store.rows("failed").tolist() == [0]
        write(store, 0)
    with FeatureStore.open(path) as store:
        assert store.rows("done").tolist() == [0, 1]
        with pytest.raises(SettingsError, match="^unknown status 'finished': Known: 'done', "):
            store.rows("finished")  # type: ignore[arg-type]
        np.testing.assert_array_equal(store.read_batch([0, 1], grid=5)[0], features(0)[5])
        assert store.photo(0).message is None


def test_plain_h5py_reads_it(layout: StoreLayout, path: Path) -> None:
    with FeatureStore.create(path, layout, IDS) as store:
        for index in range(len(IDS)):
            write(store, index)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["wide"][4, 2], features(4)[5][2])
        np.testing.assert_array_equal(file["narrow"][1], features(1)[1])
        assert file["ids"].asstr()[0] == "b/one.jpg"
        assert file["records"]["status"].tolist() == [1] * len(IDS)
        assert file["records"]["width"].tolist() == [600, 601, 602, 603, 604, 605]
        assert file.attrs["dtype"] == "float32"
        assert '"backbone": "fake"' in file.attrs["kind"]
        chunks = None if layout.compression is None else (1, 1, 5, 5, 6)
        assert file["wide"].chunks == chunks


def test_writing_rows_changes_nothing_of_hdf5s_own(path: Path) -> None:
    with FeatureStore.create(path, LAYOUT, IDS):
        pass
    made = path.read_bytes()
    with FeatureStore.open(path, mode="a") as store:
        for index in range(len(IDS)):
            write(store, index)
    written = bytearray(path.read_bytes())
    opened = read_file(path)
    with h5py.File(path) as file:
        for name, offset in opened.offsets.items():
            if name != "ids":
                end = offset + file[name].nbytes
                written[offset:end] = made[offset:end]
    assert bytes(written) == made


def test_damage_is_found_named_and_repaired(layout: StoreLayout, path: Path) -> None:
    layout = dataclasses.replace(layout, grids=(5,))
    with FeatureStore.create(path, layout, IDS) as store:
        for index in range(len(IDS)):
            write(store, index)
    needle = features(4)[5][6].tobytes()
    content = path.read_bytes()
    if layout.compression is None:
        place = content.index(needle) + 8
    else:
        with h5py.File(path) as file:
            dataset = file["wide"].id
            infos = [dataset.get_chunk_info(number) for number in range(dataset.get_num_chunks())]
            chunk = next(info for info in infos if info.chunk_offset[:2] == (4, 6))
            place = chunk.byte_offset + chunk.size // 2
    damaged = bytearray(content)
    damaged[place] ^= 0xFF
    path.write_bytes(damaged)
    with FeatureStore.open(path) as store:
        problems = store.check()
        assert len(problems) == 1
        assert problems[0].startswith("photo 'five.jpg': ")
        assert "is damaged" in problems[0]
        assert message(FeatureStoreError, lambda: store.read(4)) == problems[0]
        np.testing.assert_array_equal(store.read(3), features(3, layout)[5])
        np.testing.assert_array_equal(store.read(4, view=5), features(4, layout)[5][5:6])
    with FeatureStore.open(path, mode="a") as store:
        store.reset(4)
        assert store.rows("pending").tolist() == [4]
        write(store, 4)
    with FeatureStore.open(path) as store:
        assert store.check() == []
    assert path.read_bytes() == content


def test_a_torn_record_counts_as_pending(path: Path) -> None:
    with FeatureStore.create(path, LAYOUT, IDS) as store:
        write(store, 1)
    with path.open("r+b") as file:
        file.seek(read_file(path).offsets["records"] + LAYOUT.record_dtype().itemsize + 40)
        file.write(b"\xff")
    with FeatureStore.open(path, mode="a") as store:
        assert store.check() == ["photo 'a/two.jpg': its record is damaged, it counts as not done"]
        assert 1 in store.rows("pending")
        write(store, 1)
        assert store.check() == []


def test_a_file_cut_off_is_refused(path: Path) -> None:
    FeatureStore.create(path, LAYOUT, IDS).close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - 100)
    assert re.fullmatch(
        rf"{re.escape(str(path))} is not an HDF5 file, or is damaged or cut off: .*truncated file.*",
        message(FeatureStoreError, lambda: FeatureStore.open(path)),
        re.DOTALL,
    )


def test_other_features_are_refused_field_by_field(path: Path) -> None:
    FeatureStore.create(path, LAYOUT, IDS).close()
    other = dataclasses.replace(KIND, backbone="real", weights_sha256="cd" * 32, longest_side=512)
    assert message(FeatureStoreError, lambda: FeatureStore.open(path, expect=other)) == (
        f"feature file {path} has other features or photos: backbone is 'fake', expected 'real'; longest_side is "
        "None, expected 512. Choose another file, or extract again"
    )
    layout = dataclasses.replace(LAYOUT, dtype="float16")
    assert message(FeatureStoreError, lambda: FeatureStore.resume(path, layout, IDS[:2])) == (
        f"feature file {path} has other features or photos: dtype is 'float32', expected 'float16'; photos are 6 "
        "from 'b/one.jpg' on, expected 2 from 'b/one.jpg' on, in the same order. Choose another file, or "
        "extract again"
    )
    narrow = StoreLayout(dataclasses.replace(KIND, grid=1), (4, 2), (1,))
    path.unlink()
    FeatureStore.create(path, narrow, IDS).close()
    assert message(FeatureStoreError, lambda: FeatureStore.open(path, mode="a", expect=KIND)) == (
        f"feature file {path} has other features or photos: features are narrow, expected wide ones (mlsp "
        "extract --grid wide). Choose another file, or extract again"
    )
    # Nobody is left holding it.
    FeatureStore.open(path, mode="a").close()


def test_what_does_not_fit_is_refused(path: Path) -> None:
    with FeatureStore.create(path, LAYOUT, IDS) as store:
        write(store, 0)
        store.write_failure(1, "broken")
        assert message(FeatureStoreError, lambda: write(store, 0)) == (
            f"photo 'b/one.jpg' is done in feature file {path}: reset its row to write it again"
        )
        assert message(FeatureStoreError, lambda: store.read(1, grid=5)) == (
            f"feature file {path} has no features of photo 'a/two.jpg': it failed: broken"
        )
        assert message(FeatureStoreError, lambda: store.read(2, grid=5)) == (
            f"feature file {path} has no features of photo 'ünï.jpg': it is not done yet"
        )
        assert message(SettingsError, lambda: store.read(0)) == (
            f"feature file {path} has grids (1, 5): choose one, got None"
        )
        assert message(SettingsError, lambda: store.read(6, grid=5)) == (
            "row 6 is out of range: the store has 6 photos"
        )
        assert message(SettingsError, lambda: store.read(0, view=8, grid=5)) == (
            "view 8 is out of range: the store has 8 per photo"
        )
        assert message(SettingsError, lambda: store.read_batch([0], views=[1, 2], grid=5)) == (
            "views must be one per row, got 2 for 1 rows"
        )
        assert message(FeatureStoreError, lambda: store.index_of("seven.jpg")) == (
            f"feature file {path} has no photo 'seven.jpg' among its 6"
        )
        bad = features(3) | {5: np.full((8, 5, 5, 6), np.nan, np.float32)}
        assert message(
            FeatureStoreError,
            lambda: store.write(3, bad, width=1, height=1, content_sha256=SHA256),
        ) == ("photo 'four\\udcff.jpg': features hold 1200 values that are not finite numbers")
        assert message(
            SettingsError,
            lambda: store.write(3, {5: bad[5]}, width=1, height=1, content_sha256=SHA256),
        ) == (
            "features have the shapes {5: (8, 5, 5, 6)} by grid, expected {1: (8, 1, 1, 6), 5: (8, 5, 5, 6)}"
        )
        assert message(
            SettingsError,
            lambda: store.write(3, features(3), width=0, height=1, content_sha256=SHA256),
        ) == ("a photo has at least 1×1 pixels, got 0×1")
        refused = message(
            SettingsError,
            lambda: store.write(3, features(3), width=1, height=1, content_sha256="abc"),
        )
        assert "64 hexadecimal digits, got 'abc'" in refused
        # A row that was refused is still to be done, the others are not touched.
        assert store.rows("pending").tolist() == [2, 3, 4, 5]
        write(store, 3)
    with FeatureStore.open(path) as store:
        assert message(FeatureStoreError, lambda: write(store, 4)) == (
            f"feature file {path} is open for reading only"
        )
    assert message(FeatureStoreError, lambda: FeatureStore.create(path, LAYOUT, IDS)) == (
        f"feature file {path} exists: continue it, or choose another name"
    )


def test_photos_need_names_that_differ(path: Path) -> None:
    for names, text in (
        ([], "a feature file needs at least one photo, got none"),
        (["a", "b", "a"], "photo 'a' is listed twice: names must differ"),
        ([""], "a photo needs a name without NUL characters, got ''"),
    ):
        assert message(SettingsError, lambda: FeatureStore.create(path, LAYOUT, names)) == text  # noqa: B023
    assert list(path.parent.iterdir()) == []


def test_layouts_that_contradict_themselves_are_refused() -> None:
    assert message(SettingsError, lambda: StoreLayout(KIND, (4,), (5,))) == (
        "level_channels has 1 numbers, feature_spec has 2 levels"
    )
    assert message(SettingsError, lambda: StoreLayout(KIND, (4, 2), (1,))) == (
        "grids must be ascending and contain feature_spec's grid 5, got (1,)"
    )


def test_foreign_files_are_refused(path: Path) -> None:
    assert message(FeatureStoreError, lambda: FeatureStore.open(path)) == (
        f"feature file {path} does not exist"
    )
    assert message(FeatureStoreError, lambda: FeatureStore.open(path.parent)) == (
        f"{path.parent} is a folder, expected a feature file"
    )
    path.write_text("no HDF5")
    assert message(FeatureStoreError, lambda: FeatureStore.open(path)).startswith(
        f"{path} is not an HDF5 file, or is damaged or cut off: "
    )
    with h5py.File(path, "w") as file:
        file["photo.jpg"] = np.zeros(3)
    assert message(FeatureStoreError, lambda: FeatureStore.open(path)) == (
        f"{path} is not a feature file of mlsp: if the paper's published code wrote it, make one by"
        f" mlsp features import {path} --output NEW.h5"
    )


def flip(path: Path, found: bytes) -> None:
    """Flip a bit of the first byte of what is once in a file."""
    content = bytearray(path.read_bytes())
    assert content.count(found) == 1
    content[content.index(found)] ^= 1
    path.write_bytes(content)


def test_damaged_names_are_found(path: Path) -> None:
    with FeatureStore.create(path, LAYOUT, IDS) as store:
        write(store, 0)
    flip(path, b"b/one.jpg")
    problem = (
        f"feature file {path} is damaged: the checksum of the photos' names differs;"
        " copy it again or extract it again"
    )
    with FeatureStore.open(path) as store:
        assert store.check() == [problem]
        assert message(FeatureStoreError, lambda: store["b/one.jpg"]) == problem
    assert message(FeatureStoreError, lambda: FeatureStore.resume(path, LAYOUT, IDS)) == problem


def test_files_without_a_digest_of_names_are_read(path: Path) -> None:
    FeatureStore.create(path, LAYOUT, IDS).close()
    with h5py.File(path, "r+") as file:
        del file.attrs["ids_sha256"]
    with FeatureStore.open(path) as store:
        assert store.ids == tuple(IDS)
        assert store.check() == []


def test_damaged_messages_are_found_and_reset(path: Path) -> None:
    with FeatureStore.create(path, LAYOUT, IDS) as store:
        store.write_failure(4, "disk was away")
    flip(path, b"disk was away")
    with FeatureStore.open(path, mode="a") as store:
        assert store.check() == [
            f"photo 'five.jpg': why it failed is damaged: run mlsp features check {path} --reset, then extract again"
        ]
        for row in store.damaged():
            store.reset(row)
        assert store.check() == []
        assert 4 in store.rows("pending")


@pytest.mark.parametrize("name", ["ids", "records", "messages", "wide"])
def test_a_data_set_that_is_missing_is_damage(path: Path, name: str) -> None:
    FeatureStore.create(path, LAYOUT, IDS).close()
    with h5py.File(path, "r+") as file:
        del file[name]
    assert re.fullmatch(
        rf"feature file {re.escape(str(path))} is damaged: .*{name}.*; copy it again or extract it again",
        message(FeatureStoreError, lambda: FeatureStore.open(path)),
    )


def test_damage_in_the_structure_of_hdf5_is_told(path: Path) -> None:
    FeatureStore.create(path, LAYOUT, IDS).close()
    # Of the heap in which HDF5 keeps texts.
    flip(path, b"GCOL")
    assert re.fullmatch(
        rf"feature file {re.escape(str(path))} is damaged: .*; copy it again or extract it again",
        message(FeatureStoreError, lambda: FeatureStore.open(path)),
    )


def test_an_empty_file_is_begun_and_a_photo_is_not_replaced(path: Path) -> None:
    path.touch()
    FeatureStore.resume(path, LAYOUT, IDS).close()
    with FeatureStore.open(path) as store:
        assert len(store) == len(IDS)
    photo = path.with_name("x.JPG")
    assert message(SettingsError, lambda: FeatureStore.resume(photo, LAYOUT, IDS)) == (
        f"a feature file cannot be called {str(photo)!r}: its ending is that of photos; end it with .h5"
    )
    assert not photo.exists()


def test_long_messages_are_cut_at_a_whole_character(path: Path) -> None:
    with FeatureStore.create(path, LAYOUT, IDS) as store:
        store.write_failure(0, "é" * 400)
        kept = store.photo(0).message
    assert kept == "é" * 238 + "…"


def test_one_writer_at_a_time_and_readers_meanwhile(path: Path) -> None:
    with FeatureStore.create(path, LAYOUT, IDS) as store:
        write(store, 0)
        store.flush()
        assert message(FeatureStoreError, lambda: FeatureStore.open(path, mode="a")) == (
            f"feature file {path} is being written by another process; wait for it or stop it"
        )
        with FeatureStore.open(path) as reader, h5py.File(path) as plain:
            np.testing.assert_array_equal(reader.read(0, grid=5), features(0)[5])
            np.testing.assert_array_equal(plain["wide"][0], features(0)[5])
    FeatureStore.open(path, mode="a").close()


@pytest.mark.parametrize("platform", [sys.platform, "win32"])
def test_windows_keeps_the_file_of_a_lock(
    platform: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, unlink = path.with_name(path.name + ".lock"), Path.unlink

    def refuse(file: Path, *, missing_ok: bool = False) -> None:
        if platform == "win32":
            raise PermissionError(errno.EACCES, "it is open", str(file))
        unlink(file, missing_ok=missing_ok)

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "unlink", refuse)
    for _ in range(2):
        with writer_lock(path):
            with pytest.raises(FeatureStoreError, match="is being written by"), writer_lock(path):
                pass
            assert lock.exists()
    monkeypatch.undo()
    assert lock.exists() == (platform == "win32")


def _read(store: FeatureStore) -> Float32Array:
    return store.read(2, grid=5)


def test_other_processes_can_read(layout: StoreLayout, path: Path) -> None:
    with FeatureStore.create(path, layout, IDS) as store:
        for index in range(len(IDS)):
            write(store, index)
        with pytest.raises(TypeError, match="open for writing cannot go to another process"):
            pickle.dumps(store)
    with FeatureStore.open(path) as store:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            np.testing.assert_array_equal(pool.apply(_read, (store,)), features(2)[5])
        np.testing.assert_array_equal(store.read(2, grid=5), features(2)[5])


def test_compression_and_incompressible_rows(path: Path) -> None:
    pytest.importorskip("hdf5plugin", reason="compression is an extra")
    layout = StoreLayout(KIND, (40, 20), (5,), dtype="float32", compression="zstd")
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 2**31, (8, 5, 5, 60), dtype=np.int32).view(np.float32)
    noise = np.where(np.isfinite(noise), noise, 0).astype(np.float32)
    with FeatureStore.create(path, layout, IDS[:2]) as store:
        store.write(0, {5: noise}, width=1, height=1, content_sha256=SHA256)
        store.write(1, {5: noise * 0}, width=1, height=1, content_sha256=SHA256)
    with FeatureStore.open(path) as store:
        np.testing.assert_array_equal(store.read_batch([0, 1]), np.stack([noise, noise * 0]))


def test_two_million_rows_are_sparse_until_they_are_written(path: Path) -> None:
    levels = tuple(f"level{number}" for number in range(43))
    feature_spec = dataclasses.replace(KIND, levels=levels)
    layout = StoreLayout(feature_spec, (400,) * 42 + (128,), (5,))
    if shutil.disk_usage(path.parent).free < 2**30:
        pytest.skip("needs 1 GiB of room to be safe")
    try:
        store = FeatureStore.create(path, layout, [f"{number}.jpg" for number in range(250_000)])
    except OutputError as error:
        pytest.skip(f"this file system holds no file of 1.7 TB: {error}")
    with store:
        write(store, 249_999)
    with FeatureStore.open(path) as store:
        assert store.rows("done").tolist() == [249_999]
        row = features(249_999, layout)[5].astype(np.float16)
        np.testing.assert_array_equal(store.read(249_999), row)
        info = store.info()
    assert info.size_bytes > 250_000 * 8 * 846_400
    assert info.disk_bytes < 100e6


def test_files_of_resized_photos_say_so_and_others_are_as_ever(path: Path, tmp_path: Path) -> None:
    with FeatureStore.create(path, LAYOUT, IDS):
        pass
    with h5py.File(path) as file:
        assert set(json.loads(file.attrs["kind"])) == {
            *("backbone", "weights_sha256", "levels", "views", "longest_side", "grid")
        }
    resized = dataclasses.replace(LAYOUT, feature_spec=dataclasses.replace(KIND, resize=(256, 256)))
    with FeatureStore.create(tmp_path / "resized.h5", resized, IDS):
        pass
    with FeatureStore.open(tmp_path / "resized.h5") as store:
        assert store.layout == resized
    with pytest.raises(FeatureStoreError) as caught:
        FeatureStore.resume(path, resized, IDS)
    assert str(caught.value) == (
        f"feature file {path} has other features or photos: resize is None, expected (256, 256)."
        " Choose another file, or extract again"
    )
