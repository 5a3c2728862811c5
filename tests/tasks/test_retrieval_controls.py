"""The controls of retrieval do what they are for: what reaches whom, what stays at chance, what keeps its degrees."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from small import small_retrieval_task, stored, views

from magbench.data.mag import MAG, simple_undirected
from magbench.tasks.retrieval.passes import control_passes
from magbench.tasks.retrieval.task import RetrievalTask
from magbench.tasks.retrieval.view import RetrievalAnswer, RetrievalView

SIDES = ("text", "image")


def block_mag(num_nodes: int, *, degree: float = 9.0, width: int | None = None, seed: int = 0) -> MAG:
    """Blocks of 20 nodes with four of five edges inside; features name the node, or are noise of a width."""
    generator = torch.Generator().manual_seed(seed)
    count = round(num_nodes * degree / 2)
    source = torch.randint(num_nodes, (count,), generator=generator)
    inside = source // 20 * 20 + torch.randint(20, (count,), generator=generator)
    anywhere = torch.randint(num_nodes, (count,), generator=generator)
    target = torch.where(torch.rand(count, generator=generator) < 0.8, inside.clamp(max=num_nodes - 1), anywhere)
    x = {
        name: torch.eye(num_nodes) if width is None else torch.randn(num_nodes, width, generator=generator)
        for name in SIDES
    }
    mag = MAG.build(
        name="blocks",
        version=1,
        edge_index=simple_undirected(torch.stack([source, target]), num_nodes),
        x=x,
        features="noise",
    )
    mag.validate()
    return mag


def nodes_of(view: RetrievalView) -> list[np.ndarray]:
    return [view.sides[name].x.argmax(dim=1).numpy() for name in SIDES]


def messages(view: RetrievalView) -> sp.csr_array:
    """0/1 [M, M] over the rows of both sides, one side after the other: a row for each target, a column a source."""
    first = len(view.sides["text"])
    start = {"text": 0, "image": first}
    total = first + len(view.sides["image"])
    parts = []
    for name, other in (SIDES, SIDES[::-1]):
        inside, across = view.sides[name].edge_index, view.cross[name]
        parts.append(torch.stack([inside[1] + start[name], inside[0] + start[name]]))
        parts.append(torch.stack([across[1] + start[name], across[0] + start[other]]))
    target, source = torch.cat(parts, dim=1).numpy()
    return sp.csr_array((np.ones(len(target)), (target, source)), shape=(total, total))


def what_reaches(view: RetrievalView) -> list[dict[int, set[int]]]:
    """For each side: asked, trained or validated node → the nodes whose rows, of either side, reach its row by walks
    of any length."""
    graph = messages(view).astype(bool)
    node = np.concatenate(nodes_of(view))
    reach = graph.copy()
    while True:
        longer = ((reach @ graph) + reach).astype(bool)
        if longer.nnz == reach.nnz:
            break
        reach = longer
    first = len(view.sides["text"])
    found = []
    for side, name in enumerate(SIDES):
        rows = torch.cat([view.test[name], view.train[side], view.val[side]]).numpy()
        table = {}
        for row in rows:
            place = row + side * first
            table[int(node[place])] = set(node[reach.indices[reach.indptr[place] : reach.indptr[place + 1]]].tolist())
        found.append(table)
    return found


def smoothed(view: RetrievalView, steps: int, coupled: bool = True) -> RetrievalAnswer:
    """Untrained smoothing by plain products: H <- .8 M H + .2 E, M the row-normalised messages of both sides."""
    e = torch.cat([torch.nn.functional.normalize(view.sides[name].x, dim=1) for name in SIDES]).double().numpy()
    first, graph = len(view.sides["text"]), messages(view)
    if not coupled:
        mask = np.zeros((2, 2), dtype=bool)
        coo = graph.tocoo()
        mask = (coo.row < first) == (coo.col < first)
        graph = sp.csr_array((coo.data[mask], (coo.row[mask], coo.col[mask])), shape=graph.shape)
    degree = graph.sum(axis=1)
    walk = sp.diags_array(1 / np.maximum(degree, 1)) @ graph + sp.diags_array((degree == 0).astype(float))
    h = e
    for _ in range(steps):
        h = 0.8 * walk @ h + 0.2 * e
    h = (h / np.linalg.norm(h, axis=1, keepdims=True)).astype(np.float32)
    return RetrievalAnswer({"text": h[:first], "image": h[first:]})


def recall(task: RetrievalTask, mag: MAG, steps: int, seed: int = 0, coupled: bool = True) -> float:
    answers = [smoothed(view, steps, coupled) for view in views(task, mag, seed)]
    return task.score(stored(task, answers, mag, seed))[0].value


def test_node_disjoint_lets_nothing_back_and_the_two_sides_share_nothing() -> None:
    mag, task = block_mag(120), small_retrieval_task(control="node_disjoint")
    (view,) = views(task, mag, 0)
    text, image = what_reaches(view)
    assert text.keys() == image.keys()
    asked = nodes_of(view)[0][view.test["text"].numpy()].tolist()
    assert sorted(asked) == task.ask(mag).split.test.tolist()
    assert np.mean([len(text[node]) + len(image[node]) for node in asked]) > 10  # there is context to be shared
    for node in text:
        assert not text[node] & image[node]
    for node in asked:
        assert all(node not in reached for side in (text, image) for reached in side.values())


def test_the_probe_of_walks_can_fail() -> None:
    mag = block_mag(120)
    text, image = what_reaches(small_retrieval_task().view(mag, 0))
    assert any(node in text[node] for node in text) and any(text[node] & image[node] for node in text)


def test_node_disjoint_gives_a_side_a_third_of_the_neighbours_and_a_third_of_trained_pairs_none() -> None:
    mag = block_mag(400)
    degree = mag.edge_index.size(1) / mag.num_nodes * 0.8  # a fifth of the nodes, those asked, never send
    for view in views(small_retrieval_task(control="node_disjoint"), mag, 0):
        for side, name in enumerate(SIDES):
            counts = np.bincount(view.sides[name].edge_index[1], minlength=len(view.sides[name]))
            means = [counts[rows].mean() for rows in (view.train[side], view.val[side], view.test[name])]
            assert means == pytest.approx([degree / 3 * 2 / 3, degree / 3, degree / 3], rel=0.2)
            assert (counts[view.train[side]] == 0).mean() > 0.3


def test_training_says_nothing_of_where_one_sides_context_of_the_asked_stands() -> None:
    """Under node-disjoint context, nodes that reach the asked on one side are trained on, if at all, by themselves."""
    mag = block_mag(400)
    view = small_retrieval_task(control="node_disjoint").view(mag, 0)
    reached, node = what_reaches(view), nodes_of(view)
    hidden = set().union(*(reached[1][one] for one in node[1][view.test["image"]].tolist()))
    trained = node[0][view.train[0]].tolist()
    assert len(hidden) > 100 and len(hidden & set(trained)) > 50
    for one in trained:
        heard = reached[0][one] | reached[1][one]
        assert not heard & hidden and not (one in hidden and heard)
    assert not hidden & set(node[0][view.train[0][view.train_edges.flatten()]].tolist())


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_random_features_are_at_chance_under_node_disjoint_context(steps: int) -> None:
    """Methods.md's fingerprint: noise finds its pair by shared neighbours, unless the two sides have none in common."""
    mag = block_mag(1000, width=64)
    found = np.mean([recall(small_retrieval_task(control="node_disjoint"), mag, steps, seed) for seed in (0, 1)])
    assert found < 0.02  # chance is 1/200; 800 queries
    if steps == 1:
        assert recall(small_retrieval_task(), mag, 1) > 0.4
        assert recall(small_retrieval_task(), mag, 1, coupled=False) < 0.02
        assert recall(small_retrieval_task(control="edge_disjoint"), mag, 1) < 0.03
        assert recall(small_retrieval_task(control="rewired"), mag, 1) > 0.4  # a full fingerprint, never a null
        assert recall(small_retrieval_task(control="permuted"), mag, 1) < 0.03


