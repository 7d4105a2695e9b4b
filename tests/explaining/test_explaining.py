from __future__ import annotations

import io
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image, ImageFilter

from mlsp.base.errors import OutputError, SettingsError, UnreadablePhotoError
from mlsp.evaluation.metrics import srcc
from mlsp.explaining import (
    Explainer,
    Explanation,
    explain_files,
    heat_map_png,
    occlusion_effects,
)
from mlsp.explaining.files import picture_paths
from mlsp.features.pooling import area_weights
from mlsp.features.spec import FeatureSpec
from mlsp.models.model import Model, save_model_record
from mlsp.models.records import Card, HeadRecord
from mlsp.photos.crops import ViewsName
from mlsp.scoring.results import Score
from mlsp.scoring.scorer import Scorer
from tiny_graphs import save_graph, write_head

RECORD = HeadRecord("taste", "taste.onnx", "", "liked", 0, 1, "nobody's", (0.2, 0.4, 0.9), ())
CHANNELS = 3


def write_network(file: Path, grid: int) -> None:
    """Red, green and blue as features. Wide ones are of 128 × 96 pixels only.

    By hand and not by torch, whose export would take most of the time of these tests.
    """
    node = helper.make_node
    nodes = [
        node("Transpose", ["photos"], ["first"], perm=[0, 3, 1, 2]),
        node("Cast", ["first"], ["numbers"], to=TensorProto.FLOAT),
        node("Mul", ["numbers", "scale"], ["pixels"]),
    ]
    arrays: dict[str, Any] = {"scale": np.float32(1 / 255)}
    if grid == 1:
        arrays["axes"] = np.array([2, 3])
        nodes.append(node("ReduceMean", ["pixels", "axes"], ["pooled"], keepdims=1))
    else:
        arrays["rows"] = area_weights(96, grid).astype(np.float32)
        arrays["columns"] = area_weights(128, grid).astype(np.float32).T
        nodes += [
            node("MatMul", ["rows", "pixels"], ["flat"]),
            node("MatMul", ["flat", "columns"], ["pooled"]),
        ]
    nodes.append(node("Transpose", ["pooled"], ["features"], perm=[0, 2, 3, 1]))
    photos = helper.make_tensor_value_info("photos", TensorProto.UINT8, ["n", "h", "w", 3])
    features = helper.make_tensor_value_info(
        "features", TensorProto.FLOAT, ["n", grid, grid, CHANNELS]
    )
    save_graph(file, nodes, photos, features, arrays)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The tiny network as graphs, by grid."""
    folder = tmp_path_factory.mktemp("networks")
    files = {grid: folder / f"{grid}.onnx" for grid in (1, 5)}
    for grid, file in files.items():
        write_network(file, grid)
    return files


@pytest.fixture
def model(networks: dict[int, Path], tmp_path: Path) -> Callable[..., Path]:
    def write(weighed: np.ndarray, form: str = "features", *, views: ViewsName = "whole") -> Path:
        folder = tmp_path / "model"
        folder.mkdir()
        grid = weighed.shape[0]
        shutil.copy(networks[grid], folder / "backbone.onnx")
        write_head(folder / "taste.onnx", weighed, form)
        save_model_record(
            Model(
                folder=folder,
                name="tiny",
                version="1",
                fingerprint="",
                feature_spec=FeatureSpec("tiny", "0" * 64, ("pixels",), views, 128, grid),
                smallest_side=8,
                backbone_file="backbone.onnx",
                heads=(RECORD.with_file(folder),),
                card=Card("A test.", ("none",), (), "CC0-1.0"),
            )
        )
        return folder

    return write


@pytest.fixture(scope="module")
def default() -> Explainer:
    return Explainer(Scorer())


@pytest.fixture(scope="module")
def chelsea(default: Explainer, examples: Path) -> dict[str, Explanation]:
    return default.explain(examples / "chelsea.png")


def weights(grid: int) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(grid, grid, CHANNELS)) * 0.02


def noise(file: Path, size: tuple[int, int] = (128, 96)) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(3)).save(file)
    return file


# The sums


@pytest.mark.parametrize("head", ["quality", "beauty"])
def test_contributions_add_up_to_the_score_above_the_average(
    default: Explainer, chelsea: dict[str, Explanation], head: str
) -> None:
    found = chelsea[head]
    (scored,) = default.scorer.score([found.source])
    assert found.score == scored.scores[head]  # type: ignore[union-attr]
    assert found.contributions.sum(dtype=np.float64) == pytest.approx(
        found.score.value - found.average, abs=1e-6
    )
    assert found.contributions.dtype == np.float32
    assert found.contributions.shape == (5, 7)
    assert (found.width, found.height) == (451, 300)
    assert 0 < found.agreement < 1


def test_the_average_is_that_of_the_rated_photos(
    default: Explainer, chelsea: dict[str, Explanation]
) -> None:
    for record in default.scorer.model.heads:
        even = np.interp(np.linspace(0, 200, 100_001), np.arange(201), record.quantiles)
        assert chelsea[record.name].average == pytest.approx(even.mean(), abs=1e-4)


# Where


@pytest.mark.parametrize(
    ("grid", "views"), [(1, "whole"), (1, "whole_mirrored"), (1, "corners8"), (5, "whole")]
)
@pytest.mark.parametrize("form", ["features", "roots", "square"])
def test_what_raises_the_score_is_shown_where_it_is(
    model: Callable[..., Path], tmp_path: Path, grid: int, views: ViewsName, form: str
) -> None:
    pixels = np.full((96, 128, 3), 60, np.uint8)
    pixels[8:32, 96:120, 0] = 250
    Image.fromarray(pixels).save(tmp_path / "red.png")
    red = np.zeros((grid, grid, CHANNELS))
    red[..., 0] = 0.5 / grid**2
    scorer = Scorer(model(red, form, views=views))
    found = Explainer(scorer).explain(tmp_path / "red.png")["taste"]
    assert found.contributions.shape == (5, 7)
    rest = found.contributions.copy()
    rest[:2, 5:] = np.nan
    assert found.contributions[:2, 5:].min() > np.nanmax(rest)
    assert found.contributions.sum() == pytest.approx(found.score.value - 0.475, abs=1e-5)


def test_a_head_that_reads_one_half_only_explains_by_that_half(
    model: Callable[..., Path], tmp_path: Path
) -> None:
    left = weights(5)
    left[:, 2:] = 0
    photo = noise(tmp_path / "a.png", (256, 192))
    columns = Explainer(Scorer(model(left))).explain(photo)["taste"].contributions.std(axis=0)
    assert columns[:2].min() > 1e-5
    assert columns[3:].max() < 1e-8


def test_the_blurred_half_of_a_photo_is_the_worse_one(
    default: Explainer, examples: Path, tmp_path: Path
) -> None:
    photo = Image.open(examples / "coffee.png").convert("RGB")
    left = photo.crop((0, 0, photo.width // 2, photo.height))
    photo.paste(left.filter(ImageFilter.GaussianBlur(6)), (0, 0))
    photo.save(tmp_path / "half.png")
    amounts = default.explain(tmp_path / "half.png")["quality"].contributions
    middle = amounts.shape[1] // 2
    sharp, blurred = amounts[:, middle + 1 :], amounts[:, :middle]
    assert sharp.mean() > blurred.mean() + 0.002


def test_a_mirrored_photo_has_a_mirrored_map(
    default: Explainer, examples: Path, tmp_path: Path
) -> None:
    photo = Image.open(examples / "chelsea.png").convert("RGB")
    photo.save(tmp_path / "plain.png")
    photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "mirrored.png")
    for head, plain in default.explain(tmp_path / "plain.png").items():
        mirrored = default.explain(tmp_path / "mirrored.png")[head].contributions[:, ::-1]
        # Not 1: the network's strides begin at the left.
        agreement = srcc(plain.contributions.ravel(), mirrored.ravel())
        assert agreement > 0.7
        # Its two ears are alike, its sides are not.
        assert srcc(plain.contributions.ravel(), mirrored[:, ::-1].ravel()) < agreement - 0.02


def test_the_map_is_of_the_upright_photo(
    default: Explainer, examples: Path, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = Image.open(examples / "chelsea.png").convert("RGB").resize((200, 120))
    photo.save(tmp_path / "plain.png")
    photo.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    plain = default.explain(tmp_path / "plain.png")["quality"]
    turned = default.explain(tmp_path / "turned.png")["quality"]
    np.testing.assert_array_equal(turned.contributions, plain.contributions)


def test_covering_finds_what_the_score_depends_on(
    model: Callable[..., Path],
) -> None:
    pixels = np.full((112, 112, 3), 60, np.uint8)
    pixels[32:48, 80:96, 0] = 250
    red = np.zeros((1, 1, CHANNELS))
    red[..., 0] = 1
    effects = occlusion_effects(Scorer(model(red)), pixels)["taste"]
    assert effects.shape == (2, 7, 7)
    for effect in effects:
        assert effect.argmax() == 2 * 7 + 5
    # By the mean colour, the score loses what the cell has above it.
    lost = (250 - 60) / 255 * (1 - 1 / 49) / 49
    assert effects[1].max() == pytest.approx(lost, abs=1e-4)


@pytest.mark.parametrize(("size", "cells"), [((40, 400), (7, 1)), ((300, 200), (5, 7))])
def test_cells_are_about_square(
    model: Callable[..., Path], size: tuple[int, int], cells: tuple[int, int]
) -> None:
    pixels = np.full((size[1], size[0], 3), 60, np.uint8)
    effects = occlusion_effects(Scorer(model(weights(1))), pixels)["taste"]
    assert effects.shape == (2, *cells)


def test_of_a_photo_that_is_plain_nothing_is_said(
    model: Callable[..., Path], tmp_path: Path
) -> None:
    Image.new("RGB", (120, 80), (90, 90, 90)).save(tmp_path / "grey.png")
    found = Explainer(Scorer(model(weights(1)))).explain(tmp_path / "grey.png")["taste"]
    assert np.ptp(found.contributions) == 0
    assert math.isnan(found.agreement)


# Errors


def test_unknown_heads_and_bad_photos(default: Explainer, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        Explainer(default.scorer, heads=["qualty"])
    assert str(caught.value) == (
        "unknown head 'qualty': did you mean 'quality'? Known: 'beauty', 'quality'"
    )
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(UnreadablePhotoError, match="the file is empty"):
        default.explain(tmp_path / "empty.jpg")


# Pictures


def made_up(contributions: np.ndarray, percentile: float = 61.0) -> Explanation:
    score = Score(0.6, percentile, 60.0)
    amounts = contributions.astype(np.float32)
    return Explanation(Path("a.png"), "taste", "liked", score, 0.5, amounts, 0.6, 80, 60)


def opened(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB")).astype(int)


def map_in(content: bytes, height: int, width: int) -> np.ndarray:
    """The photo's part of a picture, which stands in the middle above the legend."""
    picture = opened(content)
    left = (picture.shape[1] - width) // 2
    return picture[:height, left : left + width]


