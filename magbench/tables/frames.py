"""The results frame that statistics take, of outcomes."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from magbench.stats.frames import CELL
from magbench.tables.outcome import Outcome


def scores_frame(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """One row a score: ``task, dataset, method, seed, metric, value``."""
    rows = [
        (outcome.task, outcome.dataset, outcome.method, outcome.seed, metric, float(value))
        for outcome in outcomes
        for metric, value in outcome.scores.items()
    ]
    return pd.DataFrame(rows, columns=[*CELL, "value"])
