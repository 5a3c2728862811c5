"""The results table: one row a task and method, with its interval and its difference to the plain host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from magbench.metrics import higher_is_better
from magbench.results.frame import scores_frame
from magbench.results.items import Cell, by_design, item_scores
from magbench.stats.paired import Design, against_hosts, summarise

if TYPE_CHECKING:
    import pandas as pd


def results_table(cells: Sequence[Cell], metric: str) -> pd.DataFrame:
    """Summarise the ``ok`` cells on ``metric``.

    Returns:
        Columns ``task, method, n_seeds, mean, std, low, high, difference, p, p_holm, detectable``, best mean first
        within a task; the last four are empty for a method without a regulariser. Seeds that only one side of a
        comparison has are left out of it.
    """
    frame = scores_frame(cell.record for cell in cells)
    frame, items = frame[frame["metric"] == metric], item_scores(cells, metric)
    table = by_design(_summary, frame, items)
    gains = by_design(against_hosts, frame, items, metric=metric, missing="drop").rename(columns={"b": "method"})
    gains = gains[["task", "method", "difference", "p", "p_holm", "detectable"]]
    table = table.merge(gains, how="left", on=["task", "method"])
    order = [True, not higher_is_better(metric)]
    return table.sort_values(["task", "mean"], ascending=order, kind="stable", ignore_index=True)


def _summary(frame: pd.DataFrame, *, design: Design = "drawn", **over_items: object) -> pd.DataFrame:
    """Means and intervals are over seeds for either design."""
    return summarise(frame, design=design)
