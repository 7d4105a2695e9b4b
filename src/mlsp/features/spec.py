"""Identity of features: how they were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mlsp.base.errors import SettingsError, unknown_name
from mlsp.base.records import record_of
from mlsp.photos import ReadAs
from mlsp.photos.crops import ViewsName
from mlsp.photos.sizes import Reduction

Grid = Literal[1, 5]
# Of a `FeatureSpec`: earlier versions did not have them.
LATER_FIELDS = ("resize", "reduction", "read_as")


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Identity of features: two may be compared, stored together or fed to one head only if their specs are equal.

    Attributes:
        backbone: name of the network.
        weights_sha256: of the trained weights.
        levels: names of the levels, in the order of the channels.
        views: crops of the photo that the network saw.
        longest_side: photos are reduced to this many pixels first; None for never.
        grid: cells of each side of a pooled map.
        resize: width and height that every photo is brought to first, whatever its proportions, as in Table 2 of the paper;
            None, as for everything else, for its own.
        reduction: how photos are reduced to `longest_side`, see `mlsp.photos.sizes.reduce_rows`.
        read_as: what a file's pixels are taken for, see `mlsp.photos.DecodeSettings`.
    """

    backbone: str
    weights_sha256: str
    levels: tuple[str, ...]
    views: ViewsName
    longest_side: int | None
    grid: Grid
    resize: tuple[int, int] | None = None
    reduction: Reduction = "area"
    read_as: ReadAs = "upright"


def spec_record(feature_spec: FeatureSpec) -> dict[str, Any]:
    """Return a spec as JSON can hold it.

    What came later is left out where it is as before, so that earlier versions read files and models without it.
    """
    return record_of(feature_spec, later=LATER_FIELDS)


def read_spec(record: Mapping[str, Any]) -> FeatureSpec:
    """Read the result of `spec_record`; JSON has no tuples.

    Raises:
        TypeError: a field is missing or unknown. Their values are not checked.
    """
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in record.items()
    }
    return FeatureSpec(**values)


def choose_levels(words: str, known: Sequence[str], owner: str) -> tuple[str, ...]:
    """Return the names of the levels that a user chose.

    Args:
        words: `all`; `last5` for the last five, or another number; or names, with commas between them.
        known: names of all levels, in the order of the channels.
        owner: the network or the features that have them, for messages.

    Returns:
        In the order of `known`.

    Raises:
        SettingsError: there is no such level, or there are fewer.

    Examples:
        >>> choose_levels("last2", ["mixed0", "mixed1", "mixed2"], "the features")
        ('mixed1', 'mixed2')
    """
    if not isinstance(words, str):
        raise SettingsError(
            f"levels of {owner}: expected all, last5 or names with commas between them, got {words!r}"
        )
    if words == "all":
        return tuple(known)
    count = words.removeprefix("last")
    if count != words and count.isdecimal():
        if not 1 <= int(count) <= len(known):
            raise SettingsError(f"levels {words!r} of {owner}: choose last1 to last{len(known)}")
        return tuple(known[-int(count) :])
    names = [name.strip() for name in words.split(",")]
    for name in names:
        if name not in known:
            raise SettingsError(unknown_name(f"level of {owner}", name, known))
    return tuple(name for name in known if name in names)
