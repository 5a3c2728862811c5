"""Two methods compared: rows by task, and the view across data sets."""

from __future__ import annotations

import json

import pytest
from outcomes import make_cell as cell

from magbench.tables.outcome import Outcome
from magbench.tables.pair import Pair, pair_of


def on(datasets: int) -> list[Outcome]:
    return [
        cell(method, seed, task=f"nc/d{d}@1", dataset=f"d{d}@1", scores={"accuracy": level + d / 100 + seed / 1000})
        for d in range(datasets)
        for method, level in (("a", 0.5), ("b", 0.6))
        for seed in range(3)
    ]


def test_below_five_data_sets_it_says_why_there_is_no_test() -> None:
    found = pair_of(on(2), "a", "b")
    assert [(row.task, row.n_seeds) for row in found.rows] == [("nc/d0@1", 3), ("nc/d1@1", 3)]
    assert found.rows[0].difference == pytest.approx(0.1)
    assert "Data sets: 2" in found.across.reason and found.across.mean_ranks == ()
    assert found.across.matrix["d0@1"] == pytest.approx({"a": 0.501, "b": 0.601})


def test_from_five_on_ranks_are_typed_and_json() -> None:
    found = pair_of(on(5), "a", "b")
    assert found.across.reason == ""
    assert [(row.method, row.mean_rank) for row in found.across.mean_ranks] == [("b", 1.0), ("a", 2.0)]
    assert found.across.friedman[0].statistic is None and "three methods" in found.across.friedman[0].note
    assert Pair.model_validate_json(json.dumps(found.model_dump(mode="json"), allow_nan=False)) == found


def test_two_tasks_on_one_data_set_are_no_view() -> None:
    twice = [cell(m, s, task=f"nc/{t}@1", dataset="d@1") for t in "xy" for m in "ab" for s in range(2)]
    found = pair_of(twice, "a", "b")
    assert len(found.rows) == 2 and found.across.reason.startswith("No view across data sets: Data set 'd@1' has 2")
