"""Timing with a clock of our own, so that no test depends on how fast anything is."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import count

import pytest

from magbench.perf.timing import Rounds, Spread, interleave, one_thread


class Clock:
    """Seconds that pass only when a call says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def call(self, *seconds: float):  # type: ignore[no-untyped-def]
        turns = iter(seconds)

        def run() -> None:
            self.now += next(turns)

        return run


def test_spread_by_hand() -> None:
    assert Spread.of([4.0, 1.0, 3.0, 2.0, 5.0]) == Spread(3.0, 2.0, 4.0, 5)
    assert Spread.of([2.0]) == Spread(2.0, 2.0, 2.0, 1)
    assert Spread.of([1.0, 3.0]) == Spread(2.0, 1.0, 3.0, 2)
    assert Spread(3.0, 2.0, 4.0, 5).scaled(2.0) == Spread(6.0, 4.0, 8.0, 5)


def test_rounds_pair_neighbours() -> None:
    """The machine slows down fourfold midway: ratios of neighbours do not notice, the ratio of medians would."""
    clock = Clock()
    calls = {"a": clock.call(9, 1, 1, 4), "b": clock.call(9, 2, 2, 8)}
    found = interleave(calls, 3, clock=clock)
    assert found.seconds == {"a": [1, 1, 4], "b": [2, 2, 8]}
    assert found.ratio("b", "a") == Spread(2.0, 2.0, 2.0, 3)


def test_the_order_changes_and_warming_is_optional() -> None:
    order: list[str] = []
    interleave({name: lambda name=name: order.append(name) for name in "abc"}, 2, warm=False)  # type: ignore[misc]
    assert "".join(order) == "abcbca"


def test_budget_stops_further_rounds_but_not_the_first() -> None:
    clock = Clock()
    found = interleave({"a": clock.call(*[1.0] * 10)}, 9, budget=2.5, warm=False, clock=clock)
    assert found.seconds["a"] == [1.0, 1.0, 1.0]
    clock = Clock()
    assert interleave({"a": clock.call(5.0)}, 9, budget=0.0, warm=False, clock=clock).seconds["a"] == [5.0]


def test_rounds_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Rounds({"a": [1.0, 2.0], "b": [1.0]}).ratio("a", "b")


def test_one_thread_sets_and_clears() -> None:
    environ = {"OMP_NUM_THREADS": "8", "OPENBLAS_CORETYPE": "ZEN", "HOME": "/h"}
    one_thread(environ)
    assert environ["OMP_NUM_THREADS"] == environ["NUMBA_NUM_THREADS"] == "1"
    assert "OPENBLAS_CORETYPE" not in environ
    assert environ["HOME"] == "/h"


def test_one_thread_binds_a_process_that_has_pools_already() -> None:
    code = """
import os, numpy, threadpoolctl
from magbench.perf.timing import one_thread
one_thread()
numpy.ones((300, 300)) @ numpy.ones((300, 300))
print(len(os.sched_getaffinity(0)), max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()))
"""
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("no affinity on this system")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["1", "1"]


def test_rate_counts_work_a_second() -> None:
    from magbench.perf.timing import rate

    calls = count()
    assert rate(1.0, lambda: next(calls), seconds=1e-3, repeats=2) > 0
    assert next(calls) > 3
