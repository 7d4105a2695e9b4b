"""Registry of networks: finds the record of a network by its name, builds the network, and takes in a user's own."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from mlsp.backbones.catalogue import CATALOGUE
from mlsp.backbones.records import BackboneSpec
from mlsp.base.arguments import checked
from mlsp.base.errors import SettingsError, needs_extra, unknown_name
from mlsp.base.registry import Registry

if TYPE_CHECKING:
    from torch import nn


def _check_record(name: str, found: object) -> BackboneSpec:
    """Return a record as it is registered: its network is built on the processor."""
    if not isinstance(found, BackboneSpec):
        raise SettingsError(f"got {type(found).__name__}, expected a mlsp.BackboneSpec")
    if found.name != name or ":" in name:
        raise SettingsError(
            f"a backbone cannot be registered as {name!r}: choose a name without a colon, the record's own ({found.name!r})"
        )
    if not found.levels:
        raise SettingsError(f"backbone {name!r} has no levels: name at least one")
    if not 1 <= found.side_multiple <= found.smallest_side:
        raise SettingsError(
            f"backbone {name!r} cuts sides to multiples of {found.side_multiple}: expected 1 to its smallest side of {found.smallest_side}"
        )
    build = found.builder
    if build is None:
        raise SettingsError(f"backbone {name!r} has no builder: give the function that makes it")

    def build_on_processor() -> nn.Module:
        # Not on the meta device: arrays that are no part of the state would have no values there.
        with importlib.import_module("torch").device("cpu"):
            return build()

    return replace(found, builder=build_on_processor)


# `register_backbone` adds to it, and so does an installed package by an entry point of this group.
BACKBONES = Registry(
    "backbone", "mlsp.backbones", {spec.name: spec for spec in CATALOGUE}, _check_record
)

# Families of networks too large to list: prefix before the colon of a name -> module that makes the record.
_FAMILIES = {"timm": "timm_backbone"}


def list_backbones() -> tuple[str, ...]:
    """List the names of the networks, sorted: the embedded and the registered ones. Every `timm:<name>` works too."""
    return tuple(sorted(BACKBONES))


def backbone(name: str) -> BackboneSpec:
    """Find a network's record.

    Args:
        name: one of `list_backbones`, or `timm:` and a name of timm; see `mlsp.backbones.timm_backbone`.

    Raises:
        SettingsError: no network has this name.
        MissingExtraError: timm or torch, which networks of timm need, is not installed.
    """
    if name in BACKBONES:
        return BACKBONES[name]
    family = _FAMILIES.get(name.partition(":")[0]) if ":" in name else None
    if family is None:
        raise SettingsError(unknown_name("backbone", name, BACKBONES))
    with needs_extra("Building a network", "train", "torch"):
        spec: BackboneSpec = importlib.import_module(f"mlsp.backbones.{family}").record(name)
    return spec


@checked
def register_backbone(record: BackboneSpec, build: Callable[[], nn.Module]) -> BackboneSpec:
    """Register a network of your own, so that everything here can use it by its name.

        record = BackboneSpec(
            name="mine",
            levels=(Level("block1", 64), Level("block2", 128)),
            preprocessing=Preprocessing(scale=1 / 255, offset=0.0),
            weights=(),
            smallest_side=32,
            origin="my thesis",
        )
        register_backbone(record, MyNetwork)

    The registration holds for this process; commands know the backbones of installed packages, see `docs/python.md`. It is needed wherever the network is exported or run by torch; models and cached graphs run
    without it.

    Args:
        record: its `name` must not be that of an embedded network; one that you registered before is replaced. Without published
            `weights`, give the file that `torch.save(network.state_dict(), file)` writes whenever weights are asked for.
        build: makes the network with any weights. Its `forward` takes preprocessed photos (N, 3, H, W) of any size from
            `smallest_side` up and returns a list with one (N, C, h, w) map per level of the record, in its order.

    Returns:
        The record as it is registered.

    Raises:
        SettingsError: the name is taken or has a colon, the record has no levels, or its smallest side is cut to nothing.
    """
    spec = _check_record(record.name, replace(record, builder=build))
    BACKBONES.add(spec.name, spec)
    return spec


def build_network(spec: BackboneSpec) -> nn.Module:
    """Build the network of a record, with random weights, in evaluation mode.

    Its `forward` takes preprocessed photos (N, 3, H, W) and returns a list of one (N, C, h, w) map per level.

    Raises:
        MissingExtraError: torch is not installed.
        SettingsError: the record has no builder.
    """
    if spec.builder is None:
        raise SettingsError(
            f"backbone {spec.name!r} has no builder: register it by mlsp.backbones.register_backbone"
        )
    with needs_extra("Building a network", "train", "torch"):
        return spec.builder().eval()
