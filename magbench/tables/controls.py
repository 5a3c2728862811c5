"""Controls: each method's score beside them, ranked twice; in retrieval recall over k and smoothing by step.

A control is a task of its own (:mod:`magbench.stats.controls`); here it is a column beside the task it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

import numpy as np

from magbench.metrics import higher_is_better
from magbench.results.controls import Standing, may_not_stand, reason
from magbench.stats.controls import CONTROLS, PLAIN, control_table, split_control
from magbench.tables.base import ALPHA, Number, Spread, Table, spread
from magbench.tables.curves import Curves, Measured, Panel, curves
from magbench.tables.frames import scores_frame
from magbench.tables.outcome import Outcome, Question, items_of

FEATURES, NOISE = "the task’s features", "random features"
"""Titles of panels."""


class Gain(Table):
    """A gain with its interval and its p value after Holm: content gain is node-disjoint less no graph, graph gain the
    score less that with shuffled nodes."""

    value: float
    low: Number
    high: Number
    p: Number
    p_holm: Number
    significant: bool
    seeds: int
    note: str


class ControlRow(Table):
    """One method.

    Attributes:
        towers: ``"pure"`` or ``"coupled"``.
        score, seeds: on the task itself.
        controls: control → score; None where it was not run.
        control_seeds: control → its number of seeds; None where it was not run.
        share: the score on random features over the score.
        parts: in the order of the table's.
    """

    method: str
    towers: str
    score: Spread
    seeds: int
    controls: dict[str, Spread | None]
    control_seeds: dict[str, int | None]
    share: Number
    gain: Gain | None
    graph_gain: Gain | None
    rank: int
    content_rank: int | None
    parts: tuple[Spread | None, ...]


class ControlTable(Table):
    """What stands beside a task's results.

    Attributes:
        pool: in retrieval the candidates of a query.
        parts: directions, and connected and isolated items.
        rows: best score first.
        recall: recall@k, with the task's features and with random ones.
        smoothing: what each step does, of the methods that measure it; panels on one scale together.
    """

    task: str
    dataset: str
    features: str
    protocol: str
    metric: str
    pool: int | None
    parts: tuple[str, ...]
    rows: tuple[ControlRow, ...]
    recall: Curves | None
    smoothing: tuple[Curves, ...]

    @property
    def best(self) -> ControlRow | None:
        """The row with the highest content gain."""
        gains = [row for row in self.rows if row.gain is not None]
        return max(gains, key=lambda row: row.gain.value if row.gain else 0.0, default=None)


def arrange(outcomes: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome], tuple[str, ...]]:
    """Outcomes that have a table of their own, controls that stand beside one, and why rows are not shown."""
    standings = [standing(outcome) for outcome in outcomes]
    withheld = may_not_stand(standings)
    shown = {found.row for found in standings if found.ok and found.control == PLAIN} - withheld
    own: list[Outcome] = []
    beside: list[Outcome] = []
    hidden = set()
    for outcome, found in zip(outcomes, standings, strict=True):
        if found.ok and found.control == PLAIN and found.row in withheld:
            hidden.add(reason(outcome.task, outcome.method))
        elif found.control != PLAIN and found.row in shown:
            beside.append(outcome)
        else:
            own.append(outcome)
    return own, beside, tuple(sorted(hidden))


def controls_of(section: Sequence[Outcome], beside: Sequence[Outcome]) -> ControlTable | None:
    """What stands beside the outcomes of one question; None for one without controls, unless it is one of retrieval.

    Args:
        section: outcomes of one task, feature set and protocol.
        beside: controls, of any task.
    """
    own = [outcome for outcome in section if outcome.ok]
    controls = [outcome for outcome in beside if outcome.ok and own and base_of(outcome) == own[0].question]
    if not own or not (controls or own[0].pool):
        return None
    metric = next(iter(own[0].scores))
    table = control_table(
        scores_frame([*own, *controls]),
        metric=metric,
        items=items_of([*own, *controls]).frame,
        rng=np.random.default_rng(0),
        confidence=1 - ALPHA,
        higher_is_better=higher_is_better(metric),
        design="drawn" if own[0].items is None else "fixed",
    )
    parts = tuple(dict.fromkeys(part for outcome in own for part in outcome.parts))
    rows = tuple(_row(found, own, parts) for found in table.to_dict("records"))
    methods = [row.method for row in rows]
    noise = noise_of(own, controls)
    return ControlTable(
        task=own[0].task,
        dataset=own[0].dataset,
        features=own[0].features,
        protocol=own[0].protocol,
        metric=metric,
        pool=own[0].pool,
        parts=parts,
        rows=rows,
        recall=curves("k", methods, [(FEATURES, own, _recall), (NOISE, noise, _recall)]),
        smoothing=_smoothing(methods, own, noise),
    )


def noise_of(section: Sequence[Outcome], beside: Sequence[Outcome]) -> list[Outcome]:
    """The finished controls with random features that belong to a section's outcomes."""
    asked = {outcome.question for outcome in section}
    return [o for o in beside if o.ok and standing(o).control == "random" and base_of(o) in asked]


