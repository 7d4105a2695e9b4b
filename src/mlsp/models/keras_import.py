"""Import of the authors' released heads as models.

Their files are Keras 2 HDF5, of weights alone or of a whole saved model. Arrays are matched by name, as Keras orders layers in its own
way; each must be there in its shape, and none may be left over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

from mlsp.base.errors import SettingsError, WeightsError, needs_extra, unknown_name

with needs_extra("Importing a head", "train", "torch"):
    import torch
    from torch import Tensor

from mlsp.backbones import backbone
from mlsp.backbones.weights.containers import read_arrays
from mlsp.backbones.weights.finding import find_weights
from mlsp.features.graph_cache import cached_graph
from mlsp.features.spec import FeatureSpec
from mlsp.models.heads import FeatureLevel, HeadSpec, ScoreHead
from mlsp.models.heads.score_head import empty_head
from mlsp.models.model import Model
from mlsp.models.records import Card, HeadRecord
from mlsp.models.released import AVA_TEST_QUANTILES, BACKBONE, find_views, identify_head
from mlsp.models.writing import check_model_folder, write_model
from mlsp.photos.crops import ViewsName, min_photo_side

HEAD_NAME = "aesthetics"

_NORM = {"beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
# Keras's convolutions of the released Pool-3FC -> ours.
_CONVOLUTIONS = {
    "branch_1x1": "column_1x1",
    "3x3_1x1": "column_3x3.reduced",
    "3x3_1x3": "column_3x3.flat",
    "3x3_3x1": "column_3x3.tall",
    "branch_pool": "column_pool",
}
# Dense, ReLU, batch norm and dropout are numbered as one sequence in ours.
_LAYERS_PER_DENSE = 4
_SHOWN_NAMES = 6


def read_keras_head(file: Path, levels: Sequence[FeatureLevel]) -> ScoreHead:
    """Read a head that the released Keras code saved: Single-3FC or the released form of Pool-3FC, by its layers.

    Args:
        file: HDF5 of `model.save_weights` or `model.save`.
        levels: of the features that it reads, in the order of the channels.

    Returns:
        The head, on the scale 1…10.

    Raises:
        WeightsError: the file cannot be read, is of another head or of other features, or an array is missing, left over or of
            another shape.
    """
    container, arrays = read_arrays(file)
    if container != "HDF5":
        raise WeightsError(
            f"{file} is a {container} file, expected a head that Keras saved as HDF5"
        )
    is_pool = "branch_1x1_conv/kernel" in arrays
    if "head_fc0/kernel" not in arrays:
        raise WeightsError(
            f"{file} is no released head: expected a layer 'head_fc0', and 'branch_1x1_conv' where the features are wide;"
            f" it has {_listed(sorted({name.partition('/')[0] for name in arrays}))}"
        )
    entry = "branch_1x1_conv/kernel" if is_pool else "head_fc0/kernel"
    kernel = arrays[entry]
    if kernel.ndim != (4 if is_pool else 2):
        raise WeightsError(
            f"{file}: {entry} has the shape {tuple(kernel.shape)}, expected {4 if is_pool else 2} axes: the file is damaged"
        )
    column, channels = (int(kernel.shape[0]), int(kernel.shape[1])) if is_pool else (2, len(kernel))
    expected = sum(level.channels for level in levels)
    if channels != expected:
        raise WeightsError(
            f"{file} reads features of {channels} channels, expected {expected} in {len(levels)} levels:"
            " it is a head on another network"
        )
    first = int(arrays["head_fc0/kernel"].shape[-1])
    if column % 2 or not column or not first:
        raise WeightsError(
            f"{file} is damaged: got columns of {column} channels and a first layer of {first}, expected an even number and at least 1"
        )
    spec = HeadSpec("pool_3fc_released" if is_pool else "single_3fc")
    head = empty_head(spec, levels, first=first, column=column)
    _load(head, arrays, _names(is_pool=is_pool), file)
    return head.eval()


def import_keras(
    file: Path,
    output: Path,
    *,
    weights: Path | None = None,
    name: str | None = None,
    views: str = "auto",
) -> Model:
    """Make a model of one of the released heads.

    Args:
        file: `irnv2_mlsp_narrow_orig`, `irnv2_mlsp_narrow_orig_aug` or `irnv2_mlsp_wide_orig` as Keras saved it.
        output: the model's folder; see `mlsp.models.writing.write_model`.
        weights: of InceptionResNet-v2: then the model scores photos; without them it reads stored features.
        name: of the model; that of the folder by default.
        views: crops that it sees, see `mlsp.photos.crops.cut_views`; `auto`: those that it learned from, see
            `mlsp.models.released.find_views`.

    Raises:
        SettingsError: `views` is unknown, or those that the head learned from are not known.
        WeightsError: a file cannot be read or is of something else.
        OutputError: the folder cannot be written.
    """
    if views == "auto":
        views, _ = find_views(file)
    if views not in get_args(ViewsName):
        raise SettingsError(unknown_name("views", views, ("auto", *get_args(ViewsName))))
    shown = cast(ViewsName, views)
    check_model_folder(output)
    spec = backbone(BACKBONE)
    head = read_keras_head(file, spec.levels)
    grid = head.spec.grid
    weights_sha256 = "" if weights is None else find_weights(spec, weights).sha256
    levels = tuple(level.name for level in spec.levels)
    feature_spec = FeatureSpec(spec.name, weights_sha256, levels, shown, None, grid)
    title = "Pool-3FC on wide" if grid > 1 else "Single-3FC on narrow"
    released = identify_head(file)
    return write_model(
        output,
        name=name or output.absolute().name,
        feature_spec=feature_spec,
        smallest_side=min_photo_side(spec.smallest_side, shown),
        heads=[(_record(), head)],
        channels=spec.channels,
        card=_card(title, released.released_as if released else file.name),
        backbone=None if weights is None else cached_graph(feature_spec, weights),
    )


def _names(*, is_pool: bool) -> dict[str, str]:
    """Map Keras's name of each array to that in the head's body."""
    prefix = "three_fc." if is_pool else ""
    names: dict[str, str] = {}
    for number in range(3):
        dense = prefix + str(_LAYERS_PER_DENSE * number)
        norm = prefix + str(_LAYERS_PER_DENSE * number + 2)
        names[f"head_fc{number}/kernel"] = f"{dense}.weight"
        names[f"head_fc{number}/bias"] = f"{dense}.bias"
        names[f"head_bn{number}/gamma"] = f"{norm}.weight"
        names.update({f"head_bn{number}/{its}": f"{norm}.{our}" for its, our in _NORM.items()})
    names["head_out/kernel"] = f"{prefix}{_LAYERS_PER_DENSE * 3}.weight"
    names["head_out/bias"] = f"{prefix}{_LAYERS_PER_DENSE * 3}.bias"
    for its_unit, our_unit in _CONVOLUTIONS.items() if is_pool else ():
        names[f"{its_unit}_conv/kernel"] = f"{our_unit}.conv.weight"
        names.update(
            {f"{its_unit}_bn/{its}": f"{our_unit}.norm.{our}" for its, our in _NORM.items()}
        )
    return names


def _load(
    head: ScoreHead, arrays: Mapping[str, Tensor], names: Mapping[str, str], file: Path
) -> None:
    missing, foreign = sorted(names.keys() - arrays.keys()), sorted(arrays.keys() - names.keys())
    if missing or foreign:
        raise WeightsError(
            f"{file} does not match the released {head.spec.name}: missing arrays: {_listed(missing)}; unknown arrays: {_listed(foreign)}"
        )
    # These share their memory with the head. Not filled is torch's count of batches, which Keras lacks.
    state = head.body.state_dict()
    for its, ours in names.items():
        own = _in_keras_order(state[ours], is_convolution="_conv/" in its)
        # Kernels of convolutions were put into torch's order when they were read.
        given = arrays[its].permute(2, 3, 1, 0) if arrays[its].ndim == 4 else arrays[its]
        if given.shape != own.shape:
            raise WeightsError(
                f"{file}: {its} has the shape {tuple(given.shape)}, expected {tuple(own.shape)}"
            )
        if not torch.isfinite(given).all():
            raise WeightsError(f"{file} is damaged: {its} contains NaN or infinite numbers")
        own.copy_(given)


def _in_keras_order(array: Tensor, *, is_convolution: bool) -> Tensor:
    """View an array of ours as Keras shapes it: dense kernels (in, out), those of convolutions (height, width, in, out)."""
    if array.ndim == 4:
        return array.permute(2, 3, 1, 0)
    if array.ndim == 2:
        return array.T[None, None] if is_convolution else array.T
    return array


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN_NAMES])) or "none"
    return shown + f" and {len(names) - _SHOWN_NAMES} more" * (len(names) > _SHOWN_NAMES)


def _record() -> HeadRecord:
    return HeadRecord(
        name=HEAD_NAME,
        file="",
        sha256="",
        meaning="people find it beautiful: the mean opinion score of dpchallenge.com's members",
        lowest=1,
        highest=10,
        ratings="AVA (Murray, Marchesotti and Perronnin 2012): its train photos, about 210 votes each",
        quantiles=AVA_TEST_QUANTILES,
        # AVA's photos would be needed for it.
        agreement=(),
    )


def _card(title: str, file: str) -> Card:
    return Card(
        summary=f"{title} features of InceptionResNet-v2, as its authors trained it on AVA and released it ({file}).",
        networks=(
            "InceptionResNet-v2 (Szegedy et al. 2017), trained on ImageNet, 43 levels with 16,928 channels",
            f"{title} MLSP features (Hosu, Goldlücke and Saupe, CVPR 2019)",
        ),
        limits=(
            "AVA's photos were entered into photographic challenges by their makers; snapshots, documents and drawings are rare among"
            " them.",
            "The authors read photos without turning them upright by EXIF and without colour management; here both are done, so"
            " scores of photos that need either differ from theirs.",
            "Percentiles are among the ratings of AVA's test photos, not among scores of them. Scores spread less than ratings, so the"
            " lowest and the highest percentiles are rare.",
            "Photos are seen at full size, as in the paper: a large photo takes long, and a copy of another size gets another score.",
            "How well it agrees with people was not measured here; the paper reports on AVA's official test an SRCC of .740 to .743 of"
            " its Single-3FC and .752 to .756 of its Pool-3FC.",
        ),
        license="MIT, as released with the authors' code; the network's weights have their own",
    )
