from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mlsp.backbones import BACKBONES, Level
from mlsp.base.errors import SettingsError
from mlsp.models.heads import (
    HEADS,
    HeadSpec,
    ScoreHead,
    build_head,
    emd_squared,
    mean_of_bins,
    parameter_count,
    register_head,
)
from mlsp.models.heads.fully_connected import MultiThreeFC, ThreeFC
from mlsp.models.heads.pool import PoolThreeFC

LEVELS = (Level("a", 16), Level("b", 8), Level("c", 24))
IRNV2 = BACKBONES["inception_resnet_v2"].levels
TEN = tuple(map(float, range(1, 11)))


def small(spec: HeadSpec, seed: int = 0) -> ScoreHead:
    if spec.name in ("single_1fc", "multi_3fc"):
        return build_head(spec, LEVELS, seed=seed)
    return build_head(spec, LEVELS, seed=seed, first=32, column=16)


def noise(grid: int, photos: int = 6, channels: int = 48, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(photos, grid, grid, channels, generator=generator)


# Of one's own


class _Row(nn.Module):
    """A body whose outputs lack their second axis."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Linear(channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layer(x)[:, 0]
        return out


@pytest.fixture
def own() -> Iterator[str]:
    yield "own"
    HEADS.discard("own")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda body: nn.Linear(48, 7), r"head 'own'.*expected .*\(2, 1\).*got \(2, 7\)"),
        (lambda body: _Row(48), r"head 'own'.*expected .*\(2, 1\).*got \(2,\)"),
        (lambda body: nn.LSTM(48, 1), r"head 'own'.*expected .*\(2, 1\).*got tuple"),
        (lambda body: nn.Linear(9, 1), r"head 'own'.*\(2, 48\).*RuntimeError"),
        (lambda body: None, r"head 'own'.*torch\.nn\.Module, got NoneType"),
        (lambda body: nn.AvgPool1d(48), r"head 'own' .*no parameters"),
        (lambda: nn.Linear(48, 1), r"head 'own'.*TypeError"),
    ],
)
def test_a_body_of_ones_own_that_does_not_fit_is_refused(
    own: str, build: Callable[..., Any], message: str
) -> None:
    register_head(own, build)
    with pytest.raises(SettingsError, match=message):
        build_head(HeadSpec(own), LEVELS)


def test_a_distribution_needs_an_output_for_each_bin(own: str) -> None:
    register_head(own, lambda body: nn.Linear(sum(body.widths), 1))
    with pytest.raises(SettingsError, match=r"expected .*\(2, 10\).*got \(2, 1\)"):
        build_head(HeadSpec(own, output="distribution", bins=TEN), LEVELS)


def test_a_body_of_ones_own_begins_as_it_is_made(own: str) -> None:
    register_head(own, lambda body: nn.Sequential(nn.BatchNorm1d(48), nn.Linear(48, 1)))
    norm = build_head(HeadSpec(own), LEVELS).body[0]  # type: ignore[index]
    assert norm.training
    assert norm.num_batches_tracked == 0
    assert not norm.running_mean.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("own", 3), "head 'own'.*builder.*got int"),
        (("a/b c", nn.Identity), "letters.*'a/b c'"),
        ((3, nn.Identity), "got 3"),
    ],
)
def test_what_cannot_be_a_head_is_not_registered(arguments: tuple[Any, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        register_head(*arguments)


@pytest.mark.parametrize("grid", [3, True, "5"])
def test_heads_read_narrow_or_wide_features(own: str, grid: Any) -> None:
    with pytest.raises(SettingsError, match=rf"head 'own'.*1 .* or 5 .*, got {grid!r}"):
        register_head(own, nn.Identity, grid=grid)


# Sizes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("single_1fc", 16_929),
        # Of the released files.
        ("single_3fc", 37_044_737),
        ("pool_3fc_released", 63_828_481),
    ],
)
def test_numbers_of_the_heads_at_real_size(name: str, expected: int) -> None:
    assert parameter_count(build_head(HeadSpec(name), IRNV2)) == expected


def test_the_papers_pool_head_has_a_plain_convolution_and_3072_neurons() -> None:
    # Sizes only: its weights are 0.7 GB.
    with torch.device("meta"):
        body = PoolThreeFC(16_928, 1, (0, 0, 0), factorised=False, first=3072, column=1024)
    shapes = [tuple(layer.weight.shape) for layer in body.modules() if isinstance(layer, nn.Conv2d)]
    assert shapes == [(1024, 16_928, 3, 3)]
    dense = [tuple(layer.weight.shape) for layer in body.three_fc if isinstance(layer, nn.Linear)]
    assert dense == [(3072, 3072), (1536, 3072), (384, 1536), (1, 384)]


def test_released_and_paper_forms_have_their_own_sizes() -> None:
    levels = [Level("a", 4)]
    released = build_head(HeadSpec("pool_3fc_released"), levels).body
    paper = build_head(HeadSpec("pool_3fc"), levels).body
    assert isinstance(released, PoolThreeFC)
    assert isinstance(paper, PoolThreeFC)
    assert released.three_fc[0].weight.shape == (2048, 3072)
    assert paper.three_fc[0].weight.shape == (3072, 3072)
    assert build_head(HeadSpec("single_3fc"), levels).body[0].weight.shape == (2048, 4)  # type: ignore[index]


def test_a_3fc_is_dense_relu_norm_dropout() -> None:
    layers = list(ThreeFC(10, 16, 1, (0.25, 0.25, 0.5)))
    kinds = [type(layer).__name__ for layer in layers]
    assert kinds == ["Linear", "ReLU", "BatchNorm1d", "Dropout"] * 3 + ["Linear"]
    assert [layer.p for layer in layers if isinstance(layer, nn.Dropout)] == [0.25, 0.25, 0.5]
    assert [layer.out_features for layer in layers if isinstance(layer, nn.Linear)] == [16, 8, 2, 1]
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm1d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


def test_more_dropout() -> None:
    head = small(HeadSpec("single_3fc", more_dropout=True))
    found = [layer.p for layer in head.modules() if isinstance(layer, nn.Dropout)]
    assert found == [0.5, 0.5, 0.75]


# Beginning


@pytest.mark.parametrize("name", HEADS)
def test_the_seed_alone_decides_how_a_head_begins(name: str) -> None:
    torch.manual_seed(1)
    expected = torch.rand(4)
    torch.manual_seed(1)
    one, same, other = (small(HeadSpec(name), seed) for seed in (3, 3, 4))
    assert torch.equal(torch.rand(4), expected), "the global generator was used"
    features = noise(one.spec.grid)
    scores = [head.eval()(features) for head in (one, same, other)]
    assert torch.equal(scores[0], scores[1])
    assert not torch.equal(scores[0], scores[2])


def test_begins_he_normal_cut_at_two_deviations() -> None:
    head = build_head(HeadSpec("single_3fc"), [Level("a", 400)])
    weight = head.body[0].weight.detach().numpy()  # type: ignore[index]
    wanted = np.sqrt(2 / 400)
    assert weight.std() == pytest.approx(wanted, rel=0.01)
    assert weight.mean() == pytest.approx(0, abs=wanted / 100)
    assert 0.99 < np.abs(weight).max() / (2 * wanted / 0.8796256610342398) <= 1
    for layer in head.modules():
        if isinstance(layer, nn.Linear):
            assert not layer.bias.detach().any()


def test_convolutions_of_the_released_form_begin_by_glorot() -> None:
    """The released `conv2d_bn` leaves Keras's default, `fc_layers` has `he_normal`; the paper's form is He-normal throughout."""
    head = build_head(HeadSpec("pool_3fc_released"), [Level("a", 400)])
    flat = next(layer for layer in head.modules() if isinstance(layer, nn.Conv2d))
    assert flat.kernel_size == (1, 3)
    body = head.body
    column, first = body.column_1x1.conv.weight, body.three_fc[0].weight  # type: ignore[index, union-attr]
    for weight, limit in ((flat.weight, 6 / (3 * (1024 + 512))), (column, 6 / (400 + 1024))):
        values = weight.detach().abs()  # type: ignore[operator]
        assert 0.999 < values.max().item() / np.sqrt(limit) <= 1
        assert values.mean().item() == pytest.approx(np.sqrt(limit) / 2, rel=0.01)
    assert first.std().item() == pytest.approx(np.sqrt(2 / 3072), rel=0.01)
    paper = build_head(HeadSpec("pool_3fc"), [Level("a", 8)])
    plain = next(layer for layer in paper.modules() if isinstance(layer, nn.Conv2d))
    assert plain.weight.std().item() == pytest.approx(np.sqrt(2 / (8 * 9)), rel=0.01)


# What is computed


def naive_pool(head: ScoreHead, features: np.ndarray) -> np.ndarray:
    """The joined columns of the paper's form in numpy, from its definition, with new batch norms."""
    body = head.body
    assert isinstance(body, PoolThreeFC)
    kernels = [
        unit.conv.weight.detach().numpy().astype(np.float64)  # type: ignore[union-attr, operator]
        for unit in (body.column_1x1, body.column_3x3, body.column_pool)
    ]
    photos, size = features.shape[0], features.shape[1]
    means = np.zeros_like(features)
    plain = np.zeros((photos, size, size, kernels[1].shape[0]))
    for y, x in itertools.product(range(size), repeat=2):
        inside = []
        for dy, dx in itertools.product((-1, 0, 1), repeat=2):
            if 0 <= y + dy < size and 0 <= x + dx < size:
                pixel = features[:, y + dy, x + dx]
                inside.append(pixel)
                plain[:, y, x] += pixel @ kernels[1][:, :, dy + 1, dx + 1].T
        means[:, y, x] = np.mean(inside, axis=0)
    joined = np.concatenate([features @ kernels[0].T, plain, means @ kernels[2].T], axis=3)
    result: np.ndarray = np.maximum(joined / np.sqrt(1 + 1e-3), 0)
    return result


def test_the_papers_pool_columns() -> None:
    head = small(HeadSpec("pool_3fc")).eval()
    features = noise(5)
    with torch.no_grad():
        found = head.body.joined(features).numpy()  # type: ignore[operator]
    np.testing.assert_allclose(found, naive_pool(head, features.numpy().astype(float)), atol=1e-5)


def test_multi_3fc_is_the_mean_of_its_levels_at_first_and_its_weights_learn() -> None:
    head = small(HeadSpec("multi_3fc")).eval()
    body = head.body
    assert isinstance(body, MultiThreeFC)
    assert [level[0].weight.shape for level in body.levels] == [(16, 16), (8, 8), (24, 24)]  # type: ignore[index]
    features = noise(1)
    parts = torch.split(features[:, 0, 0], [16, 8, 24], dim=1)
    said = [level(part)[:, 0] for level, part in zip(body.levels, parts, strict=True)]
    torch.testing.assert_close(head(features), sum(said) / 3)
    head(features).sum().backward()
    torch.testing.assert_close(body.weights.grad, torch.stack([one.sum() for one in said]))


@pytest.mark.parametrize("name", HEADS)
def test_levels_that_are_not_chosen_are_not_read(name: str) -> None:
    head = small(HeadSpec(name, levels=("c", "a"))).eval()
    features = noise(head.spec.grid)
    with torch.no_grad():
        before = head(features)
        features[..., 16:24] = 99
        assert torch.equal(head(features), before)
        features[..., 30] = 99
        assert not torch.equal(head(features), before)
    assert parameter_count(head) < parameter_count(small(HeadSpec(name)))


def test_the_last_levels_alone() -> None:
    head = build_head(HeadSpec("single_1fc", levels=("b", "c")), LEVELS).eval()
    features = noise(1)
    expected = features[:, 0, 0, 16:] @ head.body.weight[0]  # type: ignore[index]
    torch.testing.assert_close(head(features), expected)


@pytest.mark.parametrize("name", HEADS)
def test_mos_is_learned_on_one_to_ten_whatever_the_scale(name: str) -> None:
    ava, percent = small(HeadSpec(name)), small(HeadSpec(name, lowest=0, highest=100))
    features = noise(ava.spec.grid)
    ava.eval()
    percent.eval()
    assert ava.outputs(features).shape == (6, 1)
    assert torch.equal(ava(features), ava.outputs(features)[:, 0])
    assert torch.equal(ava.outputs(features), percent.outputs(features))
    torch.testing.assert_close(percent(features), (ava(features) - 1) / 9 * 100)
    spec = percent.spec
    assert (spec.to_paper_scale(0.0), spec.to_paper_scale(100.0)) == (1, 10)
    ratings = np.linspace(0, 100, 7)
    np.testing.assert_allclose(spec.from_paper_scale(spec.to_paper_scale(ratings)), ratings)


@pytest.mark.parametrize("name", HEADS)
def test_a_distribution_gives_logits_and_the_mean_of_the_bins(name: str) -> None:
    bins = (0.0, 0.25, 1.0)
    head = small(HeadSpec(name, output="distribution", lowest=0, highest=1, bins=bins)).eval()
    features = noise(head.spec.grid)
    logits = head.outputs(features)
    assert logits.shape == (6, 3)
    shares = torch.softmax(logits, dim=1)
    torch.testing.assert_close(head(features), shares[:, 1] * 0.25 + shares[:, 2])


def test_features_of_another_shape() -> None:
    with pytest.raises(
        SettingsError,
        match=r"^single_1fc reads features of shape \(N, 1, 1, 48\), got \(6, 5, 5, 48\)$",
    ):
        small(HeadSpec("single_1fc"))(noise(5))


@pytest.mark.parametrize("name", HEADS)
def test_learns(name: str) -> None:
    head = small(HeadSpec(name))
    features, target = noise(head.spec.grid, 64), torch.linspace(1, 10, 64)[:, None]
    before = [array.clone() for array in head.parameters()]
    torch.manual_seed(0)  # for the dropouts
    optimizer = torch.optim.Adam(head.parameters(), 0.05)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(head.outputs(features), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    for old, new in zip(before, head.parameters(), strict=True):
        assert not torch.equal(old, new)


# Records


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"name": "single_2fc"},
            "unknown head 'single_2fc': did you mean 'single_3fc' or 'single_1fc'? Known: 'multi_3fc', 'pool_3fc',"
            " 'pool_3fc_released', 'single_1fc', 'single_3fc'",
        ),
        (
            {"output": "emd"},
            "unknown output of a head 'emd': Known: 'distribution', 'mos'",
        ),
        (
            {"name": "single_1fc", "more_dropout": True},
            "single_1fc has no dropout: more_dropout goes with the 3FC heads",
        ),
        ({"levels": ()}, "a head must read at least one level: name some, or None for all"),
        ({"levels": ("a", "b", "a")}, "level 'a' is named twice: name each once"),
        (
            {"lowest": 5.0, "highest": 5.0},
            "the scale of the ratings must rise between two numbers, got 5.0 to 5.0",
        ),
        (
            {"highest": float("inf")},
            "the scale of the ratings must rise between two numbers, got 1.0 to inf",
        ),
        (
            {"output": "distribution"},
            "output 'distribution' needs bins: the ratings that people could give, (1, 2, …, 10) for AVA",
        ),
        ({"bins": (1.0,)}, "bins must be at least two, ascending, from 1 to 10, got (1.0,)"),
        (
            {"bins": (2.0, 1.0)},
            "bins must be at least two, ascending, from 1 to 10, got (2.0, 1.0)",
        ),
        (
            {"bins": (0.0, 1.0)},
            "bins must be at least two, ascending, from 1 to 10, got (0.0, 1.0)",
        ),
        (
            {"bins": (1.0, float("nan"))},
            "bins must be at least two, ascending, from 1 to 10, got (1.0, nan)",
        ),
    ],
)
def test_records_that_cannot_be(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=f"^{re.escape(message)}$"):
        HeadSpec(**{"name": "single_3fc", **settings})  # type: ignore[arg-type]


