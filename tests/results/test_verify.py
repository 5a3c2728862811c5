"""The sample of kept cells that are run again, and how two runs of a cell compare."""

from __future__ import annotations

from collections import Counter

import pytest

from magbench.results.kept import KeptCell, kept_cells
from magbench.results.verify import Verified, ordered, sample


@pytest.fixture(scope="module")
def kept() -> list[KeptCell]:
    return kept_cells()


def stratum(cell: KeptCell) -> tuple[str, str, str]:
    record = cell.record
    return record.task.id.partition("/")[0], record.method.source.sha256, record.env["cpu"]


def test_every_stratum_comes_before_any_comes_twice(kept: list[KeptCell]) -> None:
    strata = Counter(map(stratum, kept))
    few, all_once = sample(kept, 24, 0), sample(kept, len(strata), 0)
    assert len(few) == 24 and max(Counter(map(stratum, few)).values()) == 1
    assert Counter(map(stratum, all_once)) == dict.fromkeys(strata, 1)
    assert {cell.record.task.id.partition("/")[0] for cell in few} == {
        "node_classification",
        "link_prediction",
        "retrieval",
    }


def test_a_seed_draws_the_same_and_another_others(kept: list[KeptCell]) -> None:
    first, again, other = ([cell.record.run_id for cell in sample(kept, 24, seed, longest=60)] for seed in (0, 0, 1))
    assert first == again != other
    assert all(cell.record.core_seconds <= 60 for cell in sample(kept, 1000, 0, longest=60))
    assert sample(kept, 10, 0, longest=1e-9) == []


def test_two_runs_of_a_cell(kept: list[KeptCell]) -> None:
    record = kept[0].record
    moved = record.scores[0].model_copy(update={"value": record.scores[0].value + 0.01})
    other = record.model_copy(update={"scores": (moved, *record.scores[1:]), "env": {**record.env, "cpu": "another"}})
    same, apart, lost = (Verified(record, again, stale=False) for again in (record, other, None))
    assert (same.difference, same.same_machine) == (0, True)
    assert apart.difference == pytest.approx(0.01) and not apart.same_machine
    assert lost.difference is None and not lost.same_machine
    assert ordered([lost, same, apart]) == [apart, same, lost]
