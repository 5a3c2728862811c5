"""What tables are computed from: an :class:`Outcome` for each run of a method with a seed on a task, done or failed.

Plain values only, so that a table can be made from any store of results; :func:`outcome_of` makes one of a stored cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magbench.errors import OptionError
from magbench.method_string import parse_method
from magbench.registry import Registry
from magbench.results.items import Cell, Items, item_values, items_frame, recall_curve
from magbench.results.record import Record
from magbench.results.stale import is_stale
from magbench.results.telemetry import means, steps
from magbench.specs import canonical_hash

Question = tuple[str, str, str]
"""Versioned task, feature set, protocol."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one method with one seed on one task.

    Attributes:
        task, dataset, method, seed, protocol: what was run; ``method`` is the full label, options in brackets.
        status: ``"ok"``, ``"failed"``, ``"timeout"`` or ``"oom"``.
        error: what went wrong, or None.
        scores: metric → value over all test items; the first metric is the one that tables show.
        n_test: number of test items.
        history: one mapping an epoch with ``epoch`` and ``val_…``, the value that selects; may be empty.
        telemetry: what the regulariser measured, name → value; may be empty.
        cost: ``fit_s``, ``peak_rss`` … as far as known.
        params: number of fitted parameters, or None.
        env: where it ran; nested mappings are allowed.
        keys: identities of task, data, configuration and source, name → value.
        items: the first metric's score of each test item, empty for a metric that is no mean over items; None where the
            split is drawn anew for each seed.
        features: the feature set of the data set.
        towers: in retrieval ``"pure"`` or ``"coupled"``; else empty.
        pool: in retrieval the candidates of a query.
        parts: the first metric on parts of the test items, by name; may be empty.
        recall: in retrieval k → recall@k.
        steps: quantity → step → value, of a method that measures its states step by step; may be empty.
        shipped: whether magbench finds all parts of the method by name.
        ranked: whether the leaderboard ranks the task and the protocol.
        dataset_version: of the data set; None if it is not known.
        stale: whether a shipped component of the method has another revision today.
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
    keys: Mapping[str, str] = field(default_factory=dict)
    items: Sequence[float] | None = None
    features: str = ""
    towers: str = ""
    pool: int | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    recall: Mapping[int, float] = field(default_factory=dict)
    steps: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    shipped: bool = True
    ranked: bool = True
    dataset_version: int | None = None
    stale: bool = False

    @property
    def question(self) -> Question:
        """Task, feature set and protocol: only outcomes that share all three are compared."""
        return self.task, self.features, self.protocol

    @property
    def ok(self) -> bool:
        """Whether there are scores to count."""
        return self.status == "ok"

    @property
    def score(self) -> float:
        """The value of the first metric."""
        return float(next(iter(self.scores.values())))


def outcome_of(cell: Cell, registry: Registry, metric: str | None = None, *, curves: bool = False) -> Outcome:
    """The outcome of a stored or kept cell.

    Args:
        cell: the cell; its prediction is read for the scores of its test items.
        registry: knows tasks, protocols and methods.
        metric: the one that tables show; default: the primary one.
        curves: whether learning curves and recall@k are wanted too.

    Raises:
        RecordError: a file of the cell is damaged.
    """
    record = cell.record
    name = f"{record.task.id}@{record.task.version}"
    specs = registry.find_task(name), registry.protocols.get(record.protocol.partition("@")[0])
    shown = metric or (record.scores[0].metric if record.scores else "")
    scores = {score.metric: score.value for score in record.overall}
    return Outcome(
        task=name,
        dataset=record.dataset.id,
        method=record.method.name,
        seed=record.seed,
        status=record.status,
        error=f"{record.error.type}: {record.error.message}" if record.error else "",
        scores={shown: scores[shown], **scores} if shown in scores else scores,
        n_test=record.scores[0].n if record.scores else 0,
        history=cell.history() if curves else (),
        telemetry=means(record.telemetry, record.method.name),
        keys={
            "key": record.key,
            "data": canonical_hash(record.dataset.sha256 or {}),
            "source": record.method.source.sha256,
        },
        cost=record.cost.model_dump(),
        params=record.method.params,
        protocol=record.protocol,
        env=record.env,
        items=item_values(cell, shown),
        features=record.dataset.features,
        towers=record.method.towers or "",
        pool=record.scores[0].pool if record.scores else None,
        parts=_parts(record, shown),
        recall=recall_curve(cell) if curves and record.method.towers and record.status == "ok" else {},
        steps=steps(record.telemetry),
        shipped=_shipped(record.method.name, registry),
        ranked=all(spec is None or spec.ranked for spec in specs),
        dataset_version=record.dataset.version,
        stale=is_stale(record, registry),
    )


def by_question(outcomes: Iterable[Outcome]) -> list[list[Outcome]]:
    """The outcomes of each task, feature set and protocol, sorted by method and seed; questions in their order."""
    groups: dict[Question, list[Outcome]] = {}
    for outcome in sorted(outcomes, key=lambda outcome: (outcome.question, outcome.method, outcome.seed)):
        groups.setdefault(outcome.question, []).append(outcome)
    return list(groups.values())


def items_of(outcomes: Iterable[Outcome]) -> Items:
    """The item frame of the first metric of outcomes that are ok."""
    return items_frame(
        ((o.task, o.dataset, o.method, o.seed, next(iter(o.scores))), o.items) for o in outcomes if o.ok and o.scores
    )


def _shipped(method: str, registry: Registry) -> bool:
    try:
        return all(part.name in registry.methods for part in parse_method(method).components)
    except OptionError:
        return False


def _parts(record: Record, metric: str) -> dict[str, float]:
    """A metric on parts of the test items."""
    return {
        score.split.partition("/")[2]: score.value
        for score in record.scores
        if score.metric == metric and "/" in score.split
    }
