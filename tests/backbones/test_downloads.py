from __future__ import annotations

import hashlib
import io
import multiprocessing
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from download_site import Site, serve_site
from mlsp.backbones import (
    BACKBONES,
    BackboneSpec,
    Level,
    Preprocessing,
    WeightsFile,
    register_backbone,
)
from mlsp.backbones.weights.downloads import RetryPolicy
from mlsp.backbones.weights.finding import fetch_weights
from mlsp.base.errors import OutputError, WeightsError
from mlsp.cli.app import app
from mlsp.features.extraction.plan import plan_network
from mlsp.features.extraction.settings import NetworkSettings
from mlsp.features.opening import open_backbone
from mlsp.features.spec import FeatureSpec
from mlsp.training.backbone_graph import find_backbone_graph
from mlsp.training.finetuning.start import open_pretrained

CONTENT = bytes(range(256)) * 12_000  # above two chunks
IMPATIENT = RetryPolicy(attempts=3, backoff_s=0.0, timeout_s=5.0)


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.conv(x)]


@pytest.fixture(autouse=True)
def _cache_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSP_CACHE_DIR", str(tmp_path))


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with serve_site(CONTENT, monkeypatch) as served:
        yield served


def partial(cache: Path, record: WeightsFile) -> Path:
    """Where a transfer that broke off is kept."""
    mark = hashlib.sha256(record.url.encode()).hexdigest()[:8]
    return cache / "weights" / f"some weights-{mark}.h5.part"


