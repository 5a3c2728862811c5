"""Link prediction through the commands: stored ranks give the scores again, and comparisons are over test items."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from lab import Lab
from scipy import stats

from magbench.errors import RecordError, UnknownNameError
from magbench.metrics import METRICS
from magbench.registry import Registry
from magbench.results.frame import StoredCell, read_cells
from magbench.results.items import Items, by_design
from magbench.results.keep import keep
from magbench.results.kept import kept_cells
from magbench.stats.paired import against_hosts, paired
from magbench.tables.frames import scores_frame
from magbench.tables.listing import listing_of
from magbench.tables.outcome import Outcome, items_of, outcome_of

TASK = """
name = "toy"
version = 1
title = "Toy links"
dataset = "toy"
[split]
rule = "edges"
negatives = 20
"""


@pytest.fixture(scope="module")
def runs(lab: Lab) -> Path:
    """Three seeds of a host, its regularised form and a heuristic, and node classification beside them."""
    (lab.tasks / "link_prediction" / "toy.toml").write_text(TASK)
    out = lab.root / "links"
    links = lab.run(
        "-t", "lp/toy", "-m", "sage", "-m", "sage+dagr[lam=20,warmup=0]", "-m", "katz", "--seeds", "0-2", "--out", out
    )
    nodes = lab.run("-t", "nc/toy", "-m", "sage", "-m", "sage+dagr[lam=20,warmup=0]", "--seeds", "0-2", "--out", out)
    assert links.code == nodes.code == 0, links.err + nodes.err
    return out


@pytest.fixture(scope="module")
def stored(runs: Path) -> list[StoredCell]:
    return read_cells(runs)


def outcomes(cells: list[StoredCell], metric: str) -> list[Outcome]:
    """The cells that have the metric, as tables see them."""
    having = [cell for cell in cells if any(score.metric == metric for score in cell.record.scores)]
    return [outcome_of(cell, Registry.default(), metric) for cell in having]


def item_scores(cells: list[StoredCell], metric: str) -> Items:
    return items_of(outcomes(cells, metric))


def test_stored_ranks_give_the_scores_again(stored: list[StoredCell]) -> None:
    links = [cell for cell in stored if cell.record.task.id.startswith("link_prediction")]
    assert len(links) == 9
    for cell in links:
        prediction = cell.prediction()
        assert {score.metric for score in cell.record.scores} == {"mrr", "hits@1", "hits@3", "hits@10"}
        for score in cell.record.scores:
            assert METRICS[score.metric](prediction.above, prediction.equal) == score.value
            assert score.n == prediction.rows == cell.record.predictions.rows


def test_only_tasks_with_a_fixed_split_have_items(stored: list[StoredCell]) -> None:
    items = item_scores(stored, "mrr")
    assert set(items.frame["task"]) == items.fixed == {"link_prediction/toy@1"}
    means = items.frame.groupby(["method", "seed"])["value"].mean()
    for cell in stored:
        if cell.record.task.id == "link_prediction/toy":
            assert means[cell.record.method.name, cell.record.seed] == pytest.approx(cell.record.value("mrr"))
    drawn = item_scores(stored, "accuracy")
    assert drawn.frame.empty and not drawn.fixed


def test_each_design_has_its_test(stored: list[StoredCell]) -> None:
    frame = scores_frame(outcome_of(cell, Registry.default()) for cell in stored)
    frame = frame[frame["metric"].isin(["mrr", "accuracy"])].replace({"metric": {"accuracy": "mrr"}})
    items = item_scores(stored, "mrr")
    found = by_design(against_hosts, frame, items, metric="mrr").set_index("task")
    assert found["test"].to_dict() == {
        "link_prediction/toy@1": "sign-flip permutation over items",
        "node_classification/toy@1": "corrected t over seeds",
    }
    table = items.frame.groupby(["method", "item"])["value"].mean().unstack("method")
    difference = (table["sage+dagr[lam=20,warmup=0]"] - table["sage"]).to_numpy()
    expected = stats.permutation_test(
        (difference,), np.mean, permutation_type="samples", n_resamples=9_999, rng=np.random.default_rng(1)
    )
    row = found.loc["link_prediction/toy@1"]
    assert row["difference"] == pytest.approx(difference.mean())
    assert row["p"] == pytest.approx(expected.pvalue, abs=0.03)
    assert row["low"] < row["difference"] < row["high"]


def test_a_method_that_one_kind_of_task_lacks_is_compared_on_the_other(stored: list[StoredCell]) -> None:
    frame = scores_frame(outcome_of(cell, Registry.default()) for cell in stored)
    frame = frame[frame["metric"].isin(["mrr", "accuracy"])].replace({"metric": {"accuracy": "mrr"}})
    frame = frame[~((frame["task"] == "link_prediction/toy@1") & (frame["method"] == "sage"))]
    pair = partial(paired, a="sage", b="sage+dagr[lam=20,warmup=0]")
    found = by_design(pair, frame, item_scores(stored, "mrr"), metric="mrr")
    assert found["task"].tolist() == ["node_classification/toy@1"]
    with pytest.raises(UnknownNameError, match="'sagee'"):
        by_design(partial(paired, a="sagee", b="sage"), frame, item_scores(stored, "mrr"), metric="mrr")


def test_kept_cells_are_compared_alike(stored: list[StoredCell], tmp_path: Path) -> None:
    links = [cell for cell in stored if cell.record.task.id == "link_prediction/toy"]
    keep(links, tmp_path)
    again = kept_cells(tmp_path)
    assert len(again) == len(links)
    assert listing_of(links, "mrr") == listing_of(again, "mrr")
    (tmp_path / "link_prediction" / "toy@1" / "katz.npz").unlink()
    with pytest.raises(RecordError, match=r"katz\.npz"):
        listing_of(kept_cells(tmp_path), "mrr")


def test_compare_and_tables(lab: Lab, runs: Path) -> None:
    pair = ("sage", "sage+dagr[lam=20,warmup=0]", "--runs", runs)
    (found,) = lab.call("compare", *pair, "-t", "lp/toy", "--json").json()["comparisons"]
    assert (found["metric"], found["test"], found["n_seeds"]) == ("mrr", "sign-flip permutation over items", 3)
    (found,) = lab.call("compare", *pair, "--metric", "accuracy", "--json").json()["comparisons"]
    assert (found["task"], found["test"]) == ("node_classification/toy@1", "corrected t over seeds")
    message = lab.call("compare", *pair).one_message()
    assert "ranked by accuracy and mrr" in message and "-t" in message
    rows = lab.call("results", "ls", "--runs", runs, "--json").json()["results"]
    assert {(row["task"], row["metric"]) for row in rows} == {
        ("link_prediction/toy@1", "mrr"),
        ("node_classification/toy@1", "accuracy"),
    }
    page = lab.call("report", "--runs", runs, "--json").json()["report"]
    text = Path(page).read_text()
    assert "sign flips over test items" in text and "corrected resampled t" in text and "Validation mrr" in text


def test_a_table_of_one_metric_leaves_other_feature_sets_out(stored: list[StoredCell]) -> None:
    def elsewhere(cell: StoredCell) -> StoredCell:
        dataset = cell.record.dataset.model_copy(update={"features": "other"})
        return StoredCell(cell.record.model_copy(update={"dataset": dataset}), cell.folder)

    other = [elsewhere(cell) if cell.record.task.id == "node_classification/toy" else cell for cell in stored]
    assert {table.task for table in listing_of(other, "mrr").results} == {"link_prediction/toy@1"}
    with pytest.raises(UnknownNameError, match="'mr'"):
        listing_of(other, "mr")


def test_a_method_of_another_family_fails_at_planning(lab: Lab, runs: Path, tmp_path: Path) -> None:
    message = lab.call("run", "-t", "lp/toy", "-m", "sage", "-m", "label_propagation", "--out", tmp_path).one_message()
    assert "'label_propagation' does node_classification, not link_prediction" in message
    assert list(tmp_path.iterdir()) == []
