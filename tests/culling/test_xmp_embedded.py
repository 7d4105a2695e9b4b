"""Ratings inside photos, wherever their format keeps them and whatever is around them."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mlsp.base.errors import SidecarError
from mlsp.culling.marks import Marks
from mlsp.culling.xmp.rating import rate_shot
from mlsp.culling.xmp.reading import embedded_packet
from photo_samples import encode, heic, soft_photo

CASES = Path(os.environ.get("MLSP_REFERENCE_DATA", "")) / "cases"
IMAGE = Image.fromarray(soft_photo(64, 48))
RDF = (
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:q="http://ns.adobe.com/xap/1.0/" q:Rating="4"/></rdf:RDF>'
)
META = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{RDF}</x:xmpmeta>'
WRAPPED = {
    "usual": META.encode(),
    "bare": RDF.encode(),
    "Windows": f'<xmp:xmpmeta xmlns:xmp="adobe:ns:meta/">{RDF}</xmp:xmpmeta>'.encode(),
    "old": f'<x:xapmeta xmlns:x="adobe:ns:meta/">{RDF}</x:xapmeta>'.encode(),
    "packet": f'<?xpacket begin="" id="W5M0"?>{META}   \n<?xpacket end="w"?>'.encode() + bytes(9),
    "UTF-16": ("\ufeff" + META).encode("utf-16-le"),
    "UTF-16, the other order": ("\ufeff" + META).encode("utf-16-be"),
}


def png(packet: bytes, *, packing: str = "plain") -> bytes:
    texts = PngInfo()
    if packing == "raw profile":
        digits = packet.hex()
        lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
        text = f"\nxmp\n{len(packet):8}\n{lines}\n"
        texts.add_text("Raw profile type xmp", text, zip=True)
    else:
        texts.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=packing == "zip")
    return encode(IMAGE, "PNG", pnginfo=texts)


def gif(packet: bytes) -> bytes:
    magic = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    plain = encode(IMAGE.quantize(16), "GIF")
    start = plain.index(b",\0\0\0\0")
    return plain[:start] + b"\x21\xff\x0bXMP DataXMP" + packet + magic + plain[start:]


def psd(packet: bytes) -> bytes:
    resources = b"8BIM" + struct.pack(">HHI", 1005, 0, 3) + b"abc\0"
    resources += b"8BIM" + struct.pack(">HHI", 1060, 0, len(packet)) + packet
    return b"8BPS\0\1" + bytes(20) + bytes(4) + struct.pack(">I", len(resources)) + resources


def cr3(packet: bytes) -> bytes:
    uuid = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    box = struct.pack(">I4s", 24 + len(packet), b"uuid") + uuid + packet
    return struct.pack(">I4s4sI", 16, b"ftyp", b"crx ", 1) + box


def raf(packet: bytes) -> bytes:
    jpeg = encode(IMAGE, "JPEG", xmp=packet)
    return b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">I", 88) + jpeg


FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "JPEG": lambda packet: encode(IMAGE, "JPEG", xmp=packet),
    "PNG": png,
    "PNG, packed": lambda packet: png(packet, packing="zip"),
    "PNG of ImageMagick": lambda packet: png(packet, packing="raw profile"),
    "WebP": lambda packet: encode(IMAGE, "WEBP", xmp=packet),
    "TIFF": lambda packet: encode(IMAGE, "TIFF", tiffinfo={700: packet}),
    "HEIC": lambda packet: heic(IMAGE, xmp=packet),
    "AVIF": lambda packet: encode(IMAGE, "AVIF", xmp=packet),
    "GIF": gif,
    "PSD": psd,
    "CR3": cr3,
    "RAF": raf,
}


def rating_in(folder: Path, content: bytes) -> int | None:
    photo = folder / "photo.jpg"
    photo.write_bytes(content)
    packet = embedded_packet(photo)
    return None if packet is None else packet.rating


@pytest.mark.parametrize("name", FORMATS)
def test_a_rating_is_found_where_the_format_keeps_it(tmp_path: Path, name: str) -> None:
    assert rating_in(tmp_path, FORMATS[name](META.encode())) == 4


@pytest.mark.parametrize("name", WRAPPED)
def test_a_rating_is_found_whatever_is_around_it(tmp_path: Path, name: str) -> None:
    assert rating_in(tmp_path, FORMATS["JPEG"](WRAPPED[name])) == 4
    assert rating_in(tmp_path, FORMATS["TIFF"](WRAPPED[name])) == 4


@pytest.mark.skipif(not CASES.is_dir(), reason="MLSP_REFERENCE_DATA with the cases is not there")
@pytest.mark.parametrize("name", ["xmp_bare_rdf.jpg", "xmp_raw_profile.png"])
def test_ratings_in_files_of_bug_reports_are_found(name: str) -> None:
    packet = embedded_packet(CASES / name)
    assert packet is not None
    assert packet.rating == 4


@pytest.mark.skipif(not CASES.is_dir(), reason="MLSP_REFERENCE_DATA with the cases is not there")
def test_a_rating_in_windows_wrapper_is_not_written_over(tmp_path: Path) -> None:
    content = (CASES / "xmp_windows_wrapper.jpg").read_bytes()
    unrated = b"<rdf:Description "
    assert unrated in content
    rated = b'<rdf:Description xmlns:r="http://ns.adobe.com/xap/1.0/" r:Rating="2" '
    changed = content.replace(unrated, rated, 1)
    # The segment around it grows, too.
    start = changed.index(b"http://ns.adobe.com/xap/1.0/\0") - 2
    size = int.from_bytes(changed[start : start + 2], "big") + len(rated) - len(unrated)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(changed[:start] + size.to_bytes(2, "big") + changed[start + 2 :])
    assert rate_shot([photo], Marks(5)).status == "kept"
    assert list(tmp_path.iterdir()) == [photo]


def test_of_two_packets_the_one_with_a_rating_counts(tmp_path: Path) -> None:
    unrated = META.replace(' q:Rating="4"', "").encode()
    first = encode(IMAGE, "JPEG", xmp=unrated)
    second = encode(IMAGE, "JPEG", xmp=META.encode())
    start = second.index(b"\xff\xe1")
    size = 2 + int.from_bytes(second[start + 2 : start + 4], "big")
    end = first.index(b"\xff\xdb")
    both = first[:end] + second[start : start + size] + first[end:]
    assert rating_in(tmp_path, both) == 4


@pytest.mark.parametrize("name", ["JPEG", "PNG", "HEIC"])
def test_a_damaged_packet_is_treated_as_a_damaged_sidecar(tmp_path: Path, name: str) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(FORMATS[name](META.encode()[:-9]))
    with pytest.raises(
        SidecarError, match=r"^the XMP in '.*photo.jpg' is left alone: it is damaged"
    ):
        rate_shot([photo], Marks(5))
    assert list(tmp_path.iterdir()) == [photo]


@pytest.mark.parametrize("packet", [b"", b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>", bytes(40)])
def test_a_packet_that_describes_nothing_is_none(tmp_path: Path, packet: bytes) -> None:
    assert rating_in(tmp_path, encode(IMAGE, "JPEG", xmp=packet)) is None


def test_damaged_files_have_no_rating(tmp_path: Path) -> None:
    for name, make in FORMATS.items():
        content = make(META.encode())
        for end in range(0, min(len(content), 400), 13):
            photo = tmp_path / "photo.jpg"
            photo.write_bytes(content[:end])
            try:
                packet = embedded_packet(photo)
            except SidecarError:
                continue
            assert packet is None or packet.rating == 4, name


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX systems")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert embedded_packet(tmp_path / "pipe.jpg") is None
