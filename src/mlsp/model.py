"""A model on disk: a folder with `model.json`, `backbone.onnx` and one `<head>.onnx` each, verified on load."""

from __future__ import annotations

import bisect
import hashlib
import json
import logging
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import platformdirs

from mlsp.atomic_file import atomic_write_text
from mlsp.errors import ModelError, unknown_name
from mlsp.feature_kind import FeatureKind, Grid, kind_record, read_kind
from mlsp.views import VIEW_COUNTS

_log = logging.getLogger(__name__)

FORMAT = 1
MODEL_FILE = "model.json"
_HEAD_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Names that a report's columns already have.
_RESERVED_NAMES = frozenset({"photo", "overall", "width", "height", "model"})


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well a head's scores agree with people's ratings.

    Attributes:
        photos: which photos it was measured on.
        photo_count: how many.
        srcc: Spearman's rank correlation, -1…1.
        plcc: Pearson's correlation, -1…1.
    """

    photos: str
    photo_count: int
    srcc: float
    plcc: float


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """One head of a model.

    Attributes:
        name: column in reports.
        file: ONNX file in the model's folder.
        sha256: of the file.
        meaning: what a high score means, in a few words.
        lowest: end of the ratings' scale.
        highest: other end of it.
        ratings: which ratings it learned from, with source and licence.
        quantiles: scores of the rated photos at even steps from the least to the largest, predicted by heads that had not
            seen them.
        agreement: with people, measured.
    """

    name: str
    file: str
    sha256: str
    meaning: str
    lowest: float
    highest: float
    ratings: str
    quantiles: tuple[float, ...]
    agreement: tuple[Agreement, ...]

    def with_file(self, folder: Path) -> HeadRecord:
        """This record with the hash of its file in a folder."""
        return replace(self, sha256=_sha256(folder / self.file))

    def percentile(self, value: float) -> float:
        """Share of the rated photos whose score is lower, 0…100, by linear interpolation between quantiles.

        Examples:
            >>> HeadRecord("h", "", "", "", 0, 1, "", (0.0, 0.5, 1.0), ()).percentile(0.25)
            25.0
        """
        if math.isnan(value):
            return math.nan
        above = bisect.bisect_right(self.quantiles, value)
        if above == 0:
            return 0.0
        if above == len(self.quantiles):
            return 100.0
        low, high = self.quantiles[above - 1], self.quantiles[above]
        steps = above - 1 + (value - low) / (high - low)
        return 100 * steps / (len(self.quantiles) - 1)


@dataclass(frozen=True, slots=True)
class Card:
    """What a user should know of a model before believing it.

    Attributes:
        summary: one sentence.
        networks: which networks, trained on what, under which licence.
        limits: what it was not tested on and is not good for.
        license: of the model.
    """

    summary: str
    networks: tuple[str, ...]
    limits: tuple[str, ...]
    license: str


@dataclass(frozen=True, slots=True)
class Model:
    """A verified model folder.

    Attributes:
        folder: where it is.
        name: as users call it.
        version: of the model.
        fingerprint: SHA-256 of `model.json`, and so of everything it names.
        kind: features its heads read.
        smallest_side: least width and height of a photo, in pixels; below, scores would mean nothing.
        backbone_file: ONNX file in the folder.
        heads: in the order of the reports' columns.
        card: what to know of it.
    """

    folder: Path
    name: str
    version: str
    fingerprint: str
    kind: FeatureKind
    smallest_side: int
    backbone_file: str
    heads: tuple[HeadRecord, ...]
    card: Card


def models_folders() -> tuple[Path, ...]:
    """Where models are looked for by name: the package's own, then the user's (`MLSP_MODELS_DIR`, or the data folder)."""
    own = Path(str(resources.files("mlsp") / "models"))
    user = os.environ.get("MLSP_MODELS_DIR")
    return own, Path(user).expanduser() if user else Path(
        platformdirs.user_data_dir("mlsp")
    ) / "models"


def installed_models() -> Mapping[str, Path]:
    """Folders of the installed models by name, the package's own first."""
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
        message = unknown_name("model", str(model), installed)
        raise ModelError(f"{message}; a folder of this name does not exist either")
    return _read(folder)


def _read(folder: Path) -> Model:
    file = folder / MODEL_FILE
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{folder} is not a model: {MODEL_FILE} cannot be read ({error.strerror})."
            " A model is a folder with model.json, backbone.onnx and one ONNX file a head"
        ) from error
    try:
        document = json.loads(raw)
        found = document["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(
            f"{file} is damaged or not a model's: no JSON object with a 'format'. Install the model again"
        ) from error
    if found != FORMAT:
        raise ModelError(
            f"{file} has format {found!r}, this mlsp reads format {FORMAT}: update mlsp, or build the model again"
        )
    try:
        parsed = _parse(folder, document, hashlib.sha256(raw).hexdigest())
        expected = {parsed.backbone_file: str(document["backbone"]["sha256"])}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"{file} is damaged: {type(error).__name__} at {error}. Install the model again"
        ) from error
    expected.update((head.file, head.sha256) for head in parsed.heads)
    for name, sha256 in expected.items():
        _verify(folder, name, sha256)
    return parsed


