"""Registry of the paper's tables and figures as lists of rows. Numbers: Tables 2, 3 and 4 and section 4.3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mlsp.paper.records import PaperNumbers, Row

_V3, _RESNET = "inception_v3", "inception_resnet_v2"
_SMALL = (256, 256)
_Rows = tuple[Row, ...]


def _row(
    label: str, head: str, srcc: float, plcc: float, accuracy: float, *, tuned: bool = False
) -> Row:
    """Return a row of Table 2."""
    return Row(
        label,
        "finetuned" if tuned else "head",
        PaperNumbers(srcc, plcc, accuracy, decimals=1),
        head,
        _V3,
        views="whole" if "-aug" in label else "corners8",
        resize=_SMALL,
        last_levels=5 if "(5)" in label else None,
        more_dropout="+do" in label,
    )


_TABLE2 = (
    _row("Single-3FC (-aug)", "single_3fc", 0.668, 0.676, 0.792),
    _row("Single-3FC", "single_3fc", 0.676, 0.682, 0.793),
    _row("Multi-3FC", "multi_3fc", 0.673, 0.681, 0.791),
    _row("Single-1FC (all)", "single_1fc", 0.644, 0.652, 0.779),
    _row("Single-1FC (5)", "single_1fc", 0.570, 0.578, 0.758),
    _row("Single-3FC (-aug), fine-tuned", "single_3fc", 0.607, 0.583, 0.771, tuned=True),
    _row("Single-3FC, fine-tuned", "single_3fc", 0.658, 0.663, 0.785, tuned=True),
    _row("Multi-3FC, fine-tuned", "multi_3fc", 0.655, 0.660, 0.784, tuned=True),
    _row("Single-3FC (+do), fine-tuned", "single_3fc", 0.675, 0.682, 0.791, tuned=True),
    _row("Single-1FC (all), fine-tuned", "single_1fc", 0.680, 0.684, 0.795, tuned=True),
    _row("Single-1FC (5), fine-tuned", "single_1fc", 0.675, 0.681, 0.791, tuned=True),
)


def _full(label: str, head: str, backbone: str, srcc: float, plcc: float, accuracy: float) -> Row:
    """Return a row of Table 3: photos at their own size."""
    small = _row(label, head, srcc, plcc, accuracy)
    return replace(small, paper=replace(small.paper, decimals=2), backbone=backbone, resize=None)


_BEST = _full("Pool-3FC", "pool_3fc", _RESNET, 0.756, 0.757, 0.8172)
_TABLE3 = (
    _full("Single-3FC (-aug)", "single_3fc", _V3, 0.722, 0.726, 0.8031),
    _full("Single-3FC", "single_3fc", _V3, 0.729, 0.733, 0.8065),
    _full("Pool-3FC", "pool_3fc", _V3, 0.745, 0.748, 0.8143),
    _full("Single-3FC (-aug)", "single_3fc", _RESNET, 0.740, 0.742, 0.8096),
    _full("Single-3FC", "single_3fc", _RESNET, 0.743, 0.745, 0.8137),
    _full("Pool-3FC (-aug)", "pool_3fc", _RESNET, 0.752, 0.755, 0.8161),
    _BEST,
    Row("Ridge (not in the paper)", "closed_form", head="ridge", backbone=_RESNET, views="whole"),
)

_TABLE4 = (
    *(
        Row(label, "cited", PaperNumbers(srcc, plcc, accuracy))
        for label, srcc, plcc, accuracy in (
            ("Murray et al.", None, None, 0.6670),
            ("Kao et al.", None, None, 0.7142),
            ("Lu et al., multi-patch", None, None, 0.7446),
            ("Lu et al., RAPID", None, None, 0.7542),
            ("Hii et al.", None, None, 0.7576),
            ("Mai et al.", None, None, 0.7740),
            ("Kong et al.", 0.558, None, 0.7733),
            ("Talebi et al. (NIMA), Inception-v2", 0.612, 0.636, 0.8151),
            ("Ma et al.", None, None, 0.8170),
        )
    ),
    Row(
        "Talebi et al. (NIMA), Inception-v3, fine-tuned",
        "finetuned",
        PaperNumbers(0.639, 0.645, 0.7230, emd=0.07),
        "single_1fc",
        _V3,
        resize=_SMALL,
        last_levels=1,
        distribution=True,
    ),
    Row("All alike", "majority", PaperNumbers(accuracy=0.7108)),
    Row(
        "Width and height only (SRCC: of width × height)",
        "size",
        PaperNumbers(srcc=0.188, accuracy=0.7240),
    ),
    _BEST,
)


def _on(rows: _Rows, backbone: str | None) -> _Rows:
    """Return the rows on another network; those that are then the same design are one, the later of them."""
    if backbone is None:
        return rows
    moved = [replace(row, backbone=backbone) if row.backbone else row for row in rows]
    last = {replace(row, paper=PaperNumbers()): row for row in moved}
    return tuple(last.values())


def _table2(backbone: str | None, levels: Callable[[str], int]) -> _Rows:
    rows = _on(_TABLE2, backbone)
    if backbone is None:
        return rows
    # A network may have fewer than five levels.
    most = levels(backbone)
    return tuple(
        row if row.last_levels is None else replace(row, last_levels=min(row.last_levels, most))
        for row in rows
    )


def _table3(backbone: str | None, _levels: Callable[[str], int]) -> _Rows:
    return _on(_TABLE3, backbone)


def _table4(backbone: str | None, _levels: Callable[[str], int]) -> _Rows:
    return _on(_TABLE4, backbone)


def _fig7(backbone: str | None, levels: Callable[[str], int]) -> _Rows:
    network = backbone or _V3
    return tuple(
        Row(
            f"last {count}" if count > 1 else "last",
            "head",
            # The figure's other values are not printed; all levels are Table 2's Single-3FC.
            _TABLE2[1].paper if count == levels(network) else PaperNumbers(),
            "single_3fc",
            network,
            resize=_SMALL,
            last_levels=count,
        )
        for count in range(1, levels(network) + 1)
    )


def _claims(backbone: str | None, _levels: Callable[[str], int]) -> _Rows:
    """Return the rows for the pairs of `mlsp.paper.claims`, quick rows first; whole photos but for `views`."""
    network = backbone or _V3

    def rows(label: str, head: str, *, closed: bool = False, tuned: bool = False) -> _Rows:
        full = Row(
            label,
            "closed_form" if closed else "head",
            head=head,
            backbone=network,
            views="whole",
        )
        return (
            full,
            replace(full, label=f"{label} (5)", last_levels=5),
            replace(full, label=f"{label}, 256×256", resize=_SMALL),
            replace(full, label=f"{label}, views", views="corners8"),
            *(_as_tuned(full) if tuned else ()),
        )

    three, *other_threes = rows("Single-3FC", "single_3fc", tuned=True)
    pool, *_ = rows("Pool-3FC", "pool_3fc")
    released = replace(pool, label="Pool-3FC, released form", head="pool_3fc_released")
    return (
        *rows("Ridge", "ridge", closed=True),
        *rows("Kernel ridge", "kernel", closed=True),
        *rows("Single-1FC", "single_1fc", tuned=True),
        three,
        *other_threes,
        replace(three, label="Single-3FC (+do)", more_dropout=True),
        replace(three, label="Multi-3FC", head="multi_3fc"),
        replace(released, label="Pool-3FC (5), released form", last_levels=5),
        released,
        pool,
    )


def _as_tuned(full: Row) -> _Rows:
    """Return the row in the size and views of fine-tuning, and the fine-tuned one."""
    label = f"{full.label}, 256×256, views"
    features = replace(full, label=label, resize=_SMALL, views="corners8")
    return features, replace(features, label=f"{label}, fine-tuned", kind="finetuned")


@dataclass(frozen=True, slots=True)
class Experiment:
    """A table or figure.

    Attributes:
        title: of it.
        rows: of (another network than the paper's or None, number of levels of a network).
    """

    title: str
    rows: Callable[[str | None, Callable[[str], int]], _Rows]


EXPERIMENTS: Mapping[str, Experiment] = {
    "table2": Experiment("Table 2: heads, photos brought to 256×256", _table2),
    "table3": Experiment("Table 3: photos at their own size", _table3),
    "table4": Experiment("Table 4: other methods", _table4),
    "fig7": Experiment("Figure 7: Single-3FC on more and more levels, from the last", _fig7),
    "claims": Experiment("The paper's claims, in pairs of rows", _claims),
    "fig8": Experiment("Figures 8 and 9: high-rated photos with small and large errors", _table3),
}
