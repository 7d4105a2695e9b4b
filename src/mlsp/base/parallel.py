"""A map over threads: results in order, memory bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from mlsp.base.errors import SettingsError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Items in flight for each worker: enough that one slow item does not stop the others.
_WINDOW = 4


def check_workers(workers: int) -> None:
    """Check a number of workers.

    Raises:
        SettingsError: it is below 1.
    """
    if workers < 1:
        raise SettingsError(f"workers must be at least 1, got {workers}")


def map_in_order(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    *,
    workers: int,
    window: int | None = None,
) -> Generator[_Result, None, None]:
    """Apply a function to items, several at a time.

    Threads, because decoding and inference both release the interpreter's lock. Items are drawn lazily, a few ahead of the
    results; when the caller stops early, what has not begun is dropped.

    Args:
        function: must be safe to call from several threads.
        items: may be endless.
        workers: calls at the same time.
        window: items whose results are not drawn yet, at most; by default four per worker.

    Yields:
        One result for each item, in their order. An exception of `function` is raised at its item's turn, one of `items` after the
        results of the items before it.

    Raises:
        SettingsError: `workers` is below 1.
    """
    check_workers(workers)
    return _map_in_order(function, items, workers, workers * _WINDOW if window is None else window)


def until_error(items: Iterable[_Item], errors: list[Exception]) -> Iterator[_Item]:
    """Draw items until there are no more or drawing one raises, so that what was drawn before can be finished.

    Args:
        items: are drawn lazily.
        errors: gets the exception, for the caller to raise.

    Yields:
        The items.
    """
    remaining = iter(items)
    while True:
        try:
            item = next(remaining)
        except StopIteration:
            return
        except Exception as error:
            errors.append(error)
            return
        yield item


def _map_in_order(
    function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int, max_window: int
) -> Generator[_Result, None, None]:
    window: deque[Future[_Result]] = deque()
    errors: list[Exception] = []
    with ThreadPoolExecutor(workers, thread_name_prefix="mlsp") as pool:
        try:
            for item in until_error(items, errors):
                window.append(pool.submit(function, item))
                if len(window) >= max_window:
                    yield window.popleft().result()
            while window:
                yield window.popleft().result()
            for error in errors:
                raise error
        finally:
            for future in window:
                future.cancel()
