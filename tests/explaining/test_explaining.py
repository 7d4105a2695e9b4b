from __future__ import annotations

import io
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageFilter

from mlsp.base.errors import ModelError, OutputError, SettingsError, UnreadablePhotoError
from mlsp.evaluation.metrics import srcc
from mlsp.explaining import (
    Explainer,
    Explanation,
    check_by_occlusion,
    explain,
    explain_files,
    heat_map_png,
)
from mlsp.explaining.contents import without_content
from mlsp.explaining.contributions import View, by_cell, by_position
from mlsp.explaining.files import picture_paths
from mlsp.explaining.level_maps import LevelMaps
from mlsp.explaining.picture import smoothed
from mlsp.explaining.regions import Region, level_region, view_regions
from mlsp.features.engines.openvino_engine import OpenVinoHead
from mlsp.features.opening import open_backbone
from mlsp.features.pooling import area_weights
from mlsp.features.spec import FeatureSpec, map_name
from mlsp.models.linear_form import LinearForm, linear_form
from mlsp.models.model import Model, save_model_record
from mlsp.models.records import Card, HeadRecord
from mlsp.photos.crops import ViewsName, cut_views
from mlsp.scoring.results import Score
from mlsp.scoring.scorer import Scorer

RECORD = HeadRecord("taste", "taste.onnx", "", "liked", 0, 1, "nobody's", (0.2, 0.4, 0.9), ())
CHANNELS = 9


def write_network(file: Path, grid: int) -> None:
    """Two levels: the photo at half its size; bright and dark at an eighth of it. Wide features are of 128 × 96 pixels only.

    By hand and not by torch, whose export would take most of the time of these tests.
    """
    node = helper.make_node
    nodes = [
        node("Transpose", ["photos"], ["first"], perm=[0, 3, 1, 2]),
        node("Cast", ["first"], ["numbers"], to=TensorProto.FLOAT),
        node("Mul", ["numbers", "scale"], ["pixels"]),
        node("AveragePool", ["pixels"], ["fine"], kernel_shape=[2, 2], strides=[2, 2]),
        node("AveragePool", ["pixels"], ["bright"], kernel_shape=[8, 8], strides=[8, 8]),
        node("Sub", ["one", "bright"], ["dark"]),
        node("Concat", ["bright", "dark"], ["coarse"], axis=1),
    ]
    arrays = {"scale": np.float32(1 / 255), "one": np.float32(1), "axes": np.array([2, 3])}
    for level, side in (("fine", 2), ("coarse", 8)):
        if grid == 1:
            nodes.append(node("ReduceMean", [level, "axes"], [f"{level}_pooled"], keepdims=1))
            continue
        arrays[f"{level}_rows"] = area_weights(96 // side, grid).astype(np.float32)
        arrays[f"{level}_columns"] = area_weights(128 // side, grid).astype(np.float32).T
        nodes += [
            node("MatMul", [f"{level}_rows", level], [f"{level}_flat"]),
            node("MatMul", [f"{level}_flat", f"{level}_columns"], [f"{level}_pooled"]),
        ]
    nodes += [
        node("Concat", ["fine_pooled", "coarse_pooled"], ["joined"], axis=1),
        node("Transpose", ["joined"], ["features"], perm=[0, 2, 3, 1]),
    ]
    photos = helper.make_tensor_value_info("photos", TensorProto.UINT8, ["n", "h", "w", 3])
    features = helper.make_tensor_value_info(
        "features", TensorProto.FLOAT, ["n", grid, grid, CHANNELS]
    )
    save(file, nodes, photos, features, arrays)


def write_head(file: Path, weighed: np.ndarray, form: str) -> None:
    """A head that is linear in features, in their square roots, or the square of such a one."""
    node = helper.make_node
    nodes = [
        node("Max", ["features", "zero"], ["positive"]),
        node("Sqrt", ["positive"], ["roots"]),
        node("Mul", ["roots" if form == "roots" else "features", "weights"], ["weighed"]),
        node("ReduceSum", ["weighed", "axes"], ["sum"], keepdims=0),
        node("Pow", ["sum", "power"], ["raised"]),
        node("Add", ["raised", "start"], ["scores"]),
    ]
    arrays = {
        "zero": np.float32(0),
        "weights": weighed.astype(np.float32),
        "axes": np.array([1, 2, 3]),
        "power": np.float32(2 if form == "square" else 1),
        "start": np.float32(0.1),
    }
    shape = ["n", *weighed.shape]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n"])
    save(file, nodes, features, scores, arrays)


def save(
    file: Path,
    nodes: list[onnx.NodeProto],
    taken: onnx.ValueInfoProto,
    given: onnx.ValueInfoProto,
    arrays: dict[str, Any],
) -> None:
    initializers = [
        numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()
    ]
    graph = helper.make_graph(nodes, "tiny", [taken], [given], initializers)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), file
    )


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
                feature_spec=FeatureSpec("tiny", "0" * 64, ("fine", "coarse"), views, 128, grid),
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
    assert found.value == pytest.approx(found.score.value)
    assert found.contributions.sum(dtype=np.float64) == pytest.approx(
        found.value - found.average, abs=1e-6
    )
    assert found.contributions.dtype == np.float32
    assert found.contributions.shape == (38, 56)
    assert (found.width, found.height) == (451, 300)
    assert found.is_linear
    assert [level.name for level in found.levels][-1] == "detail_head_conv"
    assert all(level.raised >= 0 for level in found.levels)


