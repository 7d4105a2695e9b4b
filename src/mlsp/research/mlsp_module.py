"""`MlspModule`: a model's score as a torch module, with gradients to the pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from mlsp.base.arguments import checked
from mlsp.base.errors import SettingsError, unknown_name
from mlsp.models.model import Model, load_model
from mlsp.research.onnx_graph import OnnxGraph
from mlsp.research.pixels import cut_views, resize_as


class MlspModule(nn.Module):
    """Differentiable scores of a model, for use as a loss or reward; made by `from_pretrained`.

    Photos are reduced, cut and pooled as for `mlsp.Scorer`, but nothing is rounded to 8 bits between, and scores are not cut to the
    scale's ends, as both would stop gradients: scores differ from the scorer's by rounding only. `eval` and `train` are the same, and
    its arrays are buffers, which no optimiser changes; `to` and `double` convert them, `state_dict` has them.

    Args:
        model: with the network's graph.
        head: name of the head that `forward` computes; None for the model's first.

    Attributes:
        heads: names of the model's heads.
        head: that `forward` computes.

    Raises:
        ModelError: the model has no network, or a graph with unknown operators.
        SettingsError: the model has no such head.

    Examples:
        >>> module = MlspModule.from_pretrained("default", "quality")
        >>> photos = torch.rand(2, 3, 64, 96, requires_grad=True)
        >>> (-module(photos).mean()).backward()
        >>> photos.grad.shape
        torch.Size([2, 3, 64, 96])
    """

    def __init__(self, model: Model, head: str | None = None) -> None:
        super().__init__()
        self.heads = tuple(record.name for record in model.heads)
        self.head = self.heads[0] if head is None else head
        if self.head not in self.heads:
            raise SettingsError(unknown_name(f"head of {model.name}", self.head, self.heads))
        self._model = model
        self._network = OnnxGraph(model.backbone)
        self._graphs = nn.ModuleDict(
            {record.name: OnnxGraph(model.folder / record.file) for record in model.heads}
        )

    @classmethod
    @checked
    def from_pretrained(cls, model: str | Path = "default", head: str | None = None) -> Self:
        """Read a model.

        Args:
            model: name of an installed model, or a folder, as for `mlsp.Scorer`.
            head: see the class.

        Raises:
            ModelError: the model is missing or damaged, or see the class.
            SettingsError: see the class.
        """
        return cls(load_model(model), head)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model.name!r}, {self.head!r})"

    def forward(self, photos: Tensor) -> Tensor:
        """Score photos.

        Args:
            photos: (N, 3, H, W) sRGB from 0 to 1, float32 or the number format that the module was converted to; at least as large as
                the network needs.

        Returns:
            (N,) on the ratings' scale, means over the model's views; NaN of a photo that has NaN.

        Raises:
            SettingsError: the photos are no tensor, have another shape or number format, or are too small.
        """
        return self._scores(self.head, self.features(photos))

    def scores(self, photos: Tensor) -> dict[str, Tensor]:
        """Score photos by all heads, by their names; see `forward`."""
        features = self.features(photos)
        return {name: self._scores(name, features) for name in self.heads}

    def features(self, photos: Tensor) -> Tensor:
        """Compute features, (N, V, G, G, C) of V views; see `forward`."""
        wanted = next(array.dtype for array in self.buffers() if array.is_floating_point())
        if not isinstance(photos, Tensor):
            raise SettingsError(
                f"expected photos as a torch.Tensor of shape (N, 3, H, W), got {type(photos).__name__}"
            )
        if photos.ndim != 4 or photos.shape[1] != 3 or photos.dtype != wanted:
            raise SettingsError(
                f"expected photos of shape (N, 3, H, W), {wanted} from 0 to 1, got {photos.dtype} of {tuple(photos.shape)}"
            )
        side = self._model.smallest_side
        pixels = resize_as(self._model.feature_spec, photos * 255)
        if min(pixels.shape[2:]) < side:
            raise SettingsError(
                f"photos have {pixels.shape[3]} × {pixels.shape[2]} pixels after their reduction, expected at least {side} a side"
            )
        views = cut_views(pixels, self._model.feature_spec.views)
        # (V · N, H, W, 3), as graphs read photos.
        found = self._network(torch.cat(views).permute(0, 2, 3, 1))["features"]
        by_view: Tensor = found.reshape(len(views), len(photos), *found.shape[1:])
        return by_view.transpose(0, 1)

    def _scores(self, name: str, features: Tensor) -> Tensor:
        # Of a distribution the votes are a second output.
        scores: Tensor = self._graphs[name](features.flatten(0, 1))["scores"]
        return scores.reshape(features.shape[:2]).mean(dim=1)
