"""Controls beside scores: what a method reaches without a graph, at other nodes, on noise, without common neighbours.

A control is a task of its own, named in brackets, ``retrieval/emoji[control=random]@1``; it runs the whole method. Of a
method's recall@1, ``random`` says how much the graph's structure alone gives (the *fingerprint*: features are noise),
``no_graph`` what the features alone give. Its *content gain* is ``node_disjoint`` less ``no_graph``: what the content
of neighbours adds where the two sides of a pair share none. It rests on a part of the neighbours.
``random_node_disjoint`` is its floor: what noise finds there.

In every family the *graph gain* is the score less ``shuffled``, where each node has a stranger's neighbourhood: what it
adds that the edges join these very nodes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from magbench.stats.frames import check_scores
from magbench.stats.paired import Design, holm, paired, summarise
from magbench.variants import CONTROLS as CONTROLS
from magbench.variants import split_option

PLAIN = "plain"
"""The task itself, beside its controls."""

_KEY = ["task", "dataset", "method"]
_PAIRS = {"content": ("no_graph", "node_disjoint"), "graph": ("shuffled", PLAIN)}
"""Gain → the control it is over, and the control or score that it is of."""


def split_control(task: str) -> tuple[str, str]:
    """The task that a control belongs to, and which control it is (:data:`PLAIN` for the task itself).

    >>> split_control("retrieval/emoji[control=random]@1")
    ('retrieval/emoji@1', 'random')
    >>> split_control("retrieval/emoji@1")
    ('retrieval/emoji@1', 'plain')
    """
    rest, control = split_option(task, "control")
    return rest, control or PLAIN


def control_table(
    frame: pd.DataFrame,
    *,
    metric: str,
    items: pd.DataFrame,
    rng: np.random.Generator,
    confidence: float = 0.95,
    higher_is_better: bool = True,
    design: Design = "fixed",
) -> pd.DataFrame:
    """One row a task and method that has a score: this one, those under each control, its content and its graph gain.

    Args:
        frame: results frame of tasks and of their controls.
        metric: the metric shown.
        items: item frame of the same cells; a control has the task's own items.
        rng: draws permutations and bootstrap samples.
        confidence: of the gains' intervals: a bootstrap over test items, or the corrected t over seeds.
        higher_is_better: the metric's direction.
        design: whether the tasks' version fixes the test items, or each seed draws a split.

    Returns:
        Columns ``task, dataset, method``; for the task itself and each control in it ``<name>`` (mean over seeds),
        ``<name>_std`` (ddof 1) and ``<name>_seeds``; ``fingerprint_share`` (``random`` over ``plain``,
        where more is better);
        ``content_gain`` (over the seeds that both of its controls have), ``content_low``, ``content_high``,
        ``content_p``, ``content_p_holm`` (over the task's methods), ``content_seeds``, ``content_note``; the same seven
        of ``graph_gain``; ``rank`` and
        ``content_rank``, 1 for the best of a task, ties sharing the better place. Best ``plain`` first. What was not
        run is NaN.

    Raises:
        RecordError: for a missing column, NaN, a cell that stands twice, or items that do not average to the scores.
    """
    frame = _by_control(check_scores(frame[frame["metric"] == metric]))
    frame = frame[frame.groupby(_KEY)["control"].transform(lambda controls: (controls == PLAIN).any()).astype(bool)]
    table = frame[_KEY].drop_duplicates(ignore_index=True)
    for name in (PLAIN, *CONTROLS):
        own = summarise(frame[frame["control"] == name], design=design)
        own = own.rename(columns={"mean": name, "std": f"{name}_std", "n_seeds": f"{name}_seeds"})
        table = table.merge(own[[*_KEY, name, f"{name}_std", f"{name}_seeds"]], how="left", on=_KEY)
    table["fingerprint_share"] = table["random"] / table[PLAIN].where((table[PLAIN] > 0) & higher_is_better)
    options: dict[str, Any] = {"metric": metric, "design": design, "confidence": confidence}
    for gain in _PAIRS:
        found = _gains(frame, gain, items, options | ({"rng": rng} if design == "fixed" else {}))
        table = table.merge(found, how="left", on=_KEY)
    for rank, column in (("rank", PLAIN), ("content_rank", "content_gain")):
        table[rank] = table.groupby("task")[column].rank(ascending=not higher_is_better, method="min")
    return table.sort_values(["task", PLAIN, "method"], ascending=[True, not higher_is_better, True], ignore_index=True)


def _by_control(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the tasks that controls belong to, and the control in a column of its own."""
    parts = {task: split_control(task) for task in frame["task"].unique()}
    return frame.assign(
        task=frame["task"].map({task: base for task, (base, _) in parts.items()}),
        control=frame["task"].map({task: control for task, (_, control) in parts.items()}),
    )


def _gains(frame: pd.DataFrame, gain: str, items: pd.DataFrame, options: dict[str, Any]) -> pd.DataFrame:
    """A gain of every method that has both of its scores, paired by seed, and by item where those are fixed."""
    pair = _PAIRS[gain]
    names = [f"{gain}_{part}" for part in ("gain", "low", "high", "p", "seeds", "note")]
    both = frame[frame["control"].isin(pair)]
    both = both[both.groupby(_KEY)["control"].transform("nunique") == len(pair)]
    if both.empty:
        return pd.DataFrame(columns=[*_KEY, *names, f"{gain}_p_holm"])
    keys = both[_KEY].drop_duplicates(ignore_index=True)
    numbers = {tuple(key): str(number) for number, key in enumerate(keys.itertuples(index=False, name=None))}
    fixed = options["design"] == "fixed"
    of_items = {"items": _as_methods(_by_control(items), numbers)} if fixed else {}
    base, other = pair
    found = paired(_as_methods(both, numbers), a=base, b=other, **of_items, **options, missing="drop")
    found = found[["task", "difference", "low", "high", "p", "n_seeds", "note"]].set_axis(["number", *names], axis=1)
    table = keys.assign(number=list(numbers.values())).merge(found, on="number").drop(columns="number")
    corrected = holm(table[["task"]].assign(p=table[f"{gain}_p"]), 1 - options["confidence"])
    return table.assign(**{f"{gain}_p_holm": corrected["p_holm"]})


def _as_methods(frame: pd.DataFrame, names: dict[tuple[str, ...], str]) -> pd.DataFrame:
    """Controls as the methods, and each task with a method as a task, named by its number."""
    number = [names.get(key) for key in frame[_KEY].itertuples(index=False, name=None)]
    known = np.array([name is not None for name in number], dtype=bool)
    return frame.assign(task=number, method=frame["control"]).loc[known]
