"""Runs networks by torch: on a CUDA device, and on the processor where they cannot be exported."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mlsp.backbones import BackboneSpec, backbone
from mlsp.backbones.convolution import fold_batch_norms
from mlsp.backbones.pooled import PooledNetwork
from mlsp.backbones.weights.finding import check_weights
from mlsp.backbones.weights.loading import load_network
from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.base.errors import EngineError, SettingsError, unknown_name
from mlsp.features.engines.engine import Precision
from mlsp.features.spec import FeatureSpec

_DTYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# A device computes one batch at a time anyway, and torch has one switch for TF32 for all threads and engines.
_ONE_AT_A_TIME = threading.Lock()


class TorchEngine:
    """Network on a CUDA device or, slower than by OpenVINO, on the processor. Arrays are channels-last in memory.

    Args:
        network: as `mlsp.backbones.weights.loading.load_network` returns it; not changed.
        spec: its record.
        feature_spec: of the features; its levels and grid are computed.
        device: `cpu` or `cuda`.
        precision: `auto`, `float32`, `bfloat16` or `float16`. `auto` is bfloat16 on a CUDA device that has it, float16 on an
            older one, float32 on the processor. float32 means that: no TF32.

    Raises:
        SettingsError: this machine lacks the device, the precision is unknown, or the spec is of another network.
    """

    def __init__(
        self,
        network: nn.Module,
        spec: BackboneSpec,
        feature_spec: FeatureSpec,
        *,
        device: str,
        precision: str = "auto",
    ) -> None:
        if feature_spec.backbone != spec.name:
            raise SettingsError(
                f"features of {feature_spec.backbone} cannot come from {spec.name}: give its own record"
            )
        check_device(device)
        self.feature_spec = feature_spec
        self.precision: Precision = _resolved(precision, device)
        dtype = _DTYPES[self.precision]
        network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        fold_batch_norms(network)
        _convert(network, dtype)
        pooled = PooledNetwork(
            network, spec, feature_spec.grid, levels=feature_spec.levels, dtype=dtype
        ).eval()
        # Torch refuses it to networks with three-dimensional convolutions, of which timm has some.
        if all(array.ndim != 5 for array in pooled.state_dict().values()):
            pooled.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
        self._network = pooled.to(device)
        self._device = torch.device(device)
        self._channels = sum(
            level.channels for level in spec.levels if level.name in feature_spec.levels
        )

    @classmethod
    def open(
        cls, feature_spec: FeatureSpec, weights: Path, *, device: str, precision: str
    ) -> TorchEngine:
        """Open a network from its weights.

        Raises:
            SettingsError: see the class.
            WeightsError: the weights cannot be read, or are others.
        """
        # Before the weights are read.
        check_device(device)
        spec = backbone(feature_spec.backbone)
        check_weights(weights, spec.name, sha256=feature_spec.weights_sha256)
        network, _ = load_network(spec, weights)
        return cls(network, spec, feature_spec, device=device, precision=precision)

    @property
    def channels(self) -> int:
        """Number of channels of its features."""
        return self._channels

    def pooled(self, batch: UInt8Array) -> Float32Array:
        """Compute features; see `Engine.pooled`."""
        # torch warns of arrays that are read-only, and takes no negative strides.
        photos = torch.from_numpy(np.require(batch, requirements=["C", "W"]))
        try:
            with _ONE_AT_A_TIME, torch.inference_mode(), _no_tf32():
                features = self._network(photos.to(self._device))
                result: Float32Array = features.cpu().contiguous().numpy()
        except RuntimeError as error:
            # Of a CUDA device without memory left, too.
            raise EngineError(
                f"the network failed on an input of shape {batch.shape}: {str(error).strip()}"
            ) from error
        return result


def check_device(device: str) -> None:
    """Refuse a device that this machine lacks.

    Raises:
        SettingsError: it is unknown, or CUDA where torch has none.
    """
    if device not in ("cpu", "cuda"):
        raise SettingsError(unknown_name("device", device, ("cpu", "cuda")))
    if device == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            "device 'cuda' needs a CUDA device and a torch that was built for it, and torch finds none: use device 'cpu'"
        )


def cuda_precision() -> Precision:
    """Return the precision that `auto` stands for on this machine's CUDA device; without one, bfloat16."""
    if torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        return "float16"
    return "bfloat16"


def _resolved(precision: str, device: str) -> Precision:
    if precision == "auto":
        return cuda_precision() if device == "cuda" else "float32"
    for known in _DTYPES:
        if precision == known:
            return known
    raise SettingsError(unknown_name("precision", precision, ("auto", *_DTYPES)))


def _convert(network: nn.Module, dtype: torch.dtype) -> None:
    """Convert all arrays but those of batch norms, whose small variances 16 bits would spoil and which take either input."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            continue
        for array in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            if array.is_floating_point():
                array.data = array.data.to(dtype)


@contextlib.contextmanager
def _no_tf32() -> Iterator[None]:
    """Switch off TF32, whose 10 bits are not float32's 23 and which torch's convolutions use by default."""
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = False
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before
