"""Manifest of a data set of results: a small JSON file in it, so that no run continues it with another input or model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from mlsp.base.errors import OutputError, SettingsError
from mlsp.base.json_text import parse_json

# Format 1, of version 0.1, has other columns: see `mlsp.bulk.results.columns`.
FORMAT = 2
# Readers of data sets such as pyarrow and Spark skip names that begin with an underscore.
MANIFEST_FILE = "_manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Input and settings of a data set.

    Attributes:
        input_sha256: fingerprint of the input, see `mlsp.bulk.survey`.
        shard_size: photos per shard.
        shards: number of shards.
        photos: number of photos; None if it is known only after reading.
        model: name of the model.
        model_sha256: its fingerprint.
        precision: as it was asked for.
        max_pixels: larger photos are refused; None for the usual limit.
        mlsp: version that began it.
        format: of the data set.
    """

    input_sha256: str
    shard_size: int
    shards: int
    photos: int | None
    model: str
    model_sha256: str
    precision: str
    max_pixels: int | None
    mlsp: str
    format: int = FORMAT

    def to_json(self) -> bytes:
        """Return the content of the file."""
        document = {"format": self.format, **asdict(self)}
        return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, content: bytes, location: str) -> Manifest:
        """Parse the content of a file.

        Raises:
            OutputError: it is damaged or of another format.
        """
        try:
            document: dict[str, Any] = parse_json(content)
            found = document["format"]
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise OutputError(
                f"{location} is damaged: no JSON object with a 'format'. Name another data set"
            ) from error
        if found not in (1, FORMAT):
            raise OutputError(
                f"{location} has format {found!r}, this mlsp reads formats 1 to {FORMAT}: update mlsp, or name another data set"
            )
        try:
            return cls(**document)
        except TypeError as error:
            raise OutputError(f"{location} is damaged: {error}. Name another data set") from error

    def check_continued_by(self, other: Manifest, location: str) -> None:
        """Refuse to continue with another input or other settings.

        Args:
            other: of the run that would continue.
            location: of the data set, for the message.

        Raises:
            SettingsError: it differs in anything that rows depend on.
        """
        for name, noun in _COMPARED.items():
            before, now = getattr(self, name), getattr(other, name)
            if before != now:
                raise SettingsError(
                    f"{location} was begun with {noun} {before}, this run has {now}: use the same, or name another data set"
                )
        if self.input_sha256 != other.input_sha256:
            raise SettingsError(
                f"{location} was begun with other photos: then {_amount(self)}, now {_amount(other)}; names, sizes or order of some"
                " differ. Give the sources as they were, in the same words and order, or name another data set"
            )


# In the order in which a user would look for the cause.
_COMPARED = {
    "shard_size": "a shard size of",
    "model": "model",
    "model_sha256": "a model of SHA-256",
    "precision": "precision",
    "max_pixels": "a limit of pixels of",
}


def _amount(manifest: Manifest) -> str:
    photos = "an unknown number of" if manifest.photos is None else f"{manifest.photos:,}"
    return f"{photos} photos in {manifest.shards:,} shards"
