"""HTML report: one file with everything in it, pictures, styles and scripts. It loads nothing from a network.

ScoreResult, ScoreFailure as JSON ┐
gallery/*.js, *.css, report.js    ┼ page
thumbnails, best first            ┘
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

from mlsp.base.atomic_file import atomic_write_text
from mlsp.base.errors import PhotoError, SidecarError
from mlsp.base.machine import usable_cores
from mlsp.base.parallel import map_in_order
from mlsp.base.text import printable
from mlsp.culling.marks import NO_MARKS
from mlsp.culling.shots import shot_formats, shot_photos
from mlsp.culling.xmp import Folders, read_shot_marks
from mlsp.photos.camera_data import camera_data
from mlsp.photos.capture_time import shown_time
from mlsp.photos.listing import common_folder, shown_name
from mlsp.photos.thumbnails import THUMBNAIL_MEDIA_TYPE, thumbnail
from mlsp.reports.rows import ReportModel, camera_facts, json_number, label_meanings

if TYPE_CHECKING:
    from mlsp.base.results import ScoreFailure
    from mlsp.scoring.results import ScoreResult

Json: TypeAlias = "str | float | bool | Sequence[Json] | dict[str, Json] | None"

# In the order in which one script may hold them: each uses only what is before it.
_SCRIPTS = ("dom.js", "kept.js", "records.js", "marks.js", "marks_filter.js", "keys.js", "stacks.js", "card.js", "camera_filter.js", "exposure.js", "grid.js", "filters.js", "sorting.js", "failed.js", "selection.js", "view_controls.js", "bar.js", "filmstrip.js", "viewer.js", "gallery.js")  # fmt: skip
_GALLERY = resources.files("mlsp.reports") / "gallery"
_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)
_PIECE_SIZE = 50
_PIECE_END = "</script>\n"
_NO_PICTURE = "-"


@dataclass(frozen=True, slots=True)
class PictureSize:
    """Size of the pictures of a report.

    Attributes:
        longest_side: in pixels.
        max_bytes: of one picture; a third more in the page, where it is text.
    """

    longest_side: int
    max_bytes: int


def picture_size(photos: int) -> PictureSize:
    """Choose the pictures' size by their number, so that a browser can still open the page.

    Returns:
        A size with which all pictures together take at most 60 MB, until there are 15,000 of them.

    Examples:
        >>> picture_size(5000)
        PictureSize(longest_side=240, max_bytes=12000)
    """
    if photos <= 2_000:
        return PictureSize(320, 30_000)
    if photos <= 5_000:
        return PictureSize(240, 12_000)
    return PictureSize(180, 4_000)


def preview_size(longest_side: int) -> PictureSize:
    """Return the size of pictures that are to be seen full screen too: as fine as small ones, for their pixels."""
    small = picture_size(1)
    return PictureSize(
        longest_side, round(small.max_bytes * (longest_side / small.longest_side) ** 2)
    )


def write_html(
    path: Path,
    scored: Sequence[ScoreResult],
    failed: Iterable[ScoreFailure],
    model: ReportModel,
    *,
    is_relative: bool = False,
    preview: int | None = None,
    on_picture: Callable[[ScoreResult], object] | None = None,
) -> None:
    """Write the report.

    Args:
        path: the file; replaced whole. Photos are linked from it, relative to its folder where that is possible.
        scored: results, in the order that the report shall have.
        failed: photos that could not be scored.
        model: that scored them.
        is_relative: percentiles are among the photos of the report.
        preview: longest side of the pictures, to be seen full screen too; by default they are small, as `picture_size` chooses.
        on_picture: called with each result after its picture is in the file.

    Raises:
        OSError: the file cannot be written.
    """
    failures = list(failed)
    size = picture_size(len(scored)) if preview is None else preview_size(preview)
    workers = usable_cores()

    def picture(result: ScoreResult) -> str:
        try:
            content = thumbnail(
                result.source, longest_side=size.longest_side, max_bytes=size.max_bytes
            )
        except PhotoError:
            # Moved or removed since it was scored: its scores are still true.
            return _NO_PICTURE
        return base64.b64encode(content).decode("ascii")

    with atomic_write_text(path) as stream:
        about: dict[str, Json] = {
            "model": printable(model.name),
            "heads": list(model.heads),
            "meanings": {**label_meanings(model.classifiers)},
            "among": "photos here" if is_relative else "rated photos",
            "has_previews": preview is not None,
        }
        stream.write(_page(path, scored, failures, about=about, heads=model.heads, workers=workers))
        for index, encoded in enumerate(map_in_order(picture, scored, workers=workers)):
            if index % _PIECE_SIZE == 0:
                end = "" if index == 0 else _PIECE_END
                stream.write(
                    f'{end}<script type="text/plain" id="pictures-{index // _PIECE_SIZE}">\n'
                )
            stream.write(f"{encoded}\n")
            if on_picture is not None:
                on_picture(scored[index])
        stream.write(f"{_PIECE_END if scored else ''}</body>\n</html>\n")


def _page(
    path: Path,
    scored: Sequence[ScoreResult],
    failed: Sequence[ScoreFailure],
    *,
    about: dict[str, Json],
    heads: Sequence[str],
    workers: int,
) -> str:
    """Return the page up to its pictures."""
    sources = [result.source for result in scored]
    root = common_folder([*sources, *(failure.source for failure in failed)])
    title = printable(root.name) if root is not None and root.name else "Photos"
    page_folder = Path(os.path.abspath(path)).parent
    folders = Folders()

    def facts(result: ScoreResult) -> tuple[str | None, bool, dict[str, Json]]:
        about = camera_data(result.source)
        given: dict[str, Json] = {"camera": camera_facts(about), **_marks(result, folders)}
        return *shown_time(result.source, about.captured), given

    records: list[Json] = [
        {
            "id": index,
            **_names(result.source, root),
            "captured": captured,
            "captured_is_file_time": is_file_time,
            **given,
            "width": result.width,
            "height": result.height,
            "formats": shot_formats(result.files),
            "files": [printable(file.name) for file in result.files],
            # As exact as scores: pages rank by it, in the order of the table.
            "overall": json_number(result.overall, 4),
            "scores": {
                head: [
                    json_number(result.scores[head].value, 4),
                    json_number(result.percentile(head), 1),
                ]
                for head in heads
            },
            "kind": result.kind,
            "faults": list(result.faults),
            "is_small": result.is_small,
            "original": link(result.source, page_folder),
        }
        for index, (result, (captured, is_file_time, given)) in enumerate(
            zip(scored, map_in_order(facts, scored, workers=workers), strict=True)
        )
    ]
    records += [
        {
            "id": len(scored) + index,
            **_names(failure.source, root),
            "failed": printable(str(failure.error)),
        }
        for index, failure in enumerate(failed)
    ]
    data: Json = {
        "title": title,
        **about,
        "piece_size": _PIECE_SIZE,
        "media_type": THUMBNAIL_MEDIA_TYPE,
        "records": records,
    }
    style = (_GALLERY / "gallery.css").read_text("utf-8")
    report = (resources.files("mlsp.reports") / "report.js").read_text("utf-8")
    script = gallery_script() + _IMPORT.sub("", report)
    return Template(
        (resources.files("mlsp.reports") / "report.html").read_text("utf-8")
    ).substitute(
        title=html.escape(f"{title}: photos by score"),
        count=f"{len(scored):,} photos",
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=embed(data),
    )


def embed(data: Json) -> str:
    r"""Return JSON that may stand in a script element of a page: ASCII, and nothing that could end the element.

    Examples:
        >>> embed(["</script>", "\u2028"])
        '["\\u003c/script\\u003e","\\u2028"]'
    """
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    # In JSON these three stand in strings only, where an escape means the same.
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def gallery_script() -> str:
    """Return the gallery's modules as one script, which needs no other file; what follows in it may use `Gallery`."""
    text = "\n".join((_GALLERY / name).read_text("utf-8") for name in _SCRIPTS)
    return _EXPORT.sub("", _IMPORT.sub("", text))


