"""Exact ranking of many queries among many candidates: against the matrix product alone, and product + top-k.

The peer is what one writes by hand for recall@k: the scores of some queries at a time, and ``topk`` of each row. It
gives neither a rank beyond k nor ties. The product alone is what nobody can do without who looks at every score.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from magbench.errors import DataError
from magbench.perf.timing import Spread, interleave

WIDTH = 128
"""Numbers of an embedding."""
_ROWS = 1024
_K = 10


@dataclass(frozen=True)
class Ranking:
    """Ours and its peers, each on one thread.

    Attributes:
        queries, candidates: how many.
        seconds: CPU seconds of ours.
        product: seconds of the product alone over ours.
        topk: seconds of the peer over ours.
    """

    queries: int
    candidates: int
    seconds: Spread
    product: Spread
    topk: Spread


def embeddings(queries: int, candidates: int, seed: int = 0) -> tuple[Any, Any, Any]:
    """Normalised float32 rows; query i leans towards candidate i, so that ranks are neither all 1 nor all random."""
    import torch
    from torch.nn.functional import normalize

    generator = torch.Generator().manual_seed(seed)
    gallery = normalize(torch.randn(candidates, WIDTH, generator=generator))
    positive = torch.arange(queries) % candidates
    noise = normalize(torch.randn(queries, WIDTH, generator=generator))
    return normalize(noise + 0.4 * gallery[positive]), gallery, positive


def compare_ranking(queries: int, candidates: int, *, rounds: int, budget: float = float("inf")) -> Ranking:
    """Time ours, the product alone and the peer in turns."""
    import torch

    from magbench.metrics.exact import rank_counts

    asked, gallery, positive = embeddings(queries, candidates)
    buffer = torch.empty(_ROWS * candidates)

    def scores(start: int) -> torch.Tensor:
        rows = asked[start : start + _ROWS]
        return torch.mm(rows, gallery.T, out=buffer[: len(rows) * candidates].view(len(rows), candidates))

    def product() -> None:
        for start in range(0, queries, _ROWS):
            scores(start)

    def topk() -> None:
        for start in range(0, queries, _ROWS):
            scores(start).topk(_K)

    rank_counts(asked[:2], gallery[:2], positive[:2])  # loads the kernels
    calls = {"ours": lambda: rank_counts(asked, gallery, positive), "product": product, "topk": topk}
    times = interleave(calls, rounds, budget=budget, warm=False)
    ratios = (times.ratio(name, "ours") for name in ("product", "topk"))
    return Ranking(queries, candidates, times.spread("ours"), *ratios)


def extra_bytes(queries: int, candidates: int) -> int:
    """Peak memory that ranking takes beyond its arguments, in a process of its own.

    Raises:
        DataError: the system does not report peaks (it is not Linux), or the process failed.
    """
    exact = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}  # see magbench.perf.memory
    environment = {**os.environ, **exact, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "magbench.perf.ranking", str(queries), str(candidates)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise DataError(f"The process that measures ranking ended with {done.returncode}: {reason}")
    return int(json.loads(done.stdout))


def _extra(queries: int, candidates: int) -> int:
    from pathlib import Path

    from magbench.metrics.exact import rank_counts
    from magbench.perf.memory import field

    asked, gallery, positive = embeddings(queries, candidates)
    rank_counts(asked[:2], gallery[:2], positive[:2])
    Path("/proc/self/clear_refs").write_text("5")
    before = field("VmRSS")
    rank_counts(asked, gallery, positive)
    return (field("VmHWM") - before) * 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_extra(*map(int, sys.argv[1:]))))
