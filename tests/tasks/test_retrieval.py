"""Retrieval: what is divided, how the sides are laid out, and how answers are checked, counted and scored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import small_mag, small_retrieval_task, stored

from magbench.data.mag import MAG
from magbench.errors import DataError, MethodError
from magbench.metrics.ranking import reciprocal_ranks
from magbench.predictions.ranks import Ranks
from magbench.tasks.retrieval.view import RetrievalAnswer, RetrievalView

MAG_ = small_mag()
TASK = small_retrieval_task()


def labelled_mag(num_nodes: int = 200) -> MAG:
    """Features that name the node, so that rows can be traced back: the same on both sides."""
    mag = small_mag(num_nodes)
    mag.x_text = torch.eye(num_nodes)
    mag.x_image = torch.eye(num_nodes) * mag.has_image[:, None]
    return mag


def nodes_of(view: RetrievalView) -> dict[str, np.ndarray]:
    """The node of each row of a view of :func:`labelled_mag` (-1 where nothing is observed)."""
    return {name: torch.where(side.observed, side.x.argmax(dim=1), -1).numpy() for name, side in view.sides.items()}


def perfect(view: RetrievalView) -> RetrievalAnswer:
    return RetrievalAnswer({name: side.x.numpy() for name, side in view.sides.items()})


def test_the_split_divides_the_nodes_that_have_both_modalities() -> None:
    ask = TASK.ask(MAG_)
    both = np.flatnonzero((MAG_.has_text & MAG_.has_image).numpy())
    parts = [ask.split.train, ask.split.val, ask.split.test]
    assert np.array_equal(np.sort(np.concatenate(parts)), both)
    assert [len(part) for part in parts[1:]] == [round(0.2 * len(both))] * 2
    assert np.array_equal(ask.pool, ask.split.test) and np.array_equal(ask.asked, ask.split.test)
    assert np.array_equal(small_retrieval_task(pool="all").ask(MAG_).pool, both)


def test_seeds_change_the_rows_alone() -> None:
    first, second = TASK.view(MAG_, 0), TASK.view(MAG_, 1)
    assert TASK.design == "fixed" and not torch.equal(first.sides["text"].x, second.sides["text"].x)
    mag = labelled_mag()
    for view in (TASK.view(mag, 0), TASK.view(mag, 1)):
        rows = nodes_of(view)
        assert np.array_equal(np.sort(rows["text"][view.test["text"]]), TASK.ask(mag).split.test)


def test_pairs_and_edges_are_those_of_the_nodes() -> None:
    mag = labelled_mag()
    view, ask = TASK.view(mag, 3), TASK.ask(mag)
    rows = nodes_of(view)
    assert not np.array_equal(rows["text"], rows["image"])
    for pairs, part in ((view.train, ask.split.train), (view.val, ask.split.val)):
        nodes = [rows[name][pairs[side]] for side, name in enumerate(("text", "image"))]
        assert np.array_equal(nodes[0], nodes[1]) and np.array_equal(np.sort(nodes[0]), part)
    everywhere = rows["text"]
    known = rows["image"] >= 0
    edges = {tuple(edge) for edge in mag.edge_index.t().tolist()}
    assert {tuple(edge) for edge in everywhere[view.sides["text"].edge_index].T.tolist()} == edges
    into_text = view.cross["text"][:, known[view.cross["text"][0]]]
    found = np.stack([rows["image"][into_text[0]], everywhere[into_text[1]]])
    seen = {edge for edge in edges if bool(mag.has_image[edge[0]])}
    assert {tuple(edge) for edge in found.T.tolist()} == seen
    assert (found[0] != found[1]).all()


def test_the_order_of_rows_edges_and_queries_says_nothing() -> None:
    """Everything that lists rows is sorted by them, and the rows of the two sides are shuffled apart."""
    view = TASK.view(MAG_, 0)
    for name, side in view.sides.items():
        keys = side.edge_index[0] * len(side) + side.edge_index[1]
        assert torch.equal(keys, keys.sort().values)
        assert torch.equal(view.test[name], view.test[name].sort().values)
    together = np.corrcoef(view.train.numpy())[0, 1]
    assert abs(together) < 0.3


def test_a_perfect_answer_and_a_constant_one() -> None:
    mag = labelled_mag()
    view = TASK.view(mag, 0)
    ranks = stored(TASK, [perfect(view)], mag, 0)
    scores = {(s.metric, s.split): s for s in TASK.score(ranks)}
    assert {s.value for s in scores.values()} == {1.0}
    pool = len(TASK.ask(mag).pool)
    assert {s.pool for s in scores.values()} == {pool} and scores["recall@1", "test"].n == 2 * pool
    alike = RetrievalAnswer({name: np.ones((len(side), 3), dtype=np.float32) for name, side in view.sides.items()})
    scores = {(s.metric, s.split): s.value for s in TASK.score(stored(TASK, [alike], mag, 0))}
    assert scores["recall@1", "test"] == pytest.approx(1 / pool) and scores["median_rank", "test"] == (pool + 1) / 2


def test_counts_and_scores_against_plain_loops() -> None:
    """Random answers on few values, so that there are ties; ranks by a loop over sorted lists."""
    mag = labelled_mag()
    view, ask = TASK.view(mag, 0), TASK.ask(mag)
    generator = np.random.default_rng(0)
    answer = RetrievalAnswer(
        {name: generator.integers(-1, 2, (len(side), 3)).astype(np.float32) for name, side in view.sides.items()}
    )
    rows = {name: {int(node): row for row, node in enumerate(nodes)} for name, nodes in nodes_of(view).items()}
    expected: dict[str, list[float]] = {"text": [], "image": []}
    found_in: dict[str, list[list[float]]] = {"text": [], "image": []}
    for name, other in (("text", "image"), ("image", "text")):
        for node in ask.asked:
            query = answer.embeddings[name][rows[name][int(node)]]
            scores = {int(c): float(query @ answer.embeddings[other][rows[other][int(c)]]) for c in ask.pool}
            own = scores.pop(int(node))
            above, equal = sum(s > own for s in scores.values()), sum(s == own for s in scores.values())
            expected[name].append(1 + above + equal / 2)
            found_in[name].append([np.mean([above + place <= k for place in range(1, equal + 2)]) for k in (5, 10)])
    ranks = stored(TASK, [answer], mag, 0)
    found = 1 + ranks.above + ranks.equal / 2
    assert found.tolist() == expected["text"] + expected["image"]
    scores = {(s.metric, s.split): s.value for s in TASK.score(ranks)}
    first, second = np.array(expected["text"]), np.array(expected["image"])
    recalls = {name: np.array(values) for name, values in found_in.items()}
    assert scores["recall@5", "test/text->image"] == pytest.approx(recalls["text"][:, 0].mean())
    both = (recalls["text"] + recalls["image"]) / 2
    assert scores["recall@5", "test"] == pytest.approx(both[:, 0].mean())
    assert scores["mrr", "test"] == pytest.approx(((1 / first).mean() + (1 / second).mean()) / 2)
    assert scores["median_rank", "test"] == pytest.approx((np.median(first) + np.median(second)) / 2)
    degree = np.bincount(mag.edge_index[0], minlength=mag.num_nodes)[ask.asked]
    if (degree == 0).any():
        lonely = degree == 0
        assert scores["recall@10", "test/isolated"] == pytest.approx(both[lonely, 1].mean())
    items = Ranks.unpack(ranks.pack(), "kept").items(reciprocal_ranks)
    assert np.allclose(items, (1 / first + 1 / second) / 2)


def test_ranks_are_stored_and_read_again(tmp_path) -> None:  # type: ignore[no-untyped-def]
    mag = labelled_mag()
    ranks = stored(TASK, [perfect(TASK.view(mag, 0))], mag, 0)
    assert ranks.write(tmp_path) == ("predictions.npz",)
    again = Ranks.read(tmp_path)
    assert ranks.arrays().keys() == again.arrays().keys() == ranks.COLUMNS.keys()
    assert all(np.array_equal(values, again.arrays()[name]) for name, values in ranks.arrays().items())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda e: e.pop("image"), "embeddings have the sides ['text']; expected ['image', 'text']"),
        (lambda e: e.update(image=e["image"][:-1]), "float32 of shape [200, d]"),
        (lambda e: e.update(image=e["image"].astype(np.float64)), "found float64"),
        (lambda e: e.update(image=torch.from_numpy(e["image"])), "must be a numpy array, found Tensor"),
        (lambda e: e.update(image=e["image"][:, :3]), "widths {'text': 200, 'image': 3}"),
        (lambda e: e["image"].__setitem__((7, 0), np.nan), "NaN or infinity in 1 rows, the first 7"),
        (lambda e: e["text"].__setitem__((2, 1), np.inf), "'text'"),
    ],
)
def test_bad_answers_are_refused(change, expected: str) -> None:  # type: ignore[no-untyped-def]
    view = TASK.view(labelled_mag(), 0)
    embeddings = {name: values.copy() for name, values in perfect(view).embeddings.items()}
    change(embeddings)
    with pytest.raises(MethodError) as found:
        TASK.check(RetrievalAnswer(embeddings), view)
    assert expected in str(found.value)
    with pytest.raises(MethodError, match=r"returned dict, expected magbench\.api"):
        TASK.check({}, view)


def test_data_that_cannot_be_asked() -> None:
    mag = small_mag()
    mag.has_image = torch.zeros_like(mag.has_image)
    with pytest.raises(DataError, match="0 nodes of 'small' have both modalities"):
        TASK.view(mag, 0)
    with pytest.raises(DataError, match=r"a pool of 8 candidates is too small for recall@10"):
        TASK.view(small_mag(44), 0)
    with pytest.raises(DataError, match=r"at most 35 test nodes, fewer than the 1,000 of pool=1k"):
        small_retrieval_task(pool="1k").view(small_mag(), 0)
    mag = small_mag()
    for modalities in (("text",), ("text", "image", "audio")):
        mag.modalities = modalities
        with pytest.raises(DataError, match=f"has the modalities {', '.join(modalities)}; retrieval is between two"):
            TASK.view(mag, 0)


def test_the_thousand_of_the_small_pool_are_test_nodes_and_the_only_ones_asked() -> None:
    mag = small_mag(6000)
    ask = small_retrieval_task(pool="1k").ask(mag)
    assert len(ask.asked) == 1000 and np.array_equal(ask.asked, ask.pool)
    assert np.isin(ask.asked, ask.split.test).all()
