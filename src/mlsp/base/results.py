"""Failure of one photo, as a value: one bad photo never ends a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, NoReturn, TypeVar

from mlsp.base.errors import EngineError, PhotoError

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, repr=False)
class ScoreFailure:
    """A photo that could not be used.

    Attributes:
        ok: False; True for every other result of a photo.
        source: the photo.
        error: why.
    """

    ok: ClassVar[Literal[False]] = False

    source: Path
    error: PhotoError

    def raise_for_error(self) -> NoReturn:
        """Raise the error.

        Raises:
            PhotoError: always.
        """
        raise self.error

    def __repr__(self) -> str:
        return f"ScoreFailure({self.source.name!r}, {type(self.error).__name__}: {self.error})"

    def _repr_html_(self) -> str:
        """Return the file name and the error, for notebooks."""
        import html

        return f"<b>{html.escape(self.source.name)}</b>: {html.escape(str(self.error))}"


def result_or_failure(source: Path, compute: Callable[[], _Result]) -> _Result | ScoreFailure:
    """Return what a function makes of a photo, or its error as a value.

    An `EngineError` becomes a `PhotoError`: one photo that the network cannot take must not end a run of thousands.

    Args:
        source: the photo.
        compute: may raise `PhotoError` or `EngineError`.
    """
    try:
        return compute()
    except PhotoError as error:
        return ScoreFailure(source, error)
    except EngineError as error:
        return ScoreFailure(source, PhotoError(str(error)))
