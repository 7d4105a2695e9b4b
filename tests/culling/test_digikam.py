"""Marks as digiKam reads them, with its switch "Read from sidecar files" on and off: the real program, where it is installed."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from mlsp.culling.marks import Marks
from mlsp.culling.xmp import rate_shot
from photo_samples import heic

MISSING = [
    name for name in ("digikam", "xvfb-run", "dbus-run-session") if shutil.which(name) is None
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
]
MARKS = Marks(4, "pick", "green")
SETTINGS = """
[General Settings]
Version=7.9.0
[Album Settings]
Album Path={home}/photos
[Database Settings]
Database Type=QSQLITE
Database Name={home}/
Database Name Face={home}/
Database Name Similarity={home}/
Database Name Thumbnails={home}/
[Metadata Settings]
Use XMP Sidecar For Reading={switch}
"""
MARKS_OF = """
    select name, rating, (
        select group_concat(tag.name) from ImageTags link join Tags tag on tag.id = link.tagid
        where link.imageid = image.id order by tag.name
    ) from Images image join ImageInformation on imageid = image.id
"""


def run_until(home: Path, is_done: Callable[[sqlite3.Connection], bool]) -> None:
    """Start digiKam, and end it as soon as its database has what is waited for."""
    folders = {"XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": "data", "XDG_CACHE_HOME": "cache"}
    environment = {
        **os.environ,
        **{name: str(home / folder) for name, folder in folders.items()},
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home),
        # Its browser refuses to run as root otherwise.
        "QTWEBENGINE_DISABLE_SANDBOX": "1",
    }
    command = ["xvfb-run", "-a", "dbus-run-session", "digikam"]
    with (home / "log").open("wb") as log:
        # A group of its own, which ends with it: the display and the bus, too.
        child = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            time.sleep(0.5)
            try:
                with closing(sqlite3.connect(home / "digikam4.db")) as database:
                    if is_done(database):
                        return
            except sqlite3.Error:
                continue  # not made yet, or locked
        pytest.fail((home / "log").read_text(errors="replace")[-2000:])
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait()


@pytest.mark.parametrize("switch", ["true", "false"])
def test_digikam_reads_sidecars_with_its_switch_and_photos_without(
    examples: Path, tmp_path: Path, switch: str
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("sidecar.jpg", "inside.jpg"):
        shutil.copy(examples / "rocket.jpg", photos / name)
    rate_shot([photos / "sidecar.jpg"], MARKS, convention="photo.jpg.xmp")
    rate_shot([photos / "inside.jpg"], MARKS, inside=True)
    (photos / "inside.heic").write_bytes(heic(Image.open(examples / "rocket.jpg")))
    rate_shot([photos / "inside.heic"], MARKS, inside=True)
    Image.open(examples / "rocket.jpg").save(photos / "inside.avif")
    rate_shot([photos / "inside.avif"], MARKS, inside=True)
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config" / "digikamrc").write_text(SETTINGS.format(home=tmp_path, switch=switch))
    tmp_path.chmod(0o700)
    run_until(
        tmp_path,
        lambda database: bool(
            database.execute("select * from Settings where keyword = 'DBVersion'").fetchall()
        ),
    )
    with closing(sqlite3.connect(tmp_path / "digikam4.db")) as database:
        database.execute(
            "insert into AlbumRoots (label, status, type, identifier, specificPath) values ('', 0, 1, ?, '/')",
            [f"volumeid:?path={photos}"],
        )
        database.commit()
    run_until(tmp_path, lambda database: len(database.execute(MARKS_OF).fetchall()) == 4)
    with closing(sqlite3.connect(tmp_path / "digikam4.db")) as database:
        found = {name: (rating, tags) for name, rating, tags in database.execute(MARKS_OF)}
    read = (4, "Color Label Green,Pick Label Accepted")
    assert found["inside.jpg"] == found["inside.heic"] == found["inside.avif"] == read
    assert (found["sidecar.jpg"] == read) == (switch == "true")
    assert found["sidecar.jpg"][0] == (4 if switch == "true" else -1)