def fitted(view: RetrievalView) -> RetrievalAnswer:
    """A ridge map of smoothed texts on smoothed pictures, fitted on the trained pairs."""
    h = smoothed(view, 1).embeddings
    source, target = (h[name][rows] for name, rows in zip(SIDES, view.train, strict=True))
    weight = np.linalg.solve(source.T @ source + 0.01 * np.eye(source.shape[1]), source.T @ target)
    mapped = h["text"] @ weight
    mapped /= np.linalg.norm(mapped, axis=1, keepdims=True)
    return RetrievalAnswer({"text": mapped.astype(np.float32), "image": h["image"]})


def test_random_features_are_at_chance_under_node_disjoint_context_for_a_map_trained_on_neighbours() -> None:
    """Such a map learns whose context goes with whose among the nodes that training has placed."""
    mag = block_mag(1000, width=512)

    def found(**split: str) -> float:
        task = small_retrieval_task(**split)
        return task.score(stored(task, [fitted(task.view(mag, 0))], mag, 0))[0].value

    assert found(control="node_disjoint") < 0.02  # chance is 1/200; 400 queries
    assert found() > 0.4
    assert found(control="edge_disjoint") > 0.04  # which is for maps that are not trained on neighbours


def test_the_random_control_is_noise_of_the_same_size() -> None:
    mag = block_mag(400, width=64)
    mag.x_text = mag.x_text * 3
    mag.has_image = torch.arange(400) >= 40
    mag.x_image = mag.x_image * mag.has_image[:, None]
    task = small_retrieval_task(control="random")
    view, other = task.view(mag, 0), task.view(mag, 1)
    for name in SIDES:
        side, known = view.sides[name], view.sides[name].observed
        assert side.x.shape == mag.x_dict[name].shape and (side.x[~known] == 0).all()
        size = float(mag.x_dict[name][mag.has_dict[name]].square().mean())
        assert float(side.x[known].square().mean()) == pytest.approx(size, rel=0.02)
        three = side.x, other.sides[name].x, mag.x_dict[name]
        drawn, again, real = (x[x.abs().sum(1) > 0][:, 0].sort().values for x in three)
        assert (drawn != again).float().mean() > 0.9 and (drawn != real).float().mean() > 0.9
    pairs = [view.sides[name].x[rows] for name, rows in zip(SIDES, view.train, strict=True)]
    assert abs(np.corrcoef(pairs[0].flatten(), pairs[1].flatten())[0, 1]) < 0.02


