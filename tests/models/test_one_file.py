"""An exported model says what the model says; ONNX Runtime is the judge, which mlsp itself does not use."""

from __future__ import annotations

import functools
import http.server
import math
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from labelled_models import LabelledModel
from mlsp.backbones import Level
from mlsp.base.errors import MlspError, OutputError, SettingsError
from mlsp.cli import app
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.engines.openvino_votes import open_votes
from mlsp.features.opening import open_backbone
from mlsp.features.pipeline import PhotoFeatures
from mlsp.models.heads import HeadSpec, build_head
from mlsp.models.model import Model, load_model
from mlsp.models.one_file.browser import _RUNTIME_FILES, RUNTIME_VERSION, export_browser_page
from mlsp.models.one_file.graph import one_file_graph
from mlsp.models.one_file.outputs import percentile_pieces
from mlsp.models.one_file.writing import export_model
from mlsp.models.writing import write_model
from mlsp.photos import read_photo, reduce_pixels
from mlsp.photos.sizes import Reduction, reduced_size
from mlsp.scoring.parity import OnnxRuntime, OpenVino, check_exported
from mlsp.scoring.scorer import Scorer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (file,) = export_model(load_model(), tmp_path_factory.mktemp("export") / "m.onnx", "onnx")
    return file


@pytest.fixture(scope="module")
def runtime(exported: Path) -> OnnxRuntime:
    return OnnxRuntime(exported)


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(precision="float32", workers=1)


def outputs(scorer: Scorer, pixels: np.ndarray) -> dict[str, float]:
    values: dict[str, float] = {}
    result = scorer.score_one(pixels)
    for name, score in result.scores.items():
        values |= {name: score.value, f"{name}_percentile": result.percentile(name)}
    return values


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_examples_get_the_models_scores(
    scorer: Scorer, runtime: OnnxRuntime, examples: Path
) -> None:
    known = {photo: scorer.score_one(photo) for photo in sorted(examples.glob("*.*g"))}
    for photo in known:
        pixels = read_photo(photo).pixels
        found, expected = runtime(pixels), outputs(scorer, pixels)
        assert list(found)[: len(expected) + 1] == [*expected, "overall"]
        labels = {**known[photo].fault_probabilities, **known[photo].kind_probabilities}
        assert {name: found[name] for name in labels} == pytest.approx(labels, abs=0.05)
        for name, value in expected.items():
            # Where most photos are, a thousandth of quality is half a percentile.
            scale = 500 if name.endswith("percentile") else 1
            assert found[name] == pytest.approx(value, abs=2e-4 * scale), (photo.name, name)
        percentiles = [found["quality_percentile"], found["beauty_percentile"]]
        assert found["overall"] == pytest.approx(np.mean(percentiles), abs=1e-4)


@pytest.mark.parametrize("size", [(513, 511), (1200, 517), (333, 2047), (512, 512), (51, 50)])
def test_any_size(scorer: Scorer, runtime: OnnxRuntime, size: tuple[int, int]) -> None:
    found, expected = runtime(noise(*size)), outputs(scorer, noise(*size))
    assert found["quality"] == pytest.approx(expected["quality"], abs=2e-3)
    assert found["beauty"] == pytest.approx(expected["beauty"], abs=1e-2)


def test_a_batch_is_its_photos(exported: Path, runtime: OnnxRuntime) -> None:
    import onnxruntime

    batch = np.stack([noise(700, 600), noise(700, 600)[::-1]])
    session: Any = onnxruntime.InferenceSession(str(exported))
    (quality,) = session.run(["quality"], {"pixels": batch})
    alone = [runtime(np.ascontiguousarray(photo))["quality"] for photo in batch]
    np.testing.assert_allclose(quality, alone, atol=1e-4)
    assert alone[0] != alone[1]


