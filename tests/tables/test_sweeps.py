"""Sweeps in a report: found among the methods that were run, drawn on one scale, and nothing where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from outcomes import make_cell, render
from outline import Outline

from magbench.board.panels import draw_sweep
from magbench.tables.controls import arrange, noise_of
from magbench.tables.outcome import Outcome
from magbench.tables.sweeps import sweeps_of


def grid(pattern: str, *, level: float = 0.5, seeds: int = 1, **changed: object) -> list[Outcome]:
    """Cells of three alphas and two step counts; the score tells both."""

    def cell(alpha: float, steps: int, seed: int) -> Outcome:
        value = level + alpha / 10 + steps / 100
        return make_cell(pattern.format(alpha=alpha, steps=steps), seed, scores={"accuracy": value}, **changed)

    return [cell(alpha, steps, seed) for alpha in (0.5, 0.1, 0.2) for steps in (4, 2) for seed in range(seeds)]


def test_two_options_that_vary_are_a_sweep() -> None:
    cells = [
        *grid("goma[alpha={alpha},readout=limit,steps={steps}]", seeds=2),
        make_cell("goma", 0),
        make_cell("mlp", 0),
    ]
    (sweep,) = sweeps_of([("", cells)])
    assert (sweep.base, sweep.x_name, sweep.y_name) == ("goma[readout=limit]", "alpha", "steps")
    assert (sweep.xs, sweep.ys) == ((0.1, 0.2, 0.5), (2, 4))
    (panel,) = draw_sweep(sweep).panels
    assert [tick.label for tick in panel.chart.columns] == ["0.1", "0.2", "0.5"]
    assert [tick.label for tick in panel.chart.rows] == ["2", "4"]
    fields = panel.chart.fields
    assert [field.value for field in fields] == pytest.approx([0.53, 0.54, 0.57, 0.55, 0.56, 0.59])
    assert [field.share for field in fields] == pytest.approx([0, 1 / 6, 2 / 3, 1 / 3, 1 / 2, 1])
    assert {field.seeds for field in fields} == {2}


def test_an_option_of_a_regulariser_and_one_of_its_host() -> None:
    (sweep,) = sweeps_of([("", grid("sage[layers={steps}]+optimag[rho={alpha}]"))])
    assert (sweep.base, sweep.x_name, sweep.y_name) == ("sage+optimag", "rho", "layers")


@pytest.mark.parametrize(
    "methods",
    [
        [],
        ["goma[alpha=0.1]", "goma[alpha=0.2]", "goma[alpha=0.3]", "goma[alpha=0.4]"],  # one option
        ["goma[alpha=0.1,steps=1]", "goma[alpha=0.2,steps=2]", "goma[alpha=0.3,steps=3]", "goma[alpha=0.4,steps=4]"],
        ["goma[alpha=0.1,steps=1]", "goma[alpha=0.1,steps=2]", "goma[alpha=0.2,steps=1]"],  # three of four
        ["ridge[alphas=[1]]", "ridge[alphas=[2]]"],
        ["<b>", "+", "goma[alpha=0.1"],
    ],
)
def test_no_sweep(methods: list[str]) -> None:
    assert sweeps_of([("", [make_cell(method, 0) for method in methods])]) == ()
    assert sweeps_of([]) == ()


def test_noise_stands_beside_on_the_same_scale() -> None:
    """The page: both pictures, the empty one left out, and the words of a screen reader."""
    pattern, features = "goma[alpha={alpha},steps={steps}]", {"features": "clip", "towers": "pure"}
    own = grid(pattern, task="retrieval/toy@1", **features)
    noise = grid(pattern, level=0.1, task="retrieval/toy[control=random]@1", **features)
    shown, beside, _ = arrange([*own, *noise])
    assert noise_of(shown, beside) == noise and noise_of(shown, []) == []
    (sweep,) = sweeps_of([("features", shown), ("noise", noise), ("nothing", [])])
    assert [panel.title for panel in sweep.panels] == ["features", "noise"]
    first, second = (panel.chart.fields for panel in draw_sweep(sweep).panels)
    assert max(field.share for field in first) == 1 and min(field.share for field in second) == 0
    assert max(field.share for field in second) == pytest.approx(0.06 / 0.46)
    page = render([*own, *noise], title="x")
    outline = Outline(page)
    assert outline.open == [] and page.count('<rect class="field"') == 12
    assert "Accuracy over steps and alpha: goma" in outline.text and "alpha 0.5, steps 4: 0.590" in page
    alone = render([replace(cell, task="node_classification/toy@1", towers="", features="") for cell in own], title="x")
    assert alone.count('<rect class="field"') == 6 and "<figcaption><bdi>the task’s features</bdi>" in alone
    assert ".field.loss {" in alone  # what the map's template can write has a style
    assert '<rect class="field"' not in render([make_cell("mlp", 0)], title="x")
