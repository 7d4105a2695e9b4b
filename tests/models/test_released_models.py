"""The authors' models, got as a user gets them: from a web server on this machine, with files of the released names."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import golden
from download_site import Site, serve_site
from keras_heads import Arrays, predict, seeded_head, write_keras
from mlsp.backbones import backbone
from mlsp.backbones.weights.finding import weights_folder
from mlsp.base.digests import file_digest, file_sha256
from mlsp.base.errors import ModelError, SettingsError
from mlsp.cli.app import app
from mlsp.models import getting, released
from mlsp.models.model import load_model
from mlsp.models.released import AVA_TEST_QUANTILES, find_views, identify_head, released_model

CHANNELS = backbone("inception_resnet_v2").channels
HEAD = Path("irnv2_mlsp_wide_orig/model_best_weights.h5")
NETWORK = "inception_resnet_v2_weights_tf_dim_ordering_tf_kernels_notop.h5"


def get(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["models", "get", "ava-wide", *map(str, arguments)])


@dataclass
class Publisher:
    """A server that has a head and a network under their released paths, and their records."""

    site: Site
    folder: Path
    head_path: str
    network_path: str


def publish(site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """Serve the folder's files as the authors and Keras serve theirs, with the sizes and digests that these have."""
    server = site.url.rpartition("/")[0]
    wide, network = released_model("ava-wide"), backbone("inception_resnet_v2")
    head_path, network_path = (
        "/" + record.url.split("/", 3)[3] for record in (wide.head, network.weights[0])
    )
    site.files |= {head_path: folder / HEAD, network_path: folder / NETWORK}
    head = replace(
        wide.head,
        url=server + head_path,
        size_bytes=(folder / HEAD).stat().st_size,
        sha256=file_sha256(folder / HEAD),
        mirrors=(),
    )
    weights = replace(
        network.weights[0],
        url=server + network_path,
        size_bytes=(folder / NETWORK).stat().st_size,
        md5=file_digest(folder / NETWORK, "md5"),
    )
    monkeypatch.setattr(released, "RELEASED_MODELS", (replace(wide, head=head),))
    monkeypatch.setattr(getting, "backbone", lambda _: replace(network, weights=(weights,)))
    return Publisher(site, folder, head_path, network_path)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with serve_site(b"<html>no such file</html>", monkeypatch) as served:
        yield served


