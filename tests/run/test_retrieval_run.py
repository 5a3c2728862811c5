"""Retrieval through the commands: variants are run, kept and compared like tasks, and what must stand beside does."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Lab

from magbench.metrics import METRICS
from magbench.results.frame import StoredCell, read_cells
from magbench.results.keep import keep
from magbench.results.kept import kept_cells
from magbench.tables.listing import listing_of

TASK = """
name = "toy"
version = 1
title = "Toy pairs"
dataset = "toy"
"""
METHODS = '''
import numpy as np
from magbench.api import Method, RetrievalAnswer, register_method


class Ridge(Method):
    def fit(self, view, *, seed):
        first, second = view.sides.values()
        x, y = first.x[view.train[0]].double().numpy(), second.x[view.train[1]].double().numpy()
        self.map = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ y)

    def mixed(self, view, name):
        return view.sides[name].x.double().numpy()

    def predict(self, view):
        (first, second) = view.sides
        found = {first: self.mixed(view, first) @ self.map, second: self.mixed(view, second)}
        return RetrievalAnswer({name: rows.astype(np.float32) for name, rows in found.items()})


@register_method("plain", families=("retrieval",))
class Plain(Ridge):
    towers = "pure"


@register_method("mixed", families=("retrieval",))
class Mixed(Ridge):
    """Adds a tenth of what the neighbours of the neighbours say of the same side, by way of the other side."""

    towers = "coupled"

    def mixed(self, view, name):
        other = next(side for side in view.sides if side != name)
        out = np.zeros((len(view.sides[other]), view.sides[name].x.size(1)))
        into, back = view.cross[other].numpy(), view.cross[name].numpy()
        np.add.at(out, into[1], view.sides[name].x.numpy()[into[0]])
        rows = view.sides[name].x.double().numpy().copy()
        np.add.at(rows, back[1], 0.1 * out[back[0]])
        return rows


@register_method("silent", families=("retrieval",))
class Silent(Ridge):
    pass
'''


@pytest.fixture(scope="module")
def runs(lab: Lab) -> Path:
    (lab.tasks / "retrieval" / "toy.toml").write_text(TASK)
    methods = lab.root / "pairs.py"
    methods.write_text(METHODS)
    out = lab.root / "pairs"
    tasks = ("-t", "ret/toy", "-t", "ret/toy[control=node_disjoint]", "-t", "ret/toy[pool=all]")
    found = lab.run(*tasks, "-m", f"{methods}:plain", "-m", f"{methods}:mixed", "--seeds", "0-1", "--out", out)
    assert found.code == 0, found.err
    return out


@pytest.fixture(scope="module")
def stored(runs: Path) -> list[StoredCell]:
    return read_cells(runs)


def test_each_variant_has_cells_and_ranks_that_give_the_scores_again(stored: list[StoredCell]) -> None:
    ids = {cell.record.task.id for cell in stored}
    assert ids == {f"retrieval/toy{end}" for end in ("", "[control=node_disjoint]", "[pool=all]")}
    assert len(stored) == 12 and len({cell.record.task.hash for cell in stored}) == 3
    for cell in stored:
        first = cell.record.scores[0]
        ranks = cell.prediction()
        halves = [METRICS["recall@1"](ranks.above[ranks.side == s], ranks.equal[ranks.side == s]) for s in (0, 1)]
        assert (first.metric, first.split) == ("recall@1", "test") and first.value == pytest.approx(sum(halves) / 2)
        assert first.n == ranks.rows == cell.record.predictions.rows
    pools = {cell.record.task.id: cell.record.scores[0].pool for cell in stored}
    assert pools["retrieval/toy"] < pools["retrieval/toy[pool=all]"]


def test_towers_and_echo_are_recorded(stored: list[StoredCell]) -> None:
    for cell in stored:
        record, coupled = cell.record, cell.record.method.name == "mixed"
        assert record.method.towers == ("coupled" if coupled else "pure")
        assert ("echo.exchanged_half" in record.telemetry) is coupled


def test_a_method_without_a_graph_is_the_same_under_node_disjoint_context(stored: list[StoredCell]) -> None:
    values = {(c.record.task.id, c.record.method.name, c.record.seed): c.record.value("recall@5") for c in stored}
    for seed in (0, 1):
        assert values["retrieval/toy", "plain", seed] == values["retrieval/toy[control=node_disjoint]", "plain", seed]


def test_kept_and_compared_over_nodes(lab: Lab, runs: Path, stored: list[StoredCell], tmp_path: Path) -> None:
    keep(stored, tmp_path)
    assert listing_of(kept_cells(tmp_path), "mrr") == listing_of(stored, "mrr")
    pair = ("compare", "plain", "mixed", "--runs", runs, "-t")
    refused = lab.call(*pair, "ret/toy[pool=all]", "--json")
    assert refused.code != 0 and "ret" in refused.err and "control=random" in refused.err  # mixed is coupled
    (found,) = lab.call(*pair, "ret/toy[control=node_disjoint]", "--json").json()["comparisons"]
    assert (found["task"], found["metric"]) == ("retrieval/toy[control=node_disjoint]@1", "recall@1")
    assert found["test"] == "sign-flip permutation over items"


def test_the_table_says_pool_and_coupled(lab: Lab, runs: Path) -> None:
    table = lab.call("results", "ls", "--runs", runs).out
    assert "mixed (coupled)" in table and "plain (coupled)" not in table and "pool" in table
    assert "[control=random]" in table and "node-disjoint context" in table
    found = lab.call("results", "ls", "--runs", runs, "--json").json()
    beside = next(table for table in found["controls"] if table["title"].startswith("retrieval/toy@1,"))
    gains = {row["method"]: row["content_gain"] for row in beside["rows"]}
    assert set(gains) >= {"plain"} and all(gain is None or -1 <= gain <= 1 for gain in gains.values())
    rows = found["results"]
    assert {row["towers"] for row in rows} == {"pure", "coupled"} and all(row["pool"] > 10 for row in rows)


def test_a_coupled_row_stands_beside_a_control_that_was_run_before(lab: Lab, runs: Path, tmp_path: Path) -> None:
    method = ("-m", f"{lab.root / 'pairs.py'}:mixed", "--seeds", "0", "--out", tmp_path)
    alone = lab.run("-t", "ret/toy", *method)
    assert "is not shown" in alone.err and "recall@1 (mean" not in alone.out
    quiet = lab.call("results", "ls", "--runs", tmp_path, "--json").json()
    assert quiet["results"] == [] and "into the same folder" in quiet["not_shown"][0]
    assert "No row may be shown alone yet" in (tmp_path / "report" / "index.html").read_text()
    assert lab.run("-t", "ret/toy[control=random]", *method).code == 0
    both = lab.run("-t", "ret/toy", *method)
    assert "is not shown" not in both.err and "random features" in both.out


def test_silent_towers_fail_with_what_to_do(lab: Lab, runs: Path, tmp_path: Path) -> None:
    found = lab.run("-t", "ret/toy", "-m", f"{lab.root / 'pairs.py'}:silent", "--seeds", "0", "--out", tmp_path)
    assert found.code != 0
    (cell,) = read_cells(tmp_path)
    assert cell.record.status == "failed" and 'set towers = "pure"' in cell.record.error.message