def test_what_raises_is_orange_and_what_lowers_blue() -> None:
    amounts = np.repeat([[0.01, -0.01]], 12, axis=0).repeat(8, axis=1)
    picture = map_in(heat_map_png(np.full((60, 80, 3), 128, np.uint8), made_up(amounts)), 120, 160)
    assert picture[60, 20, 0] > picture[60, 20, 2] + 80
    assert picture[60, 140, 2] > picture[60, 140, 0] + 80


def test_the_photo_is_seen_through_where_nothing_matters() -> None:
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[:, :40] = 255
    picture = map_in(heat_map_png(pixels, made_up(np.zeros((6, 8))), longest_side=80), 60, 80)
    assert picture[30, 10].tolist() == [158, 158, 158]
    assert picture[30, 70].tolist() == [30, 30, 30]


@pytest.mark.parametrize(
    ("size", "height"), [((60, 80), 120), ((400, 10), 400), ((3, 900), 1), ((1, 1), 2)]
)
@pytest.mark.parametrize("percentile", [61.0, math.nan])
def test_the_legend_fits_below_any_photo(
    size: tuple[int, int], height: int, percentile: float
) -> None:
    explanation = made_up(np.random.default_rng(0).normal(size=(6, 8)), percentile)
    pixels = np.full((*size, 3), 200, np.uint8)
    legend = opened(heat_map_png(pixels, explanation, longest_side=400))[height:]
    # Nothing is written up to the right border.
    assert (legend[:, -5:] == [24, 24, 27]).all()
    assert (legend > 200).any()


