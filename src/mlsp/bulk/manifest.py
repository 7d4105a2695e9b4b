"""Manifest of a data set of results: a small file in it, so that no run continues it with another input or model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from mlsp.base.errors import OutputError, SettingsError
from mlsp.base.json_text import parse_object

# Format 1, of version 0.1, has other columns: see `mlsp.bulk.result_files.columns`.
FORMAT = 2
# A table without rows: some readers of data sets skip names that begin with an underscore, others read all that is there.
MANIFEST_FILE = "_manifest.parquet"
OLD_MANIFEST_FILE = "_manifest.json"
_KEY = b"mlsp.manifest"


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
        prefix_sha256: fingerprint of all shards but the last; empty where an earlier version began it.
        last_shard: name of the last shard.
        last_photos: number of its photos; None if it is known only after reading.
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
    prefix_sha256: str = ""
    last_shard: str = ""
    last_photos: int | None = None
    format: int = FORMAT

    def to_metadata(self) -> dict[bytes, bytes]:
        """Return the metadata of its file."""
        return {_KEY: json.dumps(asdict(self), ensure_ascii=False).encode()}

    @classmethod
    def of_file(cls, name: str, content: bytes, location: str) -> Manifest:
        """Parse the content of a file.

        Args:
            name: of the file, which tells its kind.
            content: all of it.
            location: for messages.

        Raises:
            OutputError: it is damaged or of another format.
        """
        if name == OLD_MANIFEST_FILE:
            return cls._of_json(content, location)
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            text = pq.read_schema(pa.BufferReader(content)).metadata[_KEY]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{location} is damaged: {error}. Name another data set") from error
        return cls._of_json(text, location)

    @classmethod
    def _of_json(cls, content: bytes, location: str) -> Manifest:
        try:
            document = parse_object(content)
            found = document["format"]
        except (ValueError, KeyError) as error:
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

    def check_continued_by(self, other: Manifest, location: str, *, is_appended: bool) -> None:
        """Refuse to continue with another input or other settings.

        Args:
            other: of the run that would continue.
            location: of the data set, for the message.
            is_appended: the other's input begins with this one's.

        Raises:
            SettingsError: it differs in anything that rows depend on.
        """
        for name, noun in _COMPARED.items():
            before, now = getattr(self, name), getattr(other, name)
            if before != now:
                raise SettingsError(
                    f"{location} was begun with {noun} {before}, this run has {now}: use the same, or name another data set"
                )
        if self.input_sha256 != other.input_sha256 and not is_appended:
            raise SettingsError(
                f"{location} was begun with other photos: then {_amount(self)}, now {_amount(other)}; names, sizes or order of some"
                " differ, and not only at the end. Give the sources as they were, in the same words and order, or name another data set"
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