def test_noise_under_node_disjoint_context_joins_both_controls() -> None:
    mag = block_mag(200, width=64)
    names = ("random", "node_disjoint", "random_node_disjoint")
    noise, disjoint, both = (small_retrieval_task(control=name).view(mag, 0) for name in names)
    for name in SIDES:
        assert torch.equal(both.sides[name].x.unique(dim=0), noise.sides[name].x.unique(dim=0))
        assert torch.equal(both.sides[name].edge_index, disjoint.sides[name].edge_index)
        assert torch.equal(both.cross[name], disjoint.cross[name])


def test_permuted_scores_another_nodes_items() -> None:
    mag, task = block_mag(400), small_retrieval_task(control="permuted")
    view = task.view(mag, 0)
    answer = RetrievalAnswer({name: side.x.numpy() for name, side in view.sides.items()})
    found = task.score(stored(task, [answer], mag, 0))[0].value
    ask = task.ask(mag)
    (part,) = control_passes("permuted", mag.edge_index.numpy(), 400, ask.split.train, ask.asked, (0, 3, 0))
    assert np.array_equal(np.sort(part.partner), part.asked)
    assert found == (part.partner == part.asked).mean() < 0.1


def test_graphs_of_the_controls() -> None:
    mag = block_mag(200)
    edges = {tuple(edge) for edge in mag.edge_index.t().tolist()}

    def graphs(control: str) -> list[list[set[tuple[int, ...]]]]:
        """For each pass: the node pairs of the messages within text, within image, into text, into image."""
        found = []
        for view in views(small_retrieval_task(control=control), mag, 0):
            node = dict(zip(SIDES, nodes_of(view), strict=True))
            inside = [{tuple(e) for e in node[m][view.sides[m].edge_index].T.tolist()} for m in SIDES]
            across = [
                {(int(node[other][a]), int(node[m][b])) for a, b in view.cross[m].t().tolist()}
                for m, other in (SIDES, SIDES[::-1])
            ]
            found.append([*inside, *across])
        return found

    assert graphs("no_graph") == [[set()] * 4]
    assert graphs("permuted") == [[edges] * 4]
    assert graphs("raw_query") == [[set(), edges, set(), edges], [edges, set(), edges, set()]]
    ((text, image, into_text, into_image),) = graphs("edge_disjoint")
    assert text | image == edges and not text & image and (into_text, into_image) == (text, image)
    assert all((b, a) in part for part in (text, image) for a, b in part)
    ((first, *others),) = graphs("rewired")
    assert others == [first] * 3 and len(first) == len(edges) and len(first & edges) < 0.3 * len(edges)
    degrees = [np.bincount([a for a, _ in part], minlength=200) for part in (first, edges)]
    assert np.array_equal(*degrees)


