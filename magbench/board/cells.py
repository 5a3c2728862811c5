"""What a report is given: one :class:`ReportCell` for each finished or failed run of a method with a seed on a task.

Plain values only, so that the page can be made from any store of results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Sample:
    """One test node as a method saw it.

    Attributes:
        node: its index in the data set.
        text: its name or text, shown shortened.
        image: WebP, PNG or JPEG bytes, or None.
        true, predicted: names of the true and the predicted class.
    """

    node: int
    text: str
    image: bytes | None
    true: str
    predicted: str


@dataclass(frozen=True)
class ReportCell:
    """The outcome of one method with one seed on one task.

    Attributes:
        task, dataset, method, seed, protocol: what was run; ``method`` is the full label, options in brackets.
        status: ``"ok"``, ``"failed"``, ``"timeout"`` or ``"oom"``.
        error: what went wrong, or None.
        scores: metric name -> value on the test part; the first metric is the primary one.
        n_test: number of test items.
        history: one mapping an epoch with ``epoch`` and ``val_…``, the value that selects; may be empty.
        telemetry: what the regulariser measured, name -> value; may be empty.
        cost: ``fit_s``, ``peak_rss`` … as far as known.
        params: number of fitted parameters, or None.
        env: where it ran; nested mappings are allowed.
        sample: some of the test nodes.
        keys: identities of task, data, configuration and source, name -> value.
        items: the primary metric's score of each test item, where the task's version fixes them; else empty.
        features: the feature set of the data set.
        towers: in retrieval ``"pure"`` or ``"coupled"``; else empty.
        pool: in retrieval the candidates of a query.
        parts: the primary metric on parts of the test items, by name; may be empty.
        recall: in retrieval k -> recall@k.
        steps: quantity -> step -> value, of a method that measures its states step by step; may be empty.
        shipped: whether magbench finds all parts of the method by name.
        ranked: whether the leaderboard ranks the task and the protocol.
    """

    task: str
    dataset: str
    method: str
    seed: int
    status: str
    error: str | None
    scores: Mapping[str, float]
    n_test: int
    history: Sequence[Mapping[str, Any]]
    telemetry: Mapping[str, float]
    cost: Mapping[str, Any]
    params: int | None
    protocol: str
    env: Mapping[str, Any]
    sample: Sequence[Sample]
    keys: Mapping[str, str] = field(default_factory=dict)
    items: Sequence[float] = ()
    features: str = ""
    towers: str = ""
    pool: int | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    recall: Mapping[int, float] = field(default_factory=dict)
    steps: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    shipped: bool = True
    ranked: bool = True

    @property
    def question(self) -> tuple[str, str, str]:
        """Task, feature set and protocol: only cells that share all three are compared."""
        return self.task, self.features, self.protocol

    @property
    def ok(self) -> bool:
        """Whether the cell has scores to count."""
        return self.status == "ok"


def scores_frame(cells: Sequence[ReportCell]) -> pd.DataFrame:
    """The results frame of the cells that are ok: one row a score, as :mod:`magbench.stats` takes it."""
    rows = [
        (cell.task, cell.dataset, cell.method, cell.seed, metric, "test", float(value), cell.n_test)
        for cell in cells
        if cell.ok
        for metric, value in cell.scores.items()
    ]
    return pd.DataFrame(rows, columns=["task", "dataset", "method", "seed", "metric", "split", "value", "n"])