def _parse(folder: Path, document: dict[str, Any], fingerprint: str) -> Model:
    heads = tuple(
        HeadRecord(
            **{
                **head,
                "quantiles": tuple(map(float, head["quantiles"])),
                "agreement": tuple(Agreement(**agreement) for agreement in head["agreement"]),
            }
        )
        for head in document["heads"]
    )
    names = [head.name for head in heads]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"heads {names}: at least one is needed, each with its own name")
    for head in heads:
        _check_head(head)
    kind, card = document["kind"], document["card"]
    feature_kind = read_kind({**kind, "levels": tuple(kind["levels"])})
    _check_kind(feature_kind)
    smallest_side = int(document["smallest_side"])
    if smallest_side < 1:
        raise ValueError(f"smallest_side {smallest_side}: expected at least 1")
    return Model(
        folder=folder,
        name=str(document["name"]),
        version=str(document["version"]),
        fingerprint=fingerprint,
        kind=feature_kind,
        smallest_side=smallest_side,
        backbone_file=str(document["backbone"]["file"]),
        heads=heads,
        card=Card(**{**card, "networks": tuple(card["networks"]), "limits": tuple(card["limits"])}),
    )


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_head(head: HeadRecord) -> None:
    """Raise ValueError if a head's record cannot be used."""
    if not _HEAD_NAME.fullmatch(head.name) or head.name in _RESERVED_NAMES:
        raise ValueError(f"head name {head.name!r}: lower-case letters, digits and _ are allowed")
    texts = (head.file, head.sha256, head.meaning, head.ratings)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"texts of {head.name!r}: expected strings")
    numbers = (head.lowest, head.highest, *head.quantiles)
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in numbers):
        raise ValueError(f"numbers of {head.name!r}: expected finite ones")
    if head.lowest >= head.highest:
        raise ValueError(f"scale of {head.name!r}: {head.lowest} is not below {head.highest}")
    if len(head.quantiles) < 2 or list(head.quantiles) != sorted(head.quantiles):
        raise ValueError(f"quantiles of {head.name!r}: at least two, in rising order")


def _check_kind(kind: FeatureKind) -> None:
    """Raise ValueError if a kind of features is none."""
    if kind.views not in VIEW_COUNTS or kind.grid not in get_args(Grid):
        raise ValueError(f"views {kind.views!r} and grid {kind.grid!r}: unknown")
    side = kind.longest_side
    if side is not None and (not isinstance(side, int) or side < 1):
        raise ValueError(f"longest_side {side!r}: expected a whole number of pixels, or null")
    size = kind.resize
    if size is not None and not (
        isinstance(size, tuple)
        and len(size) == 2
        and all(isinstance(side, int) and side >= 1 for side in size)
    ):
        raise ValueError(f"resize {size!r}: expected width and height in pixels, or null")
    if size is not None and kind.longest_side is not None:
        raise ValueError(f"resize {size} and longest_side {side}: expected one of them")


def _verify(folder: Path, name: str, sha256: str) -> None:
    if not name or "\0" in name or Path(name).name != name:
        raise ModelError(
            f"{folder / MODEL_FILE} names the file {name!r}: only files in the model's own folder are read"
        )
    try:
        found = _sha256(folder / name)
    except OSError as error:
        raise ModelError(
            f"model {folder}: {name} cannot be read ({error.strerror}). Install the model again"
        ) from error
    if found != sha256:
        raise ModelError(
            f"model {folder}: {name} is damaged: expected SHA-256 {sha256}, found {found}. Install the model again"
        )


def save_model_record(model: Model) -> None:
    """Write `model.json` into the model's folder, where its ONNX files must already be."""
    backbone = model.folder / model.backbone_file
    document = {
        "format": FORMAT,
        "name": model.name,
        "version": model.version,
        "card": asdict(model.card),
        "kind": kind_record(model.kind),
        "smallest_side": model.smallest_side,
        "backbone": {
            "file": model.backbone_file,
            "sha256": _sha256(backbone),
        },
        "heads": [asdict(head) for head in model.heads],
    }
    with atomic_write_text(model.folder / MODEL_FILE) as stream:
        stream.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def iterate_models() -> Iterator[tuple[str, Model | ModelError]]:
    """Load every installed model; a damaged one comes as its error."""
    for name, folder in installed_models().items():
        try:
            yield name, _read(folder)
        except ModelError as error:
            yield name, error
