"""A head in the form in which it learns: the same arrays under the same names, in layers that can do more.

- Dropout is drawn for the whole batch by a generator of its own, so that an epoch can be repeated, and is the same in one process as in
  several.
- Batch norms are over the whole batch when several processes have parts of it.
- In bfloat16 are the products of dense layers and convolutions, but for the last layer, whose output of about 5 would be rounded to
  steps of .03. Weights, batch norms, dropout, loss, gradients between layers and Adam stay float32.
- Large dense layers on the processor update themselves, see `large_dense`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from mlsp.models.heads import ScoreHead
from mlsp.models.heads.layers import EPSILON as EPSILON_OF_NORM
from mlsp.models.heads.layers import MOMENTUM, ShiftBatchNorm
from mlsp.training.distributed import DistributedContext, sum_over_processes
from mlsp.training.large_dense import BETAS, EPSILON, LEAST_WEIGHTS, LargeDense


@dataclass
class _Draw:
    """Where dropout comes from.

    Attributes:
        generator: begun anew each epoch.
        rows: of the whole batch.
        own: those of this process.
    """

    generator: torch.Generator
    rows: int = 0
    own: slice = dataclasses.field(default_factory=lambda: slice(0, 0))


class TrainableHead:
    """A head that learns.

    Args:
        head: is changed: see above. Its `state_dict` is that of a head as built.
        world: the processes.
        dtype: of the large products.
        norm_momentum: share of a batch's statistics in the running ones of the batch norms.
    """

    def __init__(
        self,
        head: ScoreHead,
        world: DistributedContext,
        dtype: torch.dtype,
        *,
        norm_momentum: float = MOMENTUM,
    ) -> None:
        self.head = head.to(world.device)
        self._last = set(map(id, head.last_layers()))
        for layer in head.modules():
            if isinstance(layer, nn.BatchNorm1d | ShiftBatchNorm):
                layer.momentum = norm_momentum
        self._world = world
        self._draw = _Draw(torch.Generator(device=world.device))
        self._dtype = dtype
        _replace(head, lambda layer: self._learning_layer(layer))
        outputs: nn.Module = _Outputs(head)
        if world.size > 1:
            outputs = DistributedDataParallel(outputs)
        self._outputs = outputs

    def begin_epoch(self, seed: int) -> None:
        """Draw dropout from this seed on, and learn."""
        self._draw.generator.manual_seed(seed)
        self.head.train()

    def learn_from(self, features: Tensor, *, rows: int, own: slice) -> Tensor:
        """Outputs of this process's part of a batch.

        Args:
            features: (n, G, G, C) of this part.
            rows: of the whole batch, in all processes.
            own: n of them.

        Returns:
            (n, outputs) float32, see `ScoreHead.outputs`.
        """
        self._draw.rows, self._draw.own = rows, own
        out: Tensor = self._outputs(features)
        return out

    def predict(self, features: Tensor) -> Tensor:
        """(N, G, G, C) -> (N, outputs) without dropout, by the running statistics."""
        self.head.eval()
        with torch.no_grad():
            return self.head.outputs(features)

    def _learning_layer(self, layer: nn.Module) -> nn.Module:
        if isinstance(layer, nn.Dropout):
            return _RowDropout(layer.p, self._draw)
        if isinstance(layer, nn.BatchNorm1d | ShiftBatchNorm):
            return _SharedBatchNorm(layer) if self._world.size > 1 else layer
        if isinstance(layer, nn.Linear):
            dtype = torch.float32 if id(layer) in self._last else self._dtype
            updates_itself = self._world.size == 1 and self._world.device.type == "cpu"
            if updates_itself and layer.weight.numel() >= LEAST_WEIGHTS:
                return LargeDense(layer, dtype)
            return layer if dtype == torch.float32 else _ReducedDense(layer)
        if isinstance(layer, nn.Conv2d) and self._dtype != torch.float32:
            return _ReducedConvolution(layer)
        return layer


class HeadAdam:
    """Adam over all layers of a head, with Keras's defaults: betas .9 and .999, epsilon 1e-7.

    Args:
        learning: the head.
        learning_rate: of the steps.
    """

    def __init__(self, learning: TrainableHead, learning_rate: float) -> None:
        self._large = [layer for layer in learning.head.modules() if isinstance(layer, LargeDense)]
        own = {id(layer.weight) for layer in self._large}
        rest = [array for array in learning.head.parameters() if id(array) not in own]
        self._rest = (
            torch.optim.Adam(rest, lr=learning_rate, betas=BETAS, eps=EPSILON, fused=True)
            if rest
            else None
        )
        for layer in self._large:
            layer.learning_rate = learning_rate
            layer.forget_adam_state()

    def step(self, loss: Tensor) -> None:
        """Compute the gradients of a loss and take a step."""
        loss.backward()  # type: ignore[no-untyped-call]
        if self._rest is not None:
            self._rest.step()
            self._rest.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """What goes on after a kill."""
        return {
            "large": [layer.adam_state() for layer in self._large],
            "rest": None if self._rest is None else self._rest.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what `state_dict` returned."""
        for layer, its in zip(self._large, state["large"], strict=True):
            layer.load_adam_state(its)
        if self._rest is not None:
            self._rest.load_state_dict(state["rest"])


