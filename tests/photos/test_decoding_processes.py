from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlsp.base.errors import EngineError, SettingsError, UnreadablePhotoError, UnsupportedPhotoError
from mlsp.photos import DecodeSettings, read_photo
from mlsp.photos.decoding_processes import DecodingProcesses
from photo_samples import camera_photo, encode


@pytest.fixture(scope="module")
def processes() -> Iterator[DecodingProcesses]:
    with DecodingProcesses(1, seconds=60) as opened:
        yield opened


def test_pixels_and_errors_are_those_of_this_process(processes: DecodingProcesses) -> None:
    content = encode(Image.fromarray(camera_photo()), "JPEG")
    settings = DecodeSettings(longest_side=100)
    photo = processes.read(content, settings=settings, source_path=Path("a.jpg"))
    expected = read_photo(content, settings=settings)
    np.testing.assert_array_equal(photo.pixels, expected.pixels)
    assert (photo.width, photo.height, photo.source) == (451, 300, Path("a.jpg"))
    with pytest.raises(UnreadablePhotoError, match=r"^damaged or truncated JPEG"):
        processes.read(content[:2000])


@pytest.mark.skipif(sys.platform == "win32", reason="stops a process by a signal")
def test_a_photo_that_takes_too_long_is_a_failure_and_the_next_is_read() -> None:
    others = set(multiprocessing.active_children())
    small = encode(Image.new("RGB", (3, 2)), "BMP")
    with DecodingProcesses(1, seconds=2) as processes:
        processes.read(small)
        (child,) = set(multiprocessing.active_children()) - others
        # Now whatever it gets takes too long.
        os.kill(child.pid or 0, signal.SIGSTOP)
        with pytest.raises(
            UnsupportedPhotoError, match=r"^decoding it takes more than 2 s: save it"
        ):
            processes.read(small)
        assert processes.read(small).width == 3


class _Crashing(bytes):
    """A photo that ends the process which receives it."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return signal.raise_signal, (signal.SIGKILL,)


@pytest.mark.skipif(sys.platform == "win32", reason="stops a process by a signal")
def test_a_decoder_that_crashes_costs_its_photo_only() -> None:
    others = set(multiprocessing.active_children())
    with DecodingProcesses(1, seconds=60) as processes:
        processes.read(encode(Image.new("RGB", (3, 2)), "PNG"))
        with pytest.raises(
            UnreadablePhotoError,
            match=rf"^its decoder ended \(exit code -{signal.SIGKILL:d}\): the p",
        ):
            processes.read(_Crashing())
        assert processes.read(encode(Image.new("RGB", (3, 2)), "PNG")).width == 3
        # One that ends at rest costs nothing.
        (child,) = set(multiprocessing.active_children()) - others
        child.kill()
        child.join()
        assert processes.read(encode(Image.new("RGB", (3, 2)), "PNG")).width == 3
    assert set(multiprocessing.active_children()) == others
    with pytest.raises(EngineError, match="the scorer is closed"):
        processes.read(b"")


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="above 0 seconds, got 0"):
        DecodingProcesses(1, seconds=0)
    with pytest.raises(SettingsError, match="workers must be at least 1"):
        DecodingProcesses(0, seconds=1)