def test_levels_that_the_features_lack() -> None:
    with pytest.raises(
        SettingsError, match="^unknown level of the features 'd': Known: 'a', 'b', 'c'$"
    ):
        small(HeadSpec("single_3fc", levels=("a", "d")))


def test_widths_that_cannot_be() -> None:
    with pytest.raises(SettingsError, match="^multi_3fc has no X to choose, got 64$"):
        build_head(HeadSpec("multi_3fc"), LEVELS, first=64)
    with pytest.raises(
        SettingsError,
        match="^X must be at least 1 and a column even and at least 2, got 8 and 5$",
    ):
        build_head(HeadSpec("pool_3fc"), LEVELS, first=8, column=5)
    with pytest.raises(
        SettingsError, match="^single_3fc has no column to choose, got 8: leave it out$"
    ):
        HeadSpec("single_3fc", column=8)
    with pytest.raises(SettingsError, match="^column must be an even number, at least 2, got 5$"):
        HeadSpec("pool_3fc", column=5)
    narrower = build_head(HeadSpec("pool_3fc", first=64, column=8), LEVELS)
    assert parameter_count(narrower) == parameter_count(
        build_head(HeadSpec("pool_3fc"), LEVELS, first=64, column=8)
    )
    with pytest.raises(SettingsError, match="^features have at least one level, got none$"):
        build_head(HeadSpec("single_1fc"), ())