def test_faults_and_kinds_are_outputs(labelled: LabelledModel, tmp_path: Path) -> None:
    """Percentiles are among photos of the same kind; what is no photo has none."""
    (file,) = export_model(labelled.model, tmp_path / "model.onnx", "onnx")
    names = ("soft_rocket.png", "astronaut.png", "chart.png")
    rows, failed = check_exported(labelled.model, file, map(labelled.photo, names))
    assert not failed
    by_output = {row.output: row for row in rows if row.runtime.startswith("ONNX")}
    assert set(by_output) == {
        *("quality", "quality_percentile", "beauty", "beauty_percentile", "overall"),
        *("soft", "dark", "hazy", "people", "animals", "scenery", "architecture"),
        *("food_and_objects", "not_photo"),
    }
    for output, row in by_output.items():
        assert row.largest < (0.1 if output.endswith(("percentile", "overall")) else 2e-3), output
    found = OnnxRuntime(file)(read_photo(labelled.photo("chart.png")).pixels)
    assert math.isnan(found["overall"])
    assert math.isnan(found["beauty_percentile"])
    assert found["not_photo"] > 0.6 > found["people"]


def test_views_are_cut_and_averaged(scorer: Scorer, tmp_path: Path) -> None:
    import onnx

    model = load_model()
    for views in ("whole_mirrored", "corners8"):
        other = replace(model, feature_spec=replace(model.feature_spec, views=views))
        engine = open_backbone(
            other.feature_spec, graph=model.backbone, device="cpu", precision="float32"
        )
        heads = [OpenVinoHead(model.folder / head.file) for head in model.heads]
        itself = Scorer.of(other, engine, heads, workers=1)
        file = tmp_path / f"{views}.onnx"
        onnx.save(one_file_graph(other), file)
        pixels = noise(301, 203)
        found, expected = OnnxRuntime(file)(pixels), outputs(itself, pixels)
        for head in ("quality", "beauty"):
            assert found[head] == pytest.approx(expected[head], abs=2e-4)
        # Noise is about as bad in every part.
        assert expected["beauty"] != pytest.approx(outputs(scorer, pixels)["beauty"], abs=1e-3)


def test_votes_are_an_output(tmp_path: Path, examples: Path) -> None:
    import onnxruntime

    fast = load_model("fast")
    bins = (1.0, 2.0, 3.0, 4.0, 5.0)
    channels = OpenVinoHead(fast.folder / fast.heads[0].file).channels
    spec = HeadSpec("single_1fc", output="distribution", lowest=1, highest=5, bins=bins)
    model = write_model(
        tmp_path / "model",
        name="voted",
        feature_spec=replace(fast.feature_spec, views="whole_mirrored"),
        smallest_side=fast.smallest_side,
        heads=[
            (replace(fast.heads[0], lowest=1, highest=5), build_head(spec, [Level("a", channels)]))
        ],
        channels=channels,
        card=fast.card,
        backbone=fast.backbone,
    )
    (file,) = export_model(model, tmp_path / "m.onnx", "onnx")
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    assert {output.name: output.shape for output in session.get_outputs()} == {
        "quality": ["N"],
        "quality_percentile": ["N"],
        "overall": ["N"],
        "quality_votes": ["N", 5],
    }
    photo = examples / "coffee.png"
    pixels = read_photo(photo).pixels
    score, votes = session.run(
        ["quality", "quality_votes"], {"pixels": np.stack([pixels, pixels[::-1]])}
    )
    np.testing.assert_allclose(votes @ bins, score, atol=1e-5)
    (found,) = Scorer(model.folder, precision="float32", workers=1).features([photo])
    assert isinstance(found, PhotoFeatures)
    head = open_votes(model.folder / "quality.onnx", bins)
    assert head is not None
    np.testing.assert_allclose(votes[0], head.predict(found.features).mean(axis=0), atol=1e-4)
    assert np.abs(votes[0] - votes[1]).max() > 1e-3
    # The comparison has rows of the scores.
    rows, _ = check_exported(model, file, [photo])
    assert {row.output for row in rows} == {"quality", "quality_percentile", "overall"}