def test_the_average_is_that_of_the_rated_photos(
    default: Explainer, chelsea: dict[str, Explanation]
) -> None:
    for record in default.scorer.model.heads:
        even = np.interp(np.linspace(0, 200, 100_001), np.arange(201), record.quantiles)
        assert chelsea[record.name].average == pytest.approx(even.mean(), abs=1e-4)


@pytest.mark.parametrize("roots", [False, True])
@pytest.mark.parametrize("grid", [1, 5])
def test_places_add_up_to_the_difference_to_the_photo_without_its_content(
    networks: dict[int, Path], tmp_path: Path, grid: int, roots: bool
) -> None:
    network = LevelMaps(networks[grid], levels=("fine", "coarse"), channels=CHANNELS)
    pixels = np.asarray(Image.open(noise(tmp_path / "a.png")))
    view, base = (View.of(network(some), grid) for some in (pixels, without_content(pixels)[0]))
    form = LinearForm(weights(grid), "roots" if roots else "features", 0.0)
    amounts = by_position(form, view, base)
    assert [places.shape for places in amounts] == [(48, 64), (12, 16)]
    write_head(tmp_path / "head.onnx", weights(grid), "roots" if roots else "features")
    features = np.stack([view.features, base.features]).astype(np.float32)
    scores = OpenVinoHead(tmp_path / "head.onnx").predict(features)
    assert sum(places.sum() for places in amounts) == pytest.approx(scores[0] - scores[1], abs=1e-6)
    by_level = [
        (form.slopes(view.features, base.features) * (view.features - base.features))[
            ..., part
        ].sum()
        for part in (slice(3), slice(3, None))
    ]
    assert [places.sum() for places in amounts] == pytest.approx(by_level, abs=1e-6)


