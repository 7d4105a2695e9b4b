"""A large dense layer on the CPU, whose weights are updated while their gradient is still in the cache.

The first layer of Single-3FC has 34.7 million weights. Made as usual, their gradient goes to memory and back before Adam reads it, and
every step asks the system for a hundred megabytes anew: together more time than the products. Here the gradient is made some rows of
the weights at a time, and Adam updates these rows at once.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.adam import adam

# Keras's defaults. Torch's epsilon is 1e-8.
BETAS = (0.9, 0.999)
EPSILON = 1e-7

MIN_WEIGHTS = 1 << 20
# Larger blocks leave the cache; in smaller ones the product is slow.
_BLOCK_WEIGHTS = 1 << 22


class LargeDense(nn.Linear):
    """A dense layer that takes an Adam step of its weights in the backward pass.

    Weights, Adam's moments and the bias are float32. In bfloat16 are, if asked for, what goes into the two products and the gradient that
    comes out of one; sums inside of them are float32.

    Args:
        layer: is replaced by this one, and shares its parameters.
        dtype: of the products, float32 or bfloat16.

    Attributes:
        learning_rate: of the next steps.
    """

    def __init__(self, layer: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__(layer.in_features, layer.out_features, device="meta")
        self.weight = layer.weight
        self.bias = layer.bias
        self.learning_rate = 0.0
        self._dtype = dtype
        self._steps = 0
        self._moments: tuple[Tensor, Tensor] | None = None
        self._copy: Tensor | None = None
        self._copied_version = -1
        rows = max(1, _BLOCK_WEIGHTS // layer.in_features)
        self._blocks = [slice(start, start + rows) for start in range(0, layer.out_features, rows)]
        self._gradient = torch.empty(rows, layer.in_features)
        self._product = self._gradient.to(dtype) if dtype != torch.float32 else self._gradient

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs), float32."""
        out: Tensor = _Step.apply(x, self.weight, self)  # type: ignore[no-untyped-call]
        return out if self.bias is None else out + self.bias

    def adam_state(self) -> dict[str, Any]:
        """Return what Adam continues from."""
        first, second = self._all_moments()
        return {"steps": self._steps, "first": first, "second": second}

    def load_adam_state(self, state: dict[str, Any]) -> None:
        """Take what `adam_state` returned."""
        self._steps = state["steps"]
        for moment, name in zip(self._all_moments(), ("first", "second"), strict=True):
            moment.copy_(state[name])

    def forget_adam_state(self) -> None:
        """Begin anew, as for weights that were loaded."""
        self._steps = 0
        for moment in self._all_moments():
            moment.zero_()

    def weights(self) -> Tensor:
        """The weights in the products' dtype; copied when they have changed."""
        weight = self.weight.detach()
        if self._dtype == torch.float32:
            return weight
        if self._copy is None:
            self._copy = torch.empty_like(weight, dtype=self._dtype)
        if self._copied_version != weight._version:
            self._copy.copy_(weight)
            self._copied_version = weight._version
        return self._copy

    def reduced(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (N, inputs) in the products' dtype."""
        return x.detach().reshape(-1, x.shape[-1]).to(self._dtype)

    @torch.no_grad()
    def step(self, x: Tensor, gradient: Tensor) -> None:
        """Update the weights.

        Args:
            x: (N, inputs), in the products' dtype.
            gradient: (N, outputs) of what came out, in the products' dtype.
        """
        weight, copy = self.weight.detach(), self._copy
        first, second = self._all_moments()
        turned = gradient.T.contiguous()
        for block in self._blocks:
            rows = turned[block]
            product, of_block = self._product[: len(rows)], self._gradient[: len(rows)]
            torch.mm(rows, x, out=product)
            if product is not of_block and product.dtype != of_block.dtype:
                of_block.copy_(product)
            adam(
                [weight[block]],
                [of_block],
                [first[block]],
                [second[block]],
                [],
                [torch.tensor(float(self._steps))],
                fused=True,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=self.learning_rate,
                weight_decay=0,
                eps=EPSILON,
                maximize=False,
            )
            if copy is not None:
                copy[block].copy_(weight[block])
        self._steps += 1
        self._copied_version = weight._version

    def _all_moments(self) -> tuple[Tensor, Tensor]:
        if self._moments is None:
            weight = self.weight.detach()
            self._moments = (torch.zeros_like(weight), torch.zeros_like(weight))
        return self._moments


class _Step(torch.autograd.Function):
    """x · weightsᵀ; backwards the step of the weights, and x's gradient where something before it learns."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, layer: LargeDense) -> Tensor:
        del weight
        reduced = layer.reduced(x)
        ctx.layer = layer
        ctx.save_for_backward(reduced)
        out = functional.linear(reduced, layer.weights())
        return out.reshape(*x.shape[:-1], -1).float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None, None]:
        layer = cast(LargeDense, ctx.layer)
        (x,) = ctx.saved_tensors
        gradient = layer.reduced(grads[0])
        before = None
        if ctx.needs_input_grad[0]:
            # By the weights as they were.
            before = (gradient @ layer.weights()).float().reshape(*grads[0].shape[:-1], -1)
        layer.step(x, gradient)
        return before, None, None