# Distributions


def test_emd_is_nimas() -> None:
    # All votes on the first of four bins against all on the last: every cumulative sum but the last differs by 1.
    logits = torch.log(torch.tensor([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]]) + 1e-20)
    target = torch.tensor([[0, 0, 0, 1.0], [0.25, 0.25, 0.25, 0.25]])
    assert emd_squared(logits, target).item() == pytest.approx((np.sqrt(3 / 4) + 0) / 2, abs=1e-5)
    assert emd_squared(logits, target, root=False).item() == pytest.approx(3 / 8, abs=1e-6)


def test_emd_has_a_slope_where_it_is_zero() -> None:
    logits = torch.zeros(2, 10, requires_grad=True)
    emd_squared(logits, torch.full((2, 10), 0.1)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_mean_of_bins() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25]]))
    torch.testing.assert_close(mean_of_bins(logits, (1, 2, 10)), torch.tensor([3.5]))


def test_mean_of_ten_equal_bins() -> None:
    assert mean_of_bins(torch.zeros(1, 10), TEN).item() == pytest.approx(5.5)


def test_outputs_of_a_body_of_ones_own_begin_where_they_are_told() -> None:
    hidden, last = nn.Linear(48, 4), nn.Linear(4, 1)
    head = ScoreHead(HeadSpec("single_1fc"), LEVELS, nn.Sequential(hidden, nn.ReLU(), last))
    head.initialise_bias(torch.tensor([7.0]))
    assert last.bias.item() == 7.0
    assert 7.0 not in hidden.bias.tolist()