def test_downloaded_once(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    record = site.record()
    file = fetch_weights(record, progress=lambda *at: seen.append(at))
    assert file.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert len(seen) > 2
    assert file == partial(tmp_path, record).with_suffix("")
    assert not partial(tmp_path, record).exists()
    assert fetch_weights(record) == file
    assert site.connections == 1


def test_cache_is_where_the_environment_says(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLSP_CACHE_DIR", str(tmp_path / "mine"))
    assert fetch_weights(site.record()).parent == tmp_path / "mine" / "weights"


@pytest.mark.parametrize("is_size_known", [True, False])
def test_broken_connection_is_tried_again(site: Site, tmp_path: Path, is_size_known: bool) -> None:
    site.cuts = [1_500_000, 100_000]
    record = site.record() if is_size_known else site.record(size_bytes=None)
    file = fetch_weights(record, retry=IMPATIENT)
    assert file.read_bytes() == CONTENT
    assert site.connections == 3


def test_partial_file_never_counts(site: Site, tmp_path: Path) -> None:
    site.cuts = [1000, 1000, 1000]
    record = site.record(sha256=None, size_bytes=None)
    target = partial(tmp_path, record).with_suffix("")
    message = f"cannot download {re.escape(site.url)} in 3 attempts: .*{re.escape(str(target))}$"
    with pytest.raises(WeightsError, match=message):
        fetch_weights(record, retry=IMPATIENT)
    assert not target.exists()
    assert not partial(tmp_path, record).exists()
    # What another process left when it was killed.
    partial(tmp_path, record).write_bytes(CONTENT[:1000])
    assert fetch_weights(record).read_bytes() == CONTENT


def test_broken_chunks_are_noticed(site: Site, tmp_path: Path) -> None:
    site.is_chunked = True
    site.cuts = [1_500_000]
    record = site.record(sha256=None, size_bytes=None)
    assert fetch_weights(record, retry=IMPATIENT).read_bytes() == CONTENT
    assert site.connections == 2


@pytest.mark.parametrize("algorithm", ["sha256", "sha256_start", "md5"])
def test_wrong_content_is_not_kept(site: Site, tmp_path: Path, algorithm: str) -> None:
    site.content = CONTENT[:-1] + b"!"
    name, digits = ("md5", 32) if algorithm == "md5" else ("sha256", 64)
    if algorithm == "sha256_start":
        digits = 8
    expected, found = (
        hashlib.new(name, content, usedforsecurity=False).hexdigest()[:digits]
        for content in (CONTENT, site.content)
    )
    record = site.record(**{"sha256": None, algorithm: expected})
    message = f"^{re.escape(site.url)} .*: expected {name} {expected}, got {found}\\. "
    with pytest.raises(WeightsError, match=message):
        fetch_weights(record, retry=IMPATIENT)
    assert not list(tmp_path.rglob("*.h5*[!k]"))


def test_wrong_size_is_not_kept(site: Site, tmp_path: Path) -> None:
    site.content = CONTENT + b"!"
    message = f"expected {len(CONTENT)} bytes, got {len(CONTENT) + 1}"
    with pytest.raises(WeightsError, match=f"^{re.escape(site.url)} .*{message}"):
        fetch_weights(site.record(), retry=IMPATIENT)
    assert not list(tmp_path.rglob("*.h5*[!k]"))


def test_damaged_cached_file_is_downloaded_again(site: Site, tmp_path: Path) -> None:
    record = site.record()
    file = fetch_weights(record)
    file.write_bytes(CONTENT[:-1] + b"!")
    assert fetch_weights(record).read_bytes() == CONTENT


def test_mirrors_are_tried_in_turn(site: Site, tmp_path: Path) -> None:
    address = site.url.rpartition("/")[0]
    record = site.record(mirrors=(f"{address}/second", f"{address}/third"))
    site.statuses = [404, 404]
    assert fetch_weights(record, retry=IMPATIENT).read_bytes() == CONTENT
    assert site.paths == ["/some%20weights.h5", "/second", "/third"]


def test_a_mirror_with_another_file_is_passed_over(site: Site, tmp_path: Path) -> None:
    wrong = tmp_path / "pointer"
    wrong.write_text("version https://git-lfs.github.com/spec/v1")
    site.files["/some%20weights.h5"] = wrong
    record = site.record(mirrors=(site.url.rpartition("/")[0] + "/second",))
    assert fetch_weights(record, retry=IMPATIENT).read_bytes() == CONTENT


def test_where_no_mirror_has_the_file_each_is_named(site: Site, tmp_path: Path) -> None:
    second = site.url.rpartition("/")[0] + "/second"
    site.statuses = [404, 403]
    with pytest.raises(WeightsError) as error:
        fetch_weights(site.record(mirrors=(second,)), retry=IMPATIENT)
    assert str(error.value).splitlines() == [
        f"cannot download {site.url}: the server answered 404 Not Found",
        f"cannot download {second}: the server answered 403 Forbidden",
    ]


@pytest.mark.parametrize("ending", ["", "/"])
def test_the_mirror_of_the_environment_comes_first(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setenv("MLSP_MIRROR", site.url.rpartition("/")[0] + "/mine" + ending)
    record = site.record(url="https://example.org/weights/a.h5?dl=1")
    assert fetch_weights(record, retry=IMPATIENT).read_bytes() == CONTENT
    assert site.paths == ["/mine/example.org/weights/a.h5"]


def test_missing_file_is_asked_for_once(site: Site, tmp_path: Path) -> None:
    site.statuses = [404]
    message = f"cannot download {site.url}: the server answered 404 Not Found"
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        fetch_weights(site.record(), retry=IMPATIENT)
    assert site.connections == 1


def test_passing_troubles_are_waited_out(site: Site, tmp_path: Path) -> None:
    site.statuses = [503, 429]
    file = fetch_weights(site.record(), retry=IMPATIENT)
    assert file.read_bytes() == CONTENT


def test_patience_ends(site: Site, tmp_path: Path) -> None:
    site.statuses = [500] * 9
    with pytest.raises(
        WeightsError, match="in 3 attempts: the server answered 500 Internal Server"
    ):
        fetch_weights(site.record(), retry=IMPATIENT)
    assert site.connections == 3


def test_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    record = Site("http://127.0.0.1:9/some%20weights.h5", CONTENT).record()
    with pytest.raises(WeightsError, match=r"^cannot download http://127\.0\.0\.1:9/\S+ in 3 att"):
        fetch_weights(record, retry=IMPATIENT)


def test_offline_says_where_to_put_the_file(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLSP_OFFLINE", "1")
    record = site.record()
    target = partial(tmp_path, record).with_suffix("")
    message = (
        f"weights are not on this machine and MLSP_OFFLINE forbids downloads: download {site.url} elsewhere"
        f" and save it as {target}"
    )
    with pytest.raises(WeightsError, match=f"^{re.escape(message)}$"):
        fetch_weights(record)
    assert site.connections == 0
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    assert fetch_weights(record) == target


@pytest.mark.parametrize("url", ["ftp://example.org/a.h5", "data:,a"])
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    record = Site(url, CONTENT).record()
    scheme = url.partition(":")[0]
    message = rf"^cannot download {url}: expected .*https, http, file, got {scheme!r}$"
    with pytest.raises(WeightsError, match=message):
        fetch_weights(record)


def test_redirect_to_another_file(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "secret"
    source.write_bytes(CONTENT)
    site.redirect = source.as_uri()
    with pytest.raises(WeightsError, match=f"^cannot download {re.escape(site.url)} "):
        fetch_weights(site.record(), retry=IMPATIENT)
    assert not list(tmp_path.rglob("*.h5*[!k]"))


def test_file_address(tmp_path: Path) -> None:
    source = tmp_path / "source.h5"
    source.write_bytes(CONTENT)
    file = fetch_weights(Site(source.as_uri(), CONTENT).record())
    assert file.read_bytes() == CONTENT


def test_folder_that_cannot_be_made(site: Site, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("a file")
    with pytest.raises(OutputError, match=f"^cannot write {re.escape(str(tmp_path))}.*: .*exists"):
        fetch_weights(site.record())


def test_processes_share_one_download(site: Site, tmp_path: Path) -> None:
    record = site.record()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        jobs = [pool.apply_async(fetch_weights, (record,)) for _ in "ab"]
        files = [job.get(timeout=60) for job in jobs]
        pool.close()
        pool.join()
    assert files[0] == files[1]
    assert files[0].read_bytes() == CONTENT
    assert site.connections == 1


@pytest.fixture
def tiny(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FeatureSpec]:
    """A network whose weights are on the server."""
    monkeypatch.setenv("MLSP_CACHE_DIR", str(tmp_path / "cache"))
    stream = io.BytesIO()
    torch.save(Tiny().state_dict(), stream)
    site.content = stream.getvalue()
    sha256 = hashlib.sha256(site.content).hexdigest()
    record = BackboneSpec(
        name="tiny",
        levels=(Level("only", 4),),
        preprocessing=Preprocessing(1 / 255, 0.0),
        weights=(site.record(sha256=sha256, size_bytes=len(site.content), layout="state_dict"),),
        smallest_side=8,
        origin="this test",
    )
    register_backbone(record, Tiny)
    yield FeatureSpec("tiny", sha256, ("only",), "whole", None, 1)
    BACKBONES.discard("tiny")


@pytest.mark.parametrize(
    "get",
    [
        lambda spec, tell: plan_network(NetworkSettings("tiny"), on_download=tell),
        lambda spec, tell: open_backbone(spec, on_download=tell),
        lambda spec, tell: find_backbone_graph(spec, 1, on_download=tell),
        lambda spec, tell: open_pretrained("tiny", on_download=tell),
    ],
    ids=["extract", "score", "train", "finetune"],
)
def test_whoever_needs_weights_hears_of_their_download(
    site: Site, tiny: FeatureSpec, get: Callable[[FeatureSpec, Callable[[int, int], None]], object]
) -> None:
    seen: list[tuple[int, int]] = []
    get(tiny, lambda *at: seen.append(at))
    assert seen[-1] == (len(site.content), len(site.content))


@pytest.mark.parametrize(
    ("terminal", "options", "is_shown"),
    [("1", [], True), ("1", ["--quiet"], False), ("0", [], False)],
)
def test_a_terminal_shows_a_download(
    tiny: FeatureSpec,
    tmp_path: Path,
    examples: Path,
    monkeypatch: pytest.MonkeyPatch,
    terminal: str,
    options: list[str],
    is_shown: bool,
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", terminal)
    register_backbone(replace(BACKBONES["tiny"], export="never"), Tiny)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes((examples / "chelsea.png").read_bytes())
    output = str(tmp_path / "f.h5")
    arguments = ["extract", str(tmp_path / "photos"), "--backbone", "tiny", "--output", output]
    done = CliRunner().invoke(app, [*arguments, *options])
    assert done.exit_code == 0, done.output
    assert ("downloading weights" in done.stderr) is is_shown
    assert "downloading" not in done.stdout
