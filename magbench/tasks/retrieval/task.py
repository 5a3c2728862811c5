"""Cross-modal retrieval: find a node's picture by its text and its text by its picture, among those of other nodes.

Split and pool are fixed by the task's version; a seed changes the method, the order of each side's rows and what a
control draws. See :class:`~magbench.tasks.retrieval.view.RetrievalView` for what a method sees; ``docs/retrieval.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from magbench.data.mag import MAG
from magbench.data.parts import Parts
from magbench.errors import DataError, MethodError
from magbench.graph.splits import Index, Split, parts_digest, random_keys
from magbench.metrics.exact import rank_counts
from magbench.predictions.ranks import Ranks
from magbench.tasks.base import CONTROL, NOISE, Probe, Task
from magbench.tasks.retrieval.echo import measure_echo
from magbench.tasks.retrieval.passes import NOISY, Pass, control_passes
from magbench.tasks.retrieval.probes import probes, same_side
from magbench.tasks.retrieval.rows import Items, Rows, pairs, pairs_among
from magbench.tasks.retrieval.rule import SMALL_POOL, PairSplitSpec, refuse_small_pool
from magbench.tasks.retrieval.view import RetrievalAnswer, RetrievalView, Side
from magbench.variants import AT, corruptions_of
from magbench.variation.controls import controlled
from magbench.variation.training import corrupt_pairs

ROWS = 1
"""Stream of draws, apart from the split's."""
PARTS = ("connected", "isolated")
"""Test nodes by whether they have neighbours."""


@dataclass(frozen=True, eq=False)
class Ask:
    """The split and, of its test part, the nodes that are asked and those whose items are candidates; ascending."""

    split: Split
    asked: Index
    pool: Index


@dataclass(frozen=True, eq=False)
class Draw:
    """What is asked, and what each fit sees of the graph."""

    ask: Ask
    passes: tuple[Pass, ...]


