"""What an extraction on a cluster decides without one; runs on a real cluster are in `test_bulk_ray`."""

from __future__ import annotations

import errno
import os
import pickle
import re
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mlsp.backbones import backbone
from mlsp.base.errors import FeatureValueError, SettingsError
from mlsp.base.machine import usable_cores
from mlsp.base.results import ScoreFailure
from mlsp.bulk.ray_cluster import RaySettings, connected
from mlsp.bulk.ray_extraction import check_versions, encode_photo
from mlsp.features.extraction.plan import NetworkPlan, plan_network
from mlsp.features.extraction.settings import NetworkSettings
from mlsp.features.opening import RunnableBackbone
from mlsp.features.pipeline import EncodedPhoto, PhotoFeatures
from mlsp.features.pooling import narrow_from_wide
from mlsp.features.spec import FeatureSpec, Grid
from mlsp.features.store.codec import StoredDtype
from mlsp.features.store.schema import StoreLayout
from mlsp.features.store.store import FeatureStore
from mlsp.models.model import load_model
from mlsp.photos.listing import NamedPhoto
from refusals import message

KIND = FeatureSpec("tiny", "0" * 64, ("one", "two"), "corners8", None, 5)
PHOTO = NamedPhoto("a/b.jpg", Path("a/b.jpg"))


def extracted(scale: float = 1) -> PhotoFeatures:
    features = np.random.default_rng(0).normal(0, scale, (8, 5, 5, 5)).astype(np.float32)
    return PhotoFeatures(PHOTO.path, features, 40, 30, "ab" * 32)


@pytest.mark.parametrize(
    ("dtype", "grids"),
    [("float16", (1, 5)), ("float32", (5,)), ("uint8_level", (1, 5))],
)
def test_rows_encoded_by_a_worker_are_those_that_the_store_encodes(
    tmp_path: Path, dtype: StoredDtype, grids: tuple[Grid, ...]
) -> None:
    layout = StoreLayout(KIND, (2, 3), grids, dtype=dtype)
    result = extracted()
    sent = pickle.loads(pickle.dumps(encode_photo(result, PHOTO, layout)))  # noqa: S301
    assert isinstance(sent, EncodedPhoto)
    facts = {"width": 40, "height": 30, "content_sha256": "ab" * 32}
    with FeatureStore.create(tmp_path / "sent.h5", layout, [PHOTO.photo_id]) as store:
        store.write_encoded(0, sent.stored, **facts)  # type: ignore[arg-type]
    by_grid = {
        grid: result.features if grid == 5 else narrow_from_wide(result.features) for grid in grids
    }
    with FeatureStore.create(tmp_path / "plain.h5", layout, [PHOTO.photo_id]) as store:
        store.write(0, by_grid, **facts)  # type: ignore[arg-type]
    assert (tmp_path / "sent.h5").read_bytes() == (tmp_path / "plain.h5").read_bytes()


def test_features_that_do_not_fit_fail_with_the_stores_words(tmp_path: Path) -> None:
    layout = StoreLayout(KIND, (2, 3), (5,))
    result = extracted(scale=1e6)
    failed = encode_photo(result, PHOTO, layout)
    assert isinstance(failed, ScoreFailure)
    with FeatureStore.create(tmp_path / "f.h5", layout, [PHOTO.photo_id]) as store:
        expected = message(
            FeatureValueError,
            lambda: store.write(
                0, {5: result.features}, width=1, height=1, content_sha256="ab" * 32
            ),
        )
    assert str(failed.error) == expected
    assert expected.startswith("photo 'a/b.jpg': features reach ")


