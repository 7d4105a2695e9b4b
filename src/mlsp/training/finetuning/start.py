"""Network and head that a run begins with, from the names and files that users give; checks of its photos."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from mlsp.backbones import BackboneSpec, backbone
from mlsp.backbones.weights.downloads import Progress
from mlsp.backbones.weights.finding import find_weights
from mlsp.backbones.weights.loading import load_network
from mlsp.base.errors import PhotoError, SettingsError
from mlsp.base.json_text import parse_object
from mlsp.base.machine import usable_cores
from mlsp.base.parallel import map_in_order
from mlsp.models.heads import HeadSpec
from mlsp.photos import read_bytes
from mlsp.ratings.splits import Split, check_overlap
from mlsp.ratings.table import RatingTable
from mlsp.training.head_trainer import chosen_levels, head_on_scale
from mlsp.training.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class Pretrained:
    """Network and head that a run begins with.

    Attributes:
        network: as `mlsp.backbones.weights.loading.load_network` returns it; its weights are changed.
        spec: its record.
        origin: of its weights and their licence, for the model's card.
        head: weights of a head that learned from this network's features; None for a head that has learned nothing.
    """

    network: nn.Module
    spec: BackboneSpec
    origin: str
    head: Mapping[str, Tensor] | None = None


def open_pretrained(
    name: str,
    weights: Path | None = None,
    *,
    run_folder: Path | None = None,
    on_download: Progress | None = None,
) -> Pretrained:
    """Find or download a network's weights, and make the network.

    Args:
        name: of the network.
        weights: file; by default the published one.
        run_folder: of `mlsp.training.train_head`, whose best head is begun with; None for a head that has learned nothing.
        on_download: see `mlsp.backbones.weights.finding.find_weights`.

    Raises:
        SettingsError: there is no such network.
        WeightsError: the weights cannot be had, or are of another network.
    """
    head = None if run_folder is None else read_trained_head(run_folder)
    spec = backbone(name)
    found = find_weights(spec, weights, on_download=on_download)
    network, _ = load_network(spec, found.file)
    origin = f"weights of SHA-256 {found.sha256}"
    if found.published is not None:
        origin += f" ({found.published.url}, {found.published.license})"
    return Pretrained(network, spec, origin, head)


def read_trained_head(run_folder: Path) -> Mapping[str, Tensor]:
    """Read the best head of a training on stored features.

    A model's folder would not do: its graph no longer has all of the head's arrays.

    Args:
        run_folder: as `mlsp.training.train_head` keeps it.

    Raises:
        SettingsError: it is none, or its first epoch is not over.
    """
    hint = "give the folder that `mlsp train` keeps beside its model, with .run after its name"
    if not (run_folder / "run.json").is_file():
        raise SettingsError(f"{run_folder} is no run folder: {hint}")
    try:
        identity = parse_object((run_folder / "run.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{run_folder}/run.json cannot be read: {error}: {hint}") from error
    with RunFolder(run_folder, identity) as folder:
        found = folder.load()
    if found is None:
        raise SettingsError(f"run folder {run_folder} has no epoch that is over: train on")
    if "head" not in found[0]:
        raise SettingsError(f"run folder {run_folder} is of a fine-tuning: {hint}")
    best: Mapping[str, Tensor] = found[0]["best"]
    return best


def head_for(
    ratings: RatingTable,
    network: str,
    *,
    name: str,
    levels: str,
    distribution: bool,
    more_dropout: bool,
) -> HeadSpec:
    """Return a head on a table's scale that reads levels of a network.

    Args:
        ratings: gives scale and bins.
        network: name of the network.
        name: of the head, key in `mlsp.models.heads.HEADS`.
        levels: see `chosen_levels`.
        distribution: see `head_on_scale`.
        more_dropout: see `head_on_scale`.

    Raises:
        MlspError: see `head_on_scale` and `chosen_levels`.
    """
    known = [level.name for level in backbone(network).levels]
    return head_on_scale(
        name,
        ratings,
        levels=chosen_levels(levels, known, network),
        distribution=distribution,
        more_dropout=more_dropout,
    )


def check_different_files(ratings: RatingTable, split: Split) -> None:
    """Make sure that no file that is learned from is tested under another name; reads all of them, but decodes none.

    Raises:
        RatingsError: some are; it names the first ten.
    """

    def content(row: int) -> str:
        try:
            return hashlib.sha256(read_bytes(ratings.ratings[row].photo)).hexdigest()
        except PhotoError:
            # It will be named when it is to be decoded.
            return f"row {row}"

    if len(split.test):
        contents = list(map_in_order(content, range(len(ratings)), workers=usable_cores()))
        check_overlap(ratings, split, contents=contents)
