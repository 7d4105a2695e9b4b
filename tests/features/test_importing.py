"""Feature files of the published code become feature files that heads learn from."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from children import expect_mlsp, run_mlsp
from mlsp.backbones import backbone
from mlsp.base.digests import file_sha256
from mlsp.base.errors import FeatureStoreError, SettingsError, WeightsError
from mlsp.features.importing import import_released
from mlsp.features.store.released import CORNER_GROUPS
from mlsp.features.store.store import FeatureStore

CHANNELS = backbone("inception_resnet_v2").channels


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Only its digest is needed."""
    file = tmp_path / "notop.h5"
    file.write_bytes(b"weights")
    return file


def write_crops(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Write narrow features of eight crops; the last photo lacks one."""
    rng = np.random.default_rng(0)
    values = {name: rng.random((8, CHANNELS)).astype(np.float16) for name in names}
    with h5py.File(path, "w") as file:
        for view, group in enumerate(CORNER_GROUPS):
            for name in names[: -1 if view == 5 else None]:
                file[f"{group}/{name}"] = values[name][view]
    return values


def test_narrow_features_of_crops(tmp_path: Path, weights: Path) -> None:
    values = write_crops(tmp_path / "released.h5", ["b.jpg", "a.jpg", "c.jpg"])
    options = ("--weights", weights, "--output", tmp_path / "f.h5")
    done = expect_mlsp("features", "import", tmp_path / "released.h5", *options, code=1)
    assert done.stderr.splitlines() == [
        "c.jpg: not imported, see mlsp features info --failed",
        f"2 photos, inception_resnet_v2, narrow, corners8 → {tmp_path / 'f.h5'}",
    ]
    with FeatureStore.open(tmp_path / "f.h5") as store:
        assert store.ids == ("a.jpg", "b.jpg", "c.jpg")
        spec = store.layout.feature_spec
        assert (spec.backbone, spec.views, spec.grid) == ("inception_resnet_v2", "corners8", 1)
        assert (spec.weights_sha256, spec.read_as) == (file_sha256(weights), "released")
        assert spec.levels == tuple(one.name for one in backbone(spec.backbone).levels)
        for name in ("a.jpg", "b.jpg"):
            np.testing.assert_array_equal(store[name][:, 0, 0], values[name])
        assert store.photo(2).message == "it lacks a view in the imported file"


def test_wide_features_with_the_photos(tmp_path: Path, weights: Path) -> None:
    channels = backbone("inception_v3").channels
    wide = np.random.default_rng(0).random((5, 5, channels)).astype(np.float16)
    with h5py.File(tmp_path / "released.h5", "w") as file:
        file["a.png"] = wide
    Image.new("RGB", (90, 70)).save(tmp_path / "a.png")
    arguments = (tmp_path / "released.h5", tmp_path / "f.h5")
    done = import_released(*arguments, weights=weights, photos=tmp_path)
    assert (done.done, done.failed, done.feature_spec.views) == (1, (), "whole")
    with FeatureStore.open(tmp_path / "f.h5") as store:
        np.testing.assert_array_equal(store["a.png"][0], wide)
        photo = store.photo(0)
        assert (photo.width, photo.height) == (90, 70)
        assert photo.content_sha256 == file_sha256(tmp_path / "a.png")
    # The same again does nothing; another file's is refused.
    before = (tmp_path / "f.h5").read_bytes()
    assert import_released(*arguments, weights=weights) == done
    assert (tmp_path / "f.h5").read_bytes() == before
    write_crops(tmp_path / "released.h5", ["a.png", "b.png"])
    with pytest.raises(FeatureStoreError, match="f.h5 has other features or photos"):
        import_released(*arguments, weights=weights)


def test_a_bad_photo_costs_its_row_only(tmp_path: Path, weights: Path) -> None:
    channels = backbone("inception_v3").channels
    with h5py.File(tmp_path / "released.h5", "w") as file:
        file["a.png"] = np.ones(channels, np.float16)
        file["b.png"] = np.ones(channels - 1, np.float16)
        file.create_dataset("c.png", data=np.ones(channels, np.float16), fletcher32=True)
        file["d.png"] = np.ones(channels, np.float16)
        damaged = file["c.png"].id.get_chunk_info(0).byte_offset
    with (tmp_path / "released.h5").open("r+b") as stream:
        stream.seek(damaged)
        stream.write(b"damage")
    Image.new("RGB", (90, 70)).save(tmp_path / "a.png")
    options = ("--weights", weights, "--photos", tmp_path, "--output", tmp_path / "f.h5")
    done = expect_mlsp("features", "import", tmp_path / "released.h5", *options, code=1)
    assert done.stderr.splitlines() == [
        f"mlsp: 3 photos cannot be read in {tmp_path}, and are noted as 1×1 pixels: 'b.png', 'c.png', 'd.png'",
        "b.png: not imported, see mlsp features info --failed",
        "c.png: not imported, see mlsp features info --failed",
        f"2 photos, inception_v3, narrow, whole → {tmp_path / 'f.h5'}",
    ]
    with FeatureStore.open(tmp_path / "f.h5") as store:
        sizes = [(store.photo(row).width, store.photo(row).height) for row in (0, 3)]
        assert sizes == [(90, 70), (1, 1)]
        assert f"expected {channels} numbers" in str(store.photo(1).message)
        assert "cannot be read" in str(store.photo(2).message)


def test_a_photo_whose_values_cannot_be_stored_costs_its_row_only(
    tmp_path: Path, weights: Path
) -> None:
    channels = backbone("inception_v3").channels
    with h5py.File(tmp_path / "released.h5", "w") as file:
        # The first of the file, too.
        file["a.png"] = "features"
        file["b.png"] = np.full(channels, np.nan, np.float32)
        file["c.png"] = np.full(channels, 1e6, np.float32)
        file["d.png"] = np.array(["one"] * channels, dtype=object)
        file["e.png"] = np.ones(channels, np.float16)
    options = ("--weights", weights, "--output", tmp_path / "f.h5")
    done = expect_mlsp("features", "import", tmp_path / "released.h5", *options, code=1)
    assert done.stderr.splitlines() == [
        *(
            f"{name}.png: not imported, see mlsp features info --failed"
            for name in ("a", "b", "c", "d")
        ),
        f"1 photos, inception_v3, narrow, whole → {tmp_path / 'f.h5'}",
    ]
    with FeatureStore.open(tmp_path / "f.h5") as store:
        messages = [str(store.photo(row).message) for row in range(4)]
    assert "of shape ()" in messages[0]
    assert "not finite" in messages[1]
    assert messages[2] == (
        "photo 'c.png': features reach 1e+06, float16 holds up to 65504, float32 more"
    )
    assert "cannot be read: could not convert string to float" in messages[3]


def test_a_folder_of_photos_that_is_not_there(tmp_path: Path, weights: Path) -> None:
    write_crops(tmp_path / "released.h5", ["a.jpg", "b.jpg"])
    output = tmp_path / "f.h5"
    with pytest.raises(SettingsError, match="there is no folder '.*nofolder'"):
        import_released(
            tmp_path / "released.h5", output, weights=weights, photos=tmp_path / "nofolder"
        )
    assert not output.exists()


def test_features_of_another_network(tmp_path: Path, weights: Path) -> None:
    with h5py.File(tmp_path / "released.h5", "w") as file:
        file["a.png"] = np.zeros(2048, np.float16)
    done = run_mlsp("features", "import", tmp_path / "released.h5", "--output", tmp_path / "f.h5")
    assert done.returncode == 2
    assert "has 2048 channels, expected 16928 (inception_resnet_v2) or 10048" in done.stderr
    assert not (tmp_path / "f.h5").exists()


def test_weights_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSP_OFFLINE", "1")
    write_crops(tmp_path / "released.h5", ["a.jpg", "b.jpg"])
    with pytest.raises(WeightsError, match="MLSP_OFFLINE forbids"):
        import_released(tmp_path / "released.h5", tmp_path / "f.h5")
