"""Model folder -> one ONNX graph from 8-bit pixels of any size to scores and percentiles."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, parser

from mlsp.base.errors import SettingsError
from mlsp.models.model import Model
from mlsp.models.one_file.outputs import LabelOutputs, position
from mlsp.models.one_file.parts import Parts
from mlsp.models.records import HeadRecord
from mlsp.photos.crops import CROP, VIEW_COUNTS, ViewsName
from mlsp.photos.sizes import Reduction

_OPSET = 18
_IR_VERSION = 9
_MAX_HALF = np.float32(np.finfo(np.float16).max)

# The reduction of `mlsp.photos.sizes`. Small photos must not pay for it: a product with the identity would cost as much as the network.
# So of a small photo one pixel is reduced, and the result is taken from there or from the photo itself. (An If would be simpler,
# but OpenVINO 2026.4 computes the first photo behind one wrongly; and empty products fail in onnxruntime-web 1.30.)
_REDUCTION = """
reduction (uint8[N, H, W, 3] pixels) => (uint8[N, h, w, 3] photos) {
  zero = Constant <value = int64 {0}> ()
  one = Constant <value = int64 {1}> ()
  two = Constant <value = int64 {2}> ()
  first = Constant <value = int64[1] {0}> ()
  second = Constant <value = int64[1] {1}> ()
  channels = Constant <value = int64[1] {3}> ()
  begin = Constant <value = int64[2] {0, 0}> ()
  sides = Constant <value = int64[2] {1, 2}> ()
  flat = Constant <value = int64[1] {-1}> ()
  limit = Constant <value = int64[1] {LONGEST_SIDE}> ()
  count = Shape <start = 0, end = 1> (pixels)
  whole_shape = Shape <start = 1, end = 3> (pixels)
  longest = ReduceMax <keepdims = 1> (whole_shape)
  bound = Min (limit, longest)
  twice = Mul (whole_shape, two)
  scaled = Mul (twice, bound)
  numerator = Add (scaled, longest)
  denominator = Mul (longest, two)
  quotient = Div (numerator, denominator)
  target_shape = Max (quotient, one)
  is_larger = Greater (longest, limit)
  larger = Cast <to = 7> (is_larger)
  smaller = Sub (one, larger)
  shape_if = Mul (whole_shape, larger)
  shape = Add (shape_if, smaller)
  target_if = Mul (target_shape, larger)
  target = Add (target_if, smaller)
  to_reduce = Slice (pixels, begin, shape, sides)
  AXIS_WEIGHTS
  values = Cast <to = 1> (to_reduce)
  planes = Transpose <perm = [0, 3, 1, 2]> (values)
  black = Constant <value = float {0.0}> ()
  white = Constant <value = float {255.0}> ()
  columns_turned = Transpose <perm = [1, 0]> (columns_weights)
  fewer_columns = MatMul (planes, columns_turned)
  BETWEEN
  means = MatMul (rows_weights, between)
  back = Transpose <perm = [0, 2, 3, 1]> (means)
  whole_numbers = Round (back)
  within = Clip (whole_numbers, black, white)
  reduced = Cast <to = 2> (within)
  kept = Slice (pixels, begin, target_shape, sides)
  reduced_flat = Reshape (reduced, flat)
  kept_flat = Reshape (kept, flat)
  result_shape = Concat <axis = 0> (count, target_shape, channels)
  result_size = ReduceProd <keepdims = 1> (result_shape)
  reduced_size = Mul (result_size, larger)
  kept_size = Mul (result_size, smaller)
  reduced_part = Slice (reduced_flat, first, reduced_size, first)
  kept_part = Slice (kept_flat, first, kept_size, first)
  joined = Concat <axis = 0> (reduced_part, kept_part)
  photos = Reshape (joined, result_shape)
}
"""
# Of one axis, then its weights, (cells, pixels).
_AXIS = """
  AXIS_size = Gather (shape, INDEX)
  AXIS_cells = Gather (target, INDEX)
  AXIS_size_0 = Squeeze (AXIS_size)
  AXIS_cells_0 = Squeeze (AXIS_cells)
  AXIS_cell_numbers = Range (zero, AXIS_cells_0, one)
  AXIS_pixel_numbers = Range (zero, AXIS_size_0, one)
"""
# `mlsp.features.pooling.area_weights`.
_AREA_WEIGHTS = """
  AXIS_cell_begins_1 = Mul (AXIS_cell_numbers, AXIS_size)
  AXIS_cell_begins = Unsqueeze (AXIS_cell_begins_1, second)
  AXIS_pixel_begins = Mul (AXIS_pixel_numbers, AXIS_cells)
  AXIS_cell_ends = Add (AXIS_cell_begins, AXIS_size)
  AXIS_pixel_ends = Add (AXIS_pixel_begins, AXIS_cells)
  AXIS_end = Min (AXIS_cell_ends, AXIS_pixel_ends)
  AXIS_begin = Max (AXIS_cell_begins, AXIS_pixel_begins)
  AXIS_signed = Sub (AXIS_end, AXIS_begin)
  AXIS_float = Cast <to = 1> (AXIS_signed)
  AXIS_overlap = Relu (AXIS_float)
  AXIS_divisor = Cast <to = 1> (AXIS_size)
  AXIS_weights = Div (AXIS_overlap, AXIS_divisor)
