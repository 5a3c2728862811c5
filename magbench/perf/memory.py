"""Peak memory of one solve in units of N^2 numbers, measured in a process of its own.

The kernel's own high-water mark counts what numpy, torch and compiled code allocate alike. ``MALLOC_MMAP_THRESHOLD_``
makes every matrix a mapping of its own, so that memory freed before the solve cannot hide what the solve takes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from magbench.errors import DataError

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def peak_matrices(solver: str, kl: str, precision: str, n: int) -> float:
    """N^2 numbers that a solve holds at its peak beyond the costs, plans included.

    Args:
        solver: name of one of :data:`magbench.perf.peers.PEERS`.
        kl: objective.
        precision: type of the costs.
        n: nodes N; from about 512 on the matrices outweigh everything else.

    Raises:
        DataError: the system does not report peaks (it is not Linux), or the process failed.
    """
    if not _RESET.exists():
        raise DataError("Peak memory is read from /proc/self, which this system lacks; measure it on Linux.")
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-m", "magbench.perf.memory", solver, kl, precision, str(n)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise DataError(f"The process that measures memory ended with {done.returncode}: {reason}")
    return float(done.stdout)


def _measure(solver: str, kl: str, precision: str, n: int) -> float:
    from magbench.perf.peers import peer
    from magbench.perf.problem import make_problem

    prepare = peer(solver).prepare
    prepare(make_problem(64, kl=kl, precision=precision), 2, 5)()
    problem = make_problem(n, kl=kl, precision=precision)
    solve = prepare(problem, 2, 5)
    _RESET.write_text("5")
    before = field("VmRSS")
    kept = solve()
    peak = field("VmHWM")
    del kept
    return (peak - before) * 1024 / problem.Cx.nbytes


def field(name: str) -> int:
    """A figure of this process in KiB."""
    lines = (line.split() for line in _STATUS.read_text().splitlines())
    return next(int(parts[1]) for parts in lines if parts[0] == f"{name}:")


if __name__ == "__main__":
    from magbench.perf.timing import one_thread

    one_thread()
    name, kl, precision, n = sys.argv[1:]
    sys.stdout.write(f"{_measure(name, kl, precision, int(n))}\n")
