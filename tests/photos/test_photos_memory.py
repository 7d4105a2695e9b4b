from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from mlsp.base.errors import PhotoTooLargeError, UnreadablePhotoError
from mlsp.photos import DecodeSettings, ReadAs, read_photo
from mlsp.photos.decoding_processes import DecodingProcesses
from mlsp.photos.memory import MemoryBudget, bytes_needed
from mlsp.photos.webp import webp_size
from photo_samples import encode, soft_photo


def test_what_is_larger_than_the_budget_is_refused() -> None:
    budget = MemoryBudget(1_000_000)
    with pytest.raises(
        PhotoTooLargeError, match=r"^decoding it takes about 2 MB, more than the 1 MB"
    ):
        budget.take(2_000_000)
    MemoryBudget(None).take(10**15)


def test_what_does_not_fit_waits_and_the_large_one_is_not_passed() -> None:
    budget = MemoryBudget(10)
    budget.take(6)
    order: list[int] = []
    began = threading.Event()

    def photo(size: int) -> None:
        began.set()
        budget.take(size)
        order.append(size)
        budget.give_back(size)

    large = threading.Thread(target=photo, args=(10,))
    large.start()
    began.wait()
    while budget._turn.acquire(blocking=False):
        budget._turn.release()  # until the large one stands first
    small = threading.Thread(target=photo, args=(1,))
    small.start()
    assert order == []
    budget.give_back(6)
    large.join()
    small.join()
    assert order == [10, 1]


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0MM\0*"}])
def test_the_size_of_a_webp_is_known_before_its_decoder_takes_memory(
    options: dict[str, object],
) -> None:
    content = encode(Image.fromarray(soft_photo(70, 31)), "WEBP", **options)
    assert webp_size(content) == (70, 31)
    for read_as in get_args(ReadAs):
        with pytest.raises(PhotoTooLargeError, match="70 × 31"):
            read_photo(content, settings=DecodeSettings(max_pixels=2000, read_as=read_as))
    with pytest.raises(UnreadablePhotoError):
        read_photo(content[:20])


def test_formats_take_what_their_decoders_take() -> None:
    assert bytes_needed("WebP", 10**8) == 1_800_000_000
    whole = bytes_needed("JPEG", 64_000_000, is_whole=True)
    eighth = bytes_needed("JPEG", 64_000_000, decoded=1_000_000)
    assert eighth < 10_000_000 < whole
    assert bytes_needed("JPEG", 64_000_000, decoded=1_000_000, is_progressive=True) > 384_000_000


_READ = """
from mlsp.base import machine
import mlsp.photos.memory as memory
memory.usable_memory = lambda: 20_000_000
from mlsp.photos import read_photo
from mlsp.photos.decoding_processes import DecodingProcesses
import sys
if __name__ == "__main__":
    content = open(sys.argv[1], "rb").read()
    with DecodingProcesses(1, seconds=60) as processes:
        for read in (read_photo, processes.read):
            try:
                read(content)
            except Exception as error:
                print(type(error).__name__, str(error)[:34])
        print(processes.read(open(sys.argv[2], "rb").read()).width)
"""


def test_the_budget_is_that_of_the_process_wherever_it_decodes(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_READ)
    for name, side in (("large", 1500), ("small", 20)):
        (tmp_path / name).write_bytes(encode(Image.new("RGB", (side, side)), "PNG"))
    run = subprocess.run(
        [sys.executable, script, tmp_path / "large", tmp_path / "small"],
        capture_output=True,
        text=True,
        check=True,
    )
    refused = "PhotoTooLargeError decoding it takes about 29 MB, mor"
    assert run.stdout.splitlines() == [refused, refused, "20"]


def test_memory_is_given_back() -> None:
    content = encode(Image.new("RGB", (20, 20)), "PNG")
    with DecodingProcesses(1, seconds=60) as processes:
        assert [processes.read(content).width for _ in range(3)] == [20] * 3
