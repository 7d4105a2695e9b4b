"""Adapter that makes any network of timm a backbone: `timm:<name>`, one level per block.

The record follows from the network itself: blocks are found by running it, preprocessing and weights are those that timm names.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import warnings
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from mlsp.backbones.records import BackboneSpec, Level, Preprocessing, WeightsFile
from mlsp.backbones.timm_blocks import (
    Block,
    UnsuitableNetworkError,
    block_maps,
    find_blocks,
    is_channels_last,
)
from mlsp.backbones.timm_positions import MatrixResizing
from mlsp.base.errors import SettingsError, needs_extra

# Options by which networks take photos of any size; the first that a network knows is used. Convolutional networks need none.
_ANY_SIZE: tuple[dict[str, bool], ...] = (
    {"dynamic_img_size": True, "dynamic_img_pad": True},
    {"dynamic_img_size": True},
    {"strict_img_size": False},
    {},
)
# Some networks want sides that their patches or their deepest maps divide.
_MULTIPLES = (1, 4, 32)
_MIN_SMALLEST_SIDE = 32
_UNKNOWN_LICENSE = "NOASSERTION"


class TimmNetwork(nn.Module):
    """Network of timm whose outputs are the maps of its blocks.

    Args:
        model: made by timm, without its classifier.
        blocks: of the model.
        multiple: photos are padded at the bottom and at the right, by the mean colour, to sides that are multiples of this.
    """

    def __init__(self, model: nn.Module, blocks: tuple[Block, ...], multiple: int = 1) -> None:
        super().__init__()
        self.model = model
        self.blocks = blocks
        self.multiple = multiple

    @property
    def is_convolutional(self) -> bool:
        """Return whether all blocks make maps with the channels first, as convolutions need them."""
        return not is_channels_last(self.model) and all(
            block.reduction is None for block in self.blocks
        )

    @property
    def is_plain_transformer(self) -> bool:
        """Return whether all blocks have the tokens of one grid: all that depends on a photo's size are embeddings of positions."""
        reductions = {block.reduction for block in self.blocks}
        return len(reductions) == 1 and None not in reductions

    @property
    def classifiers(self) -> tuple[str, ...]:
        """Prefixes of the classifier's arrays in a weights file."""
        named = _config(self.model).get("classifier") or ()
        return tuple(f"{name}." for name in ((named,) if isinstance(named, str) else named))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the maps of all levels.

        Args:
            x: preprocessed photos, (N, 3, H, W).

        Returns:
            One (N, C, h, w) map per block; of tokens only those of the grid, without class and register tokens.
        """
        if self.multiple > 1:
            below, right = (-side % self.multiple for side in x.shape[2:])
            x = nn.functional.pad(x, (0, right, 0, below))
        with MatrixResizing() if torch.compiler.is_exporting() else contextlib.nullcontext():
            return block_maps(self.model, self.blocks, x, self.model.forward_features)  # type: ignore[arg-type]


@functools.lru_cache(maxsize=16)
def record(name: str) -> BackboneSpec:
    """Make the record of a network of timm, which is run for it.

    Args:
        name: `timm:` and a name of timm, with or without the tag of trained weights: `timm:resnet18.a1_in1k`.

    Returns:
        The record; its levels' names are the paths of the blocks in the network.

    Raises:
        MissingExtraError: timm is not installed.
        SettingsError: timm does not know the name, or the network does not take photos of any size.
    """
    network = build(name)
    config = _config(network.model)
    deviations = [float(value) for value in config["std"]]
    scale = tuple(1 / (255 * deviation) for deviation in deviations)
    offset = tuple(
        -float(mean) / deviation for mean, deviation in zip(config["mean"], deviations, strict=True)
    )
    reductions = [info["reduction"] for info in getattr(network.model, "feature_info", [])]
    return BackboneSpec(
        name=name,
        levels=tuple(Level(block.name, block.channels) for block in network.blocks),
        preprocessing=Preprocessing(
            (scale[0], scale[1], scale[2]), (offset[0], offset[1], offset[2])
        ),
        weights=_published(config),
        smallest_side=max(_MIN_SMALLEST_SIDE, *reductions, 0),
        origin=f"timm {_timm().__version__}, {_own_name(name)}: {config.get('paper_name') or 'see timm'}",
        # Traced, the windows of other transformers are right for the traced size only, where tracing ends at all.
        export="tried" if network.is_convolutional or network.is_plain_transformer else "never",
        layouts=("timm",),
        builder=functools.partial(build, name),
    )


def build(name: str) -> TimmNetwork:
    """Build a network with random weights, in evaluation mode; see `record`."""
    timm = _timm()
    own_name = _own_name(name)
    known = timm.list_models()
    if own_name.partition(".")[0] not in known:
        # Not `unknown_name`: there are more than a thousand.
        close = " or ".join(map(repr, difflib.get_close_matches(own_name, known)))
        hint = f"did you mean {close}? " if close else ""
        raise SettingsError(
            f"unknown network of timm {own_name!r}: {hint}timm.list_models() lists all {len(known)}"
        )
    # On the processor also where only shapes are asked for: the blocks are found by running the network.
    with torch.device("cpu"), warnings.catch_warnings():
        # timm still uses parts of torch that are to go.
        warnings.simplefilter("ignore")
        model = _create(timm, own_name).eval()
        for multiple in _MULTIPLES:
            try:
                return TimmNetwork(model, find_blocks(model, multiple), multiple).eval()
            except UnsuitableNetworkError as error:
                reason = error
    height, width = _config(model)["input_size"][1:]
    raise SettingsError(
        f"network {name!r} cannot be used: {reason}. It is made for photos of {width}×{height}; levels need"
        " a network for photos of any size, such as a convolutional one or a plain vision transformer"
    ) from reason


def _create(timm: ModuleType, name: str) -> nn.Module:
    for settings in _ANY_SIZE[:-1]:
        try:
            model: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **settings)
        except TypeError:
            continue
        return model
    return timm.create_model(name, pretrained=False, num_classes=0)  # type: ignore[no-any-return]


def _own_name(name: str) -> str:
    """Return a network's name within timm."""
    return name.partition(":")[2]


def _timm() -> ModuleType:
    try:
        with needs_extra("A network of timm", "timm", "timm", "torchvision", "huggingface_hub"):
            import timm
    except RuntimeError as error:
        raise SettingsError(
            f"timm cannot be imported: {error}. Install torch and torchvision of one build, from one package index"
        ) from error
    module: ModuleType = timm
    return module


def _config(model: nn.Module) -> dict[str, Any]:
    config: dict[str, Any] = dict(getattr(model, "pretrained_cfg", {}))
    return config


def _published(config: dict[str, Any]) -> tuple[WeightsFile, ...]:
    repository = config.get("hf_hub_id")
    if not repository:
        return ()
    file = config.get("hf_hub_filename") or "model.safetensors"
    return (
        WeightsFile(
            url=f"https://huggingface.co/{repository}/resolve/main/{file}",
            sha256=None,
            size_bytes=None,
            license=str(config.get("license") or _UNKNOWN_LICENSE),
            layout="timm",
        ),
    )
