"""Finding blocks in networks built as timm builds them; needs no timm."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from mlsp.backbones.timm_blocks import UnsuitableNetworkError, block_maps, find_blocks


class Block(nn.Module):
    def __init__(self, inside: nn.Module, *, in_place: bool = False) -> None:
        super().__init__()
        self.inside = inside
        self.in_place = in_place

    def forward(self, x: Tensor) -> Tensor:
        if self.in_place:
            x.relu_()
        out: Tensor = self.inside(x)
        return out


class Network(nn.Module):
    """A stem and a sequence of two stages; each of one block, or of two."""

    def __init__(self, *, in_place: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(Block(nn.Conv2d(3, 4, 3, stride=2, padding=1)))
        self.stages = nn.Sequential(
            nn.Sequential(Block(nn.Conv2d(4, 5, 1))),
            nn.Sequential(
                Block(nn.Conv2d(5, 6, 3, stride=2, padding=1), in_place=in_place),
                Block(nn.Sequential(nn.Conv2d(6, 7, 1), nn.ReLU())),
            ),
        )
        self.head = nn.Sequential(Block(nn.Conv2d(7, 8, 1)))

    def forward_features(self, x: Tensor) -> Tensor:
        out: Tensor = self.stages(self.stem(x))
        return out


class Tokens(nn.Module):
    """A transformer's way: patches as tokens behind a class token."""

    def __init__(self, *, reverse: bool = False, side: int | None = None) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, 6, 8, stride=8)
        self.blocks = nn.ModuleList(Block(nn.Linear(6, 6)) for _ in range(2))
        self.num_prefix_tokens = 1
        self.reverse = reverse
        self.side = side

    def tokens(self, x: Tensor) -> list[Tensor]:
        if self.side is not None and x.shape[2] != self.side:
            raise ValueError(f"expected {self.side}, got {x.shape[2]}.")
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        if self.reverse:
            x = x.flip(1)
        x = torch.cat([torch.zeros(x.shape[0], 1, 6), x], dim=1)
        return [x := block(x) for block in self.blocks]

    def forward_features(self, x: Tensor) -> Tensor:
        return self.tokens(x)[-1]

    def forward_intermediates(
        self, x: Tensor, *, intermediates_only: bool, norm: bool
    ) -> list[Tensor]:
        assert intermediates_only
        assert not norm
        size = (x.shape[0], 6, x.shape[2] // 8, x.shape[3] // 8)
        places = [tokens[:, 1:] for tokens in self.tokens(x)]
        ordered = [tokens.flip(1) if self.reverse else tokens for tokens in places]
        return [tokens.transpose(1, 2).reshape(size) for tokens in ordered]


def test_blocks_are_the_elements_of_the_stages() -> None:
    blocks = find_blocks(Network().eval())
    assert [(block.name, block.channels) for block in blocks] == [
        ("stages.0.0", 5),
        ("stages.1.0", 6),
        ("stages.1.1", 7),
    ]


def test_a_block_that_the_next_one_writes_into_is_kept_as_it_was() -> None:
    network = Network(in_place=True).eval()
    blocks = find_blocks(network)
    assert [block.is_changed_later for block in blocks] == [True, False, False]
    with torch.no_grad():
        maps = block_maps(network, blocks, torch.randn(1, 3, 40, 40), network.forward_features)
    assert float(maps[0].min()) < 0


def test_tokens_become_maps_without_the_class_token() -> None:
    network = Tokens().eval()
    blocks = find_blocks(network, 8)
    x = torch.randn(2, 3, 48, 24)
    with torch.no_grad():
        maps = block_maps(network, blocks, x, network.forward_features)
        expected = network.forward_intermediates(x, intermediates_only=True, norm=False)
    assert [tuple(level.shape) for level in maps] == [(2, 6, 6, 3)] * 2
    for level, reference in zip(maps, expected, strict=True):
        assert torch.equal(level, reference)


class Blockless(nn.Module):
    def forward_features(self, x: Tensor) -> Tensor:
        return x


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Tokens(reverse=True), "its tokens are not ordered by the rows of the grid"),
        (Tokens(side=224), "it fails on a photo of 160×192: expected 224, got 192"),
        (Blockless(), "no blocks are found in it"),
    ],
)
def test_networks_that_cannot_be_used(network: nn.Module, message: str) -> None:
    with pytest.raises(UnsuitableNetworkError, match=f"^{re.escape(message)}$"):
        find_blocks(network.eval(), 8)
