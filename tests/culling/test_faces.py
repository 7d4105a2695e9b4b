"""Faces of a real portrait: where MediaPipe's own program finds them, eyes open and drawn shut."""

from __future__ import annotations

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from face_samples import portrait, with_shut_eyes
from mlsp.base.arrays import UInt8Array
from mlsp.base.errors import ModelError
from mlsp.culling.faces import Face, FaceFinder, face_finder, networks
from mlsp.culling.faces.detector import FaceDetector
from mlsp.culling.faces.landmarks import LandmarkFinder
from mlsp.features.engines.compiled_graph import CompiledGraph
from mlsp.photos import read_photo

# Of mediapipe 0.10.14 on this photo: box and eyes of face_detection (model_selection=1), points of face_mesh by number.
MEDIAPIPE_BOX = (173.7, 67.8, 277.6, 171.7)
MEDIAPIPE_EYES = ((202.8, 103.5), (248.0, 105.9))
MEDIAPIPE_MESH = {
    1: (224.1, 131.2, -23.3),
    33: (194.6, 100.9, 3.9),
    133: (213.8, 103.6, 0.5),
    159: (202.8, 97.8, -1.8),
    145: (204.4, 104.2, -0.7),
    263: (256.7, 104.1, 4.5),
    362: (237.4, 104.8, 0.8),
    386: (248.9, 100.2, -1.3),
    374: (246.7, 106.2, -0.3),
    152: (221.3, 175.5, 8.7),
}


COUNTS = ("NUM_STREAMS", "INFERENCE_NUM_THREADS")


@pytest.fixture(scope="module")
def pixels() -> UInt8Array:
    return portrait()


def test_points_are_mediapipes(pixels: UInt8Array) -> None:
    """But for how pixels are resampled, and squares of the photo that are looked at besides."""
    (found,) = FaceDetector().find(pixels)
    assert found.box == pytest.approx(np.array(MEDIAPIPE_BOX), abs=6)
    assert found.eyes == pytest.approx(np.array(MEDIAPIPE_EYES), abs=4)
    landmarks = LandmarkFinder().find(pixels, found)
    assert landmarks.presence > 0.99
    for number, point in MEDIAPIPE_MESH.items():
        assert landmarks.mesh[number] == pytest.approx(np.array(point), abs=3), number
    for eye, (outer, inner) in zip(landmarks.eyes, ((33, 133), (263, 362)), strict=True):
        assert eye.lids[0] == pytest.approx(np.array(MEDIAPIPE_MESH[outer][:2]), abs=3)
        assert eye.lids[8] == pytest.approx(np.array(MEDIAPIPE_MESH[inner][:2]), abs=3)
        # The upper lid is above the lower one, and the iris between.
        assert eye.lids[12, 1] < eye.iris[0, 1] < eye.lids[4, 1]


@pytest.mark.parametrize("turned", [0, 25, -25])
@pytest.mark.parametrize("side", [400, 1400])
def test_eyes_open_and_shut_turned_and_larger(pixels: UInt8Array, turned: int, side: int) -> None:
    states = []
    for shown in (pixels, with_shut_eyes(pixels)):
        image = Image.fromarray(shown).crop((60, 0, 400, 340)).rotate(turned, expand=False)
        (face,) = face_finder().find(np.asarray(image.resize((side, side))))
        states.append(face.eyes_state)
        assert face.is_prominent
        assert not face.is_cut_off
        assert (face.left + face.right) / 2 == pytest.approx(0.48, abs=0.15)
    assert states == ["open", "closed"]


def test_photos_without_faces_have_none(examples: Path) -> None:
    for name in ("chelsea.png", "coffee.png", "hubble_deep_field.jpg", "rocket.jpg"):
        assert face_finder().find(read_photo(examples / name).pixels) == ()


def test_a_small_face_is_found_in_a_large_photo(pixels: UInt8Array) -> None:
    """Of 1/25 of the photo's side: too small for the network's 192 pixels, found in a square of the photo."""
    photo = np.full((1800, 2700, 3), 120, np.uint8)
    photo[900:1412, 1900:2412] = pixels
    (face,) = face_finder().find(photo)
    assert face.left * 2700 == pytest.approx(1900 + 174, abs=15)
    assert face.top * 1800 == pytest.approx(900 + 68, abs=15)
    assert face.eyes_state == "open"


def test_the_larger_face_matters_and_a_cut_off_one_is_marked(pixels: UInt8Array) -> None:
    small = np.asarray(Image.fromarray(pixels).resize((230, 230)))
    photo = np.full((512, 900, 3), 120, np.uint8)
    photo[:, 200:712] = pixels
    # Its face reaches from 78 to 125 of 230.
    photo[150:380, 800:900] = small[:, :100]
    first, *others = face_finder().find(photo)
    assert first.prominence == 1
    assert not first.is_cut_off
    assert all(not other.is_prominent for other in others)
    (cut,) = face_finder().find(pixels[85:])
    assert cut.is_cut_off
    assert cut.top < 0


def test_blur_of_face_and_eyes_is_that_of_the_photo_at_full_size(pixels: UInt8Array) -> None:
    large = Image.fromarray(pixels).crop((100, 20, 350, 270)).resize((1000, 1000))
    blurs = []
    for sigma in (0, 2, 4):
        (face,) = face_finder().find(np.asarray(large.filter(ImageFilter.GaussianBlur(sigma))))
        assert face.blur is not None
        assert all(eye.blur is not None and eye.blur < 3 * face.blur for eye in face.eyes)
        assert face.sharpest_blur == min(eye.blur for eye in face.eyes if eye.blur is not None)
        blurs.append(face.blur)
        assert pickle.loads(pickle.dumps(face)) == face  # noqa: S301
    assert blurs == sorted(blurs)
    assert blurs[1] > 1.05 * blurs[0]


def test_threads_find_what_one_alone_finds(
    pixels: UInt8Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs: list[dict[str, object]] = []

    def compiled(file: Path, config: dict[str, object]) -> CompiledGraph:
        configs.append(config)
        return CompiledGraph(file, config)

    monkeypatch.setattr(networks, "CompiledGraph", compiled)
    found: list[tuple[Face, ...]] = []
    for cores, streams in ((1, 1), (3, 3), (64, 4)):
        monkeypatch.setattr(networks, "usable_cores", lambda cores=cores: cores)
        finder = FaceFinder()
        counts = {config[name] for config in configs for name in COUNTS}
        assert counts == {streams}
        configs.clear()
        with ThreadPoolExecutor(3) as threads:
            found += threads.map(finder.find, [pixels] * 6)
    assert len(found[0]) == 1
    # Not only close: to the bit.
    assert found == [found[0]] * len(found)


def test_only_the_published_networks_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copy(networks.network_file("face_landmark"), tmp_path / "face.tflite"))
    monkeypatch.setattr(networks, "network_file", lambda name: copy)
    networks.open_network("face_landmark")
    copy.write_bytes(copy.read_bytes()[:-1] + b"\x55")
    with pytest.raises(ModelError, match=r"face\.tflite is not the network that was published"):
        networks.open_network("face_landmark")
    copy.unlink()
    with pytest.raises(ModelError, match=r"face\.tflite cannot be read: .*Install mlsp again"):
        networks.open_network("face_landmark")
