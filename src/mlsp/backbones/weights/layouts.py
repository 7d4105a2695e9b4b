"""Layouts of weights files: how they name and shape the arrays of a network.

A layout gives the name in the file of every array of a network, and the arrays of the file that no level depends on. All others must be
there, and no more: a file is read whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from mlsp.backbones import WeightsLayout
from mlsp.backbones.convolution import ConvBatchNorm
from mlsp.backbones.efficientnet_lite import EfficientNetLite
from mlsp.backbones.inception_resnet_v2 import InceptionResNetV2
from mlsp.backbones.inception_v3 import InceptionV3
from mlsp.backbones.timm_backbone import TimmNetwork
from mlsp.backbones.weights.containers import Container, read_arrays
from mlsp.base.errors import WeightsError

# Names of a convolution and of its batch norm in a file.
_UnitNames = Iterable[tuple[str, str]]

_SHOWN_NAMES = 3


@dataclass(frozen=True, slots=True)
class _Layout:
    """Names of one network's arrays in one layout of weights files.

    Attributes:
        containers: file formats that have this layout.
        names: of the file's arrays, by our names; what the file never holds is left out and keeps its initial value.
        ignored: beginnings of the names of arrays that no level depends on.
    """

    containers: tuple[Container, ...]
    names: Callable[[nn.Module], Mapping[str, str]]
    ignored: tuple[str, ...]


def read_state(
    file: Path, network: nn.Module, name: str, layouts: Sequence[WeightsLayout]
) -> dict[str, Tensor]:
    """Read weights for a network.

    Args:
        file: a file of weights.
        network: gives names and shapes; its values are not looked at.
        name: of the network.
        layouts: to try, in this order. Where two fit, they name the same arrays alike, so the first is as good.

    Returns:
        Every array of the network by its name there.

    Raises:
        WeightsError: no layout fits, or the file is damaged.
    """
    container, arrays = read_arrays(file)
    misfits: list[str] = []
    for layout_name in layouts:
        layout = _layout(network, layout_name)
        if container not in layout.containers:
            misfits.append(f"{layout_name}: expected {' or '.join(layout.containers)}")
            continue
        names = layout.names(network)
        misfit = _misfit(arrays, names, network, layout.ignored)
        if misfit is None:
            return _translated(arrays, names, network, file)
        misfits.append(f"{layout_name}: {misfit}")
    raise WeightsError(
        f"{file} ({container}) does not hold weights of {name}; layouts tried: {' | '.join(misfits)}"
    )


def _misfit(
    arrays: Mapping[str, Tensor],
    names: Mapping[str, str],
    network: nn.Module,
    ignored: tuple[str, ...],
) -> str | None:
    """Describe what is missing, left over or of another shape; None where everything matches."""
    missing = [
        theirs for theirs in names.values() if theirs not in arrays and not _is_counter(theirs)
    ]
    known = set(names.values())
    unexpected = [key for key in arrays if key not in known and not key.startswith(ignored)]
    state = network.state_dict()
    misshapen = [
        f"{theirs} is {tuple(arrays[theirs].shape)} instead of {tuple(state[ours].shape)}"
        for ours, theirs in names.items()
        if theirs in arrays and arrays[theirs].shape != state[ours].shape
    ]
    findings = (("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen))
    return "; ".join(_listed(what, which) for what, which in findings if which) or None


def _listed(what: str, which: Sequence[str]) -> str:
    more = f" and {len(which) - _SHOWN_NAMES} more" if len(which) > _SHOWN_NAMES else ""
    return f"{len(which)} arrays {what} ({', '.join(which[:_SHOWN_NAMES])}{more})"


def _is_counter(name: str) -> bool:
    """Return whether an array is torch's count of training batches, which many files leave out and nothing here reads."""
    return name.endswith("num_batches_tracked")


