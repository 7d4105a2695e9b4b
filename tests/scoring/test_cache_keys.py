"""A key names all code that what is cached may come from: whatever its modules import."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import grimp
import pytest

import mlsp
from mlsp.culling.looking import CLOSE_UP_CODE
from mlsp.models.model import load_model
from mlsp.photos.photo import DECODING_PACKAGES
from mlsp.scoring.cache.caches import FEATURE_CODE, SCORE_CODE, feature_key, score_key


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(
        "mlsp",
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )


@pytest.mark.parametrize("code", [FEATURE_CODE, SCORE_CODE, CLOSE_UP_CODE])
def test_code_names_all_that_it_imports(imports: grimp.ImportGraph, code: Sequence[str]) -> None:
    named: set[str] = set()
    for name in code:
        assert (Path(mlsp.__file__).parent / name).exists(), name
        module = f"mlsp.{name.removesuffix('.py').replace('/', '.')}"
        named |= {module} | imports.find_descendants(module)
    imported = set().union(*map(imports.find_upstream_modules, named))
    assert {module for module in imported - named if module.startswith("mlsp.")} == set()


def test_every_package_that_decodes_is_named(imports: grimp.ImportGraph) -> None:
    photos = {"mlsp.photos"} | imports.find_descendants("mlsp.photos")
    imported = set().union(*map(imports.find_modules_directly_imported_by, photos))
    third_party = {module for module in imported if not module.startswith("mlsp.")}
    # Brotli unpacks metadata only.
    decoding = third_party - sys.stdlib_module_names - {"numpy", "brotli"}
    named = {package.replace("-", "_") for package in DECODING_PACKAGES}
    assert decoding == named - {"Pillow"} | {"PIL"}


def test_scores_and_features_are_told_apart_by_precision_and_runtime() -> None:
    model = load_model("default")
    for key in (score_key, feature_key):
        keys = {key(model, *which) for which in (("f32", "openvino"), ("bf16", "openvino"))}
        assert len(keys | {key(model, "f32", "torch")}) == 3