def test_a_picture_without_size_is_refused() -> None:
    with pytest.raises(SettingsError, match="^longest_side must be at least 1, got 0$"):
        heat_map_png(np.zeros((4, 4, 3), np.uint8), made_up(np.zeros((2, 2))), longest_side=0)


# Files


def test_pictures_have_names_of_their_own(tmp_path: Path) -> None:
    sources = [Path("x/a.jpg"), Path("y/a.jpg"), Path("A.png"), Path("z/a.jpg")]
    paths = picture_paths(sources, ["quality"], tmp_path / "new" / "folder")
    assert [path["quality"].name for path in paths] == [
        "a.quality.png",
        "a.jpg.quality.png",
        "A.png.quality.png",
        "a.jpg 3.quality.png",
    ]
    assert (tmp_path / "new" / "folder").is_dir()


def test_no_photo_is_replaced_and_one_file_is_for_one_picture(tmp_path: Path) -> None:
    photo = noise(tmp_path / "a.quality.png")
    with pytest.raises(OutputError) as caught:
        picture_paths([tmp_path / "a.jpg", photo], ["quality"], tmp_path)
    assert str(caught.value) == (
        f"{str(photo)!r} is a photo itself and will not be replaced: name another --output"
    )
    with pytest.raises(OutputError, match="is a photo itself"):
        picture_paths([photo], ["quality"], photo)
    with pytest.raises(SettingsError) as two:
        picture_paths([photo], ["quality", "beauty"], tmp_path / "b.png")
    assert str(two.value) == (
        f"{str(tmp_path / 'b.png')!r} is one file, but there are 2 pictures to write (photos × scores: 1 × 2):"
        " name a folder, or one photo and --head"
    )
    with pytest.raises(OutputError, match="cannot be made: .*: name another --output$"):
        picture_paths([photo], ["quality"], photo / "folder")