def _translated(
    arrays: Mapping[str, Tensor], names: Mapping[str, str], network: nn.Module, file: Path
) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for ours, initial in network.state_dict().items():
        theirs = names.get(ours)
        if theirs is not None and theirs in arrays:
            state[ours] = arrays[theirs].to(initial.dtype)
            if not torch.isfinite(state[ours]).all():
                raise WeightsError(f"{file} is damaged: {theirs} contains NaN or infinite numbers")
        elif _is_counter(ours):
            state[ours] = torch.zeros(initial.shape, dtype=initial.dtype)
        else:
            # The only array that files leave out: gamma, which is 1 in networks without.
            state[ours] = torch.ones(initial.shape, dtype=initial.dtype)
    return state


def _arrays_of(
    network: nn.Module, units: _UnitNames, ups: Iterable[str]
) -> Iterator[tuple[str, nn.Module, str]]:
    """Pair our layers with a file's, in the order of the definition: (our layer, its module, the file's layer)."""
    modules = dict(network.named_modules())
    ours = [path for path, module in modules.items() if isinstance(module, ConvBatchNorm)]
    pairs: list[tuple[str, str]] = []
    for path, (conv, norm) in zip(ours, units, strict=True):
        pairs += [(f"{path}.conv", conv), (f"{path}.bn", norm)]
    our_ups = [path for path in modules if path.endswith(".up")]
    pairs += zip(our_ups, ups, strict=True)
    for path, theirs in pairs:
        yield path, modules[path], theirs


_KERAS_CONVOLUTION = {"weight": "kernel", "bias": "bias"}
_KERAS_BATCH_NORM = {
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def _keras_names(network: nn.Module) -> dict[str, str]:
    """Name arrays by number: Keras counts layers in the order of the definition, which is ours too."""
    count = sum(isinstance(module, ConvBatchNorm) for module in network.modules())
    units = [(f"conv2d_{n}", f"batch_normalization_{n}") for n in range(1, count + 1)]
    ups = [
        f"{path.split('.')[1].removesuffix('_mixed')}_conv"
        for path, _ in network.named_modules()
        if path.endswith(".up")
    ]
    names: dict[str, str] = {}
    for path, module, theirs in _arrays_of(network, units, ups):
        is_norm = isinstance(module, nn.BatchNorm2d)
        for ours, array in (_KERAS_BATCH_NORM if is_norm else _KERAS_CONVOLUTION).items():
            if ours in module.state_dict():
                names[f"{path}.{ours}"] = f"{theirs}/{array}"
    return names


def _torch_names(network: nn.Module, units: _UnitNames, ups: Iterable[str] = ()) -> dict[str, str]:
    return {
        f"{path}.{array}": f"{theirs}.{array}"
        for path, module, theirs in _arrays_of(network, units, ups)
        for array in module.state_dict()
    }


def _nested(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(f"{name}.conv", f"{name}.bn") for name in names]


def _branches(prefix: str, *lengths: int) -> list[str]:
    """Name the units of `branch0`, `branch1`, …; a branch of one unit (length 0) has no number behind it."""
    return [
        f"{prefix}.branch{branch}{suffix}"
        for branch, length in enumerate(lengths)
        for suffix in ([f".{unit}" for unit in range(length)] if length else [""])
    ]


_DOUBLE_3 = ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3")
_DOUBLE_7 = tuple(f"branch7x7dbl_{n}" for n in range(1, 6))
_BLOCK_35 = ("branch1x1", "branch5x5_1", "branch5x5_2", *_DOUBLE_3, "branch_pool")
_REDUCTION_17 = ("branch3x3", *_DOUBLE_3)
_BLOCK_17 = ("branch1x1", "branch7x7_1", "branch7x7_2", "branch7x7_3", *_DOUBLE_7, "branch_pool")
_REDUCTION_8 = ("branch3x3_1", "branch3x3_2", *(f"branch7x7x3_{n}" for n in range(1, 5)))
_BLOCK_8 = (
    *("branch1x1", "branch3x3_1", "branch3x3_2a", "branch3x3_2b", "branch3x3dbl_1"),
    *("branch3x3dbl_2", "branch3x3dbl_3a", "branch3x3dbl_3b", "branch_pool"),
)
_INCEPTION_V3_BLOCKS = {
    **dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), _BLOCK_35),
    "Mixed_6a": _REDUCTION_17,
    **dict.fromkeys(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), _BLOCK_17),
    "Mixed_7a": _REDUCTION_8,
    **dict.fromkeys(("Mixed_7b", "Mixed_7c"), _BLOCK_8),
}


