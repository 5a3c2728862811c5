"""Controls beside scores: numbers worked by hand, names of tasks, what is missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from magbench.errors import RecordError
from magbench.stats.controls import PLAIN, control_table, split_control
from magbench.stats.intervals import sign_flip

# Four items, two seeds: right (1) or wrong (0) on each.
RIGHT = {
    ("", "gcn"): [[1, 1, 1, 0], [1, 1, 0, 0]],  # .75, .5
    ("control=random", "gcn"): [[1, 1, 0, 0], [1, 0, 0, 0]],  # .5, .25
    ("control=no_graph", "gcn"): [[1, 0, 0, 0], [0, 0, 0, 0]],  # .25, 0
    ("control=node_disjoint", "gcn"): [[1, 1, 0, 0], [1, 0, 0, 0]],  # .5, .25
    ("", "mlp"): [[1, 0, 0, 0], [1, 0, 0, 0]],
    ("control=no_graph", "mlp"): [[1, 0, 0, 0], [1, 0, 0, 0]],
    ("control=node_disjoint", "mlp"): [[1, 0, 0, 0], [1, 0, 0, 0]],
    ("", "sgc"): [[1, 0, 0, 0], [1, 0, 0, 0]],
}


def frames(right: dict[tuple[str, str], list[list[int]]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    scores, items = [], []
    for (option, method), seeds in right.items():
        task = f"retrieval/toy[{option}]@1" if option else "retrieval/toy@1"
        for seed, values in enumerate(seeds):
            head = {"task": task, "dataset": "toy@1", "method": method, "seed": seed, "metric": "recall@1"}
            scores.append({**head, "value": float(np.mean(values))})
            items += [{**head, "item": i, "value": float(value)} for i, value in enumerate(values)]
    return pd.DataFrame(scores), pd.DataFrame(items)


def table(right: dict[tuple[str, str], list[list[int]]]) -> pd.DataFrame:
    scores, items = frames(right)
    found = control_table(scores, metric="recall@1", items=items, rng=np.random.default_rng(0))
    return found.set_index("method")


def test_by_hand() -> None:
    found = table(RIGHT)
    assert found.index.tolist() == ["gcn", "mlp", "sgc"]
    gcn = found.loc["gcn"]
    assert (gcn["task"], gcn["dataset"]) == ("retrieval/toy@1", "toy@1")
    assert [gcn[name] for name in (PLAIN, "random", "no_graph", "node_disjoint")] == [0.625, 0.375, 0.125, 0.375]
    assert gcn["plain_std"] == pytest.approx(0.25 / np.sqrt(2))  # of .75 and .5
    assert gcn["plain_seeds"] == gcn["content_seeds"] == 2
    assert gcn["fingerprint_share"] == 0.6  # .375 / .625
    assert gcn["content_gain"] == 0.25  # .375 - .125
    assert np.isnan(gcn["rewired"])


def test_the_interval_is_that_of_the_items() -> None:
    """Items' differences, averaged over seeds: (1 + 1)/2 - (1 + 0)/2 = .5, (1 + 0)/2 = .5, 0, 0."""
    wanted = sign_flip(np.array([0.5, 0.5, 0.0, 0.0]), rng=np.random.default_rng(0))
    found = table({key: seeds for key, seeds in RIGHT.items() if key[1] == "gcn"}).loc["gcn"]
    assert (found["content_low"], found["content_high"]) == (wanted.low, wanted.high)
    assert found["content_p"] == found["content_p_holm"] == wanted.p == 0.5  # 2 of 4 sign patterns reach the mean


def test_p_values_are_corrected_over_the_methods_of_a_task() -> None:
    found = table(RIGHT)
    assert found["content_p"].dropna().tolist() == [0.5, 1.0]
    assert found["content_p_holm"].dropna().tolist() == [1.0, 1.0]  # twice .5, and 1


def test_two_rankings() -> None:
    found = table(RIGHT)
    assert found["rank"].tolist() == [1, 2, 2]
    assert found.loc["mlp", "content_gain"] == 0.0
    assert found["content_rank"].tolist()[:2] == [1, 2]
    assert found.loc["sgc", ["content_gain", "content_rank", "random", "fingerprint_share"]].isna().all()


def test_a_metric_without_item_scores_where_less_is_better() -> None:
    """Median rank has no mean over items: a gain without a test, and the lowest first."""
    scores, items = frames(RIGHT)
    found = control_table(
        scores, metric="recall@1", items=items.iloc[:0], rng=np.random.default_rng(0), higher_is_better=False
    ).set_index("method")
    assert found.index.tolist() == ["mlp", "sgc", "gcn"] and found["rank"].tolist() == [1, 1, 3]
    assert found["content_rank"].dropna().to_dict() == {"mlp": 1, "gcn": 2}
    assert found.loc["gcn", "content_gain"] == 0.25 and np.isnan(found.loc["gcn", "content_p"])
    assert found["fingerprint_share"].isna().all()


def test_seeds_that_one_control_lacks_are_left_out() -> None:
    right = {**RIGHT, ("control=no_graph", "gcn"): RIGHT["control=no_graph", "gcn"][:1]}
    gcn = table(right).loc["gcn"]
    assert gcn["content_gain"] == 0.25  # seed 0 alone: .5 - .25
    assert gcn["content_seeds"] == 1
    assert "1 seeds left out" in gcn["content_note"]


def test_no_controls_at_all() -> None:
    found = table({("", "mlp"): [[1, 0]]})
    assert found.loc["mlp", PLAIN] == 0.5
    assert np.isnan(found.loc["mlp", "content_gain"])


def test_other_options_are_other_tasks() -> None:
    scores, items = frames(RIGHT)
    for part in (scores, items):
        part["task"] = part["task"].replace(
            {"retrieval/toy[control=random]@1": "retrieval/toy[pool=all,control=random]@1"}
        )
    found = control_table(scores, metric="recall@1", items=items, rng=np.random.default_rng(0))
    assert found["task"].tolist() == ["retrieval/toy@1"] * 3 and found["random"].isna().all()
    own = scores[scores["task"] == "retrieval/toy@1"].assign(task="retrieval/toy[pool=all]@1")
    both = pd.concat([scores, own], ignore_index=True)
    found = control_table(both, metric="recall@1", items=items, rng=np.random.default_rng(0))
    assert found["task"].tolist() == ["retrieval/toy@1"] * 3 + ["retrieval/toy[pool=all]@1"] * 3
    assert found["random"].notna().tolist() == [False] * 3 + [True, False, False]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("retrieval/a[control=random]@2", ("retrieval/a@2", "random")),
        ("retrieval/a[pool=1k,control=random]@2", ("retrieval/a[pool=1k]@2", "random")),
        ("retrieval/a[control=random,text=captions]@2", ("retrieval/a[text=captions]@2", "random")),
        ("retrieval/a[pool=1k,control=random,text=captions]", ("retrieval/a[pool=1k,text=captions]", "random")),
        ("retrieval/a[pool=1k]@2", ("retrieval/a[pool=1k]@2", PLAIN)),
        ("node_classification/control=x@1", ("node_classification/control=x@1", PLAIN)),
    ],
)
def test_names(task: str, expected: tuple[str, str]) -> None:
    assert split_control(task) == expected


def test_items_of_another_run_are_refused() -> None:
    scores, items = frames(RIGHT)
    items.loc[items["task"].str.contains("no_graph"), "value"] = 1.0
    with pytest.raises(RecordError, match="do not average"):
        control_table(scores, metric="recall@1", items=items, rng=np.random.default_rng(0))
