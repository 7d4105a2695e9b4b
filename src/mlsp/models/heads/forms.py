"""Architectures of heads, and their registry."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import get_args

from torch import nn

from mlsp.base.errors import SettingsError
from mlsp.base.registry import Registry
from mlsp.features.spec import Grid
from mlsp.models.heads.fully_connected import DROPOUTS, Dropouts, MultiThreeFC, ThreeFC
from mlsp.models.heads.layers import dense
from mlsp.models.heads.pool import PoolThreeFC

# The paper's channels of each column of Pool-3FC.
PAPER_COLUMN = 1024


@dataclass(frozen=True, slots=True)
class BodySpec:
    """Sizes of a head's body: the network from the chosen channels to the outputs.

    Attributes:
        widths: channels of each level that it reads; C is their sum.
        outputs: 1, or one per bin.
        dropouts: of the three hidden layers of a 3FC.
        first: X of a 3FC; None for the paper's.
        column: channels of each column of Pool-3FC.
    """

    widths: tuple[int, ...]
    outputs: int
    dropouts: Dropouts = DROPOUTS
    first: int | None = None
    column: int = PAPER_COLUMN


@dataclass(frozen=True, slots=True)
class HeadForm:
    """An architecture of heads.

    Attributes:
        build: makes the body, from (N, C) for narrow features or (N, 5, 5, C) for wide ones to (N, outputs).
        grid: cells on each side of the features that it reads: 1 narrow, 5 wide.
        title: the paper's name; empty where it is that of the registry.
        section: of the paper that describes it; empty for a user's own.
        description: in a line.
        sizes: of `BodySpec.first` and `BodySpec.column`, those that it has.
    """

    build: Callable[[BodySpec], nn.Module]
    grid: Grid = 1
    title: str = ""
    section: str = ""
    description: str = ""
    sizes: tuple[str, ...] = ("first", "column")


def _single_1fc(body: BodySpec) -> nn.Module:
    return dense(sum(body.widths), body.outputs)


def _single_3fc(body: BodySpec) -> nn.Module:
    return ThreeFC(sum(body.widths), body.first or 2048, body.outputs, body.dropouts)


def _multi_3fc(body: BodySpec) -> nn.Module:
    return MultiThreeFC(body.widths, body.outputs, body.dropouts)


def _pool_3fc(body: BodySpec, *, factorised: bool = False, first: int = 3072) -> nn.Module:
    return PoolThreeFC(
        sum(body.widths),
        body.outputs,
        body.dropouts,
        factorised=factorised,
        first=body.first or first,
        column=body.column,
    )


_HEADS = {
    "single_1fc": HeadForm(
        _single_1fc,
        1,
        "Single-1FC",
        "3.2.1, Fig. 4 (a)",
        "one fully-connected layer on all levels",
        (),
    ),
    "single_3fc": HeadForm(
        _single_3fc,
        1,
        "Single-3FC",
        "3.2.1, Fig. 4 (b)",
        "3FC with X = 2048 on all levels",
        ("first",),
    ),
    "multi_3fc": HeadForm(
        _multi_3fc,
        1,
        "Multi-3FC",
        "3.2.1, Fig. 5",
        "a 3FC for each level, X its width; their weighted sum",
        (),
    ),
    "pool_3fc": HeadForm(
        _pool_3fc,
        5,
        "Pool-3FC",
        "3.2.2, Fig. 6",
        "Inception module of 3 × 1024 with a plain 3×3 convolution, then 3FC with X = 3072",
    ),
    "pool_3fc_released": HeadForm(
        partial(_pool_3fc, factorised=True, first=2048),
        5,
        "Pool-3FC as released",
        "3.2.2, and the released weights",
        "the same with the 3×3 column as 1×1, then 1×3 beside 3×1, and X = 2048",
    ),
}
CLOSED_FORMS = ("ridge", "kernel")
# Names are options of commands, and parts of the names of files.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _check_form(name: str, found: object) -> HeadForm:
    if not isinstance(found, HeadForm):
        raise SettingsError(f"got {type(found).__name__}, expected a mlsp.heads.HeadForm")
    if name in CLOSED_FORMS:
        raise SettingsError(f"mlsp has a head {name!r} itself")
    if not isinstance(name, str) or (name and not _NAME.fullmatch(name)):
        raise SettingsError(
            f"the name of a head is letters, digits and any of '_', '-' and '.', got {name!r}"
        )
    if not callable(found.build):
        raise SettingsError(
            f"head {name!r}: expected a builder, a function from a BodySpec to a torch.nn.Module, got"
            f" {type(found.build).__name__}"
        )
    if isinstance(found.grid, bool) or found.grid not in get_args(Grid):
        raise SettingsError(
            f"head {name!r}: grid is 1 for narrow features or 5 for wide ones, got {found.grid!r}"
        )
    return found


# Registry of the architectures; `register_head` adds to it, and so does an installed package by an entry point of this group.
HEADS = Registry("head", "mlsp.heads", _HEADS, _check_form)


def register_head(
    name: str,
    build: Callable[[BodySpec], nn.Module],
    *,
    grid: Grid = 1,
    title: str = "",
    description: str = "",
) -> None:
    """Add a head of one's own, which `HeadTrainer` then knows by its name, in this process.

    Commands know the heads of installed packages, see `docs/python.md`.

    Args:
        name: of the head; registered again, it is replaced.
        build: makes the network of a head: from (N, C) narrow features, C = sum(body.widths), or (N, 5, 5, C) wide ones, to
            (N, body.outputs). Its dense layers and convolutions are initialised anew from the seed, as Keras does; every other
            parameter keeps its own start.
        grid: 1 for narrow features, 5 for wide ones.
        title: for cards; by default the name.
        description: in a line.

    Raises:
        SettingsError: the name is one of mlsp's own heads, or not of letters, digits, "_", "-" and "."; or an argument is of
            another type. Whether a network fits is seen when it is built.

    Examples:
        >>> register_head("two_layers", lambda body: nn.Sequential(
        ...     nn.Linear(sum(body.widths), 64), nn.GELU(), nn.Linear(64, body.outputs)))
        >>> HEADS["two_layers"].grid
        1
    """
    HEADS.add(name, _check_form(name, HeadForm(build, grid, title, "", description)))


def list_heads() -> tuple[str, ...]:
    """Return the names of the heads that can be trained: those of the paper, registered ones, and those in closed form.

    Examples:
        >>> list_heads()[:2], list_heads()[-2:]
        (('single_1fc', 'single_3fc'), ('ridge', 'kernel'))
    """
    return (*HEADS, *CLOSED_FORMS)