class RetrievalTask(Task[Draw, RetrievalView, RetrievalAnswer]):
    """One rule, ``pairs``: the nodes that have both modalities are divided, and their items are to find each other."""

    design = "fixed"

    def ask(self, mag: MAG) -> Ask:
        """What is trained on, asked and offered.

        Raises:
            DataError: not two modalities, too few nodes that have both, or a pool that is smaller than the
                variant or a metric's k asks for.
        """
        rule: PairSplitSpec = self.rule
        sides = [items.node[items.observed.numpy()] for items in self._items(mag)]
        both = np.intersect1d(*sides)
        order = both[np.argsort(random_keys(mag.num_nodes, rule.seed)[both], kind="stable")]
        num_test, num_val = round(rule.test * len(both)), round(rule.val * len(both))
        if min(num_test, num_val, len(both) - num_test - num_val) < 1:
            raise DataError(
                f"Task {self.spec.id}: {len(both)} nodes of {mag.name!r} have both modalities, too few to train, "
                "validate and test on."
            )
        test, val, train = np.split(order, [num_test, num_test + num_val])
        pool_option = self.spec.variant.get("pool")
        for corruption in corruptions_of(self.spec.variant):
            train = corrupt_pairs(train, corruption) if corruption.acts_on == "pairs" else train
        refuse_small_pool(self.spec.variant, self.spec.id, num_test)
        asked = np.sort(test[:SMALL_POOL] if pool_option == "1k" else test)
        pool = np.sort(both) if pool_option == "all" else asked
        self._refuse_large_k(len(pool))
        return Ask(Split(np.sort(train), np.sort(val), np.sort(test)), asked, pool)

    def parts(self, mag: MAG, seed: int) -> Parts:
        split = self.ask(mag).split
        return Parts(split.train, split.test)

    def draw(self, mag: MAG, seed: int) -> Draw:
        ask = self.ask(mag)
        return Draw(ask, tuple(self._passes(self._seen(mag, seed, ask, asked=True), ask, seed)))

    def digest(self, drawn: Draw) -> str:
        ask = drawn.ask
        arrays = [array for part in drawn.passes for array in part.arrays()]
        return parts_digest(ask.split.train, ask.split.val, ask.split.test, ask.asked, ask.pool, *arrays)

    def views(self, mag: MAG, seed: int, drawn: Draw, *, asked: bool = False) -> Iterator[RetrievalView]:
        mag = self._seen(mag, seed, drawn.ask, asked=asked)
        items = self._items(mag)
        passes = drawn.passes if asked or AT not in self.spec.variant else self._passes(mag, drawn.ask, seed)
        for number, part in enumerate(passes):
            yield self._view(mag, seed, drawn.ask, items, part, self._rows(items, part, seed, number))

    def admit(self, method: Any) -> None:
        if getattr(method, "towers", None) not in ("pure", "coupled"):
            raise MethodError(
                f"{type(method).__name__} does not say what its towers are. In the class, set "
                'towers = "pure", if a side is embedded without the other and view.cross; else towers = "coupled".'
            )

    def telemetry(self, method: Any, view: RetrievalView, mag: MAG, seed: int) -> dict[str, float]:
        """The echo of coupled towers, on the nodes that are asked in the first pass."""
        if method.towers != "coupled":
            return {}
        items, part = self._items(mag), self.draw(mag, seed).passes[0]
        first, second = self._rows(items, part, seed, 0)
        return measure_echo(method.predict, view, pairs(first, part.asked, second, part.asked))

    def check(self, answer: RetrievalAnswer, view: RetrievalView) -> None:
        if not isinstance(answer, RetrievalAnswer):
            raise MethodError(f"predict() returned {type(answer).__name__}, expected magbench.api.RetrievalAnswer.")
        found, expected = sorted(answer.embeddings), sorted(view.sides)
        if found != expected:
            raise MethodError(f"predict(): embeddings have the sides {found}; expected {expected} as in view.sides.")
        widths = {name: _check_side(name, answer.embeddings[name], len(side)) for name, side in view.sides.items()}
        if len(set(widths.values())) > 1:
            raise MethodError(
                f"predict(): embeddings have the widths {widths}; both sides need the same one, for scores are inner "
                "products. Map the sides into one space."
            )

    def stored(self, answers: Sequence[RetrievalAnswer], mag: MAG, seed: int, drawn: Draw) -> Ranks:
        ask, items = drawn.ask, self._items(mag)
        found = []
        for number, (part, answer) in enumerate(zip(drawn.passes, answers, strict=True)):
            rows = self._rows(items, part, seed, number)
            found += [self._ranks(answer, mag, ask, part, rows, side) for side in part.sides]
        arrays = [np.concatenate(arrays) for arrays in zip(*found, strict=True)]
        order = np.lexsort((arrays[2], arrays[3]))
        above, equal, item, side = (array[order] for array in arrays)
        sizes = [int(own.counts(mag.num_nodes)[ask.pool].sum()) for own in items]
        degree = np.bincount(mag.edge_index[1].numpy(), minlength=mag.num_nodes)
        return Ranks(
            above=above,
            equal=equal,
            item=item,
            side=side,
            part=(degree[ask.asked][item] == 0).astype(np.uint8),
            sides=np.array(mag.modalities),
            pools=np.array(sizes[::-1], dtype=np.int32),
            parts=np.array(PARTS),
        )

    def same(self, first: RetrievalAnswer, second: RetrievalAnswer) -> bool:
        return all(same_side(first, second, name) for name in first.embeddings)

    def probes(self, mag: MAG, seed: int, drawn: Draw, method: Any) -> Iterator[Probe[RetrievalView, RetrievalAnswer]]:
        yield from probes(next(self.views(mag, seed, drawn)), seed, pure=method.towers == "pure")

    def _seen(self, mag: MAG, seed: int, ask: Ask, *, asked: bool) -> MAG:
        """The data set under the variant; what is divided and asked stays."""
        mag = self.varied(mag, seed, asked=asked, nodes=ask.asked)
        if self.spec.variant.get("control") == NOISY:
            mag = controlled(mag, "random", (self.rule.seed, NOISE, seed))
        return mag

    def _items(self, mag: MAG) -> tuple[Items, Items]:
        """The items of both sides."""
        if len(mag.modalities) != 2:
            raise DataError(
                f"Task {self.spec.id}: data set {mag.name!r} has the modalities {', '.join(mag.modalities)}; retrieval "
                "is between two. Leave the others out of the data set, or make one of each two."
            )
        nodes = np.arange(mag.num_nodes)
        items = [Items(nodes, mag.x_dict[name], mag.has_dict[name]) for name in mag.modalities]
        if self.spec.variant.get("text") == "captions":
            items[mag.modalities.index("text")] = self._captions(mag)
        return items[0], items[1]

    def _captions(self, mag: MAG) -> Items:
        """Every caption as an item of the text side."""
        if mag.captions is None or "text" not in mag.modalities:
            raise DataError(
                f"Task {self.spec.id}: the feature set {mag.features!r} of data set {mag.name!r} has one text a node, "
                "that of caption 1; text=captions needs a vector for every caption: `magbench data captions "
                f"{mag.name}` (docs/retrieval.md)."
            )
        x, node = mag.captions
        return Items(node.numpy(), x, torch.ones(len(x), dtype=torch.bool))

    def _passes(self, mag: MAG, ask: Ask, seed: int) -> list[Pass]:
        edges, draws = mag.edge_index.numpy(), (self.rule.seed, CONTROL, seed)
        return control_passes(self.spec.variant.get("control"), edges, mag.num_nodes, ask.split.train, ask.asked, draws)

    def _rows(self, items: tuple[Items, Items], part: Pass, seed: int, number: int) -> tuple[Rows, Rows]:
        num_nodes = int(part.node.max()) + 1
        make = partial(Rows.of, node=part.node, num_nodes=num_nodes)
        first, second = (make(own, seed=(self.rule.seed, ROWS, seed, number, side)) for side, own in enumerate(items))
        return first, second

    def _view(
        self, mag: MAG, seed: int, ask: Ask, items: tuple[Items, Items], part: Pass, rows: tuple[Rows, Rows]
    ) -> RetrievalView:
        names = mag.modalities
        sides, cross, test = {}, {}, {}
        for side, name in enumerate(names):
            own, other = rows[side], rows[1 - side]
            item = torch.from_numpy(own.ordered())
            source, target = part.edges[side]
            sides[name] = Side(items[side].x[item], items[side].observed[item], pairs(own, source, own, target))
            cross[name] = pairs(other, source, own, target)
            test[name] = torch.from_numpy(np.sort(own.of_places(part.asked)))
        train, val = (pairs(rows[0], nodes, rows[1], nodes) for nodes in (part.train, ask.split.val))
        own = items[0].node[rows[0].ordered()][train[0].numpy()]
        among = pairs_among(own, part.train_edges, mag.num_nodes)
        return RetrievalView(self.spec.versioned_id, seed, sides, train, val, test, cross, among, mag.features)

    def _ranks(
        self, answer: RetrievalAnswer, mag: MAG, ask: Ask, part: Pass, rows: tuple[Rows, Rows], side: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8]]:
        """Counts above and equal, item and side of every query of one side in one pass."""
        names, own, other = mag.modalities, rows[side], rows[1 - side]
        queries = answer.embeddings[names[side]][own.of_places(part.asked)]
        gallery = answer.embeddings[names[1 - side]][other.of_places(ask.pool)]
        node = np.repeat(np.arange(len(part.asked)), own.count[part.asked])
        positive = _positives(other.count[ask.pool], np.searchsorted(ask.pool, part.partner))[node]
        counts = rank_counts(*map(torch.from_numpy, (queries, gallery, positive)))
        above, equal = (part.numpy().astype(np.int32) for part in counts)
        item = np.searchsorted(ask.asked, part.asked)[node].astype(np.int32)
        return above, equal, item, np.full(len(item), side, dtype=np.uint8)

    def _refuse_large_k(self, pool: int) -> None:
        largest = max((int(name.partition("@")[2]) for name in self.spec.metrics if "@" in name), default=0)
        if pool <= largest:
            raise DataError(
                f"Task {self.spec.id}: a pool of {pool} candidates is too small for recall@{largest}, which any answer "
                "would reach."
            )


