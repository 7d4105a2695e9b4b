"""Protocol of inference engines."""

from __future__ import annotations

from typing import Literal, Protocol

from mlsp.base.arrays import Float32Array, UInt8Array
from mlsp.base.errors import SettingsError, unknown_name
from mlsp.features.spec import FeatureSpec

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda")
PRECISIONS: tuple[Precision, ...] = ("auto", "float32", "bfloat16", "float16")


class Engine(Protocol):
    """Network that turns photos into features. Several threads may call it at once."""

    @property
    def feature_spec(self) -> FeatureSpec:
        """Spec of its features."""

    @property
    def precision(self) -> Precision:
        """Number format in which it computes, never `auto`."""

    @property
    def channels(self) -> int:
        """Number of channels of its features."""

    def pooled(self, batch: UInt8Array) -> Float32Array:
        """Compute features.

        Args:
            batch: photos of one size, RGB, (N, H, W, 3), both sides at least the network's smallest side.

        Returns:
            (N, G, G, C), in the order of the batch.

        Raises:
            EngineError: the network failed on these photos, for lack of memory for instance.
        """


def check_choices(device: str, precision: str) -> None:
    """Refuse an unknown device or precision, and a precision that the device does not offer.

    Raises:
        SettingsError: one is unknown, or the processor is to compute in float16.
    """
    if device not in DEVICES:
        raise SettingsError(unknown_name("device", device, DEVICES))
    if precision not in PRECISIONS:
        raise SettingsError(unknown_name("precision", precision, PRECISIONS))
    if precision == "float16" and device != "cuda":
        raise SettingsError(
            "precision 'float16' is for device 'cuda': use 'bfloat16', 'float32' or 'auto' on the processor"
        )
