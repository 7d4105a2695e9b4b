"""Model on disk: a folder with `model.json`, `backbone.onnx` and one ONNX file per head and classifier, verified on load.

A model without `backbone.onnx` reads stored features only.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import platformdirs

from mlsp.base.atomic_file import atomic_write_text
from mlsp.base.digests import file_sha256
from mlsp.base.errors import ModelError, unknown_name
from mlsp.base.json_text import parse_object
from mlsp.base.regular_file import open_regular
from mlsp.features.spec import FeatureSpec, Grid, read_spec, spec_record
from mlsp.models.records import (
    Agreement,
    Card,
    ClassifierName,
    ClassifierRecord,
    HeadRecord,
    Label,
    check_classifier,
    check_head,
    check_names,
)
from mlsp.photos import ReadAs
from mlsp.photos.crops import VIEW_COUNTS
from mlsp.photos.sizes import Reduction

_log = logging.getLogger(__name__)

FORMAT = 1
MODEL_FILE = "model.json"


@dataclass(frozen=True, slots=True)
class Model:
    """Verified model folder.

    Attributes:
        folder: of the model.
        name: as users call it.
        version: of the model.
        fingerprint: SHA-256 of `model.json`, and so of everything it names.
        feature_spec: features its heads read.
        smallest_side: minimum width and height of a photo, in pixels; below, scores would mean nothing.
        backbone_file: ONNX file in the folder; None for a model that reads stored features only.
        heads: in the order of the reports' columns.
        card: facts and limits for users.
        classifiers: what else reads the features: `faults`, `kinds`, both or none.
    """

    folder: Path
    name: str
    version: str
    fingerprint: str
    feature_spec: FeatureSpec
    smallest_side: int
    backbone_file: str | None
    heads: tuple[HeadRecord, ...]
    card: Card
    classifiers: tuple[ClassifierRecord, ...] = ()

    def __repr__(self) -> str:
        heads = ", ".join(head.name for head in self.heads)
        return (
            f"Model({self.name!r}, version {self.version}: {heads} on {self.feature_spec.backbone})"
        )

    def classifier(self, name: ClassifierName) -> ClassifierRecord | None:
        """Return a classifier; None where the model has none of this name."""
        return next((one for one in self.classifiers if one.name == name), None)

    @property
    def backbone(self) -> Path:
        """Path of the network's ONNX file.

        Raises:
            ModelError: the model has none.
        """
        if self.backbone_file is None:
            raise ModelError(
                f"model {self.folder} has heads but no network, so it cannot score photos: `mlsp predict` scores stored features,"
                f" or give --weights FILE, the weights of {self.feature_spec.backbone}, here or when the model is made"
            )
        return self.folder / self.backbone_file


def models_folders() -> tuple[Path, ...]:
    """Return the folders in which models are found by name: the package's own, then the user's (`MLSP_MODELS_DIR`, or the data folder)."""
    own = Path(str(resources.files("mlsp.models") / "builtin"))
    user = os.environ.get("MLSP_MODELS_DIR")
    return own, Path(user).expanduser() if user else Path(
        platformdirs.user_data_dir("mlsp")
    ) / "models"


def installed_models() -> Mapping[str, Path]:
    """Return the folders of the installed models by name, the embedded ones first."""
    found: dict[str, Path] = {}
    for folder in models_folders():
        try:
            paths = [path for path in sorted(folder.iterdir()) if (path / MODEL_FILE).is_file()]
        except FileNotFoundError:
            continue
        except OSError as error:
            # A user's folder that cannot be read must not keep the embedded model from scoring.
            _log.warning("models in %s are not listed: %s", folder, error.strerror)
            continue
        for path in paths:
            found.setdefault(path.name, path)
    return found


def list_models() -> tuple[str, ...]:
    """Return the names of the installed models, the package's own first."""
    return tuple(installed_models())


