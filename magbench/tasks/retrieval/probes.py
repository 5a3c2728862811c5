"""What must not change an answer of retrieval.

Which rows are pairs can be read off the other side and the messages between the sides alone, so a *pure* method's
embeddings of a side must stay to the last bit when these are noise. And the embeddings of every method must follow the
rows of a side into any other order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from magbench.data.synthetic import Draws
from magbench.graph.splits import bounded, random_keys
from magbench.tasks.base import Probe
from magbench.tasks.retrieval.view import RetrievalAnswer, RetrievalView, Side

Found = Iterator[Probe[RetrievalView, RetrievalAnswer]]
CROSS, OTHER, ORDER = 1, 2, 3
"""Streams of draws."""
RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""Sums over rows in another order differ by as much."""


def probes(view: RetrievalView, seed: int, *, pure: bool) -> Found:
    """The probes of one view."""
    if pure:
        noisy = replace(view, cross=_other_messages(view, seed))
        names = tuple(view.sides)
        yield Probe("the messages between the sides", noisy, _all_same)
        for kept, other in (names, names[::-1]):
            hidden = replace(noisy, sides={**view.sides, other: _noise(view.sides[other], seed)})
            yield Probe(f"the side {other!r}", hidden, partial(same_side, name=kept), refit=False)
    for name in view.sides:
        place = torch.from_numpy(np.argsort(random_keys(len(view.sides[name]), (seed, ORDER)), kind="stable"))
        yield Probe(
            f"the order of the rows of {name!r}",
            _turned(view, name, place),
            partial(_follow, name=name, place=place.numpy()),
            refit=False,
        )


def same_side(first: RetrievalAnswer, second: RetrievalAnswer, name: str) -> bool:
    """Whether the embeddings of one side are equal to the last bit."""
    return first.embeddings[name].tobytes() == second.embeddings[name].tobytes()


def _all_same(first: RetrievalAnswer, second: RetrievalAnswer) -> bool:
    return all(same_side(first, second, name) for name in first.embeddings)


def _follow(first: RetrievalAnswer, second: RetrievalAnswer, name: str, place: np.ndarray) -> bool:
    """Whether the rows of a side went to their new places and nothing else changed, up to rounding."""
    return all(
        np.allclose(
            second.embeddings[side][place] if side == name else second.embeddings[side], rows, RELATIVE, ABSOLUTE
        )
        for side, rows in first.embeddings.items()
    )


def _other_messages(view: RetrievalView, seed: int) -> dict[str, Tensor]:
    names = tuple(view.sides)
    found = {}
    for target, source in (names, names[::-1]):
        count = view.cross[target].size(1)
        ends = [
            bounded(random_keys(count, (seed, CROSS, end)), len(view.sides[side]))
            for end, side in enumerate((source, target))
        ]
        found[target] = torch.from_numpy(np.stack(ends))
    return found


def _noise(side: Side, seed: int) -> Side:
    noise = torch.from_numpy(Draws((seed, OTHER)).normal(*side.x.shape))
    return Side(noise, side.observed.roll(7), side.edge_index.roll(13, dims=1).flip(0))


def _turned(view: RetrievalView, name: str, place: Tensor) -> RetrievalView:
    """The view with row r of a side at ``place[r]``."""
    side, order, column = view.sides[name], place.argsort(), list(view.sides).index(name)
    moved = Side(side.x[order], side.observed[order], place[side.edge_index])
    train, val = (pairs.clone() for pairs in (view.train, view.val))
    train[column], val[column] = place[train[column]], place[val[column]]
    cross = {
        own: torch.stack([place[e[0]] if own != name else e[0], place[e[1]] if own == name else e[1]])
        for own, e in view.cross.items()
    }
    test = {**view.test, name: place[view.test[name]].sort().values}
    return replace(view, sides={**view.sides, name: moved}, train=train, val=val, test=test, cross=cross)