@pytest.mark.parametrize("grid", [1, 5])
def test_cells_of_a_linear_head_are_the_sums_of_its_places(
    networks: dict[int, Path], tmp_path: Path, grid: int
) -> None:
    write_head(tmp_path / "head.onnx", weights(grid), "features")
    network = LevelMaps(networks[grid], levels=("fine", "coarse"), channels=CHANNELS)
    pixels = np.asarray(Image.open(noise(tmp_path / "a.png")))
    view, base = (View.of(network(some), grid) for some in (pixels, without_content(pixels)[1]))
    cells = by_cell(OpenVinoHead(tmp_path / "head.onnx"), view, base)
    places = by_position(LinearForm(weights(grid), "features", 0.0), view, base)
    assert cells.shape == (6, 8)
    expected = sum(
        level.reshape(6, -1, 8, level.shape[1] // 8).sum(axis=(1, 3)) for level in places
    )
    np.testing.assert_allclose(cells, expected, atol=1e-6)


def test_features_of_a_view_are_those_of_the_network(default: Explainer, examples: Path) -> None:
    model = default.scorer.model
    network = LevelMaps(model.backbone, levels=model.feature_spec.levels, channels=27_872)
    pixels = np.asarray(Image.open(examples / "chelsea.png").convert("RGB"))
    engine = open_backbone(model.feature_spec, graph=model.backbone, precision="float32")
    expected = engine.pooled(pixels[None])[0]
    np.testing.assert_allclose(View.of(network(pixels), 1).features, expected, atol=1e-4)


# Heads


@pytest.mark.parametrize("of", ["features", "roots"])
def test_weights_of_linear_heads_are_found(tmp_path: Path, of: str) -> None:
    write_head(tmp_path / "head.onnx", weights(5), of)
    form = linear_form(OpenVinoHead(tmp_path / "head.onnx"), (5, 5, CHANNELS))
    assert form is not None
    assert form.of == of
    np.testing.assert_allclose(form.weights, weights(5), atol=1e-6)
    assert form.bias == pytest.approx(0.1)


def test_heads_that_are_not_linear_or_too_wide_have_no_weights(tmp_path: Path) -> None:
    write_head(tmp_path / "head.onnx", weights(1), "square")
    head = OpenVinoHead(tmp_path / "head.onnx")
    assert linear_form(head, (1, 1, CHANNELS)) is None
    assert linear_form(head, (5, 5, 16_928)) is None


def test_slopes_of_channels_that_are_nowhere_are_0() -> None:
    form = LinearForm(np.ones((1, 1, 2)), "roots", 0.0)
    slopes = form.slopes(np.array([[[0.0, 4.0]]]), np.array([[[0.0, 1.0]]]))
    np.testing.assert_allclose(slopes, [[[0, 1 / 3]]])


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
    found = explain(model(red, form, views=views), tmp_path / "red.png")["taste"]
    assert found.is_linear == (form != "square")
    assert found.contributions.shape == (12, 16)
    rest = found.contributions.copy()
    rest[1:4, 12:15] = np.nan
    assert found.contributions[1:4, 12:15].mean() > np.nanmax(rest)
    assert found.contributions.sum() == pytest.approx(found.value - 0.475, abs=1e-5)


def test_a_head_that_reads_one_half_only_explains_by_that_half(
    model: Callable[..., Path], tmp_path: Path
) -> None:
    left = weights(5)
    left[:, 2:] = 0
    found = explain(model(left), noise(tmp_path / "a.png", (256, 192)))["taste"]
    columns = found.contributions.std(axis=0)
    share = found.contributions.shape[1] * 2 // 5
    assert columns[:share].min() > 1e-5
    assert columns[share + 1 :].max() < 1e-8


def test_the_blurred_half_of_a_photo_is_the_worse_one(
    default: Explainer, examples: Path, tmp_path: Path
) -> None:
    photo = Image.open(examples / "coffee.png").convert("RGB")
    left = photo.crop((0, 0, photo.width // 2, photo.height))
    photo.paste(left.filter(ImageFilter.GaussianBlur(6)), (0, 0))
    photo.save(tmp_path / "half.png")
    amounts = default.explain(tmp_path / "half.png")["quality"].contributions
    middle = amounts.shape[1] // 2
    assert amounts[:, middle:].sum() > amounts[:, :middle].sum() + 0.1


def test_a_mirrored_photo_has_a_mirrored_map(
    default: Explainer, examples: Path, tmp_path: Path
) -> None:
    photo = Image.open(examples / "chelsea.png").convert("RGB")
    photo.save(tmp_path / "plain.png")
    photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "mirrored.png")
    for head, plain in default.explain(tmp_path / "plain.png").items():
        mirrored = default.explain(tmp_path / "mirrored.png")[head].contributions[:, ::-1]
        both = smoothed(plain.contributions.astype(float)), smoothed(mirrored.astype(float))
        # Not 1: the network's strides begin at the left, by up to 32 pixels in the deep levels that beauty reads most.
        agreement = srcc(both[0].ravel(), both[1].ravel())
        assert agreement > 0.7
        # Its two ears are alike, its sides are not.
        assert srcc(both[0].ravel(), both[1][:, ::-1].ravel()) < agreement - 0.02


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


@pytest.mark.parametrize("views", ["whole", "whole_mirrored", "corners8"])
def test_regions_are_where_the_views_are_cut(views: ViewsName) -> None:
    rows, columns = np.mgrid[:40, :72]
    place = np.stack([rows, columns, rows], axis=2).astype(np.uint8)
    cut = cut_views(place, views)
    regions = view_regions(views, 40, 72)
    assert len(regions) == len(cut)
    for region, view in zip(regions, cut, strict=True):
        corners = [view[0, 0], view[0, -1], view[-1, 0]]
        first = (round(region.top * 40), round(region.left * 72))
        last = (round(region.bottom * 40) - 1, round(region.right * 72) - 1)
        left, right = (last[1], first[1]) if region.is_mirrored else (first[1], last[1])
        assert [tuple(map(int, corner[:2])) for corner in corners] == [
            (first[0], left),
            (first[0], right),
            (last[0], left),
        ]


def test_spreading_keeps_the_sum_and_the_place() -> None:
    amounts = np.zeros((3, 4))
    amounts[0, 0], amounts[2, 3] = 2, -1
    spread = Region(0.5, 1, 0.25, 0.75).spread(amounts, (10, 7))
    assert spread.sum() == pytest.approx(1)
    assert not spread[:5].any()
    assert not spread[:, [0, 6]].any()
    assert spread[5:7].sum() == pytest.approx(2)
    mirrored = Region(0.5, 1, 0.25, 0.75, True).spread(amounts, (10, 7))
    np.testing.assert_allclose(mirrored, spread[:, ::-1], atol=1e-12)


def test_networks_that_look_twice_have_each_look_where_it_is() -> None:
    name = "efficientnet_lite0_overview_and_detail"
    assert level_region("efficientnet_lite0", "head_conv", 101, 60) == Region()
    assert level_region(name, "overview_head_conv", 101, 60) == Region(0, 100 / 101, 0, 1)
    # Less than the detail's 192 pixels are left as they are.
    assert level_region(name, "detail_head_conv", 101, 60) == Region()
    assert level_region(name, "detail_head_conv", 256, 384) == Region(0.125, 0.875, 0.25, 0.75)
    assert level_region(name, "detail_head_conv", 100, 768) == Region(0, 1, 0.375, 0.625)
    # What is left over of sides that are no multiples of 8 is cut off evenly first.
    cut = "efficientnet_lite0_two_scales192"
    assert level_region(cut, "overview_head_conv", 101, 60) == Region(
        2 / 101, 98 / 101, 2 / 60, 58 / 60
    )
    assert level_region(cut, "detail_head_conv", 101, 388) == Region(
        2 / 101, 98 / 101, 98 / 388, 290 / 388
    )
    mirrored = Region(0, 0.5, 0.5, 1, True)
    assert mirrored.part(Region(0, 1, 0, 0.5)) == Region(0, 0.5, 0.75, 1, True)


# Occlusion


def test_maps_agree_with_occlusion_better_than_chance(
    default: Explainer, examples: Path, tmp_path: Path
) -> None:
    agreements = []
    for name in ("astronaut.png", "chelsea.png", "clock_motion.png"):
        photo = Image.open(examples / name).convert("RGB")
        photo.thumbnail((256, 256))
        photo.save(tmp_path / "small.png")
        explanations = default.explain(tmp_path / "small.png")
        for check in check_by_occlusion(default.scorer, explanations).values():
            assert check.expected.shape == check.effect.shape
            amounts = explanations[check.head].contributions
            assert check.expected.sum() == pytest.approx(amounts.sum(), abs=1e-5)
            agreements.append(check.agreement)
    # Chance gives 0 ± 0.06.
    assert np.mean(agreements) > 0.13


def test_occlusion_finds_what_the_score_depends_on(
    model: Callable[..., Path], tmp_path: Path
) -> None:
    pixels = np.full((112, 112, 3), 60, np.uint8)
    pixels[32:48, 80:96, 0] = 250
    Image.fromarray(pixels).save(tmp_path / "red.png")
    red = np.zeros((1, 1, CHANNELS))
    red[..., 0] = 1
    scorer = Scorer(model(red))
    check = check_by_occlusion(scorer, explain(scorer, tmp_path / "red.png"))["taste"]
    assert check.effect.shape == (7, 7)
    for effect in (*check.effects.values(), check.expected):
        assert effect.argmax() == 2 * 7 + 5


# Errors


def test_a_graph_that_pools_in_another_way_is_refused(
    networks: dict[int, Path], tmp_path: Path
) -> None:
    file = tmp_path / "model" / "backbone.onnx"
    file.parent.mkdir()
    nodes = [helper.make_node("ReduceMax", ["maps", "axes"], ["features"])]
    maps, features = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 9, "h", "w"])
        for name in ("maps", "features")
    )
    save(file, nodes, maps, features, {"axes": np.array([2, 3])})
    with pytest.raises(ModelError) as caught:
        LevelMaps(file, levels=("fine", "coarse"), channels=9)
    assert str(caught.value) == (
        f"scores of {file.parent} cannot be explained: its network has 'ReduceMax' where its pooling was expected."
        " Explain them by a model whose network mlsp has exported"
    )
    with pytest.raises(
        ModelError, match="2 maps of 9 channels before its pooling, expected 3 of 12"
    ):
        LevelMaps(networks[1], levels=("fine", "coarse", "third"), channels=12)
    file.write_bytes(b"no graph")
    with pytest.raises(ModelError, match="cannot be compiled"):
        LevelMaps(file, levels=("fine", "coarse"), channels=9)


