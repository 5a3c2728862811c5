"""The geometry of the pictures, by hand."""

from __future__ import annotations

import pytest

from magbench.board import charts
from magbench.board.charts import Scale, curve_scales, curves, strip, strip_scale
from magbench.tables.section import MethodRuns, Run


def test_scale_by_hand() -> None:
    scale = Scale(0.0, 10.0, 100.0, 0.0)
    assert [scale(value) for value in (0, 2.5, 10, -1, 99)] == [100, 75, 0, 100, 0]


@pytest.mark.parametrize(
    ("low", "high", "wanted", "labels"),
    [
        (0, 1, 4, ["0.0", "0.5", "1.0"]),
        (0.68, 0.8, 4, ["0.70", "0.75", "0.80"]),
        (0, 137, 3, ["0", "50", "100"]),
        (-0.011, 0.009, 4, ["-0.010", "-0.005", "0.000", "0.005"]),
    ],
)
def test_ticks_are_round(low: float, high: float, wanted: int, labels: list[str]) -> None:
    assert [tick.label for tick in Scale(low, high, 0, 1).ticks(wanted)] == labels


def test_epochs_are_whole() -> None:
    assert [tick.label for tick in Scale(0, 2, 0, 1).ticks(3, whole=True)] == ["0", "1", "2"]


@pytest.mark.parametrize("values", [[], [0.7, 0.7], [float("nan"), 0.5], [0.0]])
def test_a_scale_always_has_room(values: list[float]) -> None:
    scale = Scale.around(values, 0, 100)
    assert scale.low < scale.high and scale.ticks()


def runs(scores: dict[int, float]) -> MethodRuns:
    found = tuple(
        Run(seed=seed, score=score, epochs=(), validation=(), best_epoch=None) for seed, score in scores.items()
    )
    return MethodRuns(method="m", mean=sum(scores.values()) / len(scores), runs=found)


def test_strip_joins_equal_seeds_only() -> None:
    scale = strip_scale([0.6, 0.8])
    panel = strip(
        scale, [("mlp", False, runs({0: 0.6, 1: 0.7, 2: 0.8})), ("+dagr", True, runs({0: 0.7, 2: 0.8, 5: 0.6}))]
    )
    host, variant = panel.columns
    assert panel.lines == ((host.x, scale(0.6), variant.x, scale(0.7)), (host.x, scale(0.8), variant.x, scale(0.8)))
    assert host.mean == scale(0.7) and [point.seed for point in variant.points] == [0, 2, 5]
    assert 0 < host.x < variant.x < charts.STRIP_SIZE[0]


def test_a_lone_method_has_no_lines() -> None:
    assert strip(strip_scale([0.5]), [("mlp", False, runs({0: 0.5}))]).lines == ()


def test_curves_mark_the_best_epoch_and_skip_seeds_without_one() -> None:
    run = Run(seed=3, score=0.5, epochs=(1, 5, 10), validation=(0.2, 0.6, 0.6), best_epoch=5)
    empty = Run(seed=4, score=0.5, epochs=(), validation=(), best_epoch=None)
    x, y = scales = curve_scales([run, empty])
    panel = curves(scales, [run, empty])
    assert [(line.seed, line.best_epoch, line.best_x, line.best_y) for line in panel.lines] == [(3, 5, x(5), y(0.6))]
    assert panel.lines[0].points.split()[0] == f"{x(1):g},{y(0.2):g}"