def test_only_pictures_of_an_earlier_run_are_replaced(tmp_path: Path) -> None:
    pixels = np.full((60, 80, 3), 128, np.uint8)
    ours = tmp_path / "a.quality.png"
    ours.write_bytes(heat_map_png(pixels, made_up(np.ones((6, 8))), longest_side=80))
    source = tmp_path / "a.jpg"
    assert picture_paths([source], ["quality"], tmp_path) == [{"quality": ours}]
    assert picture_paths([source], ["quality"], ours) == [{"quality": ours}]
    others = noise(tmp_path / "other.png")
    folder = tmp_path / "b.quality.png"
    folder.mkdir()
    for found, sources, output in (
        (others, [source], others),
        (folder, [tmp_path / "b.jpg"], tmp_path),
    ):
        with pytest.raises(OutputError) as caught:
            picture_paths(sources, ["quality"], output)
        assert str(caught.value) == (
            f"{str(found)!r} exists and was not written by this command, so it is not replaced: name another file, or delete it first"
        )


def test_other_files_than_png_are_refused_and_folders_may_have_dots(tmp_path: Path) -> None:
    for name in ("z.jpg", "z.PDF", "z.webp"):
        with pytest.raises(SettingsError) as caught:
            picture_paths([tmp_path / "a.jpg"], ["quality"], tmp_path / name)
        assert str(caught.value) == (
            f"cannot write a picture to {str(tmp_path / name)!r}: its ending must be .png, got {name[1:]!r}; or name a folder"
        )
        assert not (tmp_path / name).exists()
    (path,) = picture_paths([tmp_path / "a.jpg"], ["quality"], tmp_path / "2024.05")
    assert path["quality"] == tmp_path / "2024.05" / "a.quality.png"
    (tmp_path / "old.jpg").mkdir()
    (path,) = picture_paths([tmp_path / "a.jpg"], ["quality"], tmp_path / "old.jpg")
    assert path["quality"] == tmp_path / "old.jpg" / "a.quality.png"


def test_explained_files_in_order_failures_as_values(
    model: Callable[..., Path], tmp_path: Path
) -> None:
    good = noise(tmp_path / "good.png")
    explainer = Explainer(Scorer(model(weights(1))))
    explained, failed = explain_files(explainer, [good, tmp_path / "gone.png"], tmp_path / "out")
    assert explained.source == good
    assert explained.pictures == {"taste": tmp_path / "out" / "good.taste.png"}  # type: ignore[union-attr]
    assert set(explained.explanations) == {"taste"}  # type: ignore[union-attr]
    assert failed.source == tmp_path / "gone.png"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.taste.png"]
