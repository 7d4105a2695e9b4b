"""The graph of the network that made features, for a model that is to score photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mlsp.backbones import backbone
from mlsp.backbones.weights.downloads import Progress
from mlsp.backbones.weights.finding import check_weights, may_be_published
from mlsp.base.errors import ModelError, OutputError, SettingsError, WeightsError
from mlsp.features.graph_cache import cached_graph
from mlsp.features.spec import FeatureSpec, Grid


def find_backbone_graph(
    feature_spec: FeatureSpec,
    grid: Grid,
    weights: Path | None = None,
    *,
    on_download: Progress | None = None,
) -> tuple[Path | None, str]:
    """Find or export the graph of the network that made features.

    Args:
        feature_spec: of the features.
        grid: of the head.
        weights: of the network; by default those published ones that the features were made with.
        on_download: see `mlsp.backbones.weights.finding.find_weights`.

    Returns:
        The graph and an empty note; or None and why there is none.

    Raises:
        WeightsError: `weights` are given, and cannot be read or are not those that the features were made with.
        SettingsError: `weights` are given of a network that is not known.
    """
    if weights is not None:
        # Also of a network that is not known here.
        check_weights(weights, feature_spec.backbone, sha256=feature_spec.weights_sha256)
    feature_spec = replace(feature_spec, grid=grid)
    hint = "give the weights that the features were made with by --weights FILE"
    try:
        spec = backbone(feature_spec.backbone)
        if spec.export == "never":
            return None, f"no graph of {spec.name} is right for photos of every size"
        if weights is None and not may_be_published(spec, feature_spec.weights_sha256):
            return (
                None,
                f"the features were made with weights that are not the published ones: {hint}",
            )
        return cached_graph(feature_spec, weights, on_download=on_download), ""
    except (OutputError, SettingsError, WeightsError) as error:
        if weights is not None:
            raise
        return None, f"{error}; {hint}"
    except ModelError as error:
        if weights is not None:
            raise
        # A network that turned out to have no graph.
        return None, str(error)
