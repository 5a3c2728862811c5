"""Item scores: what each test item contributes to a metric, for the tests over items that a fixed split calls for.

A task whose version fixes the split has the same items for every method and seed; its kept predictions give a score for
each. Tasks that draw a split a seed have none here, and are compared over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from magbench.results.record import Record

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["task", "dataset", "method", "seed", "metric", "item", "value"]


class Cell(Protocol):
    """A cell that is stored in a runs folder or kept in the leaderboard."""

    @property
    def record(self) -> Record: ...

    def prediction(self) -> Any: ...


def items_frame(cells: Iterable[Cell], metric: str) -> pd.DataFrame:
    """Item frame of ``metric``: one row a test item of every ``ok`` cell of a task with a fixed split."""
    import pandas as pd

    from magbench.metrics import METRICS

    parts = [pd.DataFrame(columns=COLUMNS)]
    score = METRICS[metric].items if metric in METRICS else None
    for cell in cells:
        record = cell.record
        if score and record.status == "ok" and any(found.metric == metric for found in record.scores):
            prediction = cell.prediction()
            values = score(prediction.above, prediction.equal)
            task = f"{record.task.id}@{record.task.version}"
            head = dict(zip(COLUMNS, [task, record.dataset.id, record.method.name, record.seed, metric], strict=False))
            parts.append(pd.DataFrame({**head, "item": np.arange(len(values)), "value": values}))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def by_design(
    compare: Callable[..., pd.DataFrame], frame: pd.DataFrame, items: pd.DataFrame, **options: Any
) -> pd.DataFrame:
    """``compare`` (of :mod:`magbench.stats.paired`) on the tasks that have items, over these, and on the others."""
    import pandas as pd

    fixed = frame["task"].isin(items["task"].unique())
    if not fixed.any():
        return compare(frame, **options)
    parts = [compare(frame[fixed], **options, design="fixed", items=items, rng=np.random.default_rng(0))]
    if not fixed.all():
        parts.append(compare(frame[~fixed], **options))
    return pd.concat(parts, ignore_index=True)