def link(photo: Path, page_folder: Path) -> str:
    """Return the address of a photo for a page in a folder: relative, so that both can be moved together.

    Args:
        photo: its path, whatever bytes are in it.
        page_folder: absolute.

    Returns:
        A relative URL, or on another drive of Windows an absolute one.

    Examples:
        >>> link(Path("/photos/a:b #1.jpg"), Path("/photos/reports"))
        '../a%3Ab%20%231.jpg'
    """
    absolute = os.path.abspath(photo)
    try:
        relative = os.path.relpath(absolute, page_folder)
    except ValueError:
        return Path(absolute).as_uri()
    return quote(os.fsencode(relative.replace(os.sep, "/")))


def _names(photo: Path, root: Path | None) -> dict[str, Json]:
    name, folder = shown_name(photo, root)
    return {"photo": name, "folder": folder}


def _marks(result: ScoreResult, folders: Folders) -> dict[str, Json]:
    """Return what a person gave a shot in any program; what nobody gave is left out."""
    try:
        marks = read_shot_marks(shot_photos(result), folders=folders)
    except SidecarError:
        # Who asks for sidecars is told; a report shows what can be read.
        marks = NO_MARKS
    found = {"stars": marks.stars, "flag": marks.flag, "label": marks.label}
    return {name: value for name, value in found.items() if value is not None}


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