def base_of(outcome: Outcome) -> Question:
    """The question that the outcome's control belongs to."""
    return replace(outcome, task=split_control(outcome.task)[0]).question


def standing(outcome: Outcome) -> Standing:
    """The row that an outcome belongs to, and what it is there."""
    task, control = split_control(outcome.task)
    row = (task, outcome.features, outcome.protocol, outcome.method)
    return Standing(row, control, outcome.towers == "coupled", outcome.ok)


def _row(found: Mapping[Any, Any], own: Sequence[Outcome], parts: Sequence[str]) -> ControlRow:
    outcomes = [outcome for outcome in own if outcome.method == found["method"]]
    return ControlRow(
        method=str(found["method"]),
        towers=outcomes[0].towers,
        score=Spread(mean=found[PLAIN], std=found[f"{PLAIN}_std"]),
        seeds=int(found[f"{PLAIN}_seeds"]),
        controls={name: _spread(found, name) for name in CONTROLS},
        control_seeds={name: _whole(found[f"{name}_seeds"]) for name in CONTROLS},
        share=found["fingerprint_share"],
        gain=_gain(found, "content"),
        graph_gain=_gain(found, "graph"),
        rank=int(found["rank"]),
        content_rank=_whole(found["content_rank"]),
        parts=tuple(spread([o.parts[part] for o in outcomes if part in o.parts]) for part in parts),
    )


def _gain(found: Mapping[Any, Any], name: str) -> Gain | None:
    if not isfinite(found[f"{name}_gain"]):
        return None
    p = found[f"{name}_p_holm"]
    return Gain(
        value=found[f"{name}_gain"],
        low=found[f"{name}_low"],
        high=found[f"{name}_high"],
        p=found[f"{name}_p"],
        p_holm=p,
        significant=bool(p <= ALPHA),
        seeds=int(found[f"{name}_seeds"]),
        note=str(found[f"{name}_note"]),
    )


def _spread(found: Mapping[Any, Any], name: str) -> Spread | None:
    return Spread(mean=found[name], std=found[f"{name}_std"]) if isfinite(found[name]) else None


def _whole(value: float) -> int | None:
    return int(value) if isfinite(value) else None


def _recall(outcome: Outcome) -> Measured:
    return outcome.recall


def _smoothing(methods: Sequence[str], own: Sequence[Outcome], noise: Sequence[Outcome]) -> tuple[Curves, ...]:
    def panel(title: str, outcomes: Sequence[Outcome], quantity: str) -> Panel:
        return title, outcomes, lambda outcome: outcome.steps.get(quantity, {})

    stepwise = [method for method in methods if any(o.steps for o in own if o.method == method)]
    together = [
        [panel(f"MRR, {FEATURES}", own, "val_mrr"), panel(f"MRR, {NOISE}", noise, "val_mrr")],
        [panel("Cosine of pairs", own, "paired"), panel("Cosine of strangers", own, "unpaired")],
        [panel("Dirichlet energy", own, "dirichlet")],
        [panel("Effective rank", own, "effective_rank")],
    ]
    return tuple(found for panels in together if (found := curves("steps", stepwise, panels)) is not None)
