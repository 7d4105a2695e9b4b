"""The authors' heads, imported, predict what Keras predicts. Nothing here is reached without torch and the released layout."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from children import call_mlsp as mlsp
from keras_heads import Arrays, predict, seeded_head, write_keras
from mlsp.backbones import Level, backbone
from mlsp.base.errors import SettingsError, WeightsError
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.onnx_export import export_head
from mlsp.models.keras_import import import_keras, read_keras_head
from mlsp.models.model import load_model

IRNV2 = backbone("inception_resnet_v2")
LEVELS = (Level("a", 12), Level("b", 20))


def rms(array: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


def small(*, wide: bool = False, seed: int = 0) -> Arrays:
    return seeded_head(32, 64, column=16 if wide else None, seed=seed)


# What Keras computed


@pytest.mark.parametrize(
    ("name", "channels"), [("single_3fc", 320), ("single_3fc_small", 320), ("pool_3fc", 64)]
)
def test_predicts_what_keras_predicted(
    reference_data: Path, tmp_path: Path, name: str, channels: int
) -> None:
    folder = reference_data / "golden" / "heads"
    head = read_keras_head(folder / f"{name}.h5", [Level("a", 40), Level("b", channels - 40)])
    with np.load(folder / f"{name}.npz") as stored:
        inputs, expected = stored["inputs"], stored["outputs"][:, 0]
        joined = stored.get("mixed_final")
    features = inputs if inputs.ndim == 4 else inputs[:, None, None]
    with torch.no_grad():
        found = head(torch.from_numpy(features)).numpy()
        if joined is not None:
            columns = head.body.joined(torch.from_numpy(features)).numpy()  # type: ignore[operator]
            assert rms(columns - joined) <= 1e-5 * rms(joined)
    assert np.abs(found - expected).max() <= 1e-5 * rms(expected)
    export_head(head, channels, tmp_path / "head.onnx", grid=head.spec.grid)
    found = OpenVinoHead(tmp_path / "head.onnx").predict(features)
    assert np.abs(found - expected).max() <= 1e-5 * rms(expected)


@pytest.mark.parametrize("name", ["single_3fc_small", "pool_3fc"])
def test_the_forward_pass_of_these_tests_is_keras_own(reference_data: Path, name: str) -> None:
    folder = reference_data / "golden" / "heads"
    arrays: Arrays = {}

    def collect(path: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[path.partition("/")[2].removesuffix(":0")] = item[()]

    with h5py.File(folder / f"{name}.h5") as file:
        file.visititems(collect)
    with np.load(folder / f"{name}.npz") as stored:
        found = predict(arrays, stored["inputs"])
        assert np.abs(found - stored["outputs"][:, 0]).max() <= 1e-5 * rms(stored["outputs"])


# At real size


# One kind of file for each head: the arrays are the same in both.
@pytest.mark.parametrize(("wide", "whole"), [(False, False), (True, True)])
def test_at_real_size(tmp_path: Path, wide: bool, whole: bool) -> None:
    arrays = seeded_head(IRNV2.channels, 2048, column=1024 if wide else None)
    file = tmp_path / "released_orig.h5"
    write_keras(file, arrays, whole=whole)
    size = file.stat().st_size
    assert size == pytest.approx(255_382_440 if wide else 148_210_248, abs=30_000)
    model = import_keras(file, tmp_path / "model")
    grid = model.feature_spec.grid
    assert grid == (5 if wide else 1)
    shape = (3, grid, grid, IRNV2.channels)
    features = np.random.default_rng(1).standard_gamma(0.5, shape, np.float32)
    expected = predict(arrays, features if wide else features[:, 0, 0])
    assert expected.std() > 0.05
    found = OpenVinoHead(model.folder / "aesthetics.onnx").predict(features)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_model(tmp_path: Path) -> None:
    file = tmp_path / "irnv2_mlsp_narrow_orig_aug.h5"
    write_keras(file, seeded_head(IRNV2.channels, 16), whole=True)
    model = import_keras(file, tmp_path / "ava")
    assert model == load_model(tmp_path / "ava")
    assert model.name == "ava"
    assert model.feature_spec.backbone == "inception_resnet_v2"
    assert model.feature_spec.levels == tuple(level.name for level in IRNV2.levels)
    assert model.feature_spec.longest_side is None
    (head,) = model.heads
    assert (head.name, head.lowest, head.highest) == ("aesthetics", 1, 10)
    assert any("without turning them upright by EXIF" in limit for limit in model.card.limits)
    assert model.card.summary == (
        "Single-3FC on narrow features of InceptionResNet-v2, as its authors trained it on AVA and released it"
        " (irnv2_mlsp_narrow_orig_aug.h5)."
    )


@pytest.mark.parametrize(
    ("file", "views", "expected", "smallest"),
    [
        ("irnv2_mlsp_narrow_orig.h5", "auto", "whole", 75),
        ("irnv2_mlsp_narrow_orig_aug.h5", "auto", "corners8", 86),
        ("irnv2_mlsp_narrow_orig_aug.h5", "whole", "whole", 75),
        ("irnv2_mlsp_narrow_orig.h5", "corners8", "corners8", 86),
    ],
)
def test_views(tmp_path: Path, file: str, views: str, expected: str, smallest: int) -> None:
    write_keras(tmp_path / file, seeded_head(IRNV2.channels, 8), whole=False)
    model = import_keras(tmp_path / file, tmp_path / "model", views=views)
    assert (model.feature_spec.views, model.smallest_side) == (expected, smallest)


def test_unknown_views(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError,
        match="^unknown views 'corners': did you mean 'corners8'\\? Known: 'auto', 'corners8', 'whole', 'whole_mirrored'$",
    ):
        import_keras(tmp_path / "a.h5", tmp_path / "model", views="corners")


# Files that are something else


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_weights_alone_and_whole_models(tmp_path: Path, wide: bool, whole: bool) -> None:
    arrays = small(wide=wide)
    write_keras(tmp_path / "head.h5", arrays, whole=whole)
    head = read_keras_head(tmp_path / "head.h5", LEVELS)
    features = np.random.default_rng(0).random((4, 5, 5, 32) if wide else (4, 1, 1, 32), np.float32)
    with torch.no_grad():
        found = head(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(
        found, predict(arrays, features if wide else features[:, 0, 0]), atol=1e-5
    )


def refused(tmp_path: Path, arrays: Arrays, *parts: str) -> None:
    """Check that the message contains the file and these parts, in this order."""
    file = tmp_path / "head.h5"
    write_keras(file, arrays, whole=False)
    message = ".*".join(map(re.escape, (str(file), *parts)))
    with pytest.raises(WeightsError, match=f"^{message}"):
        read_keras_head(file, LEVELS)


def test_a_head_on_another_network(tmp_path: Path) -> None:
    refused(
        tmp_path,
        seeded_head(48, 64),
        " reads features of 48 channels, expected 32 in 2 levels: ",
    )


def test_a_missing_and_a_foreign_array(tmp_path: Path) -> None:
    arrays = small(wide=True)
    arrays["3x3_1x3_bn/gamma"] = arrays.pop("3x3_1x3_bn/beta")
    refused(
        tmp_path,
        arrays,
        "pool_3fc_released: missing",
        ": '3x3_1x3_bn/beta'; unknown",
        ": '3x3_1x3_bn/gamma'",
    )


def test_many_foreign_arrays(tmp_path: Path) -> None:
    arrays = small()
    arrays |= {f"conv2d_{number}/bias": np.zeros(1, np.float32) for number in range(1, 10)}
    names = ", ".join(f"'conv2d_{number}/bias'" for number in range(1, 7))
    refused(
        tmp_path,
        arrays,
        "single_3fc: missing",
        ": none; unknown",
        f": {names} and 3 more",
    )


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("head_fc1/kernel", (64, 31), (64, 32)),
        ("head_bn2/gamma", (9,), (8,)),
        ("head_out/kernel", (8, 10), (8, 1)),
        ("3x3_3x1_conv/kernel", (1, 3, 16, 8), (3, 1, 16, 8)),
        ("branch_pool_conv/kernel", (1, 1, 32, 8), (1, 1, 32, 16)),
        ("3x3_1x1_conv/kernel", (32, 16), (1, 1, 32, 16)),
    ],
)
def test_an_array_of_another_shape(
    tmp_path: Path, name: str, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    arrays = {**small(wide=True), name: np.zeros(shape, np.float32)}
    refused(tmp_path, arrays, f": {name} has the shape {shape}, expected {expected}")


def test_numbers_that_are_none(tmp_path: Path) -> None:
    arrays = small()
    arrays["head_bn1/beta"][3] = np.nan
    refused(tmp_path, arrays, "head_bn1/beta", "NaN")


def test_no_head_at_all(tmp_path: Path) -> None:
    refused(
        tmp_path,
        {"dense_1/kernel": np.zeros((32, 1), np.float32)},
        ": expected a layer 'head_fc0'",
        "'branch_1x1_conv'",
        " it has 'dense_1'",
    )


def test_a_file_of_another_format(tmp_path: Path) -> None:
    torch.save({"head_fc0/kernel": torch.zeros(32, 4)}, tmp_path / "head.h5")
    with pytest.raises(WeightsError, match="head.h5 is a PyTorch file, expected .*Keras.* HDF5$"):
        read_keras_head(tmp_path / "head.h5", LEVELS)
    with pytest.raises(WeightsError, match="^cannot read weights file "):
        read_keras_head(tmp_path / "gone.h5", LEVELS)


# The command


def test_the_command_without_the_network(tmp_path: Path) -> None:
    file = tmp_path / "irnv2_mlsp_narrow_orig.h5"
    write_keras(file, seeded_head(IRNV2.channels, 8), whole=False)
    done = mlsp("import-keras", file, "--output", tmp_path / "ava", "--name", "paper")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'ava'}: Single-3FC on narrow features of")
    assert done.stderr == (
        "views: whole, as the file's name irnv2_mlsp_narrow_orig ends with _orig\n"
        "It reads stored features, by mlsp predict. To score photos, import it again with --weights.\n"
    )
    assert load_model(tmp_path / "ava").name == "paper"


def test_the_command_on_a_head_of_another_network(tmp_path: Path) -> None:
    write_keras(tmp_path / "head.h5", small(), whole=False)
    head, output = tmp_path / "head.h5", tmp_path / "ava"
    done = mlsp("import-keras", head, "--views", "whole", "--output", output)
    assert done.returncode == 2
    assert done.stderr == (
        f"mlsp: {tmp_path / 'head.h5'} reads features of 32 channels, expected 16928 in 43 levels:"
        " it is a head on another network\n"
    )
    assert not (tmp_path / "ava").exists()
