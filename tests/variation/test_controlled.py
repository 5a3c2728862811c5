"""Controls: what each takes away, what it leaves, and that it draws what retrieval draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from small import small_mag, small_retrieval_task

from magbench.data.columns import ImageColumn
from magbench.data.edges import undirected_edges
from magbench.data.mag import MAG, Captions
from magbench.errors import UnknownNameError
from magbench.tasks.retrieval.task import CONTROL, NOISE
from magbench.variation.controls import CONTROLS, controlled
from magbench.variation.edges import strangers

SEED = (4, 1)


@pytest.fixture(scope="module")
def mag() -> MAG:
    return small_mag()


def adjacency(mag: MAG) -> csr_array:
    source, target = mag.edge_index.numpy()
    return csr_array((np.ones(len(source)), (source, target)), shape=(mag.num_nodes, mag.num_nodes))


@pytest.mark.parametrize("control", CONTROLS)
def test_another_valid_mag_by_the_seed_alone(mag: MAG, control: str) -> None:
    before = mag.fingerprint()
    found = controlled(mag, control, SEED)
    found.validate()
    assert mag.fingerprint() == before != found.fingerprint()
    assert controlled(mag, control, SEED).fingerprint() == found.fingerprint()
    assert (controlled(mag, control, (4, 2)).fingerprint() == found.fingerprint()) == (control == "no_graph")
    assert torch.equal(found.y, mag.y) and found.classes == mag.classes


def test_no_graph(mag: MAG) -> None:
    found = controlled(mag, "no_graph", SEED)
    assert found.edge_index.shape == (2, 0) and found.edge_index.dtype == torch.int64
    assert found.x_text is mag.x_text and found.texts is mag.texts


def test_shuffled_is_the_same_graph_at_other_nodes(mag: MAG) -> None:
    """Isomorphic under a permutation without fixed points: degrees, components, triangles and spectrum stay."""
    found = controlled(mag, "shuffled", SEED)
    old, new = adjacency(mag), adjacency(found)
    other = strangers(200, (*SEED, 21))
    assert sorted(other) == list(range(200)) and (other != np.arange(200)).all()
    assert (new.toarray()[np.ix_(other, other)] == old.toarray()).all()
    assert sorted(old.sum(0)) == sorted(new.sum(0))
    assert (old @ old * old).sum() == (new @ new * new).sum()
    assert connected_components(old)[0] == connected_components(new)[0]
    np.testing.assert_allclose(np.linalg.eigvalsh(old.toarray()), np.linalg.eigvalsh(new.toarray()), atol=1e-9)
    homophily = [float((mag.y[m.edge_index[0]] == mag.y[m.edge_index[1]]).double().mean()) for m in (mag, found)]
    assert homophily[0] > 0.6 and homophily[1] < 0.35  # four classes: chance is .25
    assert found.x_text is mag.x_text


@pytest.mark.parametrize("num_nodes", [1, 2, 3, 50])
def test_everybody_gets_a_stranger(num_nodes: int) -> None:
    for seed in range(5):
        other = strangers(num_nodes, (seed,))
        assert sorted(other) == list(range(num_nodes))
        assert num_nodes == 1 or (other != np.arange(num_nodes)).all()


def test_rewired_keeps_degrees_and_draws_as_retrieval_does(mag: MAG) -> None:
    found = controlled(mag, "rewired", SEED)
    assert (adjacency(found).sum(0) == adjacency(mag).sum(0)).all()
    kept = {map(tuple, undirected_edges(m.edge_index.numpy(), 200).T.tolist()) for m in (mag, found)}
    assert len(kept) == 2
    task = small_retrieval_task(control="rewired")
    (part,) = task.draw(mag, 7).passes
    ours = controlled(mag, "rewired", (task.rule.seed, CONTROL, 7))
    assert np.array_equal(part.edges[0], ours.edge_index.numpy())


def test_random_is_noise_of_the_same_size_as_retrieval_draws_it(mag: MAG) -> None:
    task = small_retrieval_task(control="random")
    found = controlled(mag, "random", (task.rule.seed, NOISE, 7))
    view = task.view(mag, 7)
    for name in mag.modalities:
        rows = (sorted(map(bytes, x.numpy())) for x in (view.sides[name].x, found.x_dict[name]))
        assert next(rows) == next(rows)
        has, x = mag.has_dict[name], mag.x_dict[name]
        assert torch.equal(found.has_dict[name], has) and not bool(found.x_dict[name][~has].any())
        sizes = [float(part[has].double().pow(2).mean().sqrt()) for part in (x, found.x_dict[name])]
        assert sizes[1] == pytest.approx(sizes[0], rel=0.05)
        assert abs(np.corrcoef(x[has].flatten(), found.x_dict[name][has].flatten())[0, 1]) < 0.1
    assert found.edge_index is mag.edge_index


def test_random_leaves_no_content_behind(mag: MAG) -> None:
    whole = mag.replaced(
        images=ImageColumn([b"picture"] * 200),
        references=[["a"]] * 200,
        captions=Captions(torch.ones(300, 4), torch.arange(300) % 200),
    )
    found = controlled(whole, "random", SEED)
    assert found.texts is None and found.images is None and found.references == whole.references
    assert found.captions.x.shape == (300, 4) and 0.9 < float(found.captions.x.std()) < 1.1
    assert whole.texts is not None and bool((whole.captions.x == 1).all())


def test_random_of_captions_is_retrievals(mag: MAG) -> None:
    generator = torch.Generator().manual_seed(0)
    node = torch.arange(300).remainder(200).sort().values
    whole = mag.replaced(captions=Captions(torch.randn(300, 12, generator=generator), node))
    task = small_retrieval_task(control="random", text="captions")
    side = task.view(whole, 7).sides["text"]
    found = controlled(whole, "random", (task.rule.seed, NOISE, 7)).captions
    assert sorted(map(bytes, side.x.numpy())) == sorted(map(bytes, found.x.numpy()))


def test_unknown_controls() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'shuffled'"):
        controlled(small_mag(20), "shuffle", SEED)


@pytest.mark.parametrize("control", CONTROLS)
def test_one_lonely_node(control: str) -> None:
    mag = MAG.build(
        name="one", version=1, edge_index=torch.zeros(2, 0, dtype=torch.int64), x={"text": torch.ones(1, 2)}
    )
    controlled(mag, control, (0,)).validate()