@pytest.mark.parametrize("reduction", ["area", "lanczos"])
def test_photos_are_reduced_as_files_are(
    tmp_path: Path, examples: Path, reduction: Reduction
) -> None:
    import onnx

    model = load_model()
    other = replace(model, feature_spec=replace(model.feature_spec, reduction=reduction))
    engine = open_backbone(
        other.feature_spec, graph=model.backbone, device="cpu", precision="float32"
    )
    heads = [OpenVinoHead(model.folder / head.file) for head in model.heads]
    itself = Scorer.of(other, engine, heads, workers=1)
    onnx.save(one_file_graph(other), tmp_path / "m.onnx")
    pixels = read_photo(examples / "coffee.png").pixels
    assert max(pixels.shape) > 512
    found, expected = OnnxRuntime(tmp_path / "m.onnx")(pixels), outputs(itself, pixels)
    assert found["quality"] == pytest.approx(expected["quality"], abs=1e-3)
    assert found["beauty"] == pytest.approx(expected["beauty"], abs=5e-3)


def test_without_quantiles_the_place_on_the_scale_counts(tmp_path: Path, examples: Path) -> None:
    import onnx

    model = load_model()
    bare = replace(model, heads=(replace(model.heads[0], quantiles=()),), classifiers=())
    onnx.save(one_file_graph(bare), tmp_path / "m.onnx")
    found = OnnxRuntime(tmp_path / "m.onnx")(read_photo(examples / "coffee.png").pixels)
    assert list(found) == ["quality", "overall"]
    assert found["overall"] == pytest.approx(100 * found["quality"], rel=1e-5)


@given(
    st.lists(st.integers(0, 8), min_size=2, max_size=12).map(sorted),
    st.floats(-1, 9, allow_nan=False, width=32),
)
def test_pieces_are_the_percentile(quantiles: list[int], value: float) -> None:
    head = replace(load_model_once().heads[0], quantiles=tuple(map(float, quantiles)))
    pieces = percentile_pieces(head.quantiles)
    ramps = np.clip((np.float32(value) - pieces.begins) / pieces.widths, 0, 1).sum()
    steps = ramps + pieces.heights[np.float32(value) >= pieces.jumps].sum()
    expected = head.percentile(value)
    assert steps * 100 / (len(quantiles) - 1) == pytest.approx(expected, abs=1e-3)


@functools.cache
def load_model_once() -> Model:
    return load_model()


def test_openvino_reads_its_own_files(tmp_path: Path, scorer: Scorer, examples: Path) -> None:
    files = export_model(load_model(), tmp_path / "m.xml", "openvino")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.bin", "m.xml"]
    assert files == (tmp_path / "m.xml", tmp_path / "m.bin")
    model = OpenVino(files[0])
    # OpenVINO leaves out the rounding of features to 16 bits.
    for photo in (examples / "coffee.png", examples / "astronaut.png"):
        pixels = read_photo(photo).pixels
        expected = outputs(scorer, pixels)
        found = model(pixels)
        assert found["quality"] == pytest.approx(expected["quality"], abs=5e-3)
        assert found["beauty"] == pytest.approx(expected["beauty"], abs=1e-2)


