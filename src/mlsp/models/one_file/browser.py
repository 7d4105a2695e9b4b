"""Static page that scores photos in the visitor's browser: nothing is uploaded, no server computes.

The folder holds the page, the model as one ONNX file, and onnxruntime-web, which is fetched once by npm, or given unpacked.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import shutil
import subprocess
import tarfile
from importlib import resources
from pathlib import Path

from mlsp.base.atomic_file import folder_beside
from mlsp.base.errors import OutputError, SettingsError
from mlsp.models.model import Model
from mlsp.models.one_file.writing import graph_bytes
from mlsp.models.records import label_words

RUNTIME_VERSION = "1.30.0"
# Of the published archive, as npm states it.
_RUNTIME_SHA512 = (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
# The second three are fetched by visitors with WebGPU only.
_RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
_PAGE_FILES = ("index.html", "page.css", "page.js", "worker.js", "pixels.js", "isolation.js")
_NPM_SECONDS = 600


def export_browser_page(model: Model, folder: Path, *, runtime: Path | None = None) -> Path:
    """Write the page's folder; any web server that serves files serves it.

    Args:
        model: verified, with its network.
        folder: to write; must not exist yet, or be such a page.
        runtime: folder `dist` of an unpacked onnxruntime-web; by default npm fetches it.

    Returns:
        The folder.

    Raises:
        OutputError: the folder holds something else.
        SettingsError: onnxruntime-web can neither be found nor fetched.
        ModelError: the model has no network.
        MissingExtraError: the `export` extra is not installed.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(
            f"cannot write a page into {str(folder)!r}: expected a folder, got a file: name another"
        )
    if folder.exists() and any(folder.iterdir()) and not _is_page(folder):
        raise OutputError(
            f"cannot write a page into {str(folder)!r}: it contains files that are not of such a page: name a new folder"
        )
    content = graph_bytes(model)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder_beside(folder) as temporary:
        page = temporary / "page"
        page.mkdir()
        _copy_runtime(page / "onnxruntime", runtime, temporary)
        _write_page(page, model, content)
        if folder.exists():
            shutil.rmtree(folder)
        page.rename(folder)
    # The temporary folder's own permissions would keep a web server out.
    folder.chmod(0o755)
    return folder


def _is_page(folder: Path) -> bool:
    """Return whether a folder is such a page and nothing else: a model's folder has a model.json too, and a user may have added files."""
    own = {"model.onnx", "model.json", "onnxruntime", *_PAGE_FILES}
    found = {path.name for path in folder.iterdir()}
    runtime = folder / "onnxruntime"
    return (
        found == own
        and runtime.is_dir()
        and {path.name for path in runtime.iterdir()} <= set(_RUNTIME_FILES)
    )


def _write_page(page: Path, model: Model, content: bytes) -> None:
    (page / "model.onnx").write_bytes(content)
    record = {
        "name": model.name,
        "longest_side": model.feature_spec.longest_side,
        "reduction": model.feature_spec.reduction,
        "smallest_side": model.smallest_side,
        "sha256": hashlib.sha256(content).hexdigest(),
        "summary": model.card.summary,
        "limits": model.card.limits,
        "license": model.card.license,
        "heads": [
            {
                "name": head.name,
                "meaning": head.meaning,
                "lowest": head.lowest,
                "highest": head.highest,
                "has_percentile": bool(head.quantiles),
            }
            for head in model.heads
        ],
        "classifiers": [
            {
                "name": classifier.name,
                "labels": [
                    {
                        "name": label.name,
                        "words": label_words(label.name),
                        "meaning": label.meaning,
                        "threshold": label.threshold,
                    }
                    for label in classifier.labels
                ],
            }
            # In the order of a report's columns.
            for classifier in sorted(model.classifiers, key=lambda one: one.name != "kinds")
        ],
    }
    (page / "model.json").write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    source = resources.files("mlsp.models.one_file") / "page"
    for name in _PAGE_FILES:
        text = (source / name).read_text(encoding="utf-8")
        if name == "index.html":
            text = text.replace("MODEL_NAME", html.escape(model.name))
        (page / name).write_text(text, encoding="utf-8")


def _copy_runtime(target: Path, runtime: Path | None, work: Path) -> None:
    if runtime is None:
        runtime = _fetched_runtime(work)
    target.mkdir()
    for name in _RUNTIME_FILES:
        try:
            shutil.copyfile(runtime / name, target / name)
        except OSError as error:
            raise SettingsError(
                f"{runtime} is not the dist folder of onnxruntime-web {RUNTIME_VERSION}: {name} cannot be read ({error.strerror})"
            ) from error


def _fetched_runtime(work: Path) -> Path:
    """Fetch onnxruntime-web by npm, verify and unpack it; return its folder `dist`."""
    npm = shutil.which("npm")
    package = f"onnxruntime-web@{RUNTIME_VERSION}"
    if npm is None:
        raise SettingsError(
            f"the page needs {package}, which npm fetches, and npm is not installed: install it, or unpack the package and name"
            " its folder dist by --runtime"
        )
    try:
        done = subprocess.run(  # noqa: S603 - npm, with arguments of our own
            [npm, "pack", "--silent", package],
            cwd=work,
            capture_output=True,
            text=True,
            timeout=_NPM_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SettingsError(
            f"npm did not fetch {package} within {_NPM_SECONDS} s: try again, or name an unpacked one by --runtime"
        ) from error
    archives = list(work.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        reason = done.stderr.strip().splitlines()
        raise SettingsError(
            f"npm cannot fetch {package}: {reason[-1] if reason else f'exit code {done.returncode}'}: try again with a network, or"
            " name an unpacked one by --runtime"
        )
    digest = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
    if digest != _RUNTIME_SHA512:
        raise SettingsError(
            f"{package} as npm fetched it has SHA-512 {digest}, expected {_RUNTIME_SHA512}: it is not the published one"
        )
    # File by file: Python before 3.11.4 cannot filter what `extractall` writes.
    dist = work / "dist"
    dist.mkdir()
    with tarfile.open(archives[0]) as archive:
        for name in _RUNTIME_FILES:
            content = archive.extractfile(f"package/dist/{name}")
            if content is not None:
                (dist / name).write_bytes(content.read())
    return dist
