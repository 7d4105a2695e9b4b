"""Finds the blocks of any network of timm, and returns their outputs as maps."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn

# Blocks that are attributes of the network itself, not elements of a sequence, can only be told by their classes' names.
_BLOCK_CLASS = re.compile(r"Block|Bottleneck|Inception|Reduction|Mixed|Cell")
# Parts before, between and after the blocks.
_NO_BLOCK = re.compile(r"(^|\.|_)(stem|patch_embed|downsample|head|norm|pool|fc|classifier)")
# Heights and widths that a network is tried on: not square, and some that no reduction divides.
_TRIED = ((192, 160), (197, 171))


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a network.

    Attributes:
        name: path of its module.
        channels: of its map.
        reduction: pixels of a photo's side for one of its tokens' grid; None where it returns maps.
        rounds_up: whether an incomplete token at the border counts.
        is_changed_later: whether a later layer writes into its output.
    """

    name: str
    channels: int
    reduction: int | None
    rounds_up: bool
    is_changed_later: bool


class UnsuitableNetworkError(Exception):
    """Reason why a network cannot be used."""


def find_blocks(model: nn.Module, multiple: int = 1) -> tuple[Block, ...]:
    """Find the blocks of a network of timm: elements of its stages, in the order in which they run.

    Args:
        model: in evaluation mode, on the processor. It is run on noise.
        multiple: divisor of both sides of all its photos.

    Raises:
        UnsuitableNetworkError: it does not take photos of any size, it has no blocks, or their outputs are no maps.
    """
    sizes = [_rounded_up(size, multiple) for size in _TRIED]
    modules = dict(model.named_modules())
    names = list(dict.fromkeys(_candidates(model)))
    if not names:
        names = [info["module"] for info in getattr(model, "feature_info", [])]
    names = [name for name in names if name in modules]
    runs = [_run(model, names, size) for size in sizes]
    found = [
        _block(name, model, sizes, [run[name] for run in runs])
        for name in runs[0]
        # A module that runs twice has no output of its own.
        if all(len(run.get(name, ())) == 1 for run in runs)
    ]
    if not found:
        raise UnsuitableNetworkError("no blocks are found in it")
    if any(block.reduction is not None for block in found) or is_channels_last(model):
        _check_order(model, found, sizes[1])
    return tuple(found)


def block_maps(
    model: nn.Module, blocks: Sequence[Block], x: Tensor, run: Callable[[Tensor], object]
) -> list[Tensor]:
    """Run a network and collect the maps of its blocks.

    Args:
        model: the network.
        blocks: its blocks.
        x: preprocessed photos, (N, 3, H, W).
        run: forward function that calls the blocks.

    Returns:
        One (N, C, h, w) map per block; of tokens only those of the grid.
    """
    outputs: dict[str, Tensor] = {}
    modules = dict(model.named_modules())
    # Hooks for this call only: copies of the network must not write into the original's list.
    hooks = []
    for block in blocks:

        def keep(_module: nn.Module, _inputs: object, output: object, block: Block = block) -> None:
            tensor = _tensor(output)
            if tensor is not None:
                outputs[block.name] = tensor.clone() if block.is_changed_later else tensor

        hooks.append(modules[block.name].register_forward_hook(keep))
    try:
        run(x)
    finally:
        for hook in hooks:
            hook.remove()
    return [_as_map(outputs[block.name], block, model, x) for block in blocks]


def _candidates(module: nn.Module, path: str = "") -> Iterator[str]:
    """Yield the paths of the elements of sequences; of stages, which are elements too, those of their own sequences."""
    for name, child in module.named_children():
        if _NO_BLOCK.search(name) or not _is_composite(child):
            continue
        is_stage = _is_stage(child)
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from _elements(child, f"{path}{name}.")
        elif not is_stage and _BLOCK_CLASS.search(type(child).__name__):
            yield f"{path}{name}"
        elif is_stage or not path:
            yield from _candidates(child, f"{path}{name}.")


def _elements(sequence: nn.Module, path: str) -> Iterator[str]:
    for name, element in sequence.named_children():
        if _NO_BLOCK.search(name) or not _is_composite(element):
            continue
        if isinstance(element, nn.Sequential | nn.ModuleList):
            yield from _elements(element, f"{path}{name}.")
        elif _is_stage(element):
            yield from _candidates(element, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def _is_stage(module: nn.Module) -> bool:
    """Return whether a module is a sequence of blocks under another name."""
    return type(module).__name__.endswith("Stage") or any(
        name in ("blocks", "layers", "stages")
        and isinstance(child, nn.Sequential | nn.ModuleList)
        and any(map(_is_composite, child.children()))
        for name, child in module.named_children()
    )


def _is_composite(module: nn.Module) -> bool:
    return any(True for _ in module.children()) and any(True for _ in module.parameters())


def _tensor(output: object) -> Tensor | None:
    """Return the map or the tokens among a block's outputs; None where there are none."""
    if isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, Tensor) and output.ndim in (3, 4) else None


