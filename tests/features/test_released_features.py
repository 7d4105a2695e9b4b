"""Feature files laid out as the released code lays them out are read, view by view in our order."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from mlsp.base.errors import FeatureStoreError
from mlsp.features.spec import FeatureSpec
from mlsp.features.store.released import CORNER_GROUPS, ReleasedFeatures
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.photos.crops import cut_views


def test_narrow_features_in_groups_come_in_the_order_of_our_views(tmp_path: Path) -> None:
    path = tmp_path / "i1[orig]_lfinal_o1[6]_r1.h5"
    # Pixels of each crop stand for its features, so that the order of the views is proven, not assumed.
    photo = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    with h5py.File(path, "w") as file:
        for row in (1, 0):
            for column in (1, 0):
                for mirrored in (0, 1):
                    top, left = row * 5, column * 7
                    crop = photo[top : top + 35, left : left + 49].astype(np.float16)
                    crop = crop[:, ::-1] if mirrored else crop
                    group = file.require_group(f"{row}_{column}_{mirrored}")
                    group.create_dataset("1.jpg", data=crop[0, :2].reshape(6))
                    group.create_dataset("0.jpg", data=np.full(6, row * 4 + column * 2 + mirrored))
    views = cut_views(photo, "corners8")
    with ReleasedFeatures(path) as released:
        assert (released.views, released.grid, released.channels) == (8, 1, 6)
        assert released.groups == CORNER_GROUPS
        assert released.ids == ("0.jpg", "1.jpg")
        assert released.incomplete() == []
        assert len(released) == 2
        expected = views[:, 0, :2].reshape(8, 1, 1, 6).astype(np.float32)
        np.testing.assert_array_equal(released.read("1.jpg"), expected)
        batch = released.read_batch(["1.jpg", "0.jpg"])
        assert batch.dtype == np.float32
        np.testing.assert_array_equal(batch[1, :, 0, 0, 0], np.arange(8))


def test_wide_features_without_groups(tmp_path: Path) -> None:
    path = tmp_path / "wide.h5"
    wide = np.random.default_rng(0).normal(size=(5, 5, 12)).astype(np.float16)
    with h5py.File(path, "w") as file:
        file.create_dataset("954013.jpg", data=wide)
    with ReleasedFeatures(path) as released:
        assert (released.views, released.grid, released.channels) == (1, 5, 12)
        np.testing.assert_array_equal(released.read("954013.jpg"), wide[None].astype(np.float32))
        with pytest.raises(FeatureStoreError) as caught:
            released.read("1.jpg")
    assert str(caught.value) == f"feature file {path} has no photo '1.jpg'"


def test_an_interrupted_extraction_lists_what_lacks_a_view(tmp_path: Path) -> None:
    path = tmp_path / "narrow.h5"
    with h5py.File(path, "w") as file:
        for group in CORNER_GROUPS:
            file[f"{group}/a.jpg"] = np.zeros(6, np.float16)
            if group != "1_1_1":
                file[f"{group}/b.jpg"] = np.zeros(6, np.float16)
        file["0_0_0/c.jpg"] = np.zeros(7, np.float16)
    with ReleasedFeatures(path) as released:
        assert released.ids == ("a.jpg",)
        assert released.incomplete() == ["b.jpg", "c.jpg"]
        with pytest.raises(FeatureStoreError) as caught:
            released.read("b.jpg")
        assert str(caught.value) == (f"group '1_1_1' of feature file {path} has no photo 'b.jpg'")
        with pytest.raises(FeatureStoreError) as caught:
            released.read("c.jpg")
        assert str(caught.value) == (
            f"photo 'c.jpg' of feature file {path} has features of shape (7,), expected 6 numbers as the first "
            "photo has"
        )


def test_other_layouts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.h5"
    with h5py.File(path, "w"):
        pass
    with pytest.raises(FeatureStoreError, match=rf"^feature file {re.escape(str(path))} is empty$"):
        ReleasedFeatures(path)
    with h5py.File(path, "w") as file:
        file["0_0_0/a.jpg"] = np.zeros(6)
    with pytest.raises(FeatureStoreError) as caught:
        ReleasedFeatures(path)
    assert str(caught.value) == (
        f"feature file {path} has the groups ['0_0_0'], expected {list(CORNER_GROUPS)}: the extraction of some "
        "views was not finished, or it is of another program"
    )
    with h5py.File(path, "w") as file:
        file["a.jpg"] = np.zeros((3, 3, 6))
    with pytest.raises(FeatureStoreError) as caught:
        ReleasedFeatures(path)
    assert str(caught.value) == (
        f"feature file {path} has features of shape (3, 3, 6), expected (channels,) or (5, 5, channels)"
    )
    path.unlink()
    feature_spec = FeatureSpec("fake", "0" * 64, ("first",), "whole", None, 1)
    FeatureStore.create(path, StoreLayout(feature_spec, (4,), (1,)), ["a.jpg"]).close()
    with pytest.raises(FeatureStoreError) as caught:
        ReleasedFeatures(path)
    assert str(caught.value) == (
        f"{path} is not of the published code but of mlsp: open it with FeatureStore"
    )
