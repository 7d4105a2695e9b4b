"""The plan of a reproduction as lines for the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mlsp.base.machine import usable_cores
from mlsp.base.text import printable
from mlsp.paper.costs import Cost, total
from mlsp.paper.reproduction import free_bytes

if TYPE_CHECKING:
    from mlsp.paper.costs import Machine
    from mlsp.paper.reproduction import Step
    from mlsp.ratings.splits import Split


def plan_lines(
    split: Split,
    costs: Mapping[Step, Cost],
    saved: Mapping[str, Cost],
    machine: Machine,
    output: Path,
    *,
    missing: int,
) -> Iterator[str]:
    """Lay out a plan as lines, the most important first: what it takes, and what can be left out."""
    left = total(cost for step, cost in costs.items() if not step.is_done)
    # Options that are given save nothing more.
    options = [
        f"; {option} saves {_takes(cost)}"
        for option, cost in saved.items()
        if cost.disk or cost.seconds
    ]
    yield (
        f"{_takes(left)} on this machine ({usable_cores()} cores, {machine.flops / 1e9:.0f} GFLOP/s in float32;"
        f" {_bytes(free_bytes(output))} free){''.join(options)}"
    )
    photos = sum(map(len, split.parts))
    yield (
        f"{photos:,} photos of about {machine.width}×{machine.height}: {len(split.train):,} to train with,"
        f" {len(split.validation):,} for validation, {len(split.test):,} for the test; {missing:,} are missing and left out"
    )
    yield "Hours are estimates by arithmetic, of all epochs of a recipe; most runs stop earlier."
    for number, (step, cost) in enumerate(costs.items(), 1):
        takes = "done" if step.is_done else _takes(cost)
        yield f"{number:2} {takes}: mlsp {printable(shlex.join(step.arguments))}"


def _takes(cost: Cost) -> str:
    return f"{_bytes(cost.disk)} and {_hours(cost.seconds / 3600)}"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _hours(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} hours"
    minutes = round(hours * 60)
    return f"{minutes} minutes" if minutes > 1 else "a minute at most"