def _run(
    model: nn.Module, names: Sequence[str], size: tuple[int, int]
) -> dict[str, list[tuple[Tensor, bool]]]:
    """Return the outputs of modules, in the order in which they run, and whether each was changed afterwards."""
    modules = dict(model.named_modules())
    outputs: dict[str, list[tuple[Tensor, Tensor, int]]] = {}

    def keep(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _inputs: object, output: object) -> None:
            tensor = _tensor(output)
            if tensor is not None:
                outputs.setdefault(name, []).append((tensor, tensor.clone(), tensor._version))

        return hook

    hooks = [modules[name].register_forward_hook(keep(name)) for name in names]
    noise = torch.randn((1, 3, *size), generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            model.forward_features(noise)  # type: ignore[operator]
    except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
        height, width = size
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UnsuitableNetworkError(
            f"it fails on a photo of {width}×{height}: {reason}"
        ) from error
    finally:
        for added in hooks:
            added.remove()
    return {
        name: [(kept, tensor._version != version) for tensor, kept, version in found]
        for name, found in outputs.items()
    }


def _rounded_up(size: tuple[int, int], multiple: int) -> tuple[int, int]:
    height, width = (-(-side // multiple) * multiple for side in size)
    return height, width


def _block(
    name: str,
    model: nn.Module,
    sizes: Sequence[tuple[int, int]],
    runs: Sequence[Sequence[tuple[Tensor, bool]]],
) -> Block:
    outputs = [run[0][0] for run in runs]
    is_changed = any(run[0][1] for run in runs)
    if outputs[0].ndim == 4:
        channels = outputs[0].shape[-1 if is_channels_last(model) else 1]
        return Block(name, channels, None, rounds_up=False, is_changed_later=is_changed)
    prefix = _prefix_tokens(model)
    for reduction, rounds_up in product(_reductions(model), (True, False)):
        grids = [_grid(size, reduction, rounds_up=rounds_up) for size in sizes]
        counts = [height * width for height, width in grids]
        if counts == [output.shape[1] - prefix for output in outputs]:
            return Block(name, outputs[0].shape[2], reduction, rounds_up, is_changed)
    raise UnsuitableNetworkError(
        f"its block {name} returns {outputs[0].shape[1]} tokens for a photo of {sizes[0][1]}×{sizes[0][0]}, which are no grid"
    )


def is_channels_last(model: nn.Module) -> bool:
    """Return whether a network's maps are (N, h, w, C)."""
    return str(getattr(model, "output_fmt", "")).endswith("NHWC")


def _prefix_tokens(model: nn.Module) -> int:
    """Return the number of class and register tokens, which come before those of the grid."""
    return int(getattr(model, "num_prefix_tokens", 0))


def _reductions(model: nn.Module) -> list[int]:
    patch = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    own = [int(patch[0])] if isinstance(patch, tuple) else []
    return [*own, 2, 4, 8, 16, 32, 64]


def _grid(size: Sequence[int], reduction: int, *, rounds_up: bool) -> tuple[int, int]:
    extra = reduction - 1 if rounds_up else 0
    return (size[0] + extra) // reduction, (size[1] + extra) // reduction


def _as_map(output: Tensor, block: Block, model: nn.Module, x: Tensor) -> Tensor:
    if block.reduction is None:
        return output.permute(0, 3, 1, 2) if is_channels_last(model) else output
    height, width = _grid(x.shape[2:], block.reduction, rounds_up=block.rounds_up)
    tokens = output[:, _prefix_tokens(model) :]
    return tokens.transpose(1, 2).reshape(x.shape[0], block.channels, height, width)


def _check_order(model: nn.Module, blocks: Sequence[Block], size: tuple[int, int]) -> None:
    """Compare with timm's own maps of some blocks: a few networks order their tokens in another way than by rows."""
    if not hasattr(model, "forward_intermediates"):
        return
    noise = torch.randn((1, 3, *size), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = block_maps(model, blocks, noise, model.forward_features)  # type: ignore[arg-type]
        theirs = model.forward_intermediates(noise, intermediates_only=True, norm=False)  # type: ignore[operator]
    for reference in map(_standardised, theirs):
        same_shape = [found for found in maps if found.shape == reference.shape]
        if same_shape and not any(
            torch.allclose(_standardised(found), reference, atol=1e-3) for found in same_shape
        ):
            raise UnsuitableNetworkError("its tokens are not ordered by the rows of the grid")


def _standardised(level: Tensor) -> Tensor:
    """Standardise the channels of each position, as some networks return their own maps after a layer norm."""
    return nn.functional.layer_norm(level.permute(0, 2, 3, 1), level.shape[1:2]).permute(0, 3, 1, 2)
