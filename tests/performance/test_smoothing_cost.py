"""GOMA on large graphs: memory that does not grow with the steps, time that grows as the edges do."""

from __future__ import annotations

import pytest
from perf.measure.smoothing import measure_step

from magbench.errors import DataError


def test_a_step_is_measured() -> None:
    step = measure_step(2000, 16, 3)
    assert step.nodes == 2000 and 19_000 < step.edges < 20_000
    assert step.step_s > 0 and step.build_s > 0
    assert 1e8 < step.peak < 4e9


def test_a_bad_step_is_named() -> None:
    with pytest.raises(DataError, match=r"smooths 100 nodes ended with 1: .*operator='nothing'"):
        measure_step(100, 4, 1, operator="nothing")


@pytest.mark.slow
def test_a_hundred_thousand_nodes_train_in_8_gb() -> None:
    """768 columns, eight steps, mean degree 10: the nine states alone would take 5.5 GB if all were kept."""
    assert measure_step(100_000, 768, 8).peak < 8e9


@pytest.mark.slow
def test_time_is_linear_in_edges() -> None:
    small, *larger = (measure_step(nodes, 8, 4) for nodes in (30_000, 300_000, 1_000_000))
    for step in larger:
        assert step.step_s / step.edges < 4 * small.step_s / small.edges  # rows leave the caches as graphs grow
        assert step.build_s / step.edges < 4 * small.build_s / small.edges