class _Outputs(nn.Module):
    def __init__(self, head: ScoreHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        return self.head.outputs(features)


class _RowDropout(nn.Module):
    def __init__(self, share: float, draw: _Draw) -> None:
        super().__init__()
        self._share = share
        self._draw = draw

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        draw = self._draw
        drawn = torch.rand(
            (draw.rows, x.shape[1]), generator=draw.generator, device=x.device, dtype=torch.float32
        )
        kept = (drawn[draw.own] >= self._share).to(x.dtype) / (1 - self._share)
        return x * kept


class _ReducedDense(nn.Linear):
    def __init__(self, layer: nn.Linear) -> None:
        super().__init__(layer.in_features, layer.out_features, device="meta")
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            out = functional.linear(x, self.weight)
        out = out.float()
        return out if self.bias is None else out + self.bias


class _ReducedConvolution(nn.Module):
    """Without bias, as all of the heads' are."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.weight = layer.weight
        self._padding = layer.padding

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16):
            out = functional.conv2d(x, self.weight, padding=self._padding)
        return out.float()


class _SharedBatchNorm(nn.Module):
    """A batch norm whose batch is spread over several processes: the same as of one process that has it all."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, layer: nn.BatchNorm1d | ShiftBatchNorm) -> None:
        super().__init__()
        self._epsilon = EPSILON_OF_NORM
        self._momentum = MOMENTUM if layer.momentum is None else layer.momentum
        for name, parameter in layer.named_parameters():
            self.register_parameter(name, parameter)
        for name, buffer in layer.named_buffers():
            persistent = name not in layer._non_persistent_buffers_set
            self.register_buffer(name, buffer, persistent=persistent)

    def forward(self, x: Tensor) -> Tensor:
        weight = getattr(self, "weight", None)
        bias: Tensor = self.bias  # type: ignore[assignment]
        if not self.training:
            mean, variance = self.running_mean, self.running_var
        else:
            rows = x.reshape(-1, x.shape[-1])
            count = sum_over_processes(rows.new_tensor([float(len(rows))]))
            mean = sum_over_processes(rows.sum(dim=0)) / count
            variance = sum_over_processes((rows - mean).square().sum(dim=0)) / count
            with torch.no_grad():
                # Torch's running variance is that of a sample.
                unbiased = variance * count / (count - 1)
                self.running_mean.lerp_(mean, self._momentum)
                self.running_var.lerp_(unbiased, self._momentum)
                if hasattr(self, "num_batches_tracked"):
                    self.num_batches_tracked += 1  # type: ignore[assignment,operator]
        normal = (x - mean) * torch.rsqrt(variance + self._epsilon)
        return normal * weight + bias if weight is not None else normal + bias


def _replace(module: nn.Module, replacement: Any) -> None:
    """Replace layers, wherever in a module they are."""
    for name, child in list(module.named_children()):
        new = replacement(child)
        if new is child:
            _replace(child, replacement)
        else:
            setattr(module, name, new)
