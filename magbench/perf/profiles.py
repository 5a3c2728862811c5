"""How much to measure: three profiles, chosen by ``--profile`` or the variable MAGBENCH_PERF."""

from __future__ import annotations

import os
from dataclasses import dataclass

from magbench.errors import UnknownNameError

VARIABLE = "MAGBENCH_PERF"


@dataclass(frozen=True)
class Profile:
    """Sizes and effort.

    Attributes:
        sizes: numbers of nodes N of ``magbench perf``.
        tracked: those that the asv benchmarks measure.
        rounds: interleaved rounds of timing, at most.
        budget: CPU seconds after which a comparison starts no further round.
        tolerance_size: N of the comparison of times to a tolerance.
        graph: nodes of the graph of the PageRank benchmarks; 0 leaves them out.
        seeds: start nodes of the PageRank benchmarks.
        host: nodes of the graph on which a training step is timed; 0 leaves it out, for a small one says nothing.
        large: nodes of the graph of the mini-batch benchmarks; 0 leaves them out.
        ranked: candidates of the ranking benchmarks, asked by a fifth as many queries; 0 leaves them out.
    """

    sizes: tuple[int, ...]
    tracked: tuple[int, ...]
    rounds: int
    budget: float
    tolerance_size: int
    graph: int
    seeds: int
    host: int
    large: int
    ranked: int


PROFILES = {
    "quick": Profile((128, 256), (256,), 3, 0.5, 128, 0, 0, 0, 0, 0),
    "standard": Profile((128, 256, 512, 1024), (128, 512, 1024), 7, 20.0, 512, 20_000, 200, 6_000, 20_000, 20_000),
    "full": Profile(
        (128, 256, 512, 1024, 2048), (128, 256, 512, 1024, 2048), 9, 60.0, 512, 100_000, 500, 6_000, 1_000_000, 100_000
    ),
}


def chosen_profile(name: str | None = None) -> Profile:
    """The profile of that name; by default the one that MAGBENCH_PERF names, else ``standard``.

    Raises:
        UnknownNameError: there is none of that name.
    """
    name = name or os.environ.get(VARIABLE) or "standard"
    if name not in PROFILES:
        raise UnknownNameError("profile", name, PROFILES, f"Set --profile or {VARIABLE}.")
    return PROFILES[name]
