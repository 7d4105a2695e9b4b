"""Weights files: given by the user, in an installed Python package, in the cache, or downloaded into it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from mlsp.backbones.records import BackboneSpec, WeightsFile
from mlsp.backbones.weights.downloads import (
    PATIENCE,
    Progress,
    RetryPolicy,
    difference,
    download,
    has_digest,
)
from mlsp.base.cache_folder import cache_folder
from mlsp.base.digests import file_sha256
from mlsp.base.errors import WeightsError

_PACKAGE_SCHEME = "pkg:pypi/"


@dataclass(frozen=True, slots=True)
class FoundWeights:
    """Weights file on this machine.

    Attributes:
        file: where it is.
        sha256: of the file, in hexadecimal.
        published: the published file that it is known to be; None for any other.
    """

    file: Path
    sha256: str
    published: WeightsFile | None


def find_weights(
    spec: BackboneSpec,
    weights: Path | None = None,
    *,
    sha256: str | None = None,
    on_download: Progress | None = None,
) -> FoundWeights:
    """Find or download a network's weights.

    Args:
        spec: record of the network.
        weights: file of weights; by default the published one of this SHA-256, or else the preferred one.
        sha256: that the file must have, in hexadecimal; any by default.
        on_download: called during a download with the bytes so far and in all (0 while unknown).

    Raises:
        WeightsError: they can neither be found nor downloaded, or have another SHA-256.
    """
    if weights is None:
        if not spec.weights:
            raise WeightsError(f"no weights of {spec.name} are published: give a file")
        same = (record for record in spec.weights if sha256 and record.sha256 == sha256)
        preferred = next(same, spec.weights[0])
        file = fetch_weights(preferred, progress=on_download)
        published: WeightsFile | None = preferred
    else:
        file = Path(weights)
        _check_exists(file, spec.name)
        known = (
            record for record in spec.weights if has_digest(record) and is_published(file, record)
        )
        published = next(known, None)
    return FoundWeights(file, check_weights(file, spec.name, sha256=sha256), published)


def may_be_published(spec: BackboneSpec, sha256: str) -> bool:
    """Return whether weights may be published ones of a network: a published file has this SHA-256, or one that is not known."""
    return any(file.sha256 in (None, sha256) for file in spec.weights)


def check_weights(file: Path, backbone: str, *, sha256: str | None = None) -> str:
    """Check that a weights file is there and is the expected one.

    Args:
        file: of weights.
        backbone: name of the network, which need not be known here.
        sha256: that the file must have, in hexadecimal; any by default.

    Returns:
        Its SHA-256.

    Raises:
        WeightsError: it does not exist or is another.
    """
    _check_exists(file, backbone)
    found = file_sha256(file)
    if sha256 not in (None, found):
        raise WeightsError(
            f"weights file {file} of {backbone} has SHA-256 {found}, expected {sha256}:"
            " give the file that the features or the model were made with"
        )
    return found


def _check_exists(file: Path, backbone: str) -> None:
    if not file.is_file():
        raise WeightsError(f"weights file {file} does not exist: expected weights of {backbone}")


def weights_folder() -> Path:
    """Return the folder of downloaded weights."""
    return cache_folder() / "weights"


def fetch_weights(
    weights_file: WeightsFile,
    *,
    progress: Progress | None = None,
    retry: RetryPolicy = PATIENCE,
) -> Path:
    """Find published weights on this machine, or download them once, from where `mlsp.backbones.weights.downloads.addresses` says.

    Nothing is downloaded while the environment variable `MLSP_OFFLINE` is set to anything but 0.

    Args:
        weights_file: record of the file.
        progress: called with the bytes so far and in all (0 while unknown).
        retry: patience with the network.

    Returns:
        The file, verified by the digest that is published; by nothing where none is.

    Raises:
        WeightsError: it can neither be found nor downloaded, or is not the published file.
    """
    if weights_file.url.startswith(_PACKAGE_SCHEME):
        return _find_in_package(weights_file)
    downloaded = find_downloaded(weights_file)
    if downloaded is not None:
        return downloaded
    target = weights_folder() / _file_name(weights_file.url)
    if os.environ.get("MLSP_OFFLINE", "0") not in ("", "0"):
        state = "damaged" if target.is_file() else "not on this machine"
        raise WeightsError(
            f"weights are {state} and MLSP_OFFLINE forbids downloads: download {weights_file.url}"
            f" elsewhere and save it as {target}"
        )
    download(weights_file, target, progress=progress, retry=retry)
    return target


def find_downloaded(weights_file: WeightsFile) -> Path | None:
    """Return where published weights were downloaded to earlier; None where they were not, or are damaged."""
    file = weights_folder() / _file_name(weights_file.url)
    return file if is_published(file, weights_file) else None


def is_published(file: Path, weights_file: WeightsFile) -> bool:
    """Return whether a file exists and differs in nothing that is known of the published one."""
    return file.is_file() and difference(file, weights_file) is None


def _file_name(url: str) -> str:
    """Name a file in the cache by its address and a digest of it, as many files are called `model.safetensors`."""
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    return f"{Path(name).stem}-{digest}{Path(name).suffix}"


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
