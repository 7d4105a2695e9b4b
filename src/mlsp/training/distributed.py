"""Several processes as one: on the GPUs of a machine or on several machines, started by `torchrun`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from mlsp.features.engines.torch_engine import check_device


@dataclass(frozen=True, slots=True)
class DistributedContext:
    """The processes that learn together.

    Attributes:
        rank: number of this process, from 0.
        size: how many there are.
        sharers: how many of them are on this machine.
        device: of this process.
    """

    rank: int
    size: int
    sharers: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's part of `count` rows that all processes have in the same order."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def sum_in_place(self, tensor: Tensor) -> Tensor:
        """Add up what the processes have; the same in all of them."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor

    def from_first(self, value: Any) -> Any:
        """What the first process has, in all of them."""
        if self.size == 1:
            return value
        box = [value]
        distributed.broadcast_object_list(box)
        return box[0]


@contextmanager
def open_distributed(device: str) -> Iterator[DistributedContext]:
    """Join the processes that `torchrun` started; without it there is one.

    Args:
        device: `auto`, `cpu` or `cuda`.

    Raises:
        SettingsError: the device is not there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    check_device(device)
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        yield DistributedContext(0, 1, 1, torch.device(device))
        return
    place = torch.device(device)
    if device == "cuda":
        place = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(place)
    begins = not distributed.is_initialized()
    if begins:
        distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        sharers = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        yield DistributedContext(
            distributed.get_rank(), distributed.get_world_size(), sharers, place
        )
    finally:
        if begins:
            distributed.destroy_process_group()


class _SumOverProcesses(torch.autograd.Function):
    """all_reduce whose gradient is summed over the processes too, as each of them has a part of the loss."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        del ctx
        total = tensor.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        del ctx
        total = grads[0].clone()
        distributed.all_reduce(total)
        return total


def sum_over_processes(tensor: Tensor) -> Tensor:
    """Add up a tensor over all processes, so that gradients flow through."""
    total: Tensor = _SumOverProcesses.apply(tensor)  # type: ignore[no-untyped-call]
    return total