def _check_side(name: str, embeddings: NDArray[np.float32], rows: int) -> int:
    """The width of one side's embeddings, if they can be scored."""
    if not isinstance(embeddings, np.ndarray):
        raise MethodError(
            f"predict(): embeddings[{name!r}] must be a numpy array, found {type(embeddings).__name__}. A tensor's is"
            " tensor.detach().cpu().numpy()."
        )
    array = embeddings
    if array.ndim != 2 or len(array) != rows or array.shape[1] < 1 or array.dtype != np.float32:
        raise MethodError(
            f"predict(): embeddings[{name!r}] must be float32 of shape [{rows}, d], one for each of the side's rows; "
            f"found {array.dtype} {list(array.shape)}."
        )
    broken = ~np.isfinite(array).all(axis=1)
    if broken.any():
        raise MethodError(
            f"predict(): embeddings[{name!r}] hold NaN or infinity in {int(broken.sum())} rows, the first "
            f"{int(broken.argmax())}."
        )
    return int(array.shape[1])


def _positives(counts: Index, chosen: Index) -> Index:
    """int64 [Q, P], the places in the gallery of all items of the ``chosen`` pool nodes, padded with -1."""
    first = np.cumsum(counts) - counts
    offset = np.arange(int(counts[chosen].max()))
    return np.where(offset < counts[chosen][:, None], first[chosen][:, None] + offset, -1)