"""
# Pillow's Lanczos filter: of a pixel's distance x from the middle of a cell, in cells, sinc(x) · sinc(x / 3) where x is below 3; weights of
# a cell add up to 1. At 0 the distance is taken to be a millionth: sin(x) / x is 1 to 32 bits.
_LANCZOS_WEIGHTS = """
  AXIS_cells_twice = Mul (AXIS_cell_numbers, two)
  AXIS_cells_odd = Add (AXIS_cells_twice, one)
  AXIS_cell_middles_1 = Mul (AXIS_cells_odd, AXIS_size)
  AXIS_cell_middles = Unsqueeze (AXIS_cell_middles_1, second)
  AXIS_pixels_twice = Mul (AXIS_pixel_numbers, two)
  AXIS_pixels_odd = Add (AXIS_pixels_twice, one)
  AXIS_pixel_middles = Mul (AXIS_pixels_odd, AXIS_cells)
  AXIS_signed = Sub (AXIS_pixel_middles, AXIS_cell_middles)
  AXIS_between = Abs (AXIS_signed)
  AXIS_between_float = Cast <to = 1> (AXIS_between)
  AXIS_unit = Mul (AXIS_size, two)
  AXIS_unit_float = Cast <to = 1> (AXIS_unit)
  AXIS_distance_0 = Div (AXIS_between_float, AXIS_unit_float)
  AXIS_least = Constant <value = float {1e-6}> ()
  AXIS_lobes = Constant <value = float {3.0}> ()
  AXIS_pi = Constant <value = float {3.14159265}> ()
  AXIS_distance = Max (AXIS_distance_0, AXIS_least)
  AXIS_angle = Mul (AXIS_distance, AXIS_pi)
  AXIS_sine = Sin (AXIS_angle)
  AXIS_wave = Div (AXIS_sine, AXIS_angle)
  AXIS_window_angle = Div (AXIS_angle, AXIS_lobes)
  AXIS_window_sine = Sin (AXIS_window_angle)
  AXIS_window = Div (AXIS_window_sine, AXIS_window_angle)
  AXIS_product = Mul (AXIS_wave, AXIS_window)
  AXIS_is_inside = Less (AXIS_distance, AXIS_lobes)
  AXIS_inside = Cast <to = 1> (AXIS_is_inside)
  AXIS_values = Mul (AXIS_product, AXIS_inside)
  AXIS_totals = ReduceSum <keepdims = 1> (AXIS_values, second)
  AXIS_weights = Div (AXIS_values, AXIS_totals)
