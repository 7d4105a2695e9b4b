import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from mlsp.base.errors import SettingsError
from mlsp.base.parallel import map_in_order


def test_order_is_kept_when_early_items_are_slow() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)
        return number

    assert list(map_in_order(slow_first, range(50), workers=4)) == list(range(50))


def test_items_are_drawn_lazily_and_work_stops_with_the_caller() -> None:
    drawn: list[int] = []
    others = set(threading.enumerate())

    def endless() -> Iterator[int]:
        number = 0
        while True:
            drawn.append(number)
            yield number
            number += 1

    results = map_in_order(lambda number: number, endless(), workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    results.close()
    assert len(drawn) <= 3 + 2 * 4
    left = set(threading.enumerate()) - others
    assert not [thread for thread in left if thread.name.startswith("mlsp")]


def test_few_results_are_kept() -> None:
    drawn = itertools.count()
    results = map_in_order(str, iter(lambda: next(drawn), 99), workers=5, window=7)
    assert [next(results) for _ in range(3)] == ["0", "1", "2"]
    assert next(drawn) == 7 + 2
    assert list(results)[-1] == "98"


def test_several_items_run_at_once() -> None:
    meeting = threading.Barrier(3, timeout=10)
    list(map_in_order(lambda _: meeting.wait(), range(3), workers=3))


def test_an_exception_comes_at_its_turn() -> None:
    def fail_at_two(number: int) -> int:
        if number == 2:
            raise LookupError("two")
        return number

    results = map_in_order(fail_at_two, range(9), workers=3)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(LookupError, match="^two$"):
        next(results)


def test_results_of_items_before_a_failing_one_come_first() -> None:
    def broken() -> Iterator[int]:
        yield from range(5)
        raise LookupError("the list ends here")

    results = map_in_order(str, broken(), workers=3)
    assert [next(results) for _ in range(5)] == ["0", "1", "2", "3", "4"]
    with pytest.raises(LookupError, match="^the list ends here$"):
        next(results)


def test_no_workers() -> None:
    with pytest.raises(SettingsError, match="^workers must be at least 1, got 0$"):
        map_in_order(str, [1], workers=0)
