"""The results frame that statistics take, of anything that has scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import pandas as pd

from magbench.stats.frames import CELL


class Scores(Protocol):
    """A cell with scores: an :class:`~magbench.tables.outcome.Outcome` or a row of a kept study."""

    @property
    def task(self) -> str: ...

    @property
    def dataset(self) -> str: ...

    @property
    def method(self) -> str: ...

    @property
    def seed(self) -> int: ...

    @property
    def scores(self) -> Mapping[str, float]: ...


def scores_frame(cells: Iterable[Scores]) -> pd.DataFrame:
    """One row a score: ``task, dataset, method, seed, metric, value``."""
    rows = [
        (cell.task, cell.dataset, cell.method, cell.seed, metric, float(value))
        for cell in cells
        for metric, value in cell.scores.items()
    ]
    return pd.DataFrame(rows, columns=[*CELL, "value"])
