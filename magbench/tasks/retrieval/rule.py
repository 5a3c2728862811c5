"""How pairs are divided into training, validation and test, and what cannot be asked of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from magbench.errors import DataError
from magbench.specs import DatasetSpec
from magbench.tasks.shares import Shares

SMALL_POOL = 1000
"""Test nodes that ``pool=1k`` takes."""


class PairSplitSpec(Shares):
    """How the nodes that have both modalities are divided: one draw for all seeds."""

    rule: Literal["pairs"] = "pairs"
    seed: int = Field(0, ge=0)

    def refuse(self, variant: Mapping[str, str], dataset: DatasetSpec, task: str) -> None:
        refuse_small_pool(variant, task, round(self.test * dataset.counts.get("nodes", 1 << 62)))
        if variant.get("text") == "captions" and len(dataset.columns.captions) < 2:
            raise DataError(
                f"Task {task}: data set {dataset.name} has one text a node, not several captions; leave out "
                "text=captions."
            )


def refuse_small_pool(variant: Mapping[str, str], task: str, num_test: int) -> None:
    """Raise the DataError of a 1k pool that the test nodes cannot fill."""
    if variant.get("pool") == "1k" and num_test < SMALL_POOL:
        raise DataError(
            f"Task {task}: there are at most {num_test} test nodes, fewer than the {SMALL_POOL:,} of pool=1k; take "
            "pool=test or pool=all."
        )
