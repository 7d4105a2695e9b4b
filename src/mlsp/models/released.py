"""Records of the heads that the paper's authors released: files, views, and the ratings they are compared with. It loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsp.backbones.records import WeightsFile
from mlsp.backbones.weights.finding import is_published
from mlsp.base.errors import SettingsError, unknown_name
from mlsp.photos.crops import ViewsName

BACKBONE = "inception_resnet_v2"
FILE_NAME = "model_best_weights.h5"

# Mean opinion scores of photos of AVA's official test list (Murray, Marchesotti and Perronnin 2012), at even steps from the smallest
# to the largest: of those 3,719 of its 20,000 whose votes are in the label lists of idealo/image-quality-assessment (Apache-2.0) and
# woshidandan/TANet-image-aesthetics-and-quality-assessment. 71.15 % are above 5; of the whole list 71.08 % are, as published.
# Computed by tools/ava_test_quantiles.py.
AVA_TEST_QUANTILES = (
    *(2.275, 3.959, 4.189, 4.332, 4.438, 4.525, 4.603, 4.670, 4.724, 4.773, 4.826, 4.872, 4.912),
    *(4.947, 4.984, 5.020, 5.061, 5.104, 5.142, 5.172, 5.201, 5.232, 5.259, 5.289, 5.318, 5.350),
    *(5.586, 5.619, 5.652, 5.682, 5.715, 5.748, 5.787, 5.820, 5.864, 5.909, 5.945, 5.978, 6.015),
    *(6.059, 6.102, 6.156, 6.219, 6.283, 6.363, 6.435, 6.524, 6.635, 6.769, 6.990, 7.952),
)


@dataclass(frozen=True, slots=True)
class ReleasedModel:
    """A head that the authors released.

    Attributes:
        name: of the model here.
        released_as: name of its folder in the authors' repository.
        title: of head and features.
        views: crops that it learned from.
        head: its file.
        srcc: on AVA's official test, as Table 3 of the paper reports it.
    """

    name: str
    released_as: str
    title: str
    views: ViewsName
    head: WeightsFile
    srcc: float


def _head_file(released_as: str, sha256: str, size_bytes: int, *mirrors: str) -> WeightsFile:
    # Sizes and digests are those of the repository's git LFS pointers.
    folder = "https://media.githubusercontent.com/media/subpic/ava-mlsp/master/models"
    return WeightsFile(
        url=f"{folder}/{released_as}/{FILE_NAME}",
        sha256=sha256,
        size_bytes=size_bytes,
        license="MIT",
        layout="keras",
        mirrors=mirrors,
    )


RELEASED_MODELS: tuple[ReleasedModel, ...] = (
    ReleasedModel(
        name="ava-wide",
        released_as="irnv2_mlsp_wide_orig",
        title="Pool-3FC on wide features of whole photos",
        views="whole",
        head=_head_file(
            "irnv2_mlsp_wide_orig",
            "47f9a29caed163d9dea2ed15b75aada4477cdb76bc2eac9c55f21dd3573a7a90",
            255_383_120,
            # The address in the authors' notebook predict_mlsp_wide.ipynb.
            "https://www.dropbox.com/s/16k0vh1dn7ls0cd/model_best_weights.h5?dl=1",
        ),
        srcc=0.752,
    ),
    ReleasedModel(
        name="ava-narrow",
        released_as="irnv2_mlsp_narrow_orig",
        title="Single-3FC on narrow features of whole photos",
        views="whole",
        head=_head_file(
            "irnv2_mlsp_narrow_orig",
            "0121f3235245df3db37e82fc3e5a84e22aaa731f24b3ffd3ea63d421c2b60102",
            148_210_528,
        ),
        srcc=0.740,
    ),
    ReleasedModel(
        name="ava-narrow-aug",
        released_as="irnv2_mlsp_narrow_orig_aug",
        title="Single-3FC on narrow features of eight crops",
        views="corners8",
        head=_head_file(
            "irnv2_mlsp_narrow_orig_aug",
            "6e069d80b8c31a5e683129bc9ee242707773cec14ab91edaa36ababb94135636",
            148_210_608,
        ),
        srcc=0.743,
    ),
)


def released_model(name: str) -> ReleasedModel:
    """Return the record of a released model.

    Raises:
        SettingsError: there is none of this name.
    """
    for model in RELEASED_MODELS:
        if model.name == name:
            return model
    raise SettingsError(
        unknown_name("released model", name, [model.name for model in RELEASED_MODELS])
    )


def identify_head(file: Path) -> ReleasedModel | None:
    """Return the record of a released head by the file's size and SHA-256; None for any other file."""
    return next((model for model in RELEASED_MODELS if is_published(file, model.head)), None)


def find_views(file: Path) -> tuple[ViewsName, str]:
    """Tell from which crops of photos a head of the authors' code learned.

    Args:
        file: of the head. A released one is known by its content; of another the name, or else that of its folder, must end with
            `_aug` or `_orig`, as the authors' code names them.

    Returns:
        The views, and in a few words what they are known by.

    Raises:
        SettingsError: they are not known.
    """
    released = identify_head(file)
    if released is not None:
        return released.views, f"it is the released {released.released_as}"
    for what, name in (("file", file.stem), ("folder", file.absolute().parent.name)):
        if name.endswith("_aug"):
            return "corners8", f"the {what}'s name {name} ends with _aug"
        if name.endswith("_orig"):
            return "whole", f"the {what}'s name {name} ends with _orig"
    raise SettingsError(
        f"which crops the head {file} learned from is unknown: neither its name nor its folder's ends with _aug (eight crops)"
        " or _orig (whole photos), as the authors' do: give --views whole or --views corners8"
    )