def load_model(model: Path | str = "default") -> Model:
    """Find a model by name or folder and verify all of it.

    Args:
        model: name of an installed model, or a folder.

    Raises:
        ModelError: there is none, or it is damaged, foreign or of a newer format.
    """
    installed = installed_models()
    if isinstance(model, str) and model in installed:
        return _read(installed[model])
    folder = Path(model)
    if not folder.is_dir():
        # Imported here, as few need it.
        from mlsp.models.released import RELEASED_MODELS

        if any(released.name == str(model) for released in RELEASED_MODELS):
            raise ModelError(
                f"model {model} of the paper's authors is not on this machine: mlsp models get {model}"
            )
        message = unknown_name("model", str(model), installed)
        raise ModelError(f"{message}; a folder of this name does not exist either")
    return _read(folder)


def recorded_files(folder: Path) -> frozenset[str]:
    """Return the names of a model's files, of any format, whatever became of them; none where the folder has no model's record."""
    try:
        with open_regular(folder / MODEL_FILE) as stream:
            document = parse_object(stream.read())
    except (OSError, ValueError):
        return frozenset()
    if "format" not in document:
        return frozenset()
    parts = [document.get("backbone")]
    for several in (document.get("heads"), document.get("classifiers")):
        parts += several if isinstance(several, list) else []
    named = [part.get("file") for part in parts if isinstance(part, dict)]
    return frozenset([MODEL_FILE, *(name for name in named if isinstance(name, str))])