@pytest.fixture
def publisher(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publisher:
    """Files that are downloaded but never read."""
    (tmp_path / HEAD).parent.mkdir()
    (tmp_path / HEAD).write_bytes(bytes(3_000_000))
    (tmp_path / NETWORK).write_bytes(bytes(5_000))
    return publish(site, tmp_path, monkeypatch)


def scaled_head(features: np.ndarray) -> Arrays:
    """A head whose scores of these features are 3 to 7, whatever the seeded network's features are."""
    arrays = seeded_head(CHANNELS, 64, column=16)
    raw = predict(arrays, features)
    arrays["head_out/kernel"] /= np.float32(np.ptp(raw) / 4)
    arrays["head_out/bias"][:] = 0
    arrays["head_out/bias"] -= np.float32(predict(arrays, features).mean() - 5)
    return arrays


def test_from_the_server_to_scores(
    reference_data: Path, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is a seeded one whose features Keras computed. Heads of the released shapes: tests/models/test_keras_import.py."""
    photos = ["beach_120x90", "flowers_500x400"]
    reference = golden.read_features(reference_data, "inception_resnet_v2")
    wide = np.stack([reference[f"{photo}.png/wide"] for photo in photos])
    arrays = scaled_head(wide)
    expected = predict(arrays, wide)
    (tmp_path / HEAD).parent.mkdir()
    write_keras(tmp_path / HEAD, arrays, whole=False)
    table = reference_data / "golden" / "inception_resnet_v2_weights.csv"
    golden.write_seeded_weights(table, tmp_path / NETWORK)
    publisher = publish(site, tmp_path, monkeypatch)
    # The connection breaks off once, and the file is begun again.
    site.cuts = [1_000_000]
    done = get()
    assert done.exit_code == 0, done.output
    head_url, network_url = (
        site.url.rpartition("/")[0] + path for path in (publisher.head_path, publisher.network_path)
    )
    size = (tmp_path / HEAD).stat().st_size
    first, *files, made, how = done.stdout.splitlines()
    assert first.startswith("ava-wide: Pool-3FC on wide features of whole photos, trained on AVA")
    assert [line.split() for line in files] == [
        ["head", str(round(size / 1e6)), "MB", "MIT", "download", head_url],
        ["network", "219", "MB", "Apache-2.0", "download", network_url],
    ]
    assert site.paths == [publisher.head_path] * 2 + [publisher.network_path]
    model = load_model("ava-wide")
    assert made.split() == ["model", str(model.folder)]
    assert how.startswith("mlsp score --model ava-wide")
    assert (model.feature_spec.views, model.feature_spec.grid) == ("whole", 5)
    assert model.card.summary.endswith("(irnv2_mlsp_wide_orig).")

    images = [str(reference_data / "golden" / "images" / f"{photo}.png") for photo in photos]
    options = ["--model", "ava-wide", "--precision", "float32", "--sort", "photo"]
    done = CliRunner().invoke(app, ["score", *images, *options])
    assert done.exit_code == 0, done.output
    rows = [line.split("\t") for line in done.stdout.splitlines()[1:]]
    assert [Path(row[0]).stem for row in rows] == photos
    np.testing.assert_allclose([float(row[2]) for row in rows], expected, atol=2e-3)
    head = model.heads[0]
    assert (head.lowest, head.highest) == (1, 10)
    percentiles = [round(head.percentile(score)) for score in expected]
    assert 0 < percentiles[0] != percentiles[1] < 100
    assert [round(float(row[3])) for row in rows] == percentiles

    # A second time nothing is downloaded; with the files at hand, neither.
    done = get()
    assert done.stdout == f"ava-wide is here already: {model.folder}\n"
    (model.folder / "aesthetics.onnx").write_bytes(b"damaged")
    monkeypatch.setenv("MLSP_OFFLINE", "1")
    # The exported graph stays, as it is slow to make.
    shutil.rmtree(weights_folder())
    done = get("--from", tmp_path)
    assert done.exit_code == 0, done.output
    assert f"here: {tmp_path / HEAD}" in done.stdout
    assert load_model("ava-wide").heads == model.heads
    assert len(site.paths) == 3


def test_a_file_that_is_another(publisher: Publisher) -> None:
    publisher.site.files.clear()
    done = get()
    assert done.exit_code != 0
    assert re.search(
        r"model_best_weights\.h5 is not the file .*: expected 3000000 bytes, got 25\.",
        str(done.exception),
    )
    publisher.site.files[publisher.head_path] = publisher.folder / "wrong"
    (publisher.folder / "wrong").write_bytes(b"\1" * 3_000_000)
    assert "expected sha256" in str(get().exception)
    assert not list(publisher.folder.rglob("ava-wide"))


def test_offline(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSP_OFFLINE", "1")
    done = get()
    assert "3 MB  MIT" in done.stdout
    assert "MLSP_OFFLINE forbids downloads: download http" in str(done.exception)
    assert publisher.site.paths == []


def test_a_folder_that_cannot_be_written_is_refused_before_the_download(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLSP_MODELS_DIR", str(tmp_path / "models"))
    (tmp_path / "models" / "ava-wide").mkdir(parents=True)
    (tmp_path / "models" / "ava-wide" / "notes.txt").write_text("mine")
    assert "it holds 'notes.txt', which is not part of a model" in str(get().exception)
    monkeypatch.setenv("MLSP_MODELS_DIR", str(tmp_path / HEAD))
    assert re.search(r"the folder '.*' cannot be made: ", str(get().exception))
    assert publisher.site.paths == []


def test_a_folder_without_the_files(publisher: Publisher, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    (clone / HEAD).parent.mkdir(parents=True)
    assert re.search(
        r"clone does not hold http.*: there is no \*\.h5", str(get("--from", clone).exception)
    )
    (clone / HEAD).write_bytes(bytes(134))
    message = f"{re.escape(str(HEAD))}: expected 3000000 bytes, got 134.*git LFS pointer"
    assert re.search(message, str(get("--from", clone).exception))
    # Names do not matter, content does.
    (clone / "any.h5").write_bytes((publisher.folder / HEAD).read_bytes())
    assert NETWORK in str(get("--from", clone).exception)
    assert "gone is not a folder" in str(get("--from", tmp_path / "gone").exception)
    assert publisher.site.paths == []


@pytest.mark.parametrize("name", ["ava-wide", "ava-narrow-aug"])
def test_a_model_that_was_not_got_says_how_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("MLSP_MODELS_DIR", str(tmp_path))
    with pytest.raises(ModelError, match=f"not on this machine: mlsp models get {name}$"):
        load_model(name)


def test_unknown_name() -> None:
    with pytest.raises(SettingsError, match=r"'ava-wid': did you mean 'ava-wide'\? Known: "):
        released_model("ava-wid")


# What tells the views


@pytest.mark.parametrize(
    ("file", "expected", "reason"),
    [
        ("irnv2_mlsp_narrow_orig_aug/model_best_weights.h5", "corners8", "folder.* ends with _aug"),
        ("irnv2_mlsp_wide_orig/model_best_weights.h5", "whole", "folder.* ends with _orig"),
        ("irnv2_mlsp_narrow_orig_aug/irnv2_mlsp_narrow_orig.h5", "whole", "file.*_orig$"),
        ("any/irnv2_mlsp_narrow_orig_aug.h5", "corners8", "file.*_aug$"),
    ],
)
def test_names_tell_the_views(tmp_path: Path, file: str, expected: str, reason: str) -> None:
    path = tmp_path / file
    path.parent.mkdir()
    path.write_bytes(b"of somebody")
    views, why = find_views(path)
    assert views == expected
    assert re.search(reason, why)


def test_content_tells_more_than_names(publisher: Publisher, tmp_path: Path) -> None:
    renamed = (publisher.folder / HEAD).rename(tmp_path / "mine_aug.h5")
    assert identify_head(renamed) == released_model("ava-wide")
    assert find_views(renamed) == ("whole", "it is the released irnv2_mlsp_wide_orig")


def test_where_nothing_tells_the_views(tmp_path: Path) -> None:
    (tmp_path / "model_best_weights.h5").write_bytes(b"of somebody")
    with pytest.raises(
        SettingsError, match="which crops .*unknown.*give --views whole or --views corn"
    ):
        find_views(tmp_path / "model_best_weights.h5")


# What is published


def test_the_records_are_those_of_the_released_repository() -> None:
    """The sizes and SHA-256 of its git LFS pointers."""
    found = {
        one.name: (one.head.size_bytes, (one.head.sha256 or "")[:8])
        for one in released.RELEASED_MODELS
    }
    assert found == {
        "ava-wide": (255_383_120, "47f9a29c"),
        "ava-narrow": (148_210_528, "0121f323"),
        "ava-narrow-aug": (148_210_608, "6e069d80"),
    }


def test_percentiles_are_those_of_ava() -> None:
    record = replace(load_model("default").heads[0], quantiles=AVA_TEST_QUANTILES)
    # 71.08 % of the official test photos have a mean above 5 (Table 4 of the paper: all "high").
    assert record.percentile(5) == pytest.approx(100 - 71.08, abs=0.5)
    assert list(AVA_TEST_QUANTILES) == sorted(AVA_TEST_QUANTILES)


@pytest.mark.network
def test_the_authors_sample_photo(tmp_path: Path) -> None:
    """Downloads 475 MB: the real head and network give the score that the authors' notebook prints."""
    import pooch

    address = "https://raw.githubusercontent.com/subpic/ava-mlsp/master/images/954013.jpg"
    photo = tmp_path / "954013.jpg"
    pooch.HTTPDownloader()(address, photo, None)
    assert get().exit_code == 0
    options = ["--model", "ava-wide", "--precision", "float32"]
    done = CliRunner().invoke(app, ["score", str(photo), *options])
    assert done.exit_code == 0, done.output
    assert float(done.stdout.splitlines()[1].split("\t")[2]) == pytest.approx(6.397, abs=2e-3)
