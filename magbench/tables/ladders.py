"""Ladders: methods over the variants of a task that make it harder step by step.

Fewer training pairs and noisier edges are variants of retrieval, each a task with a table of its own; a ladder has them
together, from the task itself on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite

from magbench.stats.controls import PLAIN, split_control
from magbench.tables.controls import FEATURES, NOISE, ControlTable
from magbench.tables.curves import Curves, curves
from magbench.tables.outcome import Outcome, Question
from magbench.variants import split_option

RUNGS = {"pair_share": (1.0, "share of the training pairs"), "edge_swap": (0.0, "share of edges swapped")}
"""Option → where the task without it stands, and what the axis is called."""


def ladders_of(controls: ControlTable, section: Sequence[Outcome], outcomes: Sequence[Outcome]) -> tuple[Curves, ...]:
    """The ladders that start at one section's task, of the methods that were run on its variants, best first.

    The primary metric over an option's values, with the task's features and with random ones on one scale.

    Args:
        controls: of the section.
        section: outcomes of one task, feature set and protocol.
        outcomes: every one that may be shown.
    """
    asked = {outcome.question for outcome in section}
    found = []
    for option, (foot, axis) in RUNGS.items():

        def score(outcome: Outcome, option: str = option, foot: float = foot) -> Mapping[float, float]:
            return {_rung(outcome, option, foot): outcome.score}

        panels, climbed = [], set()
        for title, control in ((FEATURES, PLAIN), (NOISE, "random")):
            here = [o for o in outcomes if o.ok and _stands_on(o, option, control, asked)]
            here = [o for o in here if isfinite(_rung(o, option, foot))]
            higher = {o.method for o in here if _rung(o, option, foot) != foot}
            if higher:
                panels.append((title, here, score))
                climbed |= higher
        ladder = curves(axis, [row.method for row in controls.rows if row.method in climbed], panels)
        found += [ladder] if ladder else []
    return tuple(found)


def _rung(outcome: Outcome, option: str, foot: float) -> float:
    """Where the outcome stands; NaN for a value that is no number."""
    value = split_option(outcome.task, option)[1]
    try:
        return foot if value is None else float(value)
    except ValueError:
        return float("nan")


def _stands_on(outcome: Outcome, option: str, control: str, asked: set[Question]) -> bool:
    """Whether the outcome is of an asked task, but for the option and the control."""
    task, found = split_control(split_option(outcome.task, option)[0])
    return found == control and replace(outcome, task=task).question in asked
