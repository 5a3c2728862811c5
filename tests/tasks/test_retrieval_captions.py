"""Several captions a node: every caption asks, any of them answers, and the store keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small import small_mag, small_retrieval_task, stored, views

from magbench.data.mag import MAG, Captions
from magbench.data.store import read_store, write_store
from magbench.errors import DataError
from magbench.registry import Registry
from magbench.tasks.retrieval.view import RetrievalAnswer

TASK = small_retrieval_task(text="captions")


def captioned(num_nodes: int = 100) -> MAG:
    """Two to five captions a node, none for node 0; the features of captions and pictures name the node."""
    mag = small_mag(num_nodes)
    count = torch.arange(num_nodes) % 4 + 2
    count[0] = 0
    node = torch.repeat_interleave(torch.arange(num_nodes), count)
    mag["captions"] = Captions(torch.eye(num_nodes)[node], node)
    mag.x_image = torch.eye(num_nodes) * mag.has_image[:, None]
    mag.validate()
    return mag


def test_rows_pairs_and_edges_are_of_captions() -> None:
    mag = captioned()
    view, ask = TASK.view(mag, 0), TASK.ask(mag)
    text, image = view.sides["text"], view.sides["image"]
    assert len(text) == len(mag.captions.node) and len(image) == mag.num_nodes and 0 not in ask.pool
    node, picture = text.x.argmax(1), torch.where(image.observed, image.x.argmax(1), -1)
    count = np.bincount(mag.captions.node, minlength=mag.num_nodes)
    assert torch.equal(node[view.train[0]], picture[view.train[1]])
    assert view.train.size(1) == count[ask.split.train].sum()
    assert len(view.test["text"]) == count[ask.asked].sum() and len(view.test["image"]) == len(ask.asked)
    source, target = mag.edge_index.numpy()
    assert text.edge_index.size(1) == (count[source] * count[target]).sum()
    ends = node[text.edge_index]
    assert (ends[0] != ends[1]).all()
    known = {tuple(edge) for edge in mag.edge_index.t().tolist()}
    assert {tuple(edge) for edge in ends.t().tolist()} <= known
    assert view.cross["image"].size(1) == count[source].sum()


def test_any_caption_counts_and_each_asks() -> None:
    """A picture is right where its best caption is; worked out by a loop on random answers with ties."""
    mag = captioned()
    view, ask = TASK.view(mag, 0), TASK.ask(mag)
    generator = np.random.default_rng(0)
    answer = RetrievalAnswer(
        {name: generator.integers(-1, 2, (len(side), 4)).astype(np.float32) for name, side in view.sides.items()}
    )
    node = view.sides["text"].x.argmax(1).numpy()
    picture = torch.where(view.sides["image"].observed, view.sides["image"].x.argmax(1), -1).numpy()
    row = {int(n): r for r, n in enumerate(picture)}
    captions, pictures = answer.embeddings["text"], answer.embeddings["image"]
    candidates = [r for r in range(len(node)) if node[r] in ask.pool]
    expected = []
    for n in ask.asked:
        scores = pictures[row[int(n)]] @ captions[candidates].T
        own = node[candidates] == n
        best = scores[own].max()
        expected.append(1 + (scores[~own] > best).sum() + (scores[~own] == best).sum() / 2)
    ranks = stored(TASK, [answer], mag, 0)
    found = 1 + ranks.above + ranks.equal / 2
    assert found[ranks.side == 1].tolist() == expected
    assert np.array_equal(np.bincount(ranks.item[ranks.side == 0]), np.bincount(node)[ask.asked])
    scores = {(s.metric, s.split): s for s in TASK.score(ranks)}
    assert scores["mrr", "test/image->text"].value == pytest.approx((1 / np.array(expected)).mean())
    pools = [scores["mrr", split].pool for split in ("test/text->image", "test/image->text", "test")]
    assert pools == [len(ask.pool), len(candidates), len(candidates)]


@pytest.mark.parametrize("control", ["node_disjoint", "random", "permuted"])
def test_controls_go_with_captions(control: str) -> None:
    mag, task = captioned(), small_retrieval_task(text="captions", control=control)
    answers = [
        RetrievalAnswer({name: side.x.numpy() for name, side in view.sides.items()}) for view in views(task, mag, 0)
    ]
    found = task.score(stored(task, answers, mag, 0))[0].value
    assert found == 1 if control == "node_disjoint" else found < 0.3


def test_the_store_keeps_captions_and_the_fingerprint_has_them(tmp_path: Path) -> None:
    mag = captioned()
    write_store(mag, tmp_path / "s", licence="CC0-1.0", source="test")
    again = read_store(tmp_path / "s")
    assert torch.equal(again.captions.x, mag.captions.x) and torch.equal(again.captions.node, mag.captions.node)
    assert again.fingerprint() == mag.fingerprint() != read_store_without(mag, tmp_path).fingerprint()
    assert mag.subgraph(torch.arange(50)).captions is None


def read_store_without(mag: MAG, folder: Path) -> MAG:
    del mag["captions"]
    write_store(mag, folder / "t", licence="CC0-1.0", source="test")
    found = read_store(folder / "t")
    assert found.captions is None
    return found


@pytest.mark.parametrize(
    ("captions", "expected"),
    [
        (Captions(torch.zeros(3, 2), torch.tensor([0, 2, 1])), "ascending"),
        (Captions(torch.zeros(2, 2), torch.tensor([0, 500])), "of 0 to 99"),
        (Captions(torch.full((2, 2), torch.nan), torch.tensor([0, 1])), "NaN"),
        (Captions(torch.zeros(2, 2), torch.tensor([0])), "torch.int64 [C]"),
    ],
)
def test_captions_that_break_the_contract(captions: Captions, expected: str) -> None:
    mag = small_mag(100)
    mag["captions"] = captions
    with pytest.raises(DataError) as found:
        mag.validate()
    assert expected in str(found.value)


def test_without_captions_it_is_said() -> None:
    with pytest.raises(DataError, match=r"'noise' of data set 'small' has one text a node, that of caption 1"):
        TASK.view(small_mag(), 0)
    registry = Registry.default()
    assert registry.task("ret/flickr30k[text=captions]").variant == {"text": "captions"}
    with pytest.raises(DataError, match="data set emoji has one text a node, not several captions"):
        registry.task("ret/emoji[text=captions]")
