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
        sizes: numbers of nodes N.
        rounds: interleaved rounds of timing, at most.
        budget: CPU seconds after which a comparison starts no further round.
        tolerance_size: N of the comparison of times to a tolerance.
        graph: nodes of the graph of the PageRank benchmarks.
        seeds: start nodes of the PageRank benchmarks.
    """

    sizes: tuple[int, ...]
    rounds: int
    budget: float
    tolerance_size: int
    graph: int
    seeds: int


PROFILES = {
    "quick": Profile((128, 256), 3, 1.0, 128, 2_000, 50),
    "standard": Profile((128, 256, 512, 1024), 7, 8.0, 512, 20_000, 200),
    "full": Profile((128, 256, 512, 1024, 2048), 9, 60.0, 512, 100_000, 500),
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
