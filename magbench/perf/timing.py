"""Fair timing on a busy machine: one thread, CPU time, candidates in turns, medians with quartiles.

Under load a wall-clock time can be anything, and even CPU time drifts with caches and clock rates; the ratio of two CPU
times taken one after the other drifts far less. So candidates run in rounds, one call each a round in changing order,
and a ratio is the median over rounds.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_SLOW_KERNELS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of repeated measurements."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Summary of at least one value; quartiles by linear interpolation, the range itself below three values."""
        found = sorted(values)
        low, high = (found[0], found[-1]) if len(found) < 3 else quantiles(found, n=4, method="inclusive")[::2]
        return cls(median(found), low, high, len(found))

    def scaled(self, factor: float) -> Spread:
        """The same measurements in another unit."""
        return Spread(self.median * factor, self.low * factor, self.high * factor, self.count)


@dataclass(frozen=True)
class Rounds:
    """CPU seconds of every call, by candidate; the i-th entries belong to one round."""

    seconds: Mapping[str, Sequence[float]]

    def spread(self, name: str) -> Spread:
        """CPU seconds of one candidate."""
        return Spread.of(self.seconds[name])

    def ratio(self, over: str, under: str) -> Spread:
        """Seconds of ``over`` divided by those of ``under`` in the same round."""
        return Spread.of(a / b for a, b in zip(self.seconds[over], self.seconds[under], strict=True))


def interleave(
    candidates: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    budget: float = float("inf"),
    warm: bool = True,
    clock: Callable[[], float] = time.process_time,
) -> Rounds:
    """Time every candidate once a round.

    Args:
        candidates: name -> call.
        rounds: number of rounds, at least 1.
        budget: CPU seconds after which no further round begins (one is always made).
        warm: call each once before the rounds, so that compilers and caches are warm.
        clock: monotonic seconds; CPU time of this process by default.
    """
    for call in candidates.values() if warm else ():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    names, begun = list(candidates), clock()
    for index in range(rounds):
        if index and clock() - begun > budget:
            break
        for name in names[index % len(names) :] + names[: index % len(names)]:
            start = clock()
            candidates[name]()
            seconds[name].append(clock() - start)
    return Rounds(seconds)


def rate(work: float, call: Callable[[], object], *, seconds: float = 0.05, repeats: int = 5) -> float:
    """Units of work a CPU second: the best of ``repeats``, each of enough calls to last about ``seconds``.

    The best, not the median, because a ceiling is what the machine can reach.
    """
    call()
    calls, spent = 1, _spend(call, 1)
    while spent < seconds / 4:
        calls *= 2
        spent = _spend(call, calls)
    calls = max(1, round(calls * seconds / spent))
    return work * calls / min(_spend(call, calls) for _ in range(repeats))


def one_thread(environ: MutableMapping[str, str] | None = None) -> None:
    """Bind this process and its children to one thread; best before numpy, torch, numba or jax are imported.

    Thread pools that exist already are limited. The process is also bound to one of its cores, which holds back what no
    variable reaches (XLA's pool). Variables that pin an OpenBLAS kernel are removed: they slow numpy peers.
    """
    environ = os.environ if environ is None else environ
    environ.update(dict.fromkeys(_THREADS, "1"))
    environ.setdefault("JAX_PLATFORMS", "cpu")
    for name in _SLOW_KERNELS:
        environ.pop(name, None)
    if environ is not os.environ:
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _spend(call: Callable[[], object], calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        call()
    return max(time.process_time() - start, 1e-9)
