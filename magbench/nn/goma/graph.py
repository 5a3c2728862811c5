"""The graph that GOMA smooths on: the nodes of both modalities stacked, and who may send to whom.

A node of the data set stands here twice, once a modality: rows 0 … n_0 - 1 are the first side, the others the second.
An edge is of one of four kinds:

* :data:`WITHIN`: from a neighbour's state of the same modality;
* :data:`ACROSS`: from a neighbour's state of the other modality, never from the node's own other half;
* :data:`OWN`: from the node's own other half. There are none, unless a study asks for these shortcuts;
* :data:`ITSELF`: a node that nobody sends to keeps its own state, so that the rows of M sum to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor

from magbench.errors import DataError
from magbench.graph.adjacency import check_nodes

WITHIN, ACROSS, OWN, ITSELF = range(4)
"""Kinds of edges."""
_KINDS = 4


@dataclass(frozen=True, eq=False)
class CoupledGraph:
    """Sparse rows of the propagation matrix M of both modalities [n_0 + n_1, n_0 + n_1], without its values.

    Entries are sorted by target, kind and source; those of one target and kind make a *segment*. Build it by
    :meth:`of_sides` or :meth:`of_nodes`.

    Attributes:
        sizes: nodes n_0 and n_1 of the two sides.
        indptr: int64 [N + 1], where the entries of each target start; N = n_0 + n_1.
        source: int32 [E], the node that sends.
        segment: int32 [E], the entry's segment.
        segment_target: int64 [S], the node that a segment sends to.
        segment_kind: int64 [S].
        columns: int64 [N + 1], where the entries of each source start in the transpose.
        target: int32 [E], the receiving node of the transpose's entries.
        order: int32 [E], the transpose's entries as positions among those of M.
    """

    sizes: tuple[int, int]
    indptr: Tensor
    source: Tensor
    segment: Tensor
    segment_target: Tensor
    segment_kind: Tensor
    columns: Tensor
    target: Tensor
    order: Tensor

    @classmethod
    def of_sides(
        cls,
        sizes: Sequence[int],
        within: Sequence[Tensor],
        across: Sequence[Tensor] | None = None,
        *,
        pairs: Tensor | None = None,
        shortcuts: bool = False,
    ) -> CoupledGraph:
        """From the edges of two sides that number their nodes each for itself. Duplicates and self-loops are dropped.

        Args:
            sizes: number of nodes of each side.
            within: for each side int64 [2, E_p], source and target on it; a direction not given is not travelled.
            across: for each side int64 [2, C_p], source on the other side, target on this one; None: uncoupled.
            pairs: int64 [2, P], rows of the first and the second side that are one node, as far as they are known:
                no edge across joins them. A row may be in several.
            shortcuts: join them nevertheless, in both directions, by edges of the kind ``OWN``.

        Raises:
            DataError: not two sides, edges of another form, a node outside its side, or shortcuts without pairs.
        """
        if len(sizes) != 2 or len(within) != 2 or (across is not None and len(across) != 2):
            raise DataError(f"A coupled graph has two sides; found {len(sizes)} sizes and {len(within)} edge lists.")
        first, second = int(sizes[0]), int(sizes[1])
        start, total = (0, first), first + second
        if total >= 2**31:
            raise DataError(f"The two sides have {total} nodes; at most {2**31 - 1} can be numbered.")
        if shortcuts and pairs is None:
            raise DataError("shortcuts=True needs pairs: the rows of both sides that are one node.")
        keys = []
        for p, edges in enumerate(within):
            source, target = _ends(f"within[{p}]", edges, sizes[p], sizes[p])
            keep = source != target
            keys.append(_keys(source[keep] + start[p], target[keep] + start[p], WITHIN, total))
        own = np.empty((2, 0), np.int64) if pairs is None else np.stack(_ends("pairs", pairs, first, second))
        halves = (own[0], own[1] + first), (own[1] + first, own[0])
        for p, edges in enumerate(across or ()):
            source, target = _ends(f"across[{p}]", edges, sizes[1 - p], sizes[p])
            keys.append(_keys(source + start[1 - p], target + start[p], ACROSS, total))
        if shortcuts:
            keys.extend(_keys(source, target, OWN, total) for source, target in halves)
        dropped = np.concatenate([_keys(source, target, ACROSS, total) for source, target in halves])
        return cls._of_keys((first, second), _without(_sorted_once(np.concatenate(keys)), dropped), total)

    @classmethod
    def of_nodes(
        cls, edge_index: Tensor, num_nodes: int, *, coupled: bool = True, shortcuts: bool = False
    ) -> CoupledGraph:
        """From one graph of nodes that have both modalities: row i of either side is node i.

        Args:
            edge_index: int64 [2, E], source and target.
            num_nodes: n.
            coupled: whether neighbours send to the other modality, too.
            shortcuts: whether a node sends to its own other half, which makes retrieval trivial: for studies.

        Raises:
            DataError: edges of another form or a node outside 0..n-1.
        """
        source, target = _ends("edge_index", edge_index, num_nodes, num_nodes)
        edges = torch.from_numpy(np.stack([source, target])[:, source != target])
        nodes = torch.arange(num_nodes)
        return cls.of_sides(
            (num_nodes, num_nodes),
            (edges, edges),
            (edges, edges) if coupled else None,
            pairs=torch.stack([nodes, nodes]),
            shortcuts=shortcuts,
        )

    @classmethod
    def _of_keys(cls, sizes: tuple[int, int], keys: np.ndarray, total: int) -> CoupledGraph:
        """``keys`` ascend; nodes without an entry get themselves."""
        row, source = np.divmod(keys, total)
        alone = np.ones(total, bool)
        alone[row // _KINDS] = False
        loops = np.flatnonzero(alone)
        if len(loops):
            row, source = np.divmod(np.sort(np.concatenate([keys, _keys(loops, loops, ITSELF, total)])), total)
        new = np.ones(len(row), bool)
        new[1:] = row[1:] != row[:-1]
        target, kind = np.divmod(row[new], _KINDS)
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row // _KINDS, minlength=total))])
        entries = csr_array((np.arange(len(row), dtype=np.int64), source, indptr), shape=(total, total)).tocsc()
        return cls(
            sizes=sizes,
            indptr=torch.from_numpy(indptr),
            source=torch.from_numpy(source.astype(np.int32)),
            segment=torch.from_numpy((np.cumsum(new) - 1).astype(np.int32)),
            segment_target=torch.from_numpy(target),
            segment_kind=torch.from_numpy(kind),
            columns=torch.from_numpy(entries.indptr.astype(np.int64)),
            target=torch.from_numpy(entries.indices.astype(np.int32)),
            order=torch.from_numpy(entries.data.astype(np.int32)),
        )

    @property
    def num_nodes(self) -> int:
        """N = n_0 + n_1."""
        return sum(self.sizes)

    @property
    def num_entries(self) -> int:
        """Entries E of M."""
        return len(self.source)

    @property
    def degree(self) -> Tensor:
        """int64 [N], neighbours on a node's own side that send to it."""
        counts = torch.bincount(self.segment, minlength=len(self.segment_kind))
        degree = torch.zeros(self.num_nodes, dtype=torch.int64, device=counts.device)
        within = self.segment_kind == WITHIN
        degree[self.segment_target[within]] = counts[within]
        return degree

    def sides(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The rows [N, ...] of the first and of the second side."""
        return rows[: self.sizes[0]], rows[self.sizes[0] :]

    def matrix(self, values: Tensor) -> csr_array:
        """M as a scipy array, for studies and tests: ``values`` float [E]."""
        parts = (part.detach().cpu().numpy() for part in (values, self.source, self.indptr))
        return csr_array(tuple(parts), shape=(self.num_nodes, self.num_nodes))

    def to(self, device: torch.device | str) -> CoupledGraph:
        """The same on another device."""
        arrays = (getattr(self, entry.name) for entry in fields(self)[1:])
        return CoupledGraph(self.sizes, *(array.to(device) for array in arrays))


def _ends(name: str, edges: Tensor, sources: int, targets: int) -> tuple[np.ndarray, np.ndarray]:
    if edges.dim() != 2 or edges.size(0) != 2 or edges.is_floating_point():
        raise DataError(f"{name}: found {edges.dtype} {list(edges.shape)}, expected int64 [2, E].")
    source, target = edges.cpu().numpy().astype(np.int64)
    check_nodes(f"{name} has the source", source, sources)
    check_nodes(f"{name} has the target", target, targets)
    return source, target


def _keys(source: np.ndarray, target: np.ndarray, kind: int, total: int) -> np.ndarray:
    """Numbers that sort entries by target, kind and source."""
    keys: np.ndarray = (target * _KINDS + kind) * total + source
    return keys


def _sorted_once(keys: np.ndarray) -> np.ndarray:
    keys = np.sort(keys)
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    return keys[new]


def _without(keys: np.ndarray, dropped: np.ndarray) -> np.ndarray:
    """``keys``, ascending and each once, without those that are in ``dropped``."""
    place = np.searchsorted(keys, dropped)
    inside = place < len(keys)
    place = place[inside]
    return np.delete(keys, place[keys[place] == dropped[inside]])
