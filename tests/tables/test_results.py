"""The rows of a results table against the statistics they come from."""

from __future__ import annotations

import json

import numpy as np
import pytest
from outcomes import make_cell as cell
from outcomes import make_cells

from magbench.stats.intervals import sign_flip
from magbench.stats.paired import against_hosts, summarise
from magbench.tables.frames import scores_frame
from magbench.tables.outcome import Outcome
from magbench.tables.results import results_table

RATIO = 1 / 3


@pytest.fixture
def cells() -> list[Outcome]:
    return make_cells()


def test_rows_are_the_statistics_best_first(cells: list[Outcome]) -> None:
    table = results_table(cells, test_train_ratio=RATIO)
    expected = summarise(scores_frame(cell for cell in cells if cell.ok)).set_index(["method", "metric"])
    for row in table.rows:
        found = expected.loc[(row.method, "accuracy")]
        assert (row.score.mean, row.score.std, row.low, row.high) == tuple(found[["mean", "std", "low", "high"]])
        assert row.others[0] is not None
        assert row.others[0].mean == expected.loc[(row.method, "macro_f1"), "mean"]
    means = [row.score.mean for row in table.rows]
    assert means == sorted(means, reverse=True) and table.best is table.rows[0]
    assert table.seeds == (0, 1, 2, 3, 4, 5) and table.failed == 1
    assert {row.method: row.failed for row in table.rows}["sage+dagr"] == 1


def test_regularised_methods_are_compared_with_their_host(cells: list[Outcome]) -> None:
    table = results_table(cells, test_train_ratio=RATIO)
    expected = against_hosts(scores_frame(cell for cell in cells if cell.ok), metric="accuracy").set_index("b")
    rows = {row.method: row.versus for row in table.rows}
    assert rows["mlp"] is None and rows["sage"] is None and table.family == 3
    for method, versus in rows.items():
        if versus:
            assert (versus.p_holm, versus.difference) == tuple(expected.loc[method, ["p_holm", "difference"]])
    least, most = table.detectable or (0, 0)
    assert 0 < least <= most


def test_a_fixed_split_is_compared_over_its_items() -> None:
    """By the sign flips of the item scores, not by the seeds, which all have the same here."""
    rng = np.random.default_rng(1)
    items = {method: rng.random(60) for method in ("a", "a+x")}
    cells = [
        cell(method, seed, items=values.tolist(), scores={"accuracy": float(values.mean())})
        for method, values in items.items()
        for seed in range(3)
    ]
    table = results_table(cells, test_train_ratio=RATIO)
    (versus,) = [row.versus for row in table.rows if row.versus]
    expected = sign_flip(items["a+x"] - items["a"], rng=np.random.default_rng(0))
    assert table.fixed
    assert (versus.p, versus.low, versus.high) == pytest.approx((expected.p, expected.low, expected.high))


def test_a_missing_host_and_a_failed_seed_are_noted() -> None:
    cells = [cell("a", 0), cell("a", 1), cell("a", 2), cell("a+x", 0), cell("a+x", 1), cell("b+x", 0), cell("b+x", 1)]
    table = results_table(cells, test_train_ratio=RATIO)
    notes = {row.method: row.versus.note for row in table.rows if row.versus}
    assert notes == {"a+x": "1 seeds left out: only one method has them", "b+x": "no results of b"}


def test_significant_gains_and_losses_are_told_apart() -> None:
    level = {"a": 0.70, "a+up": 0.80, "a+down": 0.60, "a+same": 0.70}
    cells = [
        cell(m, s, scores={"accuracy": v + 0.01 * (s % 3) + 0.001 * ((s + len(m)) % 2)})
        for m, v in level.items()
        for s in range(10)
    ]
    table = results_table(cells, test_train_ratio=RATIO)
    assert (table.better, table.worse, len(table.compared)) == (1, 1, 3)


def test_a_metric_that_is_no_mean_over_items_has_no_test_on_a_fixed_split() -> None:
    cells = [cell(method, seed, items=[]) for method in ("a", "a+x") for seed in range(3)]
    table = results_table(cells)
    (versus,) = [row.versus for row in table.rows if row.versus]
    assert table.fixed and (versus.p, versus.low) == (None, None) and "no mean over test items" in versus.note


def test_what_is_not_there_is_none() -> None:
    """One seed has no spread and no interval; its table is JSON."""
    table = results_table([cell("a", 0, cost={}), cell("a+x", 0)])
    row = {row.method: row for row in table.rows}["a"]
    assert (row.score.std, row.low, row.high, row.fit_s, row.versus) == (None, None, None, None, None)
    again = json.dumps(table.model_dump(mode="json"), allow_nan=False)
    assert type(table).model_validate_json(again) == table
