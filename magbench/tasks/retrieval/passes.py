"""What one fit of retrieval sees and answers, node by node, under each control (``docs/retrieval.md``).

A node has its own *place*, whose number is the node's: there its items are trained on, asked and found. A control may
give it a second place, which only passes messages on. Messages run between places, within a side or across, from the
other side into this one; how many rows a place has on a side does not matter (:mod:`~magbench.tasks.retrieval.rows`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from magbench.data.edges import undirected_edges
from magbench.graph.splits import Index, random_keys

Seeds = tuple[int, ...]
NOISY = "random_node_disjoint"
"""Control of this family whose features are noise, too."""
TOP_BIT = np.uint64(63)
NOTHING = -1
"""A colour that no node has."""


@dataclass(frozen=True, eq=False)
class Pass:
    """One fit.

    Attributes:
        node: int64 [L], the node of each place; place i is node i's own for i < N.
        edges: for each side int64 [2, E], target places on it, and source places of the messages that they get, both
            from this side and, where a method lets the sides meet, from the other one.
        asked: int64 [T], the nodes whose items are asked, ascending.
        partner: int64 [T], the node whose items count as right for each of these.
        train: int64 [P], the nodes whose pairs are trained on, ascending.
        train_edges: int64 [2, E], nodes whose pairs a regulariser may take for neighbours in training.
        sides: those that ask.
    """

    node: Index
    edges: tuple[Index, Index]
    asked: Index
    partner: Index
    train: Index
    train_edges: Index
    sides: tuple[int, ...] = (0, 1)

    def arrays(self) -> tuple[Index, ...]:
        """All that was drawn, for a digest."""
        return self.node, *(part.T for part in self.edges), self.asked, self.partner, np.array(self.sides)


def plain_pass(edge_index: Index, num_nodes: int, train: Index, asked: Index) -> Pass:
    """The task itself: the whole graph on both sides and across."""
    return Pass(np.arange(num_nodes), (edge_index, edge_index), asked, asked, train, edge_index)


def control_passes(
    control: str | None, edge_index: Index, num_nodes: int, train: Index, asked: Index, seed: Seeds
) -> list[Pass]:
    """The passes of a control (``None``: of the task itself).

    Args:
        control: a value of the family's option ``control``, or None.
        edge_index: int64 [2, E], both directions.
        num_nodes: N.
        train: the nodes that are trained on.
        asked: the test nodes.
        seed: of what the control draws.
    """
    plain = plain_pass(edge_index, num_nodes, train, asked)
    if control not in _CONTROLS:  # those of every family change the data set
        return [plain]
    return _CONTROLS[control](plain, num_nodes, seed)


def _node_disjoint(plain: Pass, num_nodes: int, seed: Seeds) -> list[Pass]:
    """Each node but the asked ones has a second place, of one of three colours, that sends to its colour alone.

    A node's own place sends nothing; what it hears on a side is of one colour: on side 0 colour 0, on side 1 colour 1
    if it is trained on and else colour 2. Trained nodes of colour 2 hear nothing. So all that reaches one item of a
    node comes from nodes of one colour, and what reaches its other item from nodes of another, over any number of steps
    and across sides; and nothing that is trained on says where in the graph the nodes of colour 2 stand. The asked
    nodes have no second place: nothing of theirs comes back to them.
    """
    colour = (random_keys(num_nodes, (*seed, 0)) % np.uint64(3)).astype(np.int64)
    hidden = colour == 2
    source, target = plain.edges[0]
    sends = np.ones(num_nodes, dtype=bool)
    sends[plain.asked] = False
    second = np.cumsum(sends) - 1 + num_nodes
    alike = sends[source] & sends[target] & (colour[source] == colour[target])
    among = np.stack([second[source[alike]], second[target[alike]]])
    edges = []
    for side, untrained in enumerate((0, 2)):
        heard = np.full(num_nodes, untrained)
        heard[plain.train] = np.where(hidden[plain.train], NOTHING, side)
        into = sends[source] & (colour[source] == heard[target])
        edges.append(np.concatenate([np.stack([second[source[into]], target[into]]), among], axis=1))
    return [
        replace(
            plain,
            node=np.concatenate([plain.node, np.flatnonzero(sends)]),
            edges=(edges[0], edges[1]),
            train_edges=plain.train_edges[:, ~(hidden[source] | hidden[target])],
        )
    ]


def _edge_disjoint(plain: Pass, num_nodes: int, seed: Seeds) -> list[Pass]:
    edges = undirected_edges(plain.edges[0], num_nodes)
    first = (random_keys(edges.shape[1], (*seed, 0)) >> TOP_BIT) == 0
    halves = [np.concatenate([edges[:, m], edges[::-1, m]], axis=1) for m in (first, ~first)]
    return [replace(plain, edges=(halves[0], halves[1]))]


def _raw_query(plain: Pass, num_nodes: int, seed: Seeds) -> list[Pass]:
    whole, none = plain.edges[0], plain.edges[0][:, :0]
    return [replace(plain, edges=both, sides=(side,)) for side, both in enumerate(((none, whole), (whole, none)))]


def _permuted(plain: Pass, num_nodes: int, seed: Seeds) -> list[Pass]:
    order = np.argsort(random_keys(len(plain.asked), (*seed, 0)), kind="stable")
    return [replace(plain, partner=plain.asked[order])]


_CONTROLS: dict[str, Callable[[Pass, int, Seeds], list[Pass]]] = {
    "node_disjoint": _node_disjoint,
    "random_node_disjoint": _node_disjoint,
    "edge_disjoint": _edge_disjoint,
    "raw_query": _raw_query,
    "permuted": _permuted,
}
