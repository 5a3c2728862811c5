"""The frames statistics work on: what columns they need, and that they are dense.

A grid is *dense* when every method of a task has a value for every seed and metric of that task. Comparing over a grid
with holes compares different seeds with each other, so it is refused, naming the holes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from magbench.errors import RecordError

CELL = ["task", "dataset", "method", "seed", "metric"]
"""The columns that name one score."""

_SHOWN = 8


def check_scores(frame: pd.DataFrame, *, key: Sequence[str] = CELL) -> pd.DataFrame:
    """The frame cut to ``key`` and ``value``, sorted by ``key``.

    Raises:
        RecordError: if a column is missing, a value is not finite, or a key stands twice.
    """
    absent = [column for column in (*key, "value") if column not in frame.columns]
    if absent:
        raise RecordError(f"The results frame lacks {absent}; found {list(frame.columns)}, needed {[*key, 'value']}.")
    frame = frame[[*key, "value"]].sort_values(list(key), kind="stable", ignore_index=True)
    bad = frame[~np.isfinite(frame["value"].to_numpy(dtype=float))]
    if len(bad):
        raise RecordError(f"{len(bad)} values are NaN or infinite: {_names(bad, key)}. Score those cells again.")
    twice = frame[frame.duplicated(list(key))]
    if len(twice):
        raise RecordError(f"{len(twice)} cells stand twice: {_names(twice, key)}. Keep one record for each.")
    return frame


def missing_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The cells (``task, dataset, method, seed, metric``) a dense grid of this frame's methods and seeds would add."""
    grids = [
        group[["task", "dataset"]]
        .drop_duplicates()
        .merge(group[["method"]].drop_duplicates(), how="cross")
        .merge(group[["seed"]].drop_duplicates(), how="cross")
        .merge(group[["metric"]].drop_duplicates(), how="cross")
        for _, group in frame.groupby("task")
    ]
    if not grids:
        return pd.DataFrame(columns=CELL)
    grid = pd.concat(grids, ignore_index=True)
    merged = grid.merge(frame[CELL].drop_duplicates(), how="left", on=CELL, indicator=True)
    holes = merged.loc[merged["_merge"] == "left_only", CELL]
    return holes.sort_values(CELL, kind="stable", ignore_index=True)


def check_dense(frame: pd.DataFrame) -> pd.DataFrame:
    """The checked frame, if every method of a task has every seed and metric of that task.

    Raises:
        RecordError: naming the missing cells, or as :func:`check_scores` does.
    """
    frame = check_scores(frame)
    refuse_holes(missing_cells(frame))
    return frame


def refuse_holes(holes: pd.DataFrame) -> None:
    """Raise the RecordError that names the missing cells, if there are any."""
    if len(holes):
        raise RecordError(
            f"{len(holes)} cells are missing: {_names(holes, CELL)}. Methods can only be compared over the same seeds: "
            "run the missing cells, or leave those methods or seeds out."
        )


def _names(cells: pd.DataFrame, key: Sequence[str]) -> str:
    """The first few cells as ``task/method/seed …``, and how many more there are."""
    columns = [column for column in key if column != "dataset"]
    shown = [" ".join(f"{column}={row[column]}" for column in columns) for _, row in cells.head(_SHOWN).iterrows()]
    more = len(cells) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")
