"""Explanations as files: one picture per photo and head."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlsp.base.atomic_file import atomic_write, check_replaceable, make_output_folder
from mlsp.base.errors import EngineError, OutputError, PhotoError, SettingsError
from mlsp.base.results import ScoreFailure
from mlsp.explaining.explainer import Explainer
from mlsp.explaining.explanation import Explanation
from mlsp.explaining.picture import heat_map_png, is_heat_map
from mlsp.photos import DecodeSettings, read_photo

_PICTURE_SIDE = 1024
_SUFFIX = ".png"
# Suffixes of files that a user may want instead of .png. Any other may be part of a folder's name: "2024.05".
_OTHER_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif"),
        *(".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif", ".jxl"),
        *(".svg", ".pdf", ".html", ".htm"),
        *(".csv", ".json", ".jsonl", ".parquet", ".txt"),
    )
)


@dataclass(frozen=True, slots=True)
class Explained:
    """A photo whose scores were explained.

    Attributes:
        source: the photo.
        explanations: by head.
        pictures: files that were written, by head.
    """

    source: Path
    explanations: dict[str, Explanation]
    pictures: dict[str, Path]


def picture_paths(
    sources: Sequence[Path], heads: Sequence[str], output: Path
) -> list[dict[str, Path]]:
    """Return the paths of the pictures, after a check that they can be written.

    Args:
        sources: photos.
        heads: names of the heads.
        output: a folder, which is made if need be; or a .png file for the picture of one photo and head.

    Returns:
        Per photo its pictures by head, all of them different: `photo.head.png`, or `photo.jpg.head.png` and then with a
        number where two would have one name.

    Raises:
        SettingsError: one file is named for several pictures, or has another ending than .png.
        OutputError: the folder cannot be made or written, or a picture would replace a photo or a file
            that is no heat map of ours.
    """
    if output.suffix.lower() in _OTHER_SUFFIXES and not output.is_dir():
        raise SettingsError(
            f"cannot write a picture to {str(output)!r}: its ending must be {_SUFFIX}, got {output.suffix!r}; or name a folder"
        )
    if output.suffix.lower() == _SUFFIX and not output.is_dir():
        if len(sources) * len(heads) != 1:
            raise SettingsError(
                f"{str(output)!r} is one file, but there are {len(sources) * len(heads)} pictures to write"
                f" (photos × scores: {len(sources)} × {len(heads)}): name a folder, or one photo and --head"
            )
        make_output_folder(output.parent, hint="name another --output")
        paths = [{heads[0]: output}]
    else:
        make_output_folder(output, hint="name another --output")
        paths = []
        taken: set[str] = set()
        for source in sources:
            stem = _free_name(source, heads, taken)
            paths.append({head: output / f"{stem}.{head}{_SUFFIX}" for head in heads})
    photos = {os.path.realpath(source) for source in sources}
    for path in (path for of_photo in paths for path in of_photo.values()):
        if os.path.realpath(path) in photos:
            raise OutputError(
                f"{str(path)!r} is a photo itself and will not be replaced: name another --output"
            )
        check_replaceable(path, is_heat_map)
    return paths


def _free_name(source: Path, heads: Sequence[str], taken: set[str]) -> str:
    number = 1
    while True:
        name = (source.stem, source.name)[min(number, 2) - 1] + (f" {number}" if number > 2 else "")
        # Some file systems ignore case.
        keys = {f"{name}.{head}".casefold() for head in heads}
        if not keys & taken:
            taken |= keys
            return name
        number += 1


def explain_files(
    explainer: Explainer, sources: Sequence[Path], output: Path
) -> Iterator[Explained | ScoreFailure]:
    """Explain photos and write the pictures.

    Args:
        explainer: explains them.
        sources: photos.
        output: see `picture_paths`.

    Returns:
        Exactly one result for each source, in their order. A photo that cannot be scored is a `ScoreFailure`.

    Raises:
        SettingsError, OutputError: as `picture_paths`.
        OutputError: the disk is full.
    """
    paths = picture_paths(sources, explainer.heads, output)
    return _explain_files(explainer, sources, paths)


def _explain_files(
    explainer: Explainer,
    sources: Sequence[Path],
    paths: Sequence[dict[str, Path]],
) -> Iterator[Explained | ScoreFailure]:
    for source, pictures in zip(sources, paths, strict=True):
        try:
            explanations = explainer.explain(source)
            some = next(iter(explanations.values()))
            settings = DecodeSettings.of(_PICTURE_SIDE, some.width * some.height)
            pixels = read_photo(source, settings=settings).pixels
        except PhotoError as error:
            yield ScoreFailure(source, error)
            continue
        except EngineError as error:
            # One photo that the network cannot take must not end a run.
            yield ScoreFailure(source, PhotoError(str(error)))
            continue
        for head, path in pictures.items():
            try:
                with atomic_write(path) as file:
                    file.write(heat_map_png(pixels, explanations[head], longest_side=_PICTURE_SIDE))
            except OSError as error:
                raise OutputError(
                    f"cannot write the picture {str(path)!r}: {error.strerror or error}: free some space or name another --output"
                ) from error
        yield Explained(source, explanations, pictures)