def _read(folder: Path) -> Model:
    file = folder / MODEL_FILE
    try:
        with open_regular(file) as stream:
            raw = stream.read()
    except OSError as error:
        raise ModelError(
            f"{folder} is not a model: {MODEL_FILE} cannot be read ({error.strerror})."
            " A model is a folder with model.json, backbone.onnx and one ONNX file per head"
        ) from error
    try:
        document = parse_object(raw)
        found = document["format"]
    except (ValueError, KeyError) as error:
        raise ModelError(
            f"{file} is damaged or not a model's: no JSON object with a 'format'. Install the model again"
        ) from error
    if found != FORMAT:
        raise ModelError(
            f"{file} has format {found!r}, this mlsp reads format {FORMAT}: update mlsp, or build the model again"
        )
    try:
        parsed = _parse(folder, document, hashlib.sha256(raw).hexdigest())
        expected = {head.file: head.sha256 for head in parsed.heads}
        expected |= {classifier.file: classifier.sha256 for classifier in parsed.classifiers}
        if parsed.backbone_file is not None:
            expected[parsed.backbone_file] = str(document["backbone"]["sha256"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{file} is damaged: {type(error).__name__} at {error}. Install the model again"
        ) from error
    for name, sha256 in expected.items():
        _verify(folder, name, sha256)
    return parsed


def _parse(folder: Path, document: dict[str, Any], fingerprint: str) -> Model:
    by_kind = document.get("kind_quantiles", {})
    heads = tuple(
        HeadRecord(
            **{
                **head,
                "quantiles": tuple(map(float, head["quantiles"])),
                "agreement": tuple(Agreement(**agreement) for agreement in head["agreement"]),
                "kind_quantiles": {
                    kind: tuple(map(float, quantiles))
                    for kind, quantiles in by_kind.get(head["name"], {}).items()
                },
            }
        )
        for head in document["heads"]
    )
    classifiers = tuple(
        ClassifierRecord(
            **{**classifier, "labels": tuple(Label(**label) for label in classifier["labels"])}
        )
        for classifier in document.get("classifiers", ())
    )
    for head in heads:
        check_head(head)
    for classifier in classifiers:
        check_classifier(classifier)
    check_names(heads, classifiers)
    spec, card = document["kind"], document["card"]
    feature_spec = read_spec({**spec, "levels": tuple(spec["levels"])})
    _check_spec(feature_spec)
    smallest_side, backbone = int(document["smallest_side"]), document["backbone"]
    if smallest_side < 1:
        raise ValueError(f"smallest_side {smallest_side}: expected at least 1")
    return Model(
        folder=folder,
        name=str(document["name"]),
        version=str(document["version"]),
        fingerprint=fingerprint,
        feature_spec=feature_spec,
        smallest_side=smallest_side,
        backbone_file=None if backbone is None else str(backbone["file"]),
        heads=heads,
        card=Card(**{**card, "networks": tuple(card["networks"]), "limits": tuple(card["limits"])}),
        classifiers=classifiers,
    )


def _check_spec(feature_spec: FeatureSpec) -> None:
    """Raise ValueError if a spec of features cannot be used."""
    if feature_spec.views not in VIEW_COUNTS or feature_spec.grid not in get_args(Grid):
        raise ValueError(f"views {feature_spec.views!r} and grid {feature_spec.grid!r}: unknown")
    side = feature_spec.longest_side
    if side is not None and (not isinstance(side, int) or side < 1):
        raise ValueError(f"longest_side {side!r}: expected a whole number of pixels, or null")
    if feature_spec.reduction not in get_args(Reduction):
        raise ValueError(f"reduction {feature_spec.reduction!r}: unknown")
    if feature_spec.read_as not in get_args(ReadAs):
        raise ValueError(f"read_as {feature_spec.read_as!r}: unknown")
    size = feature_spec.resize
    if size is not None and not (
        isinstance(size, tuple)
        and len(size) == 2
        and all(isinstance(side, int) and side >= 1 for side in size)
    ):
        raise ValueError(f"resize {size!r}: expected width and height in pixels, or null")
    if size is not None and feature_spec.longest_side is not None:
        raise ValueError(f"resize {size} and longest_side {side}: expected one of them")


def _verify(folder: Path, name: str, sha256: str) -> None:
    if not name or "\0" in name or Path(name).name != name:
        raise ModelError(
            f"{folder / MODEL_FILE} names the file {name!r}: only files in the model's own folder are read"
        )
    try:
        found = file_sha256(folder / name)
    except OSError as error:
        raise ModelError(
            f"model {folder}: {name} cannot be read ({error.strerror}). Install the model again"
        ) from error
    if found != sha256:
        raise ModelError(
            f"model {folder}: {name} is damaged: expected SHA-256 {sha256}, got {found}. Install the model again"
        )


def save_model_record(model: Model) -> None:
    """Write `model.json` into the model's folder, where its ONNX files must already be."""
    backbone = None
    if model.backbone_file is not None:
        sha256 = file_sha256(model.folder / model.backbone_file)
        backbone = {"file": model.backbone_file, "sha256": sha256}
    document: dict[str, Any] = {
        "format": FORMAT,
        "name": model.name,
        "version": model.version,
        "card": asdict(model.card),
        "kind": spec_record(model.feature_spec),
        "smallest_side": model.smallest_side,
        "backbone": backbone,
        "heads": [_head_document(head) for head in model.heads],
    }
    # Keys of their own, so that versions without them read the model: as one without classifiers.
    if model.classifiers:
        document["classifiers"] = [asdict(classifier) for classifier in model.classifiers]
    if by_kind := {
        head.name: dict(head.kind_quantiles) for head in model.heads if head.kind_quantiles
    }:
        document["kind_quantiles"] = by_kind
    with atomic_write_text(model.folder / MODEL_FILE) as stream:
        stream.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _head_document(head: HeadRecord) -> dict[str, Any]:
    """Return a head as JSON holds it, with what earlier versions read: without `form` where it is None, and without `kind_quantiles`."""
    document = asdict(head)
    del document["kind_quantiles"]
    if head.form is None:
        del document["form"]
    return document


def iterate_models() -> Iterator[tuple[str, Model | ModelError]]:
    """Load every installed model; a damaged one comes as its error."""
    for name, folder in installed_models().items():
        try:
            yield name, _read(folder)
        except ModelError as error:
            yield name, error
