"""The MAG: a graph whose nodes carry several modalities (text, image, …), as a PyG ``Data`` with a contract.

* ``edge_index``: int64 [2, E], every undirected edge in both directions, no self-loop, no duplicate;
* for each name m in ``modalities``: ``x_<m>`` float32 [N, d_m] and ``has_<m>`` bool [N]. A missing modality is data:
  its ``has`` is False and its row is zero, never NaN;
* label columns (``y`` and further names): int64 [N], −1 = unlabelled; their class names stand in ``classes``;
* ``texts``, ``references`` and ``images``: the raw content, one entry a node, None where a node has none.

Every PyG transform and loader works on it. :meth:`MAG.validate` raises on any breach.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from magbench.data.columns import ImageColumn
from magbench.data.edges import undirected_edges
from magbench.errors import DataError


class Counts(NamedTuple):
    """The size of a graph, always as four numbers, because papers count edges in different ways."""

    nodes: int
    directed_edges: int
    self_loops: int
    undirected_edges: int


class Captions(NamedTuple):
    """Features of several captions a node: ``x`` float32 [C, d], ``node`` int64 [C], ascending, whose each is."""

    x: Tensor
    node: Tensor


def simple_undirected(edge_index: Tensor, num_nodes: int) -> Tensor:
    """The canonical form of a graph: both directions, no self-loop, no duplicate, sorted by (source, target).

    Args:
        edge_index: int64 [2, E'], any directions, loops and duplicates.
        num_nodes: N; every entry lies in 0 … N−1.

    Returns:
        int64 [2, E].
    """
    source, target = edge_index[0], edge_index[1]
    apart = source != target
    source, target = source[apart], target[apart]
    keys = torch.unique(torch.cat([source * num_nodes + target, target * num_nodes + source]))
    return torch.stack([keys // max(num_nodes, 1), keys % max(num_nodes, 1)])


class MAG(Data):  # type: ignore[misc]  # PyG ships no types, so Data is Any to mypy
    """A multimodal attributed graph; see the module's text for its contract, and build one with :meth:`MAG.build`."""

    @classmethod
    def build(
        cls,
        *,
        name: str,
        version: int,
        edge_index: Tensor,
        x: Mapping[str, Tensor],
        has: Mapping[str, Tensor] | None = None,
        labels: Mapping[str, Tensor] | None = None,
        classes: Mapping[str, Sequence[str]] | None = None,
        texts: Sequence[str | None] | None = None,
        references: Sequence[Sequence[str] | None] | None = None,
        images: ImageColumn | None = None,
        features: str = "",
        official: Mapping[str, Tensor] | None = None,
        captions: Captions | None = None,
    ) -> MAG:
        """Assemble a MAG; nothing is checked or changed, call :meth:`validate` for that.

        Args:
            name: the data set's name, e.g. ``"emoji"``.
            version: its version, raised whenever its content changes.
            edge_index: int64 [2, E] in the canonical form (:func:`simple_undirected`).
            x: for each modality, float32 [N, d_m]; the order gives ``modalities``.
            has: for each modality, bool [N]; default: all nodes have it.
            labels: label columns, int64 [N] each, −1 = unlabelled.
            classes: the class names of each label column; default: the numbers as strings.
            texts: N texts or None each.
            references: N lists of reference captions or None each.
            images: N pictures or None each.
            features: the name of the feature set that `x` holds.
            official: published splits, edges and negatives, by name.
            captions: features of every caption, where the feature set has them beside one text a node.
        """
        num_nodes = next((int(values.shape[0]) for values in x.values()), 0)
        mag = cls(edge_index=edge_index, num_nodes=num_nodes)
        mag.name, mag.version, mag.features = name, version, features
        mag.modalities = tuple(x)
        for modality, values in x.items():
            mag[f"x_{modality}"] = values
            known = None if has is None else has.get(modality)
            mag[f"has_{modality}"] = torch.ones(len(values), dtype=torch.bool) if known is None else known
        labels = labels or {}
        for column, values in labels.items():
            mag[column] = values
        mag.classes = {column: tuple((classes or {}).get(column) or _numbers(labels[column])) for column in labels}
        for column_name, content in (("texts", texts), ("references", references)):
            if content is not None:
                mag[column_name] = list(content)
        if images is not None:
            mag["images"] = images
        if official:
            mag["official"] = dict(official)
        if captions is not None:
            mag["captions"] = captions
        return mag

    @property
    def x_dict(self) -> dict[str, Tensor]:
        """For each modality m, its features ``x_<m>``, float32 [N, d_m]."""
        return {m: self[f"x_{m}"] for m in self.modalities}

    @property
    def has_dict(self) -> dict[str, Tensor]:
        """For each modality m, which nodes have it: ``has_<m>``, bool [N]."""
        return {m: self[f"has_{m}"] for m in self.modalities}

    @property
    def texts(self) -> Sequence[str | None] | None:
        """The text of each node, None where a node has none; None as a whole where the graph carries no texts."""
        return self._optional("texts")  # type: ignore[no-any-return]

    @property
    def references(self) -> Sequence[Sequence[str] | None] | None:
        """The reference captions of each node, for generation tasks."""
        return self._optional("references")  # type: ignore[no-any-return]

    @property
    def images(self) -> ImageColumn | None:
        """The picture of each node, decoded when asked for."""
        return self._optional("images")  # type: ignore[no-any-return]

    @property
    def official(self) -> Mapping[str, Tensor]:
        """What the authors fix, int64: ``train``, ``val``, ``test`` node numbers; for link prediction ``<part>_edges``
        [2, E] and ``<part>_negatives`` [E, K], K false targets for each edge of ``val`` and ``test``."""
        return self._optional("official") or {}

    @property
    def captions(self) -> Captions | None:
        """Features of every caption of each node; None where the feature set has one text a node."""
        return self._optional("captions")  # type: ignore[no-any-return]

    def _optional(self, key: str) -> Any:
        return self._store.get(key)

    def counts(self) -> Counts:
        """The four counts of the graph."""
        edges, nodes = self.edge_index.cpu().numpy(), int(self.num_nodes)
        loops = int((edges[0] == edges[1]).sum())
        return Counts(nodes, edges.shape[1], loops, undirected_edges(edges, nodes).shape[1])

    def fingerprint(self) -> str:
        """sha256 (hex) over what can change a score: edges, features, presence, labels, official parts; little-endian.

        Texts, pictures and names stand outside: they are held by the sha256 values of the stored files.
        """
        digest = hashlib.sha256()
        for key, values, dtype in self._scored():
            digest.update(f"{key} {dtype} {tuple(values.shape)}\n".encode())
            for block in row_blocks(values.detach()):
                digest.update(np.ascontiguousarray(block.cpu().numpy().astype(dtype)).tobytes())
        return digest.hexdigest()

    def _scored(self) -> Iterator[tuple[str, Tensor, str]]:
        yield "edge_index", self.edge_index, "<i8"
        for modality in self.modalities:
            yield f"x_{modality}", self[f"x_{modality}"], "<f4"
            yield f"has_{modality}", self[f"has_{modality}"], "|u1"
        for column in sorted(self.classes):
            yield column, self[column], "<i8"
        for name in sorted(self.official):
            yield f"official/{name}", self.official[name], "<i8"
        if self.captions is not None:
            yield "x_captions", self.captions.x, "<f4"
            yield "caption_node", self.captions.node, "<i8"

    def replaced(self, **attributes: Any) -> MAG:
        """A copy with other values for some attributes, None for none at all; it shares the rest with this one."""
        mag = copy.copy(self)
        for key, value in attributes.items():
            if value is None:
                mag._store.pop(key, None)
            else:
                mag[key] = value
        return mag

    def subgraph(self, subset: Tensor) -> MAG:
        """The induced subgraph on `subset` (int64 [n] or bool [N]); texts and pictures follow their nodes."""
        mag: MAG = super().subgraph(subset)
        if self.images is not None:
            kept = subset.nonzero().flatten() if subset.dtype == torch.bool else subset
            mag["images"] = self.images.take(kept.tolist())
        for numbered in ("official", "captions"):  # by the nodes of the whole graph
            mag._store.pop(numbered, None)
        return mag

    def validate(self, raise_on_error: bool = True) -> bool:
        """Check the contract.

        Args:
            raise_on_error: as in PyG; False returns the verdict only.

        Raises:
            DataError: naming the data set, the attribute, what was found and what is allowed.
        """
        problem = next(_problems(self), None)
        if problem and raise_on_error:
            raise DataError(f"Data set {self.name}@{self.version}: {problem}.")
        return problem is None


def row_blocks(values: Tensor, rows: int = 1 << 14) -> tuple[Tensor, ...]:
    """Views of `rows` rows each: what is computed from a memory-mapped tensor then needs little memory of its own."""
    return torch.split(values, rows)


def _numbers(labels: Tensor) -> tuple[str, ...]:
    return tuple(str(k) for k in range(int(labels.max()) + 1 if labels.numel() else 0))


def _problems(mag: MAG) -> Iterator[str]:
    """Every breach of the contract, the cause before its consequences (the caller reports the first)."""
    if not mag.modalities:
        yield "modalities: found none, expected at least one"
    if mag.num_nodes < 1:
        yield "num_nodes: found 0, expected at least 1"
    for modality in mag.modalities:
        yield from _feature_problems(mag, modality)
    if mag.captions is not None:
        yield from _caption_problems(*mag.captions, mag.num_nodes)
    yield from _edge_problems(mag.edge_index, mag.num_nodes)
    for column, names in mag.classes.items():
        yield from _label_problems(column, mag[column], len(names), mag.num_nodes)
    for key, content in (("texts", mag.texts), ("references", mag.references), ("images", mag.images)):
        if content is not None and len(content) != mag.num_nodes:
            yield f"{key}: found {len(content)} entries, expected one for each of the {mag.num_nodes} nodes"


def _feature_problems(mag: MAG, modality: str) -> Iterator[str]:
    key, x, has = f"x_{modality}", mag[f"x_{modality}"], mag[f"has_{modality}"]
    n = mag.num_nodes
    if x.dtype != torch.float32 or x.dim() != 2 or x.shape[0] != n or x.shape[1] < 1:
        yield f"{key}: found {_kind(x)}, expected torch.float32 [{n}, d] with d ≥ 1"
        return
    if has.dtype != torch.bool or has.shape != (n,):
        yield f"has_{modality}: found {_kind(has)}, expected torch.bool [{n}]"
        return
    broken = torch.cat([(~torch.isfinite(block)).any(dim=1) for block in row_blocks(x)])
    if broken.any():
        yield (
            f"{key}: found NaN or infinity in {int(broken.sum())} rows, the first at node {int(broken.nonzero()[0])}; "
            f"expected finite values (a missing modality is has_{modality} = False with a zero row)"
        )
        return
    filled = torch.zeros_like(has)
    filled[~has] = (x[~has] != 0).any(dim=1)
    if filled.any():
        yield (
            f"{key}: found values in {int(filled.sum())} rows whose has_{modality} is False, the first at node "
            f"{int(filled.nonzero()[0])}; expected zero rows there"
        )


def _caption_problems(x: Tensor, node: Tensor, n: int) -> Iterator[str]:
    if x.dtype != torch.float32 or x.dim() != 2 or node.dtype != torch.int64 or node.shape != x.shape[:1]:
        found = f"{_kind(x)} for the nodes {_kind(node)}"
        yield f"captions: found {found}, expected torch.float32 [C, d] and torch.int64 [C]"
    elif not all(bool(torch.isfinite(block).all()) for block in row_blocks(x)):
        yield "captions: found NaN or infinity, expected finite values"
    elif len(node) and (int(node.min()) < 0 or int(node.max()) >= n or bool((node.diff() < 0).any())):
        yield f"captions: found the node numbers out of order or of 0 to {n - 1}, expected them ascending"


def _edge_problems(edge_index: Tensor, n: int) -> Iterator[str]:
    if edge_index.dtype != torch.int64 or edge_index.dim() != 2 or edge_index.shape[0] != 2:
        yield f"edge_index: found {_kind(edge_index)}, expected torch.int64 [2, E]"
        return
    if not edge_index.numel():
        return
    low, high = int(edge_index.min()), int(edge_index.max())
    if low < 0 or high >= n:
        yield f"edge_index: found node numbers {low} to {high}, allowed 0 to {n - 1}"
        return
    source, target = edge_index[0], edge_index[1]
    loops = int((source == target).sum())
    if loops:
        yield f"edge_index: found {loops} self-loops, allowed none; mend it with magbench.data.mag.simple_undirected"
        return
    keys = (source * n + target).sort().values
    repeats = int((keys[1:] == keys[:-1]).sum())
    if repeats:
        yield f"edge_index: found {repeats} repeated edges, allowed none; mend it with simple_undirected"
    elif not torch.equal(keys, (target * n + source).sort().values):
        yield "edge_index: found edges in one direction only, expected both; mend it with simple_undirected"


def _label_problems(column: str, labels: Tensor, num_classes: int, n: int) -> Iterator[str]:
    if labels.dtype != torch.int64 or labels.shape != (n,):
        yield f"{column}: found {_kind(labels)}, expected torch.int64 [{n}]"
        return
    low, high = int(labels.min()), int(labels.max())
    if low < -1 or high >= num_classes:
        yield f"{column}: found labels {low} to {high}, allowed -1 (unlabelled) to {num_classes - 1}"


def _kind(values: Tensor) -> str:
    return f"{values.dtype} {list(values.shape)}"
