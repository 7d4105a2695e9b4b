"""Types of the arguments of public functions, checked against their annotations."""

from __future__ import annotations

import functools
import inspect
import os
import re
import reprlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, cast, get_origin

import numpy as np

from mlsp.base.errors import SettingsError

_Public = TypeVar("_Public")

_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (Integral,),
    "float": (Real,),
    "bool": (bool, np.bool_),
    "Path": (os.PathLike, str),
    "None": (type(None),),
    "Iterable": (Iterable,),
    "Sequence": (Iterable,),
    "Mapping": (Mapping,),
}
_WORDS: dict[type, str] = {
    str: "a text",
    Integral: "a whole number",
    Real: "a number",
    bool: "True or False",
    os.PathLike: "a path",
    type(None): "None",
    Callable: "a function",  # type: ignore[dict-item]
    Hashable: "a name",
    Iterable: "a list",
    Mapping: "a mapping",
}


def checked(public: _Public) -> _Public:
    """Decorate a function, or a class for its `__init__`, that users call: an argument of another type raises `SettingsError`.

    Numbers, texts, paths, lists, choices and classes are checked as they are annotated; arguments with other annotations are left
    to the function. Numbers of numpy are numbers, and True is none.

    Args:
        public: its module has `from __future__ import annotations`.

    Examples:
        >>> @checked
        ... def repeat(text: str, times: int | None = None) -> None: ...
        >>> repeat("a", times="2")
        Traceback (most recent call last):
        mlsp.base.errors.SettingsError: times must be a whole number or None, got '2'
    """
    if isinstance(public, type):
        public.__init__ = checked(public.__init__)  # type: ignore[misc]
        return cast("_Public", public)
    function = cast("Any", public)
    signature = inspect.signature(function)

    @functools.cache
    def types() -> dict[str, tuple[type, ...]]:
        # When it is first called, as classes may be defined below it.
        return {
            name: found
            for name, parameter in signature.parameters.items()
            if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            and (found := _allowed(str(parameter.annotation), function.__globals__))
        }

    @functools.wraps(function)
    def checking(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        for name, allowed in types().items():
            value = given.get(name)
            is_truth = isinstance(value, bool) and not {bool, Hashable} & {*allowed}
            if name in given and (is_truth or not isinstance(value, allowed)):
                named = set(allowed) - ({np.bool_, str} if os.PathLike in allowed else {np.bool_})
                words = dict.fromkeys(
                    _WORDS.get(kind, f"a {kind.__name__}") for kind in allowed if kind in named
                )
                raise SettingsError(
                    f"{name} must be {' or '.join(words)}, got {reprlib.repr(value)}"
                )
        return function(*args, **kwargs)

    return cast("_Public", checking)


def _allowed(annotation: str, names: Mapping[str, object]) -> tuple[type, ...]:
    """Return the classes that an annotation allows; none where it has anything that is not known here."""
    allowed: list[type] = []
    for part in re.sub(r"\[.*\]", "", annotation).split(" | "):
        known = names.get(part)
        if part in _TYPES:
            allowed += _TYPES[part]
        elif get_origin(known) is Literal:
            # Functions name the choices where one is unknown.
            allowed.append(Hashable)
        elif isinstance(known, type) and not getattr(known, "_is_protocol", False):
            allowed.append(known)
        else:
            return ()
    return tuple(allowed)
