"""Corrupted MAGs: valid, seeded, nested, exact by count, and the original as it was."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import small_mag

from magbench.corruption import KINDS, Corruption
from magbench.data.columns import ImageColumn
from magbench.data.edges import undirected_edges
from magbench.data.mag import MAG, Captions, simple_undirected
from magbench.errors import DataError, OptionError
from magbench.graph.rewiring import rewired
from magbench.variation.corrupt import corrupt
from magbench.variation.features import lost_modalities

ASKED = np.arange(3, 200, 4)
SEED = (5, 9, 2)
ON_MAGS = [kind for kind, known in KINDS.items() if known.acts_on in ("features", "graph")]
Edges = set[tuple[int, int]]


@pytest.fixture(scope="module")
def mag() -> MAG:
    return small_mag()


def changed(mag: MAG, kind: str, rate: float, seed: tuple[int, ...] = SEED) -> MAG:
    return corrupt(mag, Corruption(kind, rate), seed, asked=ASKED)


def pairs(mag: MAG) -> Edges:
    return set(map(tuple, undirected_edges(mag.edge_index.numpy(), mag.num_nodes).T.tolist()))


def graph(num_nodes: int, edges: list[tuple[int, int]]) -> MAG:
    index = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).t()
    x = {"text": torch.arange(1.0, num_nodes + 1)[:, None], "image": torch.ones(num_nodes, 2)}
    return MAG.build(name="graph", version=1, edge_index=simple_undirected(index, num_nodes), x=x)


def complete(num_nodes: int) -> MAG:
    return graph(num_nodes, [(u, v) for v in range(num_nodes) for u in range(v)])


@pytest.mark.parametrize("rate", [0.25, 1.0])
@pytest.mark.parametrize("kind", ON_MAGS)
def test_another_valid_mag_by_the_seed_alone(mag: MAG, kind: str, rate: float) -> None:
    before = mag.fingerprint()
    found = changed(mag, kind, rate)
    found.validate()
    assert mag.fingerprint() == before != found.fingerprint()
    assert changed(mag, kind, rate).fingerprint() == found.fingerprint()
    if rate < 1 or kind not in ("edge_drop", "cold_start"):  # these take all there is to take
        assert changed(mag, kind, rate, (5, 9, 3)).fingerprint() != found.fingerprint()
    assert torch.equal(found.edge_index, simple_undirected(found.edge_index, found.num_nodes))
    kept = "edge_index" if KINDS[kind].acts_on == "features" else "x_text"
    assert found[kept] is mag[kept]  # what stays is shared, not copied


@pytest.mark.parametrize("kind", ON_MAGS)
def test_rate_zero_is_the_same_data(mag: MAG, kind: str) -> None:
    assert changed(mag, kind, 0).fingerprint() == mag.fingerprint()


@settings(deadline=None, max_examples=25)
@given(
    kind=st.sampled_from(["missing", "edge_drop", "edge_add", "cold_start"]),
    rates=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 2**40),
)
def test_a_smaller_rate_is_a_part_of_a_larger_one(kind: str, rates: tuple[float, float], seed: int) -> None:
    mag = small_mag(60)
    small, large = (corrupt(mag, Corruption(kind, rate), (seed,), asked=np.arange(0, 60, 3)) for rate in sorted(rates))
    small.validate()
    if kind == "missing":
        for name in mag.modalities:
            assert bool((large.has_dict[name] <= small.has_dict[name]).all())
    elif kind == "edge_add":
        assert pairs(mag) <= pairs(small) <= pairs(large)
    else:
        assert pairs(large) <= pairs(small) <= pairs(mag)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 1.0])
def test_rates_are_exact(mag: MAG, rate: float) -> None:
    edges = len(pairs(mag))
    assert len(pairs(changed(mag, "edge_drop", rate))) == edges - round(rate * edges)
    assert len(pairs(changed(mag, "edge_add", rate)) - pairs(mag)) == round(rate * edges)
    missing = changed(mag, "missing", rate)
    both, count = mag.has_text & mag.has_image, round(rate * int((mag.has_text & mag.has_image).sum()))
    lost = [int((both & ~missing.has_dict[name]).sum()) for name in mag.modalities]
    assert sum(lost) == count and abs(lost[0] - lost[1]) <= 1


def test_cold_nodes_lose_their_edges_and_no_other_edge_goes(mag: MAG) -> None:
    """On a wheel, whose hub is not asked, a node of the rim is alone if it is cold, and only then."""
    wheel = graph(41, [(0, i) for i in range(1, 41)] + [(i, i % 40 + 1) for i in range(1, 41)])
    for rate in (0.1, 0.25, 0.5, 1.0):
        found = corrupt(wheel, Corruption("cold_start", rate), SEED, asked=np.arange(1, 41, 2))
        cold = set(range(1, 41)) - set(found.edge_index.flatten().tolist())
        assert len(cold) == round(rate * 20) and all(node % 2 for node in cold)
        assert pairs(found) == {(u, v) for u, v in pairs(wheel) if not {u, v} & cold}
    doubled = corrupt(mag, Corruption("cold_start", 0.5), SEED, asked=np.tile(ASKED[::-1], 2))
    assert torch.equal(doubled.edge_index, changed(mag, "cold_start", 0.5).edge_index)


def test_edge_swap_is_rewired(mag: MAG) -> None:
    for rate in (0.1, 0.5, 1.0):
        found = changed(mag, "edge_swap", rate).edge_index
        assert np.array_equal(found.numpy(), rewired(mag.edge_index.numpy(), 200, SEED, rate))


def test_missing_takes_one_modality_and_its_content() -> None:
    mag = small_mag().replaced(images=ImageColumn([b"picture"] * 200))
    node = torch.arange(200).repeat_interleave(2)
    mag = mag.replaced(captions=Captions(torch.ones(400, 3), node), references=[["a"]] * 200)
    found = changed(mag, "missing", 1)
    found.validate()
    both = mag.has_text & mag.has_image
    assert torch.equal(found.has_text ^ found.has_image, both | (mag.has_text ^ mag.has_image))  # never the last one
    for i in range(200):
        assert (found.texts[i] is None) == (not found.has_text[i])
        assert (found.images.bytes(i) is None) == bool(both[i] and not found.has_image[i])
    assert found.captions.node.tolist() == node[found.has_text[node]].tolist()
    assert len(found.captions.x) == len(found.captions.node)
    assert found.references == mag.references and len(mag.captions.node) == 400 and None not in mag.texts


def test_a_column_without_some_pictures() -> None:
    column = ImageColumn([b"a", b"b", b"c", None])
    some = pickle.loads(pickle.dumps(column.without([1]).without([2])))
    assert [some.bytes(i) for i in (0, 1, 2, 3, -3)] == [b"a", None, None, None, None]
    assert column.bytes(1) == b"b" and some.take([1, 0]).bytes(1) == b"a" and some[1] is None and len(some) == 4


@settings(deadline=None)
@given(data=st.data(), rate=st.floats(0, 1), count=st.integers(1, 4), seed=st.integers(0, 99))
def test_of_any_number_of_modalities_one_is_lost_and_none_is_the_last(data, rate, count, seed) -> None:
    rows = st.lists(st.booleans(), min_size=count, max_size=count)
    observed = np.array(data.draw(st.lists(rows, min_size=1, max_size=30)), dtype=bool).T
    lost = lost_modalities(observed, rate, (seed,))
    able = observed.sum(0) > 1
    assert (lost <= observed).all() and (lost.sum(0) <= able).all()
    assert lost.sum() == round(rate * able.sum())


def test_noise_has_the_size_asked_for_along_one_direction(mag: MAG) -> None:
    once, twice = (changed(mag, "feature_noise", rate) for rate in (0.5, 1.0))
    for name in mag.modalities:
        has, x = mag.has_dict[name], mag.x_dict[name]
        first, second = once.x_dict[name] - x, twice.x_dict[name] - x
        torch.testing.assert_close(second, 2 * first, rtol=1e-4, atol=1e-5)
        size = x[has].double().pow(2).mean().sqrt()
        assert float(first[has].double().std() / size) == pytest.approx(0.5, rel=0.05)
        assert abs(float(first[has].double().mean() / size)) < 0.05
        assert not bool(once.x_dict[name][~has].any()) and torch.equal(once.has_dict[name], has)
    assert abs(np.corrcoef(*(m[mag.has_image][:, :8].flatten() for m in (twice.x_image, twice.x_text)))[0, 1]) < 0.1


def test_noise_is_the_same_however_many_rows_are_drawn_at_once(mag: MAG, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = changed(mag, "feature_noise", 0.5).fingerprint()
    monkeypatch.setattr("magbench.variation.features._ROWS", 7)
    assert changed(mag, "feature_noise", 0.5).fingerprint() == whole


def test_false_edges_are_uniform_in_sparse_and_in_dense_graphs() -> None:
    """Each free pair is drawn equally often: chi-square over 400 seeds, by both ways of drawing."""
    path = graph(12, [(i, i + 1) for i in range(11)])  # 55 free pairs, tried at random
    dense = graph(12, [(u, v) for v in range(12) for u in range(v) if (u + v) % 3])  # 22 free pairs, listed
    for mag, free in ((path, 55), (dense, 22)):
        rate, found = 5 / len(pairs(mag)), []
        for seed in range(400):
            more = pairs(corrupt(mag, Corruption("edge_add", rate), (seed,)))
            assert len(more - pairs(mag)) == 5
            found += [u * 12 + v for u, v in more - pairs(mag)]
        counts = np.unique(found, return_counts=True)[1]
        expected = 400 * 5 / free
        assert len(counts) == free
        assert float(((counts - expected) ** 2 / expected).sum()) < free + 4 * np.sqrt(2 * free)


def test_every_free_pair_can_be_taken_and_no_more() -> None:
    square = graph(4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    assert pairs(corrupt(square, Corruption("edge_add", 0.5), (0,))) == pairs(complete(4))
    with pytest.raises(DataError, match=r"asks for 3 false edges beside 4 true ones, but only 2 pairs of the 4 nodes"):
        corrupt(square, Corruption("edge_add", 0.75), (0,))
    with pytest.raises(DataError, match="only 0 pairs"):
        corrupt(complete(5), Corruption("edge_add", 0.1), (0,))
    assert corrupt(complete(5), Corruption("edge_add", 0), (0,)).num_edges == 20


def test_known_edges_are_never_added() -> None:
    known = np.array([[0, 0, 0], [2, 3, 4]])
    star = graph(6, [(0, 1), (0, 5)])
    for seed in range(40):
        added = pairs(corrupt(star, Corruption("edge_add", 1), (seed,), known=known)) - pairs(star)
        assert len(added) == 2 and not added & {(0, 2), (0, 3), (0, 4)}


@pytest.mark.parametrize("kind", ON_MAGS)
@pytest.mark.parametrize("num_nodes", [1, 2, 5])
def test_no_edges_at_all(kind: str, num_nodes: int) -> None:
    found = corrupt(graph(num_nodes, []), Corruption(kind, 1), (0,), asked=np.arange(num_nodes))
    found.validate()
    assert found.num_edges == 0


@pytest.mark.parametrize("kind", ["missing", "feature_noise"])
def test_nodes_and_modalities_that_lack_everything(kind: str) -> None:
    x = {"text": torch.zeros(3, 2), "image": torch.tensor([[1.0], [0.0], [2.0]])}
    has = {"text": torch.zeros(3, dtype=torch.bool), "image": torch.tensor([True, False, True])}
    mag = MAG.build(name="bare", version=1, edge_index=torch.zeros(2, 0, dtype=torch.int64), x=x, has=has)
    found = corrupt(mag, Corruption(kind, 1), (0,))
    found.validate()
    assert torch.equal(found.x_text, mag.x_text) and torch.equal(found.has_image, mag.has_image)


def test_wrong_uses_say_so(mag: MAG) -> None:
    with pytest.raises(OptionError, match=r"label_noise=0.5 acts on the training labels"):
        corrupt(mag, Corruption("label_noise", 0.5), SEED)
    with pytest.raises(OptionError, match=r"pair_share=0.5 acts on the training pairs"):
        corrupt(mag, Corruption("pair_share", 0.5), SEED)
    with pytest.raises(OptionError, match=r"cold_start=0.5 takes the edges of asked nodes"):
        corrupt(mag, Corruption("cold_start", 0.5), SEED)
