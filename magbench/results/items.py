"""Item scores: what each test item contributes to a metric, for the tests over items that a fixed split calls for.

A task whose version fixes the split has the same items for every method and seed; its stored predictions give a score
for each, if the metric is a mean over items (macro-F1 is none). Tasks that draw a split a seed have no items here, and
are compared over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from magbench.errors import UnknownNameError
from magbench.predictions.base import Prediction
from magbench.predictions.ranks import Ranks
from magbench.results.record import Record

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["task", "dataset", "method", "seed", "metric", "item", "value"]


class Cell(Protocol):
    """A cell that is stored in a runs folder or kept in the leaderboard."""

    @property
    def record(self) -> Record: ...

    def prediction(self) -> Prediction: ...

    def history(self) -> list[dict[str, float]]: ...


@dataclass(frozen=True)
class Items:
    """Item scores of one metric.

    Attributes:
        frame: columns :data:`COLUMNS`, one row a test item and cell; empty for a metric that is no mean over items.
        fixed: versioned ids of the tasks whose version fixes the items.
    """

    frame: pd.DataFrame
    fixed: frozenset[str]


RECALL_AT = (1, 2, 5, 10, 20, 50, 100)
Head = tuple[str, str, str, int, str]
"""Versioned task, data set, method, seed, metric."""


def item_values(cell: Cell, metric: str) -> list[float] | None:
    """The item scores of ``metric``; empty for one that is no mean over items, None where the split is drawn.

    Raises:
        RecordError: the cell's prediction cannot be read.
    """
    from magbench.metrics import METRICS

    if cell.record.status != "ok" or all(found.metric != metric for found in cell.record.scores):
        return None
    if cell.record.task.design == "drawn":
        return None
    score = METRICS[metric].items if metric in METRICS else None
    return cell.prediction().items(score).tolist() if score else []


def recall_curve(cell: Cell) -> dict[int, float]:
    """k → recall@k of stored ranks, both directions counting the same."""
    from magbench.metrics.ranking import recalls

    prediction = cell.prediction()
    if not isinstance(prediction, Ranks):
        return {}
    return {k: float(prediction.items(partial(recalls, k=k)).mean()) for k in RECALL_AT}


def items_frame(rows: Iterable[tuple[Head, Sequence[float] | None]]) -> Items:
    """The item frame of some cells; of each what it is, and what :func:`item_values` found."""
    import pandas as pd

    parts, fixed = [pd.DataFrame(columns=COLUMNS)], set()
    for head, values in rows:
        if values is None:
            continue
        fixed.add(head[0])
        if len(values):
            columns = {**dict(zip(COLUMNS, head, strict=False)), "item": np.arange(len(values)), "value": values}
            parts.append(pd.DataFrame(columns))
    return Items(pd.concat(parts[1:] or parts, ignore_index=True), frozenset(fixed))


def by_design(compare: Callable[..., pd.DataFrame], frame: pd.DataFrame, items: Items, **options: Any) -> pd.DataFrame:
    """``compare`` (of :mod:`magbench.stats.paired`) over items on the tasks that fix them, over seeds on the others.

    Raises:
        UnknownNameError: neither kind of task has the methods that are compared.
    """
    import pandas as pd

    fixed = frame["task"].isin(items.fixed)
    if not fixed.any():
        return compare(frame, **options)
    over_items = {"design": "fixed", "items": items.frame, "rng": np.random.default_rng(0)}
    found, unknown = [], []
    for part, more in ((frame[fixed], over_items), (frame[~fixed], {})):
        if not len(part):
            continue
        try:
            found.append(compare(part, **{**options, **more}))
        except UnknownNameError as error:
            unknown.append(error)
    if not found:
        raise unknown[0]
    return pd.concat(found, ignore_index=True)
