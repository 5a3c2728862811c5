"""Node classification: what a view holds, what a prediction must be, and how it is scored."""

from __future__ import annotations

import numpy as np
import pytest
from small import small_mag, small_task, stored

from magbench.errors import DataError, MethodError
from magbench.predictions.classes import Classes
from magbench.tasks.node_classification.view import NodeAnswer, NodeClassificationView


@pytest.fixture(scope="module")
def view() -> NodeClassificationView:
    return small_task().view(small_mag(), 0)


def perfect(view: NodeClassificationView) -> NodeAnswer:
    nodes = view.test.numpy()
    return NodeAnswer(nodes, np.eye(4, dtype=np.float32)[nodes % 4])


def test_test_labels_are_absent(view: NodeClassificationView) -> None:
    assert (view.y[view.test] == -1).all()
    assert (view.y[view.train] == view.train % 4).all()
    assert (view.y[view.val] == view.val % 4).all()
    assert (view.y_train[view.val] == -1).all()


def test_scores_of_known_predictions(view: NodeClassificationView) -> None:
    task = small_task()

    def score(answer: NodeAnswer) -> dict[str, float]:
        return {score.metric: score.value for score in task.score(stored(task, [answer], small_mag(), 0))}

    assert score(perfect(view)) == {"accuracy": 1.0, "macro_f1": 1.0}
    nodes = view.test.numpy()
    constant = NodeAnswer(nodes, np.tile(np.float32([1, 0, 0, 0]), (len(nodes), 1)))
    # 10 of 40 right; F1 of class 0 is 2·.25·1/(.25+1) = .4, of the other three 0: mean .1.
    assert score(constant) == {"accuracy": pytest.approx(0.25), "macro_f1": pytest.approx(0.1)}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda p: NodeAnswer(p.nodes, p.scores[:, :3]), r"shape \[40, 4\], found \[40, 3\]"),
        (lambda p: NodeAnswer(p.nodes, p.scores * np.nan), "160 scores are NaN"),
        (lambda p: NodeAnswer(p.nodes[1:], p.scores[1:]), "1 nodes missing"),
        (lambda p: NodeAnswer(np.r_[p.nodes, p.nodes[:1]], np.r_[p.scores, p.scores[:1]]), "found 41 rows"),
        (lambda p: NodeAnswer(p.nodes.astype(float), p.scores), "nodes must be int64"),
        (lambda p: p.scores, "returned ndarray"),
    ],
)
def test_bad_predictions_are_refused(view: NodeClassificationView, broken, message: str) -> None:
    task = small_task()
    task.check(perfect(view), view)
    with pytest.raises(MethodError, match=message):
        task.check(broken(perfect(view)), view)


def test_what_is_stored_are_classes_by_node_beside_the_true_ones(view: NodeClassificationView) -> None:
    order = np.random.default_rng(0).permutation(40)
    answer = perfect(view)
    shuffled = NodeAnswer(answer.nodes[order], answer.scores[order] * np.float32(0.5))
    kept = stored(small_task(), [shuffled], small_mag(), 0)
    assert isinstance(kept, Classes) and kept.rows == 40
    assert kept.nodes.tolist() == sorted(view.test.tolist())
    assert kept.classes.tolist() == kept.true.tolist() == [node % 4 for node in kept.nodes]
    assert kept.scores.tolist() == [[0.5 * (label == node % 4) for label in range(4)] for node in kept.nodes]


def test_unknown_label_column_is_named() -> None:
    task = small_task()
    task.spec = task.spec.model_copy(update={"label": "y_coarse"})
    with pytest.raises(DataError, match="has no 'y_coarse', only \\['y'\\]"):
        task.view(small_mag(), 0)
