from __future__ import annotations

import inspect
import os
import re
import socket
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsp.base.errors import PhotoTooLargeError, UnreadablePhotoError
from mlsp.photos import files
from mlsp.photos.files import read_bytes, stored_path
from mlsp.photos.finding import find_photos

posix = pytest.mark.skipif(os.name != "posix", reason="needs the files of a Unix system")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def found(*paths: Path, recursive: bool = True) -> list[Path]:
    return list(find_photos(paths, recursive=recursive))


@pytest.fixture
def forbidden() -> Iterator[Path]:
    """A folder that may not be listed and holds a photo; root may do everything, so it becomes nobody for a while."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        folder = root / "forbidden"
        touch(folder / "a.jpg")
        folder.chmod(0)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if was_root:
                os.seteuid(0)
            folder.chmod(0o755)


def test_photos_of_a_folder_come_in_natural_order_and_before_its_folders(tmp_path: Path) -> None:
    names = ["img10.jpg", "img2.JPG", "IMG1.png", "a/z.nef", "a10/1.webp", "a9/1.heic", "Zoo.tiff"]
    for name in [*names, "notes.txt", "jpg", "film.mp4"]:
        touch(tmp_path / name)
    expected = [
        "IMG1.png",
        "img2.JPG",
        "img10.jpg",
        "Zoo.tiff",
        "a/z.nef",
        "a9/1.heic",
        "a10/1.webp",
    ]
    assert [path.relative_to(tmp_path).as_posix() for path in found(tmp_path)] == expected
    flat = [path.name for path in found(tmp_path, recursive=False)]
    assert flat == ["IMG1.png", "img2.JPG", "img10.jpg", "Zoo.tiff"]


def test_hidden_names_are_left_out_of_folders_only(tmp_path: Path) -> None:
    for name in ["a.jpg", "._a.jpg", ".hidden.jpg", ".thumbnails/a.jpg"]:
        touch(tmp_path / name)
    assert found(tmp_path) == [tmp_path / "a.jpg"]
    assert found(tmp_path / ".hidden.jpg") == [tmp_path / ".hidden.jpg"]


def test_given_paths_come_in_their_order_whatever_they_are(tmp_path: Path) -> None:
    given = [
        touch(tmp_path / "z"),
        tmp_path / "missing.jpg",
        touch(tmp_path / "a.txt"),
        Path("a\0b"),
    ]
    assert found(*given) == given


@posix
def test_each_real_file_comes_once(tmp_path: Path) -> None:
    photo = touch(tmp_path / "photos" / "a.jpg")
    (tmp_path / "photos" / "b.jpg").symlink_to("a.jpg")
    (tmp_path / "again").symlink_to("photos")
    assert found(tmp_path / "again", tmp_path / "photos", photo) == [tmp_path / "again" / "a.jpg"]
    assert found(photo, photo, tmp_path) == [photo]


@posix
def test_a_file_that_links_lead_to_comes_once_wherever_these_are(tmp_path: Path) -> None:
    one, two = tmp_path / "1", tmp_path / "2"
    for file in (
        one / "a.jpg",
        one / "x-edit.jpg",
        one / ".hidden.jpg",
        one / "raw",
        two / "z.jpg",
    ):
        touch(file)
    links = {
        "a.jpg": "../1/a.jpg",  # came before
        "b.jpg": "../1/.hidden.jpg",
        "c.jpg": "../1/raw",
        "d.jpg": "../1/missing.jpg",
        "e.jpg": "../1/x-edit.jpg",
        "f.jpg": "z.jpg",  # comes after
        "g.jpg": "c.jpg",
        "h.jpg": "../1/x-edit.jpg",
    }
    for name, target in links.items():
        (two / name).symlink_to(target)
    names = [path.name for path in find_photos([tmp_path], exclude=["x-edit.jpg"])]
    assert names == ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg"]
    assert found(two, one)[:2] == [two / "a.jpg", two / "b.jpg"]
    assert found(two, one)[-1] == two / "f.jpg"


@posix
def test_links_in_circles_end(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "1.jpg")
    (tmp_path / "a" / "b").symlink_to("..")
    (tmp_path / "a" / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "a" / "broken.jpg").symlink_to("nowhere.jpg")
    assert [path.name for path in found(tmp_path)] == ["1.jpg", "broken.jpg", "loop.jpg"]
    with pytest.raises(UnreadablePhotoError, match=r"^it is a symbolic link that leads to itself$"):
        read_bytes(tmp_path / "a" / "loop.jpg")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems forbid such names")
def test_odd_names_are_found_and_read(tmp_path: Path) -> None:
    names = [
        b" two  words .jpg",
        b"line\nbreak.jpg",
        "🌄.jpg".encode(),
        b"caf\xe9 \xff.jpg",
        b"-rf.jpg",
    ]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    paths = found(tmp_path)
    assert sorted(os.fsencode(path.name) for path in paths) == sorted(names)
    assert all(read_bytes(path) == os.fsencode(path.name) for path in paths)


@posix
def test_a_folder_that_may_not_be_listed_comes_out_itself(forbidden: Path) -> None:
    assert found(forbidden.parent) == [forbidden]
    assert found(forbidden) == [forbidden]
    message = "it is a folder that may not be listed: permission denied"
    with pytest.raises(UnreadablePhotoError, match=f"^{message}$"):
        read_bytes(forbidden)
    with pytest.raises(
        UnreadablePhotoError, match=r"^the file may not be read: permission denied$"
    ):
        read_bytes(forbidden / "a.jpg")


def test_deep_folders_do_not_run_out_of_calls(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["d"] * 300)
    folder.mkdir(parents=True)
    touch(folder / "a.jpg")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        assert found(tmp_path) == [folder / "a.jpg"]
    finally:
        sys.setrecursionlimit(limit)


def test_a_large_folder_is_listed_quickly(tmp_path: Path) -> None:
    for number in range(100_000):
        os.close(os.open(tmp_path / f"img{number}.jpg", os.O_CREAT))
    start = time.process_time()
    paths = found(tmp_path)
    seconds = time.process_time() - start
    assert [path.name for path in paths[:3]] == ["img0.jpg", "img1.jpg", "img2.jpg"]
    assert len(paths) == 100_000
    # About 1 s on an idle machine; looking at each file twice, or at all files for each, would take minutes.
    assert seconds < 10


def test_paths_may_be_texts(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert list(find_photos([str(tmp_path), "b.jpg"])) == [tmp_path / "a.jpg", Path("b.jpg")]


def test_finding_is_lazy(tmp_path: Path) -> None:
    def paths() -> Iterator[Path]:
        yield tmp_path / "a.jpg"
        raise AssertionError("asked for too early")

    assert next(find_photos(paths())) == tmp_path / "a.jpg"


def test_bytes_of_a_file_are_all_read(tmp_path: Path) -> None:
    content = os.urandom(300_000)
    (tmp_path / "a").write_bytes(content)
    assert read_bytes(tmp_path / "a") == content


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.jpg", "there is no such file"),
        ("", "it is a folder, not a file"),
        ("empty.jpg", "the file is empty"),
        ("empty.jpg/below.jpg", "the file cannot be read: Not a directory"),
        ("zero\0byte.jpg", "the file cannot be read: embedded null byte"),
        ("x" * 300, "the file cannot be read: File name too long"),
    ],
)
@posix
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(UnreadablePhotoError, match=f"^{re.escape(message)}$"):
        read_bytes(tmp_path / name)


@posix
def test_pipes_sockets_and_devices_do_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UnreadablePhotoError, match=r"^it is a named pipe, not a file$"):
        read_bytes(tmp_path / "pipe.jpg")
    with pytest.raises(UnreadablePhotoError, match=r"^it is a device, not a file$"):
        read_bytes(Path("/dev/zero"))
    here = Path.cwd()
    os.chdir(tmp_path)  # a socket's name must be short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket.jpg")
    finally:
        os.chdir(here)
    with pytest.raises(UnreadablePhotoError, match=r"^it is a socket, not a file$"):
        read_bytes(tmp_path / "socket.jpg")


def test_accents_may_be_spelled_in_another_way(tmp_path: Path) -> None:
    stored = tmp_path / unicodedata.normalize("NFD", "Café") / "müde.jpg"
    stored.parent.mkdir()
    stored.write_bytes(b"x")
    other = tmp_path / "Café" / unicodedata.normalize("NFD", "müde.jpg")
    assert (other.exists(), stored_path(other), stored_path(stored)) == (False, stored, stored)
    assert read_bytes(other) == b"x"
    missing = tmp_path / "fehlt ä.jpg"
    assert stored_path(missing) == missing


@posix
def test_a_file_larger_than_any_photo_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "film.jpg", "wb") as file:
        file.truncate(files._MAX_BYTES + 1)
    message = "the file has 2,147,483,649 bytes, more than the 2,147,483,648 that are read"
    with pytest.raises(PhotoTooLargeError, match=f"^{message}$"):
        read_bytes(tmp_path / "film.jpg")


def test_windows_refuses_long_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer to a path beyond its limit is that there is no such file."""
    path = tmp_path / ("a" * 250) / "b.jpg"
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UnreadablePhotoError, match=rf"path of {len(str(path))} characters"):
        read_bytes(path)
    with pytest.raises(UnreadablePhotoError, match="^there is no such file$"):
        read_bytes(tmp_path / "b.jpg")