"""
_WEIGHTS: dict[Reduction, str] = {"area": _AREA_WEIGHTS, "lanczos": _LANCZOS_WEIGHTS}
# Between columns and rows Pillow has 8 bits.
_BETWEEN: dict[Reduction, str] = {
    "area": "between = Identity (fewer_columns)",
    "lanczos": "between_rounded = Round (fewer_columns)\n  between = Clip (between_rounded, black, white)",
}


def one_file_graph(model: Model) -> ModelProto:
    """Join a model's network and heads with the steps of `Scorer` before, between and after them.

    The input `pixels` is uint8 (N, H, W, 3), RGB, upright, sRGB, of any size. The outputs are float32 (N,): for each head its score,
    named as the head, and `<head>_percentile` where the model knows of percentiles; `overall`, 0…100; and the probability of each fault and
    kind, named as the label, 0…1. Percentiles and `overall` are NaN of what is no photo. Of a head that predicts votes there is also
    `<head>_votes`, (N, ratings), the share of each rating from the lowest to the highest.

    Raises:
        ModelError: the model has no network.
        SettingsError: its photos are resized whatever their proportions, which the graph does not do.
    """
    feature_spec = model.feature_spec
    if feature_spec.resize is not None:
        raise SettingsError(
            f"model {model.name!r} resizes every photo to {feature_spec.resize[0]}×{feature_spec.resize[1]}, which a single graph cannot do:"
            " export a model that takes photos in their own proportions"
        )
    parts = Parts()
    photos = "pixels"
    if feature_spec.longest_side is not None:
        reduction = _reduction(feature_spec.longest_side, feature_spec.reduction)
        photos = parts.add(reduction, "reduction", photos)
    views = _cut_views(parts, photos, feature_spec.views)
    features = parts.add(onnx.load(model.backbone), "network", views)
    stored = _in_16_bits(parts, features)
    view_count = VIEW_COUNTS[feature_spec.views]
    labels = LabelOutputs(parts, model, stored, view_count)
    outputs: list[str] = []
    overall: list[str] = []
    votes: dict[str, int] = {}
    for record in model.heads:
        head = onnx.load(model.folder / record.file)
        raw = parts.mean_of_views(parts.add(head, record.name, stored), view_count)
        _within_scale(parts, raw, record)
        outputs.append(record.name)
        if len(head.graph.output) > 1:
            shares = head.graph.output[1]
            count = shares.type.tensor_type.shape.dim[1].dim_value
            name = f"{record.name}_votes"
            parts.mean_of_views(
                f"{record.name}/{shares.name}", view_count, columns=count, output=name
            )
            votes[name] = count
        if record.quantiles:
            percentile = labels.percentile(record)
            labels.without_not_photos(percentile, f"{record.name}_percentile")
            outputs.append(f"{record.name}_percentile")
            overall.append(percentile)
        else:
            overall.append(position(parts, record))
    total = parts.node("Sum", overall)
    mean = parts.node("Div", [total, parts.constant(np.float32(len(overall)))])
    labels.without_not_photos(mean, "overall")
    outputs += ["overall", *labels.names]
    for node in parts.nodes:
        # ONNX Runtime before 1.22 gives nodes that it makes of unnamed ones the same name, and then refuses the file.
        node.name = node.output[0]
    graph = helper.make_graph(
        parts.nodes,
        f"mlsp_{model.name}",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", "H", "W", 3])],
        [
            *(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in outputs),
            *(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", count])
                for name, count in votes.items()
            ),
        ],
        parts.initializers,
    )
    joined = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="mlsp",
    )
    helper.set_model_props(
        joined,
        {"model": model.name, "fingerprint": model.fingerprint, "license": model.card.license},
    )
    onnx.checker.check_model(joined)
    return joined


def _reduction(longest_side: int, reduction: Reduction) -> ModelProto:
    weights = "".join(
        (_AXIS + _WEIGHTS[reduction]).replace("AXIS", axis).replace("INDEX", index)
        for axis, index in (("rows", "first"), ("columns", "second"))
    )
    text = _REDUCTION.replace("LONGEST_SIDE", str(longest_side)).replace("AXIS_WEIGHTS", weights)
    text = text.replace("BETWEEN", _BETWEEN[reduction])
    return helper.make_model(
        parser.parse_graph(text), opset_imports=[helper.make_opsetid("", _OPSET)]
    )


def _cut_views(parts: Parts, photos: str, views: ViewsName) -> str:
    """Cut views as `mlsp.photos.crops.cut_views` does, of all photos, view by view: (V · N, h, w, 3)."""
    if views == "whole":
        return photos
    crops = _corners(parts, photos) if views == "corners8" else [photos]
    ints = {value: parts.constant(np.array([value], np.int64)) for value in (2, -1)}
    minimum = parts.constant(np.array([np.iinfo(np.int64).min], np.int64))
    cut: list[str] = []
    for crop in crops:
        mirrored = parts.node("Slice", [crop, ints[-1], minimum, ints[2], ints[-1]])
        cut += [crop, mirrored]
    return parts.node("Concat", cut, axis=0)


def _corners(parts: Parts, photos: str) -> list[str]:
    numerator, denominator = (parts.constant(np.array([side], np.int64)) for side in CROP)
    zero, one, axes, end = (
        parts.constant(np.array(values, np.int64))
        for values in ([0], [1], [1, 2], [np.iinfo(np.int64).max] * 2)
    )
    size = parts.node("Shape", [photos], start=1, end=3)
    scaled = parts.node("Div", [parts.node("Mul", [size, numerator]), denominator])
    crop = parts.node("Max", [scaled, one])
    last = parts.node("Sub", [size, crop])
    top_last, left_last = parts.node("Gather", [last, zero]), parts.node("Gather", [last, one])
    corners = []
    for top in (zero, top_last):
        for left in (zero, left_last):
            begin = parts.node("Concat", [top, left], axis=0)
            stop = parts.node("Min", [parts.node("Add", [begin, crop]), end])
            corners.append(parts.node("Slice", [photos, begin, stop, axes]))
    return corners


def _in_16_bits(parts: Parts, features: str) -> str:
    """Round features to float16, as the heads of a `Scorer` read them."""
    bounds = [parts.constant(-_MAX_HALF), parts.constant(_MAX_HALF)]
    bounded = parts.node("Clip", [features, *bounds])
    half = parts.node("Cast", [bounded], to=TensorProto.FLOAT16)
    return parts.node("Cast", [half], to=TensorProto.FLOAT)


def _within_scale(parts: Parts, raw: str, record: HeadRecord) -> None:
    ends = [parts.constant(np.float32(end)) for end in (record.lowest, record.highest)]
    parts.node("Clip", [raw, *ends], record.name)
