"""Settings of a fine-tuning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mlsp.base.errors import SettingsError
from mlsp.base.parallel import check_workers
from mlsp.features.engines import check_choices
from mlsp.photos import DecodeSettings, ReadAs


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """Settings of a fine-tuning; by default as in section 3.3 of the paper.

    Attributes:
        epochs: at most; None for as many as the recipe has.
        learning_rate: the first; None for the recipe's, 1e-4. The later ones are as much smaller as the recipe's.
        batch: photos per step of the optimiser.
        accumulate: pieces that a batch goes through the network in; 0 for as many as keep the CPU's memory small or fit a CUDA
            device's, see `mlsp.training.finetuning.photos.views_at_once`. Photos of different sizes are in different pieces in any case. The
            result is the same but for rounding.
        checkpointing: keep only what goes in and out of the network's blocks and compute the rest again: less memory, more time.
        augment: learn from a random crop of each photo, mirrored or not; otherwise from the whole photo (the paper's "-aug").
        views: random crops of a test photo whose scores are averaged; one view, the whole, without `augment`.
        validation_views: the same for validation photos, after every epoch; the same crops every time.
        resize: width and height that every photo is brought to first, (256, 256) for the paper's Table 2; None for its own.
        longest_side: larger photos are reduced to so many pixels first; None for never.
        read_as: what a file's pixels are taken for, see `mlsp.photos.DecodeSettings`.
        seed: of the order of photos, crops and dropout.
        precision: `float32`, or `bfloat16` for the network's convolutions; `auto` is bfloat16 on a CUDA device, else float32.
        device: `auto`, `cpu` or `cuda`; `auto` is a CUDA device if there is one, else the CPU.
        workers: photos decoded at the same time; None for one per core.
        max_pixels: photos with more are refused; None for the usual limit.

    Raises:
        SettingsError: a value is unknown or out of range.
    """

    epochs: int | None = None
    learning_rate: float | None = None
    batch: int = 32
    accumulate: int = 0
    checkpointing: bool = False
    augment: bool = True
    views: int = 20
    validation_views: int = 4
    resize: tuple[int, int] | None = None
    longest_side: int | None = None
    read_as: ReadAs = "upright"
    seed: int = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int | None = None
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        for name, least in (
            ("batch", 2),
            ("accumulate", 0),
            ("views", 1),
            ("validation_views", 1),
            ("seed", 0),
        ):
            if getattr(self, name) < least:
                raise SettingsError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.epochs is not None and self.epochs < 1:
            raise SettingsError(f"epochs must be at least 1, got {self.epochs}")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise SettingsError(f"learning_rate must be above 0, got {self.learning_rate}")
        if self.accumulate > self.batch:
            raise SettingsError(
                f"a batch of {self.batch} cannot be divided into {self.accumulate} pieces: give at most {self.batch}"
            )
        if self.workers is not None:
            check_workers(self.workers)
        check_choices(self.device, self.precision)
        if str(self.precision) == "float16":
            raise SettingsError(
                "gradients of a network are too small for float16: use 'bfloat16', 'float32' or 'auto'"
            )
        self.decode()

    @property
    def at_once(self) -> int | None:
        """Views that go through the network at once, at most; None for what keeps the memory small."""
        return None if self.accumulate == 0 else -(-self.batch // self.accumulate)

    def decode(self) -> DecodeSettings:
        """Return the settings by which photos are decoded.

        Raises:
            SettingsError: a size or the limit is below 1, or both sizes are given.
        """
        return DecodeSettings.of(
            self.longest_side, self.max_pixels, resize=self.resize, read_as=self.read_as
        )


def parse_pieces(text: str) -> int:
    """Read the number of pieces of a batch as users write it.

    Args:
        text: `auto`, which is 0, or a number from 1.

    Raises:
        SettingsError: it is neither.
    """
    if text == "auto":
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"accumulate is 'auto' or a number of pieces from 1, got {text!r}")
    return int(text)