def test_raw_query_asks_each_side_in_the_pass_where_it_is_raw() -> None:
    """In pass 0 text asks: an answer that is right there and wrong in pass 1 has one perfect direction."""
    mag, task = block_mag(200), small_retrieval_task(control="raw_query")
    answers = []
    for view, sign in zip(views(task, mag, 0), (1, -1), strict=True):
        own = {name: side.x.numpy() for name, side in view.sides.items()}
        answers.append(RetrievalAnswer({**own, "image": sign * own["image"]}))
    ranks = stored(task, answers, mag, 0)
    scores = {s.split: s.value for s in task.score(ranks) if s.metric == "recall@1"}
    assert scores["test/text->image"] == 1 and scores["test/image->text"] == 0 and scores["test"] == 0.5


def test_edges_among_trained_pairs_are_those_of_their_nodes() -> None:
    """Under node-disjoint context of those that have context; none without a graph."""
    mag = block_mag(200)
    edges = {tuple(edge) for edge in mag.edge_index.t().tolist()}
    for control, share in ((None, 1), ("node_disjoint", 2 / 3)):
        task = small_retrieval_task(control=control)
        train = set(task.ask(mag).split.train.tolist())
        for view in views(task, mag, 0):
            node = nodes_of(view)[0][view.train[0]]
            found = {tuple(edge) for edge in node[view.train_edges].T.tolist()}
            kept = {a for edge in found for a in edge}
            assert found == {(a, b) for a, b in edges if a in train & kept and b in train & kept}
            assert len(kept) == pytest.approx(share * len(train), rel=0.2)
    assert small_retrieval_task(control="no_graph").view(mag, 0).train_edges.numel() == 0


def test_edge_swap_swaps_a_share_of_the_edges_the_same_everywhere() -> None:
    mag = block_mag(400)
    edges = {tuple(edge) for edge in mag.edge_index.t().tolist()}
    task = small_retrieval_task(edge_swap="0.25")
    view, other = task.view(mag, 0), task.view(mag, 1)

    def graph(view: RetrievalView, name: str) -> set[tuple[int, ...]]:
        node = view.sides[name].x.argmax(dim=1)
        return {tuple(edge) for edge in node[view.sides[name].edge_index].t().tolist()}

    found = graph(view, "text")
    assert found == graph(view, "image") and all((b, a) in found for a, b in found)
    assert len(found & edges) / len(edges) == pytest.approx(0.75, abs=0.02)
    assert np.array_equal(*(np.bincount([a for a, _ in part], minlength=400) for part in (found, edges)))
    assert len(found ^ graph(other, "text")) > 0.3 * len(edges)


def test_fewer_training_pairs_are_a_part_of_the_others() -> None:
    mag = block_mag(400)
    splits = [small_retrieval_task(pair_share=share).ask(mag).split for share in (None, "0.5", "0.1")]
    sets = [set(split.train.tolist()) for split in splits]
    assert sets[0] > sets[1] > sets[2] and [len(part) for part in sets] == [240, 120, 24]
    assert all(np.array_equal(split.test, splits[0].test) for split in splits)
    assert small_retrieval_task(pair_share="0.1").view(mag, 0).train.shape == (2, 24)