def test_parity_is_measured(exported: Path, examples: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no photo")
    seen: list[object] = []
    rows, failed = check_exported(
        load_model(), exported, [examples / "coffee.png", tmp_path / "bad.png"], advance=seen.append
    )
    assert [result.source.name for result in failed] == ["bad.png"]
    assert len(seen) == 2
    assert {row.runtime.split()[0] for row in rows} == {"ONNX", "OpenVINO"}
    (quality,) = [row for row in rows if row.output == "quality" and row.runtime[:4] == "ONNX"]
    assert quality.photo_count == 1
    assert 0 <= quality.largest < 2e-4
    assert check_exported(load_model(), exported, []) == ([], [])


@pytest.mark.parametrize(
    ("name", "export_format", "message"),
    [
        (
            "m.onnx",
            "onx",
            "unknown format 'onx': did you mean 'onnx'? Known: 'browser', 'onnx', 'openvino'",
        ),
        ("m.xml", "onnx", "--format onnx writes a file ending in .onnx, got '{folder}/m.xml'"),
        (
            "m.bin",
            "openvino",
            "--format openvino writes a file ending in .xml, got '{folder}/m.bin'",
        ),
    ],
)
def test_what_cannot_be_written(
    tmp_path: Path, name: str, export_format: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        export_model(load_model(), tmp_path / name, export_format)
    assert str(caught.value) == message.format(folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_resized_photos_are_refused(tmp_path: Path) -> None:
    model = load_model()
    feature_spec = replace(model.feature_spec, longest_side=None, resize=(256, 224))
    with pytest.raises(MlspError) as caught:
        export_model(replace(model, feature_spec=feature_spec), tmp_path / "m.onnx", "onnx")
    assert re.match(
        "model 'default' resizes every photo to 256×224, .*: export ", str(caught.value)
    )


def test_the_command(tmp_path: Path, examples: Path) -> None:
    file = tmp_path / "m.onnx"
    done = CliRunner().invoke(
        app, ["export", "default", "--output", str(file), "--check", str(examples / "coffee.png")]
    )
    assert done.exit_code == 0
    assert file.is_file()
    assert "The file's scores less the model's, 1 photos" in done.stdout
    assert re.search(r"ONNX Runtime [\d.]+ +quality +\d\.\de-0\d", done.stdout)


@pytest.mark.parametrize(
    ("export_format", "name"), [("onnx", "m.onnx"), ("openvino", "m.xml"), ("openvino", "m.bin")]
)
def test_a_file_of_the_users_is_not_replaced(tmp_path: Path, export_format: str, name: str) -> None:
    (tmp_path / name).write_bytes(b"my own network")
    output = tmp_path / f"m{'.onnx' if export_format == 'onnx' else '.xml'}"
    with pytest.raises(OutputError, match=f"{name}' exists and was not written by this command"):
        export_model(load_model(), output, export_format)
    assert (tmp_path / name).read_bytes() == b"my own network"
    (tmp_path / name).unlink()
    for _ in range(2):
        written = export_model(load_model(), output, export_format)
        assert all(path.stat().st_size > 100 for path in written)


def test_a_page_is_not_written_over_other_files(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"photo")
    with pytest.raises(OutputError, match=f"{str(tmp_path)!r}.*: name a new folder$"):
        export_browser_page(load_model(), tmp_path)
    with pytest.raises(SettingsError) as caught:
        export_browser_page(load_model(), tmp_path / "page", runtime=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path} is not the dist folder of onnxruntime-web {RUNTIME_VERSION}: ort.wasm.min.mjs cannot be read (No such file or directory)"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]
    with pytest.raises(OutputError, match="'[^']*holiday.jpg'.* got a file: "):
        export_browser_page(load_model(), tmp_path / "holiday.jpg", runtime=tmp_path)


def _fake_runtime(folder: Path) -> Path:
    folder.mkdir()
    for name in _RUNTIME_FILES:
        (folder / name).touch()
    return folder


def test_a_page_replaces_a_page_but_never_a_model_or_files_that_came_to_it(tmp_path: Path) -> None:
    runtime = _fake_runtime(tmp_path / "dist")
    model = tmp_path / "mine"
    shutil.copytree(load_model().folder, model)
    before = sorted(path.name for path in model.iterdir())
    with pytest.raises(OutputError, match=f"{str(model)!r}.*: name a new folder$"):
        export_browser_page(load_model(), model, runtime=runtime)
    assert sorted(path.name for path in model.iterdir()) == before
    page = export_browser_page(load_model(), tmp_path / "page", runtime=runtime)
    export_browser_page(load_model(), page, runtime=runtime)
    for added in (page / "holiday.jpg", page / "onnxruntime" / "notes.txt"):
        added.touch()
        with pytest.raises(OutputError, match=f"{str(page)!r}.*: name a new folder$"):
            export_browser_page(load_model(), page, runtime=runtime)
        added.unlink()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def guess_type(self, path: Any) -> str:
        own = {".mjs": "text/javascript", ".wasm": "application/wasm"}
        return own.get(Path(path).suffix) or super().guess_type(path)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def served_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the page on a server of plain files."""
    if shutil.which("npm") is None:
        pytest.skip("needs onnxruntime-web, which npm fetches, and npm is not installed")
    folder = tmp_path_factory.mktemp("browser") / "page"
    try:
        export_browser_page(load_model(), folder)
    except SettingsError as error:
        if "npm cannot fetch" not in str(error):
            raise
        pytest.skip(f"needs onnxruntime-web: {error}")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def open_page(page: Page, address: str) -> None:
    """Open the exported page and wait until it stays.

    On the first visit it reloads itself once, to be isolated: a script that runs before that is lost with its document. It fills in
    the meaning of the scores only afterwards.
    """
    page.goto(address)
    page.locator("#meanings dt").first.wait_for(state="attached", timeout=60_000)


def test_the_browser_gives_the_same_scores(
    served_page: str, page: Page, scorer: Scorer, examples: Path, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    (tmp_path / "bad.png").write_bytes(b"no photo")
    photos = [examples / "coffee.png", examples / "chelsea.png", examples / "astronaut.png"]
    requests: list[tuple[str, str]] = []
    page.on("request", lambda request: requests.append((request.method, request.url)))
    open_page(page, served_page)
    expect(page.locator("#status")).to_have_text(re.compile(r"^Ready \(W"), timeout=60_000)
    page.set_input_files("#files", [*photos, tmp_path / "bad.png"])
    expect(page.locator("#status")).to_have_text("3 scored, 1 failed", timeout=60_000)
    rows = [row.inner_text().split() for row in page.locator("#rows tr").all()]
    found = {row[0]: [float(value) for value in row[1:] if value[0].isdigit()] for row in rows[:3]}
    for photo in photos:
        expected = outputs(scorer, read_photo(photo).pixels)
        overall = (expected["quality_percentile"] + expected["beauty_percentile"]) / 2
        wanted = [overall, expected["quality"], expected["beauty"]]
        np.testing.assert_allclose(found[photo.name], wanted, atol=0.06, err_msg=photo.name)
        assert math.isclose(found[photo.name][1], expected["quality"], abs_tol=1.1e-3)
    assert " ".join(rows[3]) == "bad.png this browser cannot read it: convert it to JPEG"
    # Nothing leaves: all that is fetched is the page's own, and fetched only.
    assert {method for method, _ in requests} == {"GET"}
    assert all(url.startswith((served_page, "blob:", "data:")) for _, url in requests)


def test_a_graphics_processor_that_is_imitated_is_left_alone(
    served_page: str, browser: Browser, browser_path: str
) -> None:
    """Chromium's own WebGPU in software: it takes 40 seconds a photo, and lacks 16-bit numbers."""
    from playwright.sync_api import expect

    imitation = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    vulkan = ["--enable-features=Vulkan", "--use-vulkan=swiftshader"]
    with browser.browser_type.launch(
        executable_path=browser_path, args=["--no-sandbox", *imitation, *vulkan]
    ) as with_webgpu:
        page = with_webgpu.new_page()
        fetched: list[str] = []
        page.on("request", lambda request: fetched.append(request.url))
        open_page(page, served_page)
        has_adapter = "async () => Boolean(await navigator.gpu?.requestAdapter().catch(() => null))"
        if not page.evaluate(has_adapter):
            pytest.skip("this Chromium has no WebGPU in software")
        expect(page.locator("#status")).to_have_text(re.compile(r"^Ready \(WebA"), timeout=60_000)
        assert not [url for url in fetched if "webgpu" in url]


@pytest.mark.parametrize("reduction", ["area", "lanczos"])
def test_the_browser_reduces_as_files_are_reduced(
    served_page: str, page: Page, reduction: Reduction
) -> None:
    pixels = noise(97, 141)
    rgba = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    open_page(page, served_page)
    found = page.evaluate(
        """async ([values, width, height, reduction]) => {
            const { modelPixels } = await import("./pixels.js");
            const made = modelPixels(new Uint8ClampedArray(values), width, height, 64, reduction);
            return [made.width, made.height, [...made.pixels]];
        }""",
        [rgba.ravel().tolist(), 141, 97, reduction],
    )
    assert tuple(found[:2]) == reduced_size(141, 97, 64)
    ours = np.array(found[2]).reshape(found[1], found[0], 3)
    differences = np.abs(ours - reduce_pixels(pixels, 64, reduction).astype(int))
    # Sums in another order may round the other way.
    assert differences.max() <= 1
    assert differences.mean() < 1e-3
