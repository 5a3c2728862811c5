"""Ranks: for each query the number of candidates that stand above the right one, and beside it.

A query may belong to an *item* (a node, asked once or several times), to a *side* that asks, and to one of the *parts*
into which the items are divided. Directions count the same in a score, and in each direction its queries do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from magbench.predictions.arrays import Arrays
from magbench.predictions.base import Column, Prediction, Slice


@dataclass(frozen=True, eq=False)
class Ranks(Prediction):
    """The place of the right candidate of each query.

    Attributes:
        above: int32 [Q], candidates with a higher score.
        equal: int32 [Q], other candidates with the same score.
        item: int32 [Q], the test item that is asked; None: each query is one of its own.
        side: uint8 [Q], the side that asks, 0 or 1.
        part: uint8 [Q], the part that the item belongs to.
        sides: the names of the two sides.
        pools: int32 [2], the candidates of a query of each side.
        parts: the names of the parts.
    """

    kind: ClassVar = "ranks"
    COLUMNS: ClassVar = {
        "above": Column("<i4", "<i4"),
        "equal": Column("<i4", "<i4"),
        "item": Column("<i4", "<i4", optional=True),
        "side": Column("|u1", "|u1", optional=True),
        "part": Column("|u1", "|u1", optional=True),
        "sides": Column("<U", "<U", rows=False, optional=True),
        "pools": Column("<i4", "<i4", rows=False, optional=True),
        "parts": Column("<U", "<U", rows=False, optional=True),
    }

    above: NDArray[np.int32]
    equal: NDArray[np.int32]
    item: NDArray[np.int32] | None = None
    side: NDArray[np.uint8] | None = None
    part: NDArray[np.uint8] | None = None
    sides: NDArray[np.str_] | None = None
    pools: NDArray[np.int32] | None = None
    parts: NDArray[np.str_] | None = None

    @classmethod
    def unpack(cls, arrays: Arrays, origin: str) -> Self:
        found = cls.checked(arrays, origin)
        problem = next(_problems(found), None)
        if problem:
            raise cls.refusal(origin, problem)
        return cls(**found)

    def slices(self) -> Iterator[Slice]:
        pools = None if self.pools is None else [int(pool) for pool in self.pools]
        largest = max(pools) if pools else None
        yield self._slice("test", np.ones(len(self.above), dtype=bool), largest)
        if self.side is not None and self.sides is not None:
            for number, name in enumerate(self.sides):
                split = f"test/{name}->{self.sides[1 - number]}"
                yield self._slice(split, self.side == number, pools[number] if pools else None)
        if self.part is not None and self.parts is not None:
            for number, name in enumerate(self.parts):
                if (chosen := self.part == number).any():
                    yield self._slice(f"test/{name}", chosen, largest)

    def items(self, score: Callable[..., NDArray[Any]]) -> NDArray[np.float64]:
        scores = score(self.above, self.equal)
        if self.item is None or self.side is None:
            return scores
        count = int(self.item.max()) + 1
        total, sides = np.zeros(count), np.unique(self.side)
        for side in sides:
            own = self.side == side
            total += np.bincount(self.item[own], weights=scores[own], minlength=count) * (count / own.sum())
        mean: NDArray[np.float64] = total / len(sides)
        return mean

    def _slice(self, split: str, chosen: NDArray[np.bool_], pool: int | None) -> Slice:
        """The chosen queries, those of each side that asks as a group."""
        own = [chosen]
        if self.side is not None:
            own = [chosen & (self.side == side) for side in np.unique(self.side[chosen])]
        groups = tuple((self.above[part], self.equal[part]) for part in own)
        return Slice(split, groups, int(chosen.sum()), pool)


def _problems(found: Arrays) -> Iterator[str]:
    """What does not fit together in the arrays of ranks."""
    for together in (("item", "side", "sides"), ("part", "parts")):
        if 0 < sum(name in found for name in together) < len(together):
            yield f"of {', '.join(together)} it has some and not all"
    for name in ("sides", "pools"):
        if name in found and len(found[name]) != 2:
            yield f"{name} has {len(found[name])} entries, expected 2"
    bounds = {"item": len(found["above"]), "side": 2, "part": len(found.get("parts", ()))}
    for name, bound in bounds.items():
        if name in found and found[name].size and found[name].max() >= bound:
            yield f"{name} holds {found[name].max()}, expected 0 to {bound - 1}"
