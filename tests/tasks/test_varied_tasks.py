"""Controls and corruptions as variants of every family: what a method gets, what stays, and how they are named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from small import digest, small_link_task, small_mag, small_retrieval_task, small_task, views

from magbench.errors import OptionError, UnknownNameError
from magbench.registry import Registry
from magbench.tasks.base import AnyTask
from magbench.tasks.link_prediction.task import LinkPredictionTask
from magbench.tasks.node_classification.task import NodeClassification
from magbench.tasks.retrieval.task import RetrievalTask

REGISTRY = Registry.default()
MAG = small_mag()
PLAIN = {NodeClassification: small_task, LinkPredictionTask: small_link_task, RetrievalTask: small_retrieval_task}
FAMILIES = list(PLAIN)


def varied(kind: type[Any], **variant: str) -> AnyTask:
    return kind(PLAIN[kind]().spec.model_copy(update={"variant": variant}))


def graph_of(view: Any) -> torch.Tensor:
    return view.sides["text"].edge_index if hasattr(view, "sides") else view.edge_index


def features_of(view: Any) -> torch.Tensor:
    return view.sides["text"].x if hasattr(view, "sides") else view.x["text"]


@pytest.mark.parametrize("kind", FAMILIES)
def test_no_graph_and_shuffled_nodes(kind: type[Any]) -> None:
    (plain,), (alone,), (shuffled,) = (
        views(task, MAG, 0)
        for task in (PLAIN[kind](), varied(kind, control="no_graph"), varied(kind, control="shuffled"))
    )
    assert graph_of(alone).size(1) == 0
    assert torch.equal(features_of(alone), features_of(plain)) and torch.equal(
        features_of(shuffled), features_of(plain)
    )
    assert not torch.equal(graph_of(shuffled), graph_of(plain))
    degrees = [graph_of(view)[1].bincount(minlength=200).sort().values for view in (plain, shuffled)]
    assert torch.equal(*degrees), "the same graph, at other nodes"


@pytest.mark.parametrize("kind", FAMILIES)
def test_noise_for_features(kind: type[Any]) -> None:
    (plain,), (noisy,) = (views(task, MAG, 0) for task in (PLAIN[kind](), varied(kind, control="random")))
    assert torch.equal(graph_of(plain), graph_of(noisy))
    assert abs(float(np.corrcoef(features_of(plain).flatten(), features_of(noisy).flatten())[0, 1])) < 0.06


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_corruption_at_test_alone_leaves_what_is_fitted_to(kind: type[Any]) -> None:
    task, plain = varied(kind, edge_drop="0.5", at="test"), PLAIN[kind]()
    drawn = task.draw(MAG, 0)
    ((fit, asked),) = task.fits(MAG, 0, drawn)
    ((same, again),) = plain.fits(MAG, 0, plain.draw(MAG, 0))
    assert same is again
    (whole,) = views(plain, MAG, 0)
    assert torch.equal(graph_of(fit), graph_of(whole))
    edges = graph_of(whole).size(1) // 2
    assert graph_of(asked).size(1) == 2 * (edges - round(edges * 0.5))
    (always,) = views(varied(kind, edge_drop="0.5"), MAG, 0)
    assert torch.equal(graph_of(always), graph_of(asked))


@pytest.mark.parametrize("kind", FAMILIES)
def test_what_is_drawn_has_a_digest_of_its_own(kind: type[Any]) -> None:
    tasks = [
        PLAIN[kind](),
        varied(kind, control="shuffled"),
        varied(kind, edge_drop="0.1"),
        varied(kind, edge_drop="0.2"),
    ]
    assert len({digest(task, MAG, 0) for task in tasks}) == 4
    assert len({task.spec.digest() for task in tasks}) == 4


def test_link_prediction_keeps_its_targets_and_questions() -> None:
    (plain,) = views(small_link_task(), MAG, 0)
    for variant in ({"control": "no_graph"}, {"control": "rewired"}, {"edge_add": "0.5"}):
        (view,) = views(varied(LinkPredictionTask, **variant), MAG, 0)
        assert torch.equal(view.train, plain.train) and torch.equal(view.val, plain.val)
        assert torch.equal(view.test.candidates, plain.test.candidates)
    held = {(int(u), int(v)) for u, v in torch.cat([plain.val, plain.val.flip(0)], dim=1).t()}
    assert not held & {(int(u), int(v)) for u, v in view.edge_index.t()}, "no hidden edge is added"


def test_fewer_and_wrong_labels_are_the_training_ones() -> None:
    (plain,), (few,), (wrong,) = (
        views(task, MAG, 0)
        for task in (
            small_task(),
            varied(NodeClassification, label_share="0.25"),
            varied(NodeClassification, label_noise="0.5"),
        )
    )
    assert few.y[few.train].bincount().tolist() == [8, 8, 8, 8], "a quarter of the 30 of each class"
    assert set(few.train.tolist()) <= set(plain.train.tolist())
    left = sorted(set(plain.train.tolist()) - set(few.train.tolist()))
    assert (few.y[left] == -1).all() and torch.equal(few.y[few.train], plain.y[few.train])
    assert (wrong.y[wrong.train] != plain.y[plain.train]).sum() == len(plain.train) // 2
    for view in (few, wrong):
        assert torch.equal(view.y[view.val], plain.y[plain.val])
        assert torch.equal(view.test, plain.test) and (view.y[view.test] == -1).all()


def test_names_are_canonical() -> None:
    same = [REGISTRY.task(f"nc/emoji[edge_drop={rate}]") for rate in (".5", "0.50", "5e-1")]
    assert {task.id for task in same} == {"node_classification/emoji[edge_drop=0.5]"}
    assert len({task.digest() for task in same}) == 1
    assert REGISTRY.task("nc/emoji[edge_drop=0]") == REGISTRY.task("nc/emoji")
    both = REGISTRY.task("ret/emoji[at=test,edge_swap=0.1,control=random,pool=test]")
    assert both.name == "emoji[control=random,edge_swap=0.1,at=test]"
    assert both.variant == {"control": "random", "edge_swap": "0.1", "at": "test"}


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("nc/emoji[edge_drop=2]", OptionError, r"edge_drop=2.* is not allowed.*\[0, 1\]"),
        ("nc/emoji[edge_drop=some]", OptionError, "edge_drop=some is not allowed"),
        ("nc/emoji[at=test]", OptionError, "give a corruption, too"),
        ("nc/emoji[at=test,label_noise=0.1]", OptionError, "when features or graph are corrupted"),
        ("ret/emoji[missing=0.5]", UnknownNameError, "Unknown option of task retrieval/emoji 'missing'"),
        ("nc/emoji[control=node_disjoint]", UnknownNameError, "Available: no_graph, random, rewired, shuffled"),
    ],
)
def test_variants_that_are_refused(name: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        REGISTRY.task(name)
