"""Sidecars as photo software writes them, made by hand after the formats' descriptions; long lists are cut short."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from mlsp.culling.xmp.files import read_sidecars

# Lightroom and Camera Raw: attributes a line each, says which photo it means.
LIGHTROOM = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0-c000 1.000000, 0000/00/00-00:00:00        ">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"
    xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
    xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
    xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/"
   tiff:Make="Canon"
   xmp:ModifyDate="2024-06-01T12:34:56.78"
   photoshop:SidecarForExtension="CR2"
   crs:Exposure2012="+0.35"
   crs:ToneCurveName2012="Linear">
   <xmpMM:History>
    <rdf:Seq>
     <rdf:li stEvt:action="saved" stEvt:changed="/metadata" xmp:Rating="2"/>
    </rdf:Seq>
   </xmpMM:History>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

# darktable: an XML declaration, rating 0 for unrated, the history of edits.
DARKTABLE = b"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:exif="http://ns.adobe.com/exif/1.0/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:darktable="http://darktable.sf.net/"
   exif:DateTimeOriginal="2024:06:01 12:34:56.780"
   xmp:Rating="0"
   darktable:xmp_version="5"
   darktable:history_end="1">
   <darktable:history>
    <rdf:Seq>
     <rdf:li
      darktable:num="0"
      darktable:operation="exposure"
      darktable:params="00000000000080b90000803f0000484200008"/>
    </rdf:Seq>
   </darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""

# digiKam: a packet wrapper with a byte order mark in it, other ratings beside.
DIGIKAM = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:MicrosoftPhoto="http://ns.microsoft.com/photo/1.0/"
   digiKam:PickLabel="0"
   xmp:Rating="4"
   MicrosoftPhoto:Rating="75">
   <digiKam:TagsList>
    <rdf:Seq>
     <rdf:li>Menschen/Zoë &amp; Ötzi 📷</rdf:li>
    </rdf:Seq>
   </digiKam:TagsList>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
{padding}
<?xpacket end="w"?>""".replace("{padding}", (" " * 100 + "\n") * 20).encode()

# exiftool: single quotes, a description for each namespace, elements.
EXIFTOOL = """<?xpacket begin='\ufeff' id='W5M0MpCehiHzreSzNTczkc9d'?>
<x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='Image::ExifTool 12.57'>
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>

 <rdf:Description rdf:about=''
  xmlns:dc='http://purl.org/dc/elements/1.1/'>
  <dc:format>image/jpeg</dc:format>
 </rdf:Description>

 <rdf:Description rdf:about=''
  xmlns:xap='http://ns.adobe.com/xap/1.0/'>
  <xap:Label>Red</xap:Label>
  <xap:Rating>0</xap:Rating>
 </rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end='w'?>""".encode()

# What `exiftool -all=` leaves.
NO_DESCRIPTION = b"""<x:xmpmeta xmlns:x='adobe:ns:meta/' x:xmptk='Image::ExifTool 12.57'>
<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
</rdf:RDF>
</x:xmpmeta>
"""

SAMPLES = {
    "lightroom": LIGHTROOM,
    "darktable": DARKTABLE,
    "digikam": DIGIKAM,
    "exiftool": EXIFTOOL,
    "no description": NO_DESCRIPTION,
}


def read_rating(photo: Path) -> int | None:
    """The rating in a photo's sidecars, of both conventions: -1 rejected, 0 unrated, 1…5 stars; one by hand before one of ours."""
    files = read_sidecars(photo, "both", None)
    packets = [file.packet for file in files if file.packet is not None]
    packets.sort(key=lambda packet: not packet.is_by_hand)
    return next((packet.rating for packet in packets if packet.rating is not None), None)


def read_by_exiftool(files: list[Path]) -> list[dict[str, object]]:
    if shutil.which("exiftool") is None:
        pytest.skip("needs exiftool: apt-get install libimage-exiftool-perl")
    command = ["exiftool", "-json", "-n", "-G1", "-XMP:all", "--", *map(str, files)]
    done = subprocess.run(command, capture_output=True, check=True)
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def read_by_exiv2(content: bytes) -> dict[str, object]:
    pyexiv2 = pytest.importorskip("pyexiv2", reason="needs exiv2: pip install pyexiv2")
    with pyexiv2.ImageData(content) as image:
        found: dict[str, object] = image.read_xmp()
    return found