def test_a_row_of_another_form_is_refused(tmp_path: Path) -> None:
    layout = StoreLayout(KIND, (2, 3), (5,))
    stored = {"wide": np.zeros((8, 5, 5, 5), np.float32)}
    with FeatureStore.create(tmp_path / "f.h5", layout, [PHOTO.photo_id]) as store:
        text = message(
            SettingsError,
            lambda: store.write_encoded(0, stored, width=1, height=1, content_sha256="ab" * 32),
        )
    assert text == (
        "parts of a row are {'wide': ((8, 5, 5, 5), dtype('float32'))}, expected {'wide': ((8, 5, 5, 5), dtype('float16'))}"
    )


def test_another_version_on_a_worker_is_refused() -> None:
    here = {"mlsp": "1.2", "openvino": "2026.1"}
    check_versions(dict(here), here, "head")
    text = message(
        SettingsError, lambda: check_versions({"mlsp": "1.2", "openvino": "2025.4"}, here, "head")
    )
    assert text == (
        f"the worker on {socket.gethostname()} has openvino 2025.4, head has openvino 2026.1: features could differ, install the same on"
        " all machines"
    )


def test_a_graph_of_other_channels_is_refused() -> None:
    model = load_model("default")
    spec = backbone(model.feature_spec.backbone)
    channels = (1,) * len(model.feature_spec.levels)
    network = RunnableBackbone(model.feature_spec, "float32", model.backbone, "openvino", "cpu")
    plan = NetworkPlan(network, StoreLayout(model.feature_spec, channels, (1,)), spec.smallest_side)
    made = sum(level.channels for level in spec.levels)
    assert re.fullmatch(
        rf"backbone\.onnx .*\b{made} channels.*\b44", message(SettingsError, plan.open)
    )


def test_the_plan_of_a_cuda_network_needs_no_device_here() -> None:
    settings = NetworkSettings(
        "efficientnet_lite0", grid="both", levels="last2", views="corners8", device="cuda"
    )
    plan = plan_network(settings)
    network = plan.network
    assert (network.runtime, network.device, network.precision) == ("torch", "cuda", "bfloat16")
    assert (plan.layout.feature_spec, plan.layout.precision) == (
        network.feature_spec,
        network.precision,
    )
    assert plan.layout.feature_spec.levels == ("block15_depthwise", "head_conv")
    assert plan.layout.level_channels == (1152, 1280)
    assert plan.layout.grids == (1, 5)
    assert network.versions().keys() == {"mlsp", "torch"}
    # The same network by torch on the processor gives the layout that it gives when it is opened.
    here = replace(network, device="cpu", precision="float32")
    opened = replace(plan, network=here, layout=replace(plan.layout, precision="float32")).open()
    assert opened.engine.feature_spec == plan.layout.feature_spec


def test_what_cluster_is_meant() -> None:
    cores = usable_cores()
    assert RaySettings.parse("ray") == RaySettings("auto", None, 2)
    assert RaySettings.parse("local") == RaySettings("local", None, 2)
    assert RaySettings.parse("local", workers=cores) == RaySettings("local", cores, 1)
    assert RaySettings.parse("local", workers=4 * cores, cpus_per_worker=3).cpus_per_worker == 3
    assert RaySettings.parse("head:6379", workers=3) == RaySettings("head:6379", 3, 2)
    assert RaySettings.parse("ray://[::1]:10001").address == "ray://[::1]:10001"
    for where in ("here", "ray://head", "http://head:1", "", "head:"):
        assert message(SettingsError, lambda where=where: RaySettings.parse(where)) == (  # type: ignore[misc]
            f"--on is local, ray, HOST:PORT or ray://HOST:PORT, got {where!r}"
        )


def test_nobody_at_an_address_is_said_at_once() -> None:
    pytest.importorskip("ray", reason="the cluster is an extra: pip install '.[ray]'")
    with socket.socket() as taken:
        # Bound and not listening: nobody answers there, and nobody else gets the port.
        taken.bind(("127.0.0.1", 0))
        refused = OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert message(SettingsError, lambda: connected(address).__enter__()) == (
            f"no Ray cluster answers at {address!r}: {refused}. Give the host and port that `ray start --head` named"
        )
