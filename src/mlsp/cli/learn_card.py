"""Result of `mlsp learn` as lines for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlsp.personal import Bounds, Taste, TasteAgreement

_NAMES = {
    "ratings": "rank correlation with your ratings",
    "comparisons": "share of your comparisons right",
}


def taste_lines(taste: Taste, *, base: str, judged: str) -> list[str]:
    """Lay out how well the default and the taste predict the user, as a small table.

    Args:
        taste: what was learned.
        base: name of the default.
        judged: on how much it was learned, in words.
    """
    rows = [("", base, "you", "difference")]
    rows += [
        (
            f"{_NAMES[one.measure]} ({one.count})",
            _shown(one.default, signed=False),
            _shown(one.personal, signed=False),
            _shown(one.difference, signed=True),
        )
        for one in taste.agreement
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return [
        f"Learned from {judged}.",
        "",
        *table,
        "",
        "Measured on photos that were left out of learning, with 95 % intervals.",
        verdict(taste, base),
    ]


def verdict(taste: Taste, base: str) -> str:
    """Return in a sentence whether the taste is worth having."""
    if taste.is_better:
        return f"Your own model predicts you better than {base} does."
    if any(_is_worse(one) for one in taste.agreement):
        return f"Your own model predicts you worse than {base} does."
    return f"Your own model is not shown to predict you better than {base} does: the difference may be chance."


def _is_worse(agreement: TasteAgreement) -> bool:
    return agreement.difference.high < 0


def _shown(bounds: Bounds, *, signed: bool) -> str:
    sign = "+" if signed else ""
    value, low, high = (f"{number:{sign}.2f}" for number in (bounds.value, bounds.low, bounds.high))
    return f"{value} [{low}, {high}]"
