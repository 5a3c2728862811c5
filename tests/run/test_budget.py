"""Budgets and estimates: no cell starts beyond the budget, the rest is named, and a plan says what cells cost."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from lab import Lab, cells

from magbench.run.estimate import Estimates, spent_seconds
from magbench.run.request import make_request

SUITE = """
name = "small"
title = "Small"
protocol = "short@1"
seeds = [0, 2]
tasks = ["nc/toy"]
methods = ["label_propagation"]
[grid]
method = "mlp"
[grid.axes.mlp]
dropout = [0, 0.5]
"""
SLEEPER = """
import time
from magbench.api import Method, register_method

@register_method("sleeper")
class Sleeper(Method):
    def fit(self, view, *, seed):
        time.sleep(60)

    def predict(self, view): ...
"""


@pytest.fixture(scope="module", autouse=True)
def suite(lab: Lab) -> None:
    (lab.tasks / "suites" / "small.toml").write_text(SUITE)


def test_a_suite_runs_its_grid_seed_by_seed(lab: Lab, tmp_path: Path) -> None:
    with lab.environment():
        found = make_request(suite="small").plan(tmp_path)
    methods = ["label_propagation", "mlp[dropout=0]", "mlp[dropout=0.5]"]
    assert [(cell.seed, cell.method) for cell in found] == [(seed, method) for seed in (0, 2) for method in methods]


def test_seeds_of_the_command_line_replace_the_suites(lab: Lab, tmp_path: Path) -> None:
    with lab.environment():
        assert {cell.seed for cell in make_request(suite="small", seeds="1-3").plan(tmp_path)} == {1, 2, 3}


def test_seeds_the_protocol_does_not_have_are_refused(lab: Lab, tmp_path: Path) -> None:
    (lab.tasks / "suites" / "wrong.toml").write_text(SUITE.replace('"small"', '"wrong"').replace("[0, 2]", "[0, 9]"))
    message = lab.call("run", "--suite", "wrong", "--out", tmp_path, "--plan").one_message()
    assert "protocol short@1 has seeds 0, 1, 2, 3; found '9'" in message
    (lab.tasks / "suites" / "wrong.toml").unlink()


def test_a_used_up_budget_starts_nothing_and_names_what_is_left(lab: Lab, finished: Path) -> None:
    """The three finished cells of mlp took longer than the budget, so its fourth seed and gcn do not start."""
    before = set(cells(finished))
    arguments = ("-t", "nc/toy", "-m", "mlp", "-m", "gcn", "--seeds", "0-3", "--out", finished)
    outcome = lab.run(*arguments, "--budget", "1e-9", "--json")
    assert outcome.code == 0, outcome.err
    assert set(cells(finished)) == before
    left = [{"task": "node_classification/toy@1", "method": "gcn", "seeds": [0, 1, 2, 3]}]
    assert sorted(outcome.json()["not_run"], key=str) == sorted(
        [{"task": "node_classification/toy@1", "method": "mlp", "seeds": [3]}, *left], key=str
    )
    assert "The budget is used up: 5 of 8 cells were not run:" in outcome.err
    assert "node_classification/toy@1 gcn: seeds 0, 1, 2, 3" in outcome.err


def test_a_budget_stops_between_cells_and_the_rest_follows_later(lab: Lab, tmp_path: Path) -> None:
    """The budget is larger than nothing and smaller than a cell: one cell runs to its end, no second one starts."""
    arguments = ("-t", "nc/toy", "-m", "mlp", "--seeds", "0-1", "--out", tmp_path)
    assert lab.run(*arguments, "--budget", "1e-6", "--json").json()["not_run"][0]["seeds"] == [1]
    assert set(cells(tmp_path)) == {"mlp 0"}
    assert lab.run(*arguments, "--budget", "1", "--json").json()["not_run"] == []
    assert set(cells(tmp_path)) == {"mlp 0", "mlp 1"}


@pytest.mark.parametrize("budget", ["0", "-1", "nan", "inf"])
def test_budgets_that_are_none(lab: Lab, tmp_path: Path, budget: str) -> None:
    message = lab.run("-t", "nc/toy", "-m", "mlp", "--out", tmp_path, f"--budget={budget}").one_message()
    assert "--budget" in message
    assert "above 0" in message


def test_a_budget_needs_this_machine(lab: Lab, tmp_path: Path) -> None:
    arguments = ("-t", "nc/toy", "-m", "mlp", "--out", tmp_path, "--budget", "1", "--scheduler", "tcp://nowhere:1")
    assert "--scheduler" in lab.run(*arguments).one_message()


def test_the_plan_says_core_hours(lab: Lab, finished: Path) -> None:
    """Seconds of a cell times cells, by hand: three seeds known, four more of another option judged by them."""
    records = [json.loads((folder / "record.json").read_text()) for folder in cells(finished).values()]
    own = sorted(r["cost"]["fit_s"] + r["cost"]["predict_s"] for r in records if r["method"]["name"] == "mlp")
    arguments = ("-t", "nc/toy", "-m", "mlp", "--out", finished, "--plan")
    plan = lab.run(*arguments, "--overwrite", "always", "--json").json()
    assert plan["core_hours"] == pytest.approx(4 * own[1] / 3600)
    assert plan["plan"][0]["exact"] is True
    assert plan["spent_core_hours"] == 0
    there = lab.run(*arguments, "--json").json()
    assert there["spent_core_hours"] > sum(own) / 3600 * 0.9
    text = lab.run(*arguments, "--overwrite", "always", "--budget", "2").out
    assert "core-hours" in text
    assert "no cell starts once 2.00 more are used" in text


def test_cells_with_other_options_are_judged_by_those_that_ran(lab: Lab, finished: Path) -> None:
    plan = lab.run("-t", "nc/toy", "-m", "mlp[dropout=0.1]", "--out", finished, "--plan", "--json").json()
    assert plan["plan"][0]["exact"] is False
    assert (plan["roughly_estimated"], plan["without_estimate"]) == (4, 0)
    text = lab.run("-t", "nc/toy", "-m", "mlp[dropout=0.1]", "--out", finished, "--plan").out
    assert "(~: 4 cells judged by others like them)" in text


def test_nothing_is_known_of_nothing(lab: Lab, finished: Path) -> None:
    with lab.environment():
        request = make_request(tasks=["nc/toy"], methods=["mlp", "gat"], protocol="short@1")
        found = request.plan(finished)
        known, nothing = (Estimates(request.registry, folder) for folder in (finished, finished / "nowhere"))
        mlp, other = found[0], dataclasses.replace(found[0], method="never_run")
        assert known.of(mlp) is not None
        assert known.of(mlp).exact
        assert not nothing.of(mlp).exact  # the kept results have it on other tasks
        assert nothing.of(other) is None
    assert spent_seconds(found) == spent_seconds(cell for cell in found if cell.method == "mlp") > 0
    assert spent_seconds([dataclasses.replace(cell, out="nowhere") for cell in found]) == 0


def test_a_cell_that_was_stopped_counts_with_what_it_took(lab: Lab, tmp_path: Path) -> None:
    slow = lab.root / "sleeper.py"
    slow.write_text(SLEEPER)
    arguments = ("-t", "nc/toy", "-m", slow, "--seeds", "0", "--out", tmp_path)
    assert lab.run(*arguments, "--timeout", "1").code == 1
    plan = lab.run(*arguments, "--overwrite", "never", "--plan", "--json").json()
    assert plan["spent_core_hours"] * 3600 >= 1
