"""Kept cells to be run again: a sample that looks at every kind of result there is, and how the two compare.

Cells are drawn by turns from strata of one family, source and machine, so that each is looked at before any is twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from magbench.graph.splits import random_keys
from magbench.results.kept import KeptCell
from magbench.results.record import Record


def sample(cells: Iterable[KeptCell], count: int, seed: int, longest: float | None = None) -> list[KeptCell]:
    """``count`` finished cells, stratified by family, source and processor.

    Args:
        cells: kept ones.
        count: how many; fewer where there are not as many.
        seed: of the draw.
        longest: leave out cells that took more core-seconds.
    """
    strata: dict[tuple[str, str, str], list[KeptCell]] = defaultdict(list)
    for cell in cells:
        record = cell.record
        if record.status == "ok" and (longest is None or record.core_seconds <= longest):
            family = record.task.id.partition("/")[0]
            strata[family, record.method.source.sha256, str(record.env.get("cpu"))].append(cell)
    order = random_keys(len(strata), (seed, 1))
    turns = [strata[key] for _, key in sorted(zip(order.tolist(), sorted(strata), strict=True))]
    shuffled = [[own[i] for i in np.argsort(random_keys(len(own), (seed, 2, i)))] for i, own in enumerate(turns)]
    rounds = max(map(len, shuffled), default=0)
    return [own[turn] for turn in range(rounds) for own in shuffled if turn < len(own)][:count]


@dataclass(frozen=True)
class Verified:
    """A kept record, the record of a second run, and whether the method's revision is still the same.

    ``again`` is None where the cell did not run again.
    """

    kept: Record
    again: Record | None
    stale: bool

    @property
    def difference(self) -> float | None:
        """The largest difference of a score; None without a second run."""
        if self.again is None or self.again.status != "ok":
            return None
        first, second = ({(s.metric, s.version, s.split): s.value for s in r.scores} for r in (self.kept, self.again))
        return max((abs(value - second[key]) for key, value in first.items() if key in second), default=None)

    @property
    def same_machine(self) -> bool:
        """Whether both ran on one kind of processor."""
        return self.again is not None and self.kept.env.get("cpu") == self.again.env.get("cpu")


def ordered(found: Sequence[Verified]) -> list[Verified]:
    """The largest difference first, what did not run last."""
    return sorted(found, key=lambda row: -1.0 if row.difference is None else row.difference, reverse=True)