def _inception_v3_names(network: nn.Module) -> dict[str, str]:
    """Name arrays as timm does, which took the names over from torchvision."""
    stem = [f"Conv2d_{part}" for part in ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")]
    blocks = [f"{block}.{unit}" for block, units in _INCEPTION_V3_BLOCKS.items() for unit in units]
    return _torch_names(network, _nested([*stem, *blocks]))


def _inception_resnet_v2_names(network: nn.Module) -> dict[str, str]:
    stem = [f"conv2d_{part}" for part in ("1a", "2a", "2b", "3b", "4a")]
    # Its pool branch has the pool at 0 and the convolution at 1.
    units = [*stem, *_branches("mixed_5b", 0, 2, 3), "mixed_5b.branch3.1"]
    units += [name for n in range(10) for name in _branches(f"repeat.{n}", 0, 2, 3)]
    units += _branches("mixed_6a", 0, 3)
    units += [name for n in range(20) for name in _branches(f"repeat_1.{n}", 0, 3)]
    units += _branches("mixed_7a", 2, 2, 3)
    units += [name for n in range(9) for name in _branches(f"repeat_2.{n}", 0, 3)]
    units += _branches("block8", 0, 3)
    repeats = (("repeat", 10), ("repeat_1", 20), ("repeat_2", 9))
    ups = [f"{repeat}.{n}.conv2d" for repeat, count in repeats for n in range(count)]
    return _torch_names(network, _nested(units), ups)


_EFFICIENTNET_LITE_UNITS = {
    "stem": ("_conv_stem", "_bn0"),
    "head": ("_conv_head", "_bn1"),
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}


def _efficientnet_lite_names(network: nn.Module) -> dict[str, str]:
    units: list[tuple[str, str]] = []
    for path, module in network.named_modules():
        if isinstance(module, ConvBatchNorm):
            block, _, unit = path.rpartition(".")
            prefix = f"_{block}." if block else ""
            conv, norm = _EFFICIENTNET_LITE_UNITS[unit]
            units.append((prefix + conv, prefix + norm))
    return _torch_names(network, units)


def _own_names(network: nn.Module) -> dict[str, str]:
    return {name: name for name in network.state_dict()}


def _timm_names(network: nn.Module) -> dict[str, str]:
    return {name: name.removeprefix("model.") for name in network.state_dict()}


_KERAS: tuple[Container, ...] = ("HDF5",)
_TORCH: tuple[Container, ...] = ("safetensors", "PyTorch")

# Ignored are classifiers, the auxiliary classifier of training, and what follows the last level.
_LAYOUTS: Mapping[tuple[type[nn.Module], WeightsLayout], _Layout] = {
    (InceptionV3, "keras"): _Layout(_KERAS, _keras_names, ("predictions/",)),
    (InceptionV3, "timm"): _Layout(_TORCH, _inception_v3_names, ("fc.",)),
    (InceptionV3, "torchvision"): _Layout(_TORCH, _inception_v3_names, ("fc.", "AuxLogits.")),
    (InceptionResNetV2, "keras"): _Layout(
        _KERAS, _keras_names, ("block8_10_conv/", "conv_7b/", "conv_7b_bn/", "predictions/")
    ),
    (InceptionResNetV2, "timm"): _Layout(
        _TORCH, _inception_resnet_v2_names, ("block8.conv2d.", "conv2d_7b.", "classif.")
    ),
    (EfficientNetLite, "efficientnet_lite"): _Layout(_TORCH, _efficientnet_lite_names, ("_fc.",)),
    (nn.Module, "state_dict"): _Layout(_TORCH, _own_names, ()),
}


def _layout(network: nn.Module, name: WeightsLayout) -> _Layout:
    if isinstance(network, TimmNetwork):
        return _Layout(_TORCH, _timm_names, network.classifiers)
    for ancestor in type(network).__mro__:
        if (ancestor, name) in _LAYOUTS:
            return _LAYOUTS[ancestor, name]
    raise WeightsError(
        f"weights in layout {name!r} are not for a {type(network).__name__}: expected layout 'state_dict'"
    )
