"""Item scores: what each test item contributes to a metric, for the tests over items that a fixed split calls for.

A task whose version fixes the split has the same items for every method and seed; its stored predictions give a score
for each, if the metric is a mean over items (macro-F1 is none). Tasks that draw a split a seed have no items here, and
are compared over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from magbench.errors import UnknownNameError
from magbench.predictions.base import Prediction
from magbench.results.record import Record

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["task", "dataset", "method", "seed", "metric", "item", "value"]


class Cell(Protocol):
    """A cell that is stored in a runs folder or kept in the leaderboard."""

    @property
    def record(self) -> Record: ...

    def prediction(self) -> Prediction: ...


@dataclass(frozen=True)
class Items:
    """Item scores of one metric.

    Attributes:
        frame: columns :data:`COLUMNS`, one row a test item and cell; empty for a metric that is no mean over items.
        fixed: versioned ids of the tasks whose version fixes the items.
    """

    frame: pd.DataFrame
    fixed: frozenset[str]


def item_scores(cells: Iterable[Cell], metric: str) -> Items:
    """The item scores of ``metric`` in the ``ok`` cells that have it.

    Raises:
        RecordError: a cell's prediction cannot be read.
    """
    import pandas as pd

    from magbench.metrics import METRICS

    parts, fixed = [pd.DataFrame(columns=COLUMNS)], set()
    score = METRICS[metric].items if metric in METRICS else None
    for cell in cells:
        record = cell.record
        asked = record.status == "ok" and any(found.metric == metric for found in record.scores)
        if not asked or record.task.design == "drawn":
            continue
        task = f"{record.task.id}@{record.task.version}"
        fixed.add(task)
        if score:
            values = cell.prediction().items(score)
            head = dict(zip(COLUMNS, [task, record.dataset.id, record.method.name, record.seed, metric], strict=False))
            parts.append(pd.DataFrame({**head, "item": np.arange(len(values)), "value": values}))
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
            found.append(compare(part, **options, **more))
        except UnknownNameError as error:
            unknown.append(error)
    if not found:
        raise unknown[0]
    return pd.concat(found, ignore_index=True)
