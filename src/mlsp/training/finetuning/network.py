"""Network and head as one, from 8-bit views to a head's outputs; batch norms of the network keep their statistics.

A batch is learned from exactly, however small the pieces are in which it fits into memory: its features are computed piece by piece
without keeping anything, the head learns from all of them at once (its batch norms see the whole batch), and what it wants of the
features goes back through the network piece by piece. It costs one more pass forward.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mlsp.backbones import BackboneSpec
from mlsp.backbones.pooled import PooledNetwork
from mlsp.backbones.timm_backbone import TimmNetwork
from mlsp.models.heads import ScoreHead

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Piece:
    """Views of one size out of a batch.

    Attributes:
        indices: of its views in the batch, (n,).
        views: uint8 (n, H, W, 3).
    """

    indices: Tensor
    views: Tensor


class FinetunedNetwork(nn.Module):
    """A network with its head behind it.

    While it learns, the network's batch norms still use the statistics they came with, as Keras's guide to fine-tuning has it: photos
    of different sizes pass one by one or few by few, and statistics of so few would be noise. Their shifts, and their scales where the
    network has any, are learned. The head's batch norms learn as ever.

    Args:
        network: as `mlsp.backbones.weights.loading.load_network` returns it; its weights are changed by learning.
        spec: its record.
        head: reads features of all levels of the record.
        dtype: that convolutions and products of the network compute in; its weights, the pooling and the head are float32.
    """

    def __init__(
        self,
        network: nn.Module,
        spec: BackboneSpec,
        head: ScoreHead,
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.pooled = PooledNetwork(_Autocast(network, dtype), spec, head.spec.grid)
        self.head = head
        self.train()

    @property
    def network(self) -> nn.Module:
        """The network without preprocessing, pooling and head."""
        inner: nn.Module = self.pooled.network.inner  # type: ignore[assignment]
        return inner

    def train(self, mode: bool = True) -> FinetunedNetwork:
        """Let the head learn or not; the network's batch norms never do."""
        super().train(mode)
        self.pooled.eval()
        return self

    def features(self, views: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) -> float32 (N, G, G, C)."""
        features: Tensor = self.pooled(views)
        return features

    def forward(self, views: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) -> (N, 1) on the paper's scale, or (N, bins) logits; see `ScoreHead.outputs`."""
        return self.head.outputs(self.features(views))

    def learn_from(self, pieces: Sequence[Piece], targets: Tensor, loss: Loss) -> float:
        """Add a batch's gradients to those that the parameters have.

        Args:
            pieces: of the batch; their indices together are 0 to N - 1.
            targets: (N, …), as the loss takes them.
            loss: of outputs and targets, a mean over the batch.

        Returns:
            The loss before the step.
        """
        if len(pieces) == 1:
            whole = pieces[0]
            error = loss(self.head.outputs(self.features(whole.views)), targets[whole.indices])
            error.backward()  # type: ignore[no-untyped-call]
            return float(error.detach())
        with torch.no_grad():
            parts = [self.features(piece.views) for piece in pieces]
            features = parts[0].new_empty((len(targets), *parts[0].shape[1:]))
            for piece, part in zip(pieces, parts, strict=True):
                features[piece.indices] = part
        features.requires_grad_()
        error = loss(self.head.outputs(features), targets)
        error.backward()  # type: ignore[no-untyped-call]
        wanted = features.grad
        if wanted is None:
            raise RuntimeError("the head's outputs do not depend on the features")
        for piece in pieces:
            self.features(piece.views).backward(wanted[piece.indices])  # type: ignore[no-untyped-call]
        return float(error.detach())


class _Autocast(nn.Module):
    """A network whose convolutions and products compute in another dtype, from and for float32 weights."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.inner = network
        self._dtype = dtype

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps of all levels."""
        enabled = self._dtype != torch.float32
        with torch.autocast(x.device.type, dtype=self._dtype if enabled else None, enabled=enabled):
            maps: list[Tensor] = self.inner(x)
        return maps


@contextlib.contextmanager
def checkpointed(network: nn.Module) -> Iterator[None]:
    """Let a network keep, for learning, only what goes in and out of its blocks: the rest is computed again on the way back.

    Args:
        network: as `build_network` makes it; as it was when the block ends.
    """
    blocks = _blocks(network)
    for block in blocks:
        # Hooks on a block, by which the levels of timm's networks are found, are outside of `forward`: they run once.
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


def _blocks(network: nn.Module) -> list[nn.Module]:
    if isinstance(network, TimmNetwork):
        return [network.model.get_submodule(block.name) for block in network.blocks]
    found: list[nn.Module] = []
    for child in network.children():
        is_list = isinstance(child, nn.ModuleList | nn.ModuleDict)
        found += child.children() if is_list else [child]
    return found


def weights_digest(network: nn.Module) -> str:
    """SHA-256 of a network's weights: of their names, shapes and float32 values, in the order of the names.

    Returns:
        64 hexadecimal digits; the same on every machine for the same weights.
    """
    digest = hashlib.sha256()
    for name, array in sorted(network.state_dict().items()):
        # The number of batches that a batch norm has seen does not change what is computed.
        if array.is_floating_point():
            values = array.detach().float().cpu().contiguous().numpy()
            digest.update(f"{name} {tuple(values.shape)}\n".encode())
            digest.update(values.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()
