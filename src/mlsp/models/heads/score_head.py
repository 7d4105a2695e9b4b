"""A head as everything else sees it: features of all levels in, scores on the ratings' scale out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mlsp.base.errors import SettingsError
from mlsp.models.heads.forms import HEADS, PAPER_COLUMN, BodySpec
from mlsp.models.heads.fully_connected import ThreeFC
from mlsp.models.heads.layers import initialise
from mlsp.models.heads.losses import mean_of_bins
from mlsp.models.heads.pool import PoolThreeFC
from mlsp.models.heads.records import FeatureLevel, HeadSpec


class ScoreHead(nn.Module):
    """A head with its choice of levels and its scale; made by `build_head`.

    Args:
        spec: what it is.
        levels: of the features, in the order of the channels.
        body: from the chosen channels, (N, C) of narrow features or (N, 5, 5, C) of wide ones, to (N, outputs).

    Attributes:
        spec: what it is.
        channels: of the features that it takes; those of levels that it does not read are among them.
        body: the network itself.
    """

    def __init__(self, spec: HeadSpec, levels: Sequence[FeatureLevel], body: nn.Module) -> None:
        super().__init__()
        self.spec = spec
        self.channels = sum(level.channels for level in levels)
        self.body = body
        self._slices = _joined(spec.chosen(levels))

    def outputs(self, features: Tensor) -> Tensor:
        """Return the outputs of the last layer, for learning.

        Args:
            features: (N, G, G, C) of all levels.

        Returns:
            (N, 1) scores with the ratings' scale mapped to 1…10, see `HeadSpec.to_paper_scale`; or (N, bins) logits.

        Raises:
            SettingsError: the features have another shape.
        """
        grid = self.spec.grid
        if features.ndim != 4 or tuple(features.shape[1:]) != (grid, grid, self.channels):
            raise SettingsError(
                f"{self.spec.name} reads features of shape (N, {grid}, {grid}, {self.channels}), got {tuple(features.shape)}"
            )
        parts = [features[..., part] for part in self._slices]
        chosen = parts[0] if len(parts) == 1 else torch.cat(parts, dim=3)
        out: Tensor = self.body(chosen[:, 0, 0] if grid == 1 else chosen)
        return out

    def last_layers(self) -> list[nn.Linear]:
        """Return the layers that make outputs: one per level of Multi-3FC, else the last dense one, if that makes them."""
        # By position: hidden layers of narrow levels are as narrow as an output.
        columns: list[nn.Module] = [
            module for module in self.modules() if isinstance(module, ThreeFC)
        ]
        found: list[nn.Linear] = []
        for column in columns or [self]:
            layers = [module for module in column.modules() if isinstance(module, nn.Linear)]
            found += [layer for layer in layers[-1:] if layer.out_features == self.spec.outputs]
        return found

    def initialise_bias(self, outputs: Tensor) -> None:
        """Set the biases of the last layers so that a new head gives about these outputs instead of 0.

        Args:
            outputs: (outputs,), see `outputs`. Those of Multi-3FC's levels all begin there, as their weights add up to 1.
        """
        with torch.no_grad():
            for layer in self.last_layers():
                if layer.bias is not None:
                    layer.bias.copy_(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Score features: (N, G, G, C) -> (N,) on the ratings' scale."""
        outputs = self.outputs(features)
        if self.spec.output == "distribution":
            return mean_of_bins(outputs, self.spec.bins or ())
        return self.spec.from_paper_scale(outputs[:, 0])


def build_head(
    spec: HeadSpec,
    levels: Sequence[FeatureLevel],
    *,
    seed: int = 0,
    first: int | None = None,
    column: int | None = None,
) -> ScoreHead:
    """Make a head that has learned nothing yet.

    Args:
        spec: what it is to be.
        levels: all levels of the features, in the order of the channels.
        seed: of its first weights; the same seed gives the same ones. Torch's global generator stays as it is.
        first: X of its 3FC, by default the spec's; Multi-3FC has the levels' widths, Single-1FC none.
        column: channels of each column of Pool-3FC, by default the spec's.

    Raises:
        SettingsError: the features lack a level, a width is out of range or not one that this head has, or a head of one's own is no
            module from these features to (N, outputs).
    """
    head = empty_head(spec, levels, seed=seed, first=first, column=column)
    body = head.body
    initialise(head, seed, glorot=body.glorot_layers() if isinstance(body, PoolThreeFC) else ())
    return head


def empty_head(
    spec: HeadSpec,
    levels: Sequence[FeatureLevel],
    *,
    seed: int = 0,
    first: int | None = None,
    column: int | None = None,
) -> ScoreHead:
    """Make a head whose layers hold nothing yet, to be filled or to count with; see `build_head` for arguments and errors."""
    if not levels:
        raise SettingsError("features have at least one level, got none")
    first = spec.first if first is None else first
    if column is None:
        column = PAPER_COLUMN if spec.column is None else spec.column
    if first is not None and "first" not in spec.form.sizes:
        raise SettingsError(f"{spec.name} has no X to choose, got {first}")
    if (first is not None and first < 1) or column < 2 or column % 2:
        raise SettingsError(
            f"X must be at least 1 and a column even and at least 2, got {first} and {column}"
        )
    widths = tuple(part.stop - part.start for part in spec.chosen(levels))
    sizes = BodySpec(widths, spec.outputs, spec.dropouts, first, column)
    with torch.random.fork_rng(devices=[]):
        # A user's own head may draw from torch's global generator.
        torch.default_generator.manual_seed(seed)
        own = spec.name not in HEADS.own
        body = _own_body(spec, sizes) if own else spec.form.build(sizes)
        return ScoreHead(spec, levels, body)


def _own_body(spec: HeadSpec, sizes: BodySpec) -> nn.Module:
    """Build a body of a user's own and ask it for two photos: a loss would broadcast outputs of another shape without a word."""
    try:
        body = spec.form.build(sizes)
    except Exception as error:
        raise SettingsError(
            f"head {spec.name!r} cannot be built: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(body, nn.Module):
        raise SettingsError(
            f"head {spec.name!r}: expected its builder to return a torch.nn.Module, got {type(body).__name__}"
        )
    parameter = next(body.parameters(), None)
    if parameter is None:
        raise SettingsError(f"head {spec.name!r} has no parameters: there is nothing to learn")
    cells = (spec.grid, spec.grid) if spec.grid > 1 else ()
    shape, wanted = (2, *cells, sum(sizes.widths)), (2, spec.outputs)
    was_training = body.training
    try:
        with torch.no_grad():
            found = body.eval()(torch.zeros(shape, device=parameter.device))
    except Exception as error:
        raise SettingsError(
            f"head {spec.name!r} cannot take features of shape {shape}: {type(error).__name__}: {error}"
        ) from error
    body.train(was_training)
    got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if got != wanted:
        raise SettingsError(
            f"head {spec.name!r}: expected outputs of shape {wanted} for 2 photos, (N, body.outputs), got {got}"
        )
    return body


def _joined(slices: Sequence[slice]) -> list[slice]:
    """Slices with neighbours made one: levels that follow each other need no copy."""
    joined = [slices[0]]
    for part in slices[1:]:
        if part.start == joined[-1].stop:
            joined[-1] = slice(joined[-1].start, part.stop)
        else:
            joined.append(part)
    return joined
