"""Results -> stars in XMP sidecars."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from mlsp.base.errors import SettingsError, unknown_name
from mlsp.base.results import ScoreFailure
from mlsp.culling.xmp import Convention, Folders, Outcome, StarSettings, rate_shot, stars
from mlsp.culling.xmp.each_shot import write_each
from mlsp.culling.xmp.files import Note
from mlsp.culling.xmp.keywords import RUN_KEYWORDS, keyword_kinds
from mlsp.culling.xmp.stars import STARS_ONLY, XmpMap
from mlsp.scoring.results import ScoreResult

XMP_NAMES: dict[str, Convention] = {
    "both": "both",
    "darktable": "photo.jpg.xmp",
    "lightroom": "photo.xmp",
}
STARS_OF = ("rated", "own")


@dataclass(frozen=True, slots=True)
class XmpSettings:
    """Settings of writing scores as stars.

    Attributes:
        stars: the percentile from which each number of stars is given.
        convention: which sidecars are written.
        overwrite: also replace ratings that are not ours.
        of_own: percentiles are those among the photos that get stars, instead of among rated photos.
        becomes: what stars become.
        keywords: kinds of keywords to write; see `mlsp.culling.xmp.tagging`.
        inside: write into the photos themselves; see `mlsp.culling.xmp.targets`.
    """

    stars: StarSettings = field(default_factory=StarSettings)
    convention: Convention = "both"
    overwrite: bool = False
    of_own: bool = False
    becomes: XmpMap = STARS_ONLY
    keywords: tuple[str, ...] = ()
    inside: bool = False


def xmp_settings(
    wanted: bool,
    *,
    thresholds: str | None,
    names: str | None,
    overwrite: bool,
    stars_of: str | None = None,
    becomes: str | None = None,
    keywords: str | None = None,
    inside: bool = False,
) -> XmpSettings | None:
    """Read settings as they come from a command line.

    Args:
        wanted: whether sidecars are to be written at all.
        thresholds: four percentiles, separated by commas; None for the default ones.
        names: a key of `XMP_NAMES`; None for both.
        overwrite: also replace ratings that are not ours.
        stars_of: `rated` for percentiles among rated photos, or `own` for those among the user's; None for the first.
        becomes: what stars become, as for `XmpMap.of`; None for stars.
        keywords: `score`, `rank` or both, separated by a comma; None for none.
        inside: write into the photos themselves.

    Returns:
        The settings; None if no sidecars are wanted.

    Raises:
        SettingsError: one cannot be used, or is given though no sidecars are wanted.
    """
    if not wanted:
        given = (thresholds, names, stars_of, becomes, keywords)
        if any(one is not None for one in given) or overwrite or inside:
            raise SettingsError(
                "--star-thresholds, --stars-of, --xmp-map, --xmp-keywords, --xmp-names, --xmp-inside and --overwrite-ratings need --xmp, which writes sidecars: add it"
            )
        return None
    if stars_of not in (None, *STARS_OF):
        raise SettingsError(unknown_name("comparison of stars", stars_of, STARS_OF))
    names = "both" if names is None else names
    if names not in XMP_NAMES:
        raise SettingsError(unknown_name("naming of sidecars", names, XMP_NAMES))
    stars = StarSettings() if thresholds is None else StarSettings(_numbers(thresholds))
    xmp_map = STARS_ONLY if becomes is None else XmpMap.of(becomes)
    kinds = keyword_kinds(keywords, RUN_KEYWORDS)
    return XmpSettings(
        stars, XMP_NAMES[names], overwrite, stars_of == "own", xmp_map, kinds, inside
    )


@dataclass(slots=True)
class XmpSummary:
    """Counts of what became of the photos' sidecars.

    Attributes:
        written: shots that got stars, in the sidecars of all their photos.
        kept: shots whose rating is not ours.
        unchanged: shots that had these stars already.
        shared: shots whose only sidecar would belong to another photo.
        failed: shots whose sidecar was left alone, with the reason.
    """

    written: int = 0
    kept: int = 0
    unchanged: int = 0
    shared: int = 0
    failed: list[ScoreFailure] = field(default_factory=list)

    def count(self, outcome: Outcome) -> None:
        """Count what became of a shot that was not left alone."""
        setattr(self, outcome.status, getattr(self, outcome.status) + 1)

    def __str__(self) -> str:
        parts = [f"stars: {self.written} written, {self.kept} kept, {self.unchanged} unchanged"]
        if self.shared:
            parts.append(f"{self.shared} left out (photo.xmp belongs to another photo)")
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        return ", ".join(parts)


def write_stars(
    scored: Iterable[ScoreResult],
    *,
    by: str = "overall",
    settings: XmpSettings = XmpSettings(),
    on_result: Callable[[ScoreResult | ScoreFailure], object] | None = None,
    note: Note | None = None,
) -> XmpSummary:
    """Give photos stars in their sidecars. A photo whose sidecar cannot be used does not keep the others from theirs.

    Args:
        scored: results; what is no photo gets no stars.
        by: the column that results are sorted by; its percentile counts, and that of `overall` for `photo`.
        settings: thresholds and names of sidecars.
        on_result: called for each photo.
        note: told of each sidecar before it is written, as `Journal.note` is.

    Returns:
        Counts of what became of them.

    Raises:
        SettingsError: the column has no percentiles; nothing is written then.
    """
    results = [result for result in scored if result.is_photo]
    given = [
        settings.becomes.of_stars(stars(percentile_of(result, by), settings.stars))
        for result in results
    ]
    summary = XmpSummary()
    write = partial(
        rate_shot,
        overwrite=settings.overwrite,
        convention=settings.convention,
        folders=Folders(),
        note=note,
        inside=settings.inside,
    )
    pairs = zip(results, given, strict=True)
    summary.failed = write_each(pairs, write, on_outcome=summary.count, on_result=on_result)
    return summary


def _numbers(thresholds: str) -> tuple[float, float, float, float]:
    try:
        # The record itself checks that there are four.
        return tuple(float(part) for part in thresholds.split(","))  # type: ignore[return-value]
    except ValueError as error:
        raise SettingsError(
            f"thresholds of stars are four percentiles such as 20,45,70,90; got {thresholds!r}"
        ) from error


def percentile_of(result: ScoreResult, by: str) -> float:
    """Return the percentile of a photo in the column that photos are sorted by, 0…100; that of `overall` for `photo`.

    Raises:
        SettingsError: the column has no percentiles.
    """
    if by in ("overall", "photo"):
        share = result.overall
    else:
        score = result.scores[by if by in result.scores else by.removesuffix("_percentile")]
        share = score.standing
    if math.isnan(share):
        raise SettingsError(
            f"{by!r} has no percentiles and no scale, so it gives neither stars nor keywords: --sort by another column"
        )
    return share
