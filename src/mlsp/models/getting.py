"""The authors' released models: their files are found or downloaded, and made into models that `load_model` finds by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlsp.backbones import backbone
from mlsp.backbones.records import WeightsFile
from mlsp.backbones.weights.downloads import difference
from mlsp.backbones.weights.finding import fetch_weights, find_downloaded, is_published
from mlsp.base.atomic_file import make_output_folder
from mlsp.base.errors import ModelError, WeightsError
from mlsp.models.keras_import import import_keras
from mlsp.models.model import Model, load_model, models_folders
from mlsp.models.released import BACKBONE, ReleasedModel
from mlsp.models.writing import check_model_folder

_SUFFIX = ".h5"


@dataclass(frozen=True, slots=True)
class NeededFile:
    """A file that a released model is made of.

    Attributes:
        record: as it is published.
        found: where it is on this machine; None where it is to be downloaded.
    """

    record: WeightsFile
    found: Path | None


def released_folder(released: ReleasedModel) -> Path:
    """Return the folder of a released model, in the user's folder of models."""
    return models_folders()[-1] / released.name


def find_released(released: ReleasedModel) -> Model | None:
    """Return a released model that is on this machine; None where it is not, or is damaged."""
    try:
        return load_model(released_folder(released))
    except ModelError:
        return None


def needed_files(
    released: ReleasedModel, source: Path | None = None
) -> tuple[NeededFile, NeededFile]:
    """Find the files of a released model on this machine: the head's and the network's.

    Args:
        released: the model.
        source: folder that holds both files, at any depth and under any name; then nothing is to be downloaded.

    Raises:
        WeightsError: `source` lacks a file.
    """
    head, network = released.head, backbone(BACKBONE).weights[0]
    if source is None:
        return NeededFile(head, find_downloaded(head)), NeededFile(
            network, find_downloaded(network)
        )
    return NeededFile(head, _find_in(source, head)), NeededFile(network, _find_in(source, network))


def _find_in(folder: Path, record: WeightsFile) -> Path:
    if not folder.is_dir():
        raise WeightsError(f"{folder} is not a folder: expected one that holds {record.url}")
    files = sorted(path for path in folder.rglob(f"*{_SUFFIX}") if path.is_file())
    for file in files:
        if is_published(file, record):
            return file
    others = "; ".join(f"{file.relative_to(folder)}: {difference(file, record)}" for file in files)
    raise WeightsError(
        f"{folder} does not hold {record.url}: {others or f'there is no *{_SUFFIX} file in it'}."
        " Download it into the folder (a file of some 130 bytes is a git LFS pointer, not the file), or leave out --from"
    )


def get_released(
    released: ReleasedModel,
    files: tuple[NeededFile, NeededFile],
    *,
    on_download: Callable[[int, int], None] | None = None,
) -> Model:
    """Download what is missing and make the model, in `released_folder`.

    Args:
        released: the model.
        files: of `needed_files`.
        on_download: called during a download with the bytes so far and in all (0 while unknown).

    Raises:
        WeightsError: a file can neither be found nor downloaded, or is not the published one.
        OutputError: the model cannot be written.
    """
    folder = released_folder(released)
    make_output_folder(folder.parent, hint="name another by MLSP_MODELS_DIR")
    check_model_folder(folder)
    head, weights = (
        file.found or fetch_weights(file.record, progress=on_download) for file in files
    )
    return import_keras(head, folder, weights=weights)
