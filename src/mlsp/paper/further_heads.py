"""Rows of heads that are not the paper's: a user's own, and further ones of mlsp."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from mlsp.models.heads import CLOSED_FORMS, HEADS, BodySpec
from mlsp.paper.records import PaperNumbers, Row

# Whose sizes, views and levels another head is to have: Table 4 has no Single-3FC.
_LIKE = ("single_3fc", "pool_3fc")


def with_heads(rows: Sequence[Row], heads: Sequence[str]) -> tuple[Row, ...]:
    """Return a table's rows, and those of each head like its rows of Single-3FC, or of Pool-3FC where it has no other.

    What the table has already does not come twice.

    Args:
        rows: of the table.
        heads: names of `mlsp.list_heads`.
    """
    trained = [row for row in rows if row.kind == "head" and not row.more_dropout]
    like = next(found for name in _LIKE if (found := [row for row in trained if row.head == name]))
    there = {row.design for row in rows}
    further = [_row(head, row) for head in heads for row in like]
    return (*rows, *(row for row in further if row.design not in there))


def _row(head: str, like: Row) -> Row:
    title = HEADS[like.head].title
    return replace(
        like,
        label=like.label.replace(title, head) if title in like.label else f"{head}, {like.label}",
        kind="closed_form" if head in CLOSED_FORMS else "head",
        paper=PaperNumbers(decimals=like.paper.decimals),
        head=head,
    )


def code_of(head: str, widths: tuple[int, ...]) -> list[str]:
    """Return what tells a user's own head from another of its name.

    Returns:
        Its layers, and the code of its classes where that is to be had.
    """
    # The global generator stays as it is.
    with torch.random.fork_rng(devices=[]):
        body = HEADS[head].build(BodySpec(widths, 1))
    return [str(body), *sorted(_source(kind) for kind in set(map(type, body.modules())))]


def _source(kind: type[nn.Module]) -> str:
    if kind.__module__.startswith("torch."):
        return ""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        # Of a class that was typed into a shell.
        return ""