def test_maps_are_found_by_their_names_however_they_are_pooled(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["photos"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["first"], [map_name("b")], to=TensorProto.FLOAT),
        helper.make_node("Neg", [map_name("b")], [map_name("a")]),
        helper.make_node("Concat", [map_name("a"), map_name("b")], ["joined"], axis=1),
        helper.make_node("ReduceMax", ["joined", "axes"], ["features"]),
    ]
    photos = helper.make_tensor_value_info("photos", TensorProto.UINT8, ["n", "h", "w", 3])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 6, 1, 1])
    save(tmp_path / "b.onnx", nodes, photos, features, {"axes": np.array([2, 3])})
    pixels = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    a, b = LevelMaps(tmp_path / "b.onnx", levels=("a", "b"), channels=6)(pixels)
    np.testing.assert_array_equal(b, pixels.transpose(2, 0, 1))
    np.testing.assert_array_equal(a, -b)


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
    return Explanation(Path("a.png"), "taste", "liked", score, 0.6, 0.5, amounts, (), True, 80, 60)


def opened(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB")).astype(int)


def test_what_raises_is_orange_and_what_lowers_blue() -> None:
    amounts = np.repeat([[0.01, -0.01]], 12, axis=0).repeat(8, axis=1)
    picture = opened(
        heat_map_png(np.full((60, 80, 3), 128, np.uint8), made_up(amounts), has_legend=False)
    )
    assert picture.shape == (120, 160, 3)
    assert picture[60, 20, 0] > picture[60, 20, 2] + 80
    assert picture[60, 140, 2] > picture[60, 140, 0] + 80


def test_the_photo_is_seen_through_where_nothing_matters() -> None:
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[:, :40] = 255
    picture = opened(
        heat_map_png(pixels, made_up(np.zeros((6, 8))), longest_side=80, has_legend=False)
    )
    assert picture.shape == (60, 80, 3)
    assert picture[30, 10].tolist() == [158, 158, 158]
    assert picture[30, 70].tolist() == [30, 30, 30]


@pytest.mark.parametrize("size", [(60, 80), (400, 10), (3, 900), (1, 1)])
@pytest.mark.parametrize("percentile", [61.0, math.nan])
def test_the_legend_fits_below_any_photo(size: tuple[int, int], percentile: float) -> None:
    explanation = made_up(np.random.default_rng(0).normal(size=(6, 8)), percentile)
    pixels = np.full((*size, 3), 200, np.uint8)
    plain = opened(heat_map_png(pixels, explanation, longest_side=400, has_legend=False))
    whole = opened(heat_map_png(pixels, explanation, longest_side=400))
    assert max(plain.shape) <= 400
    assert whole.shape[0] > plain.shape[0]
    assert whole.shape[1] >= plain.shape[1]
    # Nothing is written up to the right border.
    assert (whole[plain.shape[0] :, -5:] == [24, 24, 27]).all()
    assert (whole[plain.shape[0] :] > 200).any()


def test_smoothing_keeps_the_sum() -> None:
    values = np.random.default_rng(0).normal(size=(40, 64))
    assert smoothed(values).sum() == pytest.approx(values.sum())
    np.testing.assert_allclose(smoothed(np.ones((5, 70))), 1, atol=0.01)


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
    dangling = tmp_path / "c.quality.png"
    dangling.symlink_to("nowhere")
    for found, sources, output in (
        (others, [source], others),
        (folder, [tmp_path / "b.jpg"], tmp_path),
        (dangling, [tmp_path / "c.jpg"], tmp_path),
    ):
        with pytest.raises(OutputError) as caught:
            picture_paths(sources, ["quality"], output)
        assert str(caught.value) == (
            f"{str(found)!r} exists and was not written by mlsp explain, so it will not be replaced: delete it first, or name another --output"
        )


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all files")
def test_a_file_that_cannot_be_read_is_not_replaced(tmp_path: Path) -> None:
    secret = tmp_path / "a.png"
    secret.touch(0o200)
    with pytest.raises(OutputError) as caught:
        picture_paths([tmp_path / "a.jpg"], ["quality"], secret)
    assert str(caught.value) == (
        f"{str(secret)!r} exists and cannot be read (Permission denied), so it will not be replaced: name another --output"
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
    explained, failed = explain_files(
        explainer, [good, tmp_path / "gone.png"], tmp_path / "out", with_check=True
    )
    assert explained.source == good
    assert explained.pictures == {"taste": tmp_path / "out" / "good.taste.png"}  # type: ignore[union-attr]
    assert explained.checks["taste"].agreement > 0.5  # type: ignore[union-attr]
    assert failed.source == tmp_path / "gone.png"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.taste.png"]
