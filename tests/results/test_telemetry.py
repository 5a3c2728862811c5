"""What was measured, by the names that tables show."""

from __future__ import annotations

from magbench.results.telemetry import means, steps

MEASURED = {"optimag.mass": 0.9, "optimag.mass.text": 0.8, "optimag.lam": 2.0}


def test_one_regulariser_needs_no_name() -> None:
    assert means(MEASURED, "mlp+optimag") == {"mass": 0.9, "lam": 2.0}
    both = means({**MEASURED, "dagr.inter": 1.0}, "mlp+optimag+dagr")
    assert both == {"optimag.mass": 0.9, "optimag.lam": 2.0, "dagr.inter": 1.0}
    assert means({"echo.exchanged_half": 0.5}, "goma") == {"echo.exchanged_half": 0.5}


def test_steps_are_means_over_modalities() -> None:
    measured = {"step.0.rank.text": 1.0, "step.0.rank.image": 3.0, "step.1.mrr": 0.5, "step.x.mrr": 9.0, "a.b": 1.0}
    assert steps(measured) == {"rank": {0: 2.0}, "mrr": {1: 0.5}}
