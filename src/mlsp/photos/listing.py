"""Photos of a folder or a table, under names that are the same on every machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from mlsp.base.errors import SettingsError
from mlsp.base.tables import read_table, reading_table
from mlsp.base.text import printable
from mlsp.photos import find_photos

TABLE_SUFFIXES = (".csv", ".parquet")
PHOTO_COLUMNS = ("photo", "image", "image_name")


@dataclass(frozen=True, slots=True)
class NamedPhoto:
    """A photo and its name.

    Attributes:
        photo_id: its path relative to the folder or table, with `/` between the parts.
        path: the file.
    """

    photo_id: str
    path: Path


def list_photos(source: Path, photos: Path | None = None) -> list[NamedPhoto]:
    """List the photos that a folder holds or a table names.

    Args:
        source: a folder, looked through with its subfolders; one photo; or a table, by its ending `.csv` (UTF-8, commas, a header)
            or `.parquet`, with a column `photo`, `image` or `image_name` of paths relative to the table's folder. Photos that are missing
            are listed too: reading them fails.
        photos: folder of a table's photos, if it is not the table's own.

    Returns:
        At least one, in natural order of a folder or in the order of the table.

    Raises:
        SettingsError: there is no such folder or table, there are no photos, the table cannot be read or lacks the column, or `photos`
            is given for a folder.
        MissingExtraError: a `.parquet` table without pyarrow.
    """
    if source.suffix.lower() in TABLE_SUFFIXES and not source.is_dir():
        folder = source.parent if photos is None else photos
        names = _names_of_table(source)
        found = [NamedPhoto(PurePath(name).as_posix(), folder / name) for name in names]
    elif not source.exists():
        raise SettingsError(
            f"there is no {source}: give a folder of photos, or a table ending in {' or '.join(TABLE_SUFFIXES)}"
        )
    else:
        if photos is not None:
            raise SettingsError(
                f"the folder of photos {photos} goes with a table, and {source} is none: give only one of them"
            )
        root = source if source.is_dir() else source.parent
        found = [
            NamedPhoto(path.relative_to(root).as_posix(), path) for path in find_photos([source])
        ]
    if not found:
        raise SettingsError(f"no photos found in {source}")
    _check_different(source, found)
    return found


def _names_of_table(table: Path) -> list[str]:
    with reading_table(table, SettingsError):
        columns, rows = read_table(table, "A .parquet table of photos", PHOTO_COLUMNS)
    column = next((columns.index(name) for name in PHOTO_COLUMNS if name in columns), None)
    if column is None:
        raise SettingsError(
            f"table {table} has the columns {', '.join(map(repr, columns)) or 'none'}, expected one of "
            f"{', '.join(map(repr, PHOTO_COLUMNS))} with the photos' paths relative to the table's folder"
        )
    names = []
    for row, (_, cells) in enumerate(rows, 1):
        name = cells[column] if column < len(cells) else None
        if not isinstance(name, str) or not name:
            raise SettingsError(f"row {row} of table {table} names no photo, got {name!r}")
        names.append(name)
    return names


def _check_different(source: Path, photos: Sequence[NamedPhoto]) -> None:
    seen: set[str] = set()
    for photo in photos:
        if photo.photo_id in seen:
            raise SettingsError(
                f"{source} names photo {photo.photo_id!r} twice: remove one of them"
            )
        seen.add(photo.photo_id)


def common_folder(photos: Sequence[Path]) -> Path | None:
    """Return the deepest folder that holds all photos; None where there is none."""
    try:
        return Path(os.path.commonpath({os.path.abspath(photo.parent) for photo in photos}))
    except ValueError:
        # No photos, or photos on several drives of Windows.
        return None


def shown_name(photo: Path, root: Path | None) -> tuple[str, str]:
    """Return the names to show with a photo: a page that is given away tells nothing of what lies above `root`.

    Args:
        photo: below `root`.
        root: a folder; None where photos have no folder in common.

    Returns:
        Path and folder of the photo below `root`, both printable; the folder is empty for `root` itself.
    """
    absolute = Path(os.path.abspath(photo))
    shown = absolute if root is None else absolute.relative_to(root)
    folder = shown.parent.as_posix()
    return printable(shown.as_posix()), "" if folder == "." else printable(folder)
