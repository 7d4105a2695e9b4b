"""Exported graphs, run by OpenVINO, against reference features that Keras computed, and on photos of every size."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import (
    PHOTOS,
    TOLERANCE,
    WIDE_PHOTOS,
    golden_weights,
    level_errors,
    read_features,
    read_pixels,
)
from mlsp.backbones import backbone
from mlsp.base.digests import file_sha256
from mlsp.base.errors import SettingsError
from mlsp.features.engines import Engine
from mlsp.features.engines.openvino_engine import OpenVinoEngine
from mlsp.features.graph_cache import cached_graph
from mlsp.features.pooling import narrow_from_wide
from mlsp.features.spec import FeatureSpec, Grid

NAMES = ["inception_v3", "inception_resnet_v2"]
# Root mean square of the differences over that of the level, where numbers have 8 bits; measured up to .014 on this photo, .026 on others.
BFLOAT16_TOLERANCE = 0.03


@pytest.fixture(scope="session")
def graphs(reference_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return Graphs(reference_data, tmp_path_factory.mktemp("weights"))


class Graphs:
    """Engines of the reference networks; their graphs come from the cache that tests of other commands fill and read too."""

    def __init__(self, reference_data: Path, folder: Path) -> None:
        self.reference_data = reference_data
        self.folder = folder

    @functools.cache  # noqa: B019 - lives as long as the session
    def engine(self, name: str, grid: Grid, precision: str = "float32") -> Engine:
        weights = golden_weights(self.reference_data, name, self.folder)
        levels = tuple(level.name for level in backbone(name).levels)
        feature_spec = FeatureSpec(name, file_sha256(weights), levels, "whole", None, grid)
        graph = cached_graph(feature_spec, weights)
        return OpenVinoEngine(graph, feature_spec, precision=precision, streams=1)


@pytest.mark.parametrize("photo", PHOTOS)
def test_wide_graph_gives_both_kinds_of_keras(graphs: Graphs, photo: str) -> None:
    """All photos' narrow features are the means of the wide ones; so are wide ones where the reference has them.

    Those of Inception-v3 come through the command in tests/cli/test_cli_extract.py.
    """
    name = "inception_resnet_v2"
    expected = read_features(graphs.reference_data, name)
    wide = graphs.engine(name, 5).pooled(read_pixels(graphs.reference_data, photo)[None])
    narrow = narrow_from_wide(wide)
    errors = level_errors(backbone(name), narrow, expected[f"{photo}.png/narrow"])
    assert max(errors.values()) <= TOLERANCE, errors
    assert (f"{photo}.png/wide" in expected) == (photo in WIDE_PHOTOS)
    if photo in WIDE_PHOTOS:
        errors = level_errors(backbone(name), wide, expected[f"{photo}.png/wide"])
        assert max(errors.values()) <= TOLERANCE, errors


@pytest.mark.parametrize("name", [NAMES[0], pytest.param(NAMES[1], marks=pytest.mark.slow)])
@pytest.mark.parametrize("photo", PHOTOS)
def test_narrow_graph_gives_those_of_keras(graphs: Graphs, name: str, photo: str) -> None:
    narrow = graphs.engine(name, 1).pooled(read_pixels(graphs.reference_data, photo)[None])
    expected = read_features(graphs.reference_data, name)[f"{photo}.png/narrow"]
    errors = level_errors(backbone(name), narrow, expected)
    assert max(errors.values()) <= TOLERANCE, errors


@settings(max_examples=12, derandomize=True)
@given(height=st.integers(75, 160), width=st.integers(75, 160))
def test_mean_of_wide_is_narrow_on_any_size(graphs: Graphs, height: int, width: int) -> None:
    check_mean_of_wide(graphs, height, width)


# 75 is the smallest side, where the last maps have one cell; sides below about 203 give last maps smaller than the grid.
@pytest.mark.parametrize("size", [(75, 75), (75, 76), (76, 75), (77, 203), (299, 75)])
def test_mean_of_wide_is_narrow_at_the_edges(graphs: Graphs, size: tuple[int, int]) -> None:
    check_mean_of_wide(graphs, *size)


def check_mean_of_wide(graphs: Graphs, height: int, width: int) -> None:
    rng = np.random.default_rng(height * 1000 + width)
    photo = rng.integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    name = "inception_v3"
    narrow = graphs.engine(name, 1).pooled(photo)
    wide = graphs.engine(name, 5).pooled(photo)
    errors = level_errors(backbone(name), narrow_from_wide(wide), narrow)
    assert max(errors.values()) <= 2e-5, errors


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_is_near(graphs: Graphs, name: str) -> None:
    try:
        engine = graphs.engine(name, 5, "bfloat16")
    except SettingsError:
        pytest.skip("needs a processor with bfloat16")
    photo = "zebra_299x299"
    narrow = narrow_from_wide(engine.pooled(read_pixels(graphs.reference_data, photo)[None]))
    expected = read_features(graphs.reference_data, name)[f"{photo}.png/narrow"]
    errors = level_errors(backbone(name), narrow, expected, of_all=True)
    assert TOLERANCE < max(errors.values()) <= BFLOAT16_TOLERANCE, errors
