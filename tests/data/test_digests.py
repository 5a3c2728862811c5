"""Digests of the parts of a data set: of the content, each of its own part and of no other."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

import pytest
import torch

from magbench.data.columns import ImageColumn
from magbench.data.digests import PARTS, part_digests
from magbench.data.mag import MAG, Captions
from magbench.errors import UnknownNameError
from magbench.registry import Registry


def whole_mag() -> MAG:
    """Three nodes, two modalities, and everything else that a data set may bring."""
    mag = MAG.build(
        name="whole",
        version=1,
        edge_index=torch.tensor([[0, 1], [1, 0]]),
        x={"text": torch.tensor([[1.0, 2], [3, 4], [5, 6]]), "image": torch.tensor([[7.0], [0], [9]])},
        has={"text": torch.ones(3, dtype=torch.bool), "image": torch.tensor([True, False, True])},
        labels={"y": torch.tensor([0, 1, -1])},
        classes={"y": ["a", "b"]},
        texts=["é", None, ""],
        images=ImageColumn([b"first", None, b"third"]),
        features="f",
    )
    mag["captions"] = Captions(torch.tensor([[1.0], [2]]), torch.tensor([0, 2]))
    mag["references"] = [["a", "bc"], None, [""]]
    mag["official"] = {"train": torch.tensor([0]), "val": torch.tensor([1]), "test": torch.tensor([2])}
    return mag


def test_by_hand() -> None:
    """sha256 of a line for each array (its name, type and shape) and its bytes; of raw content, length and bytes."""
    mag = whole_mag()
    expected = {
        "graph": b"edge_index <i8 (2, 2)\n" + struct.pack("<4q", 0, 1, 1, 0),
        "features": b"x_text <f4 (3, 2)\n" + struct.pack("<6f", 1, 2, 3, 4, 5, 6)
        + b"has_text |u1 (3,)\n\1\1\1"
        + b"x_image <f4 (3, 1)\n" + struct.pack("<3f", 7, 0, 9)
        + b"has_image |u1 (3,)\n\1\0\1",
        "labels": b"y <i8 (3,)\n" + struct.pack("<3q", 0, 1, -1),
        "splits": b"test <i8 (1,)\n" + struct.pack("<q", 2) + b"train <i8 (1,)\n" + struct.pack("<q", 0)
        + b"val <i8 (1,)\n" + struct.pack("<q", 1),
        "captions": b"x <f4 (2, 1)\n" + struct.pack("<2f", 1, 2) + b"node <i8 (2,)\n" + struct.pack("<2q", 0, 2),
        "texts": "2\né-1\n0\n".encode(),
        "references": b"2 texts\n1\na2\nbc0 texts\n1 texts\n0\n",
        "pictures": b"5\nfirst-1\n5\nthird",
    }  # fmt: skip
    assert part_digests(mag) == {part: hashlib.sha256(content).hexdigest() for part, content in expected.items()}
    assert tuple(expected) == PARTS


def changed(name: str, change: Callable[[MAG], None]) -> object:
    return pytest.param(name, change, id=name)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        changed("graph", lambda mag: mag.edge_index.fill_(2)),
        changed("features", lambda mag: mag.x_image[0].fill_(8)),
        changed("features", lambda mag: mag.has_image[0].fill_(False)),
        changed("labels", lambda mag: mag.y[2].fill_(0)),
        changed("splits", lambda mag: mag.official["val"].fill_(2)),
        changed("captions", lambda mag: mag.captions.node.fill_(0)),
        changed("texts", lambda mag: mag.update({"texts": ["e", None, ""]})),
        changed("references", lambda mag: mag.update({"references": [["a", "bd"], None, [""]]})),
        changed("pictures", lambda mag: mag.update({"images": ImageColumn([b"first", None, b"thirds"])})),
    ],
)
def test_each_digest_moves_with_its_part_alone(part: str, change: Callable[[MAG], None]) -> None:
    before, mag = part_digests(whole_mag()), whole_mag()
    change(mag)
    after = part_digests(mag)
    assert {name for name in PARTS if before[name] != after[name]} == {part}


def test_where_a_text_ends_is_content() -> None:
    texts = ["ab", "c", None], ["a", "bc", None], ["abc", None, ""], ["abc", "", None]
    assert len({part_digests(whole_mag().replaced(texts=list(own)))["texts"] for own in texts}) == 4


def test_references_that_are_added_move_nothing_else() -> None:
    without = whole_mag()
    del without["references"]
    before, after = part_digests(without), part_digests(whole_mag())
    assert {name for name in after if before.get(name) != after[name]} == {"references"}
    registry = Registry.default()
    for family in ("node_classification", "link_prediction", "retrieval"):
        assert "references" not in registry.family(family).reads


def test_only_what_is_asked_and_there() -> None:
    mag = whole_mag()
    assert list(part_digests(mag, ("labels", "graph"))) == ["labels", "graph"]
    bare = MAG.build(name="b", version=1, edge_index=mag.edge_index, x=mag.x_dict, features="f")
    assert set(part_digests(bare)) == {"graph", "features"}
    with pytest.raises(UnknownNameError, match=r"Unknown part of a data set 'label'\. Did you mean 'labels'"):
        part_digests(mag, ("label",))


def test_how_an_array_is_stored_is_no_content() -> None:
    """Another layout in memory, and blocks of rows of any size, give the same digests."""
    mag = whole_mag()
    turned = mag.replaced(edge_index=mag.edge_index.t().contiguous().t(), x_text=mag.x_text.double().float())
    assert not turned.edge_index.is_contiguous() and part_digests(turned) == part_digests(mag)
