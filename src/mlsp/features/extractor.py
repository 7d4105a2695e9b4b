"""Feature extractor by a network's name, for notebooks and scripts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from mlsp.base.arguments import checked
from mlsp.base.errors import SettingsError
from mlsp.base.results import ScoreFailure
from mlsp.features.extraction.plan import plan_network
from mlsp.features.extraction.run import extract_to
from mlsp.features.extraction.settings import NetworkSettings
from mlsp.features.pipeline import FeaturePipeline


class FeatureExtractor(FeaturePipeline):
    """Computes the features of photos by a named network. Several threads may use it at once.

    On a CUDA device, waiting photos of one size go through the network together.

    Args:
        backbone: name of the network, see `mlsp.list_backbones()`.
        grid: `narrow` for 1 × 1 cells per level, `wide` for 5 × 5.
        views: crops that the network sees: `whole`, `whole_mirrored` or `corners8`.
        levels: `all`; `last5`, the last five; or names, separated by commas.
        weights: file of trained weights; by default the network's preferred published ones, found or downloaded.
        longest_side: photos are reduced to this many pixels first; None, as in the paper, keeps their size.
        resize: width and height that every photo is brought to first, such as `256x256`; None keeps its size.
        device: `auto`, `cpu` or `cuda`; `auto` is `cpu`.
        precision: `auto` (bfloat16 where the device has it), `float32` or `bfloat16`; on `cuda` also `float16`.
        workers: see `FeaturePipeline`.
        max_pixels: see `FeaturePipeline`.

    Raises:
        SettingsError: an argument is unknown or out of range, or this machine lacks the device or the precision.
        WeightsError: the weights can neither be found nor downloaded, or belong to another network.
        MissingExtraError: torch or onnx is needed and not installed.

    Examples:
        >>> extractor = FeatureExtractor("inception_v3", grid="wide", views="corners8")  # doctest: +SKIP
        >>> [result.features.shape for result in extractor.extract(["a.jpg"])]  # doctest: +SKIP
        [(8, 5, 5, 10048)]
    """

    @checked
    def __init__(
        self,
        backbone: str = "inception_v3",
        *,
        grid: Literal["narrow", "wide"] = "wide",
        views: str = "whole",
        levels: str = "all",
        weights: str | Path | None = None,
        longest_side: int | None = None,
        resize: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        workers: int | None = None,
        max_pixels: int | None = None,
    ) -> None:
        if grid not in ("narrow", "wide"):
            raise SettingsError(f"grid must be 'narrow' or 'wide', got {grid!r}")
        settings = NetworkSettings(
            backbone,
            grid=grid,
            views=views,
            levels=levels,
            weights=None if weights is None else Path(weights),
            longest_side=longest_side,
            resize=resize,
            device=device,
            precision=precision,
        )
        self._network = plan_network(settings).open()
        super().__init__(
            self._network.engine,
            min_side=self._network.min_photo_side,
            workers=workers,
            max_pixels=max_pixels,
        )

    @checked
    def extract_to(
        self,
        photos: str | Path | Iterable[str | Path],
        output: str | Path,
        *,
        retry_failed: bool = False,
    ) -> list[ScoreFailure]:
        """Extract photos into a feature file, to the end; an interrupted one goes on where it stopped.

        Args:
            photos: a folder or table; or paths, which are the ids in the file as they are given.
            output: the feature file, see `mlsp.FeatureStore.open`; made, or continued.
            retry_failed: try photos again that failed in an earlier run.

        Returns:
            The photos that failed in this run, in the order of the rows.

        Raises:
            FeatureStoreError: `output` holds other features or photos, or another process writes it.
            OutputError: `output` cannot be written, or the disk is full. What was extracted before stays.
            SettingsError: there are no photos, or two have one name.
        """
        return extract_to(
            self._network,
            photos,
            output,
            retry_failed=retry_failed,
            workers=self.limiter.workers,
            max_pixels=self.decode.max_pixels,
        )
