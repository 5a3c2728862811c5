"""The results table: one row a task and method, with its interval and its difference to the plain host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from magbench.results.frame import scores_frame
from magbench.results.record import Record
from magbench.stats.paired import against_hosts, summarise

if TYPE_CHECKING:
    import pandas as pd


def results_table(records: Sequence[Record], metric: str) -> pd.DataFrame:
    """Summarise the ``ok`` records on ``metric``.

    Returns:
        Columns ``task, method, n_seeds, mean, std, low, high, difference, p, p_holm, detectable``, best mean first
        within a task; the last four are empty for a method without a regulariser. Seeds that only one side of a
        comparison has are left out of it.
    """
    frame = scores_frame(records)
    frame = frame[frame["metric"] == metric]
    table = summarise(frame)
    gains = against_hosts(frame, metric=metric, missing="drop").rename(columns={"b": "method"})
    gains = gains[["task", "method", "difference", "p", "p_holm", "detectable"]]
    table = table.merge(gains, how="left", on=["task", "method"])
    return table.sort_values(["task", "mean"], ascending=[True, False], kind="stable", ignore_index=True)
