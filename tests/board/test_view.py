"""The rows of a report against the statistics they come from."""

from __future__ import annotations

import numpy as np
import pytest
from magbench.board.cells import scores_frame

from magbench.board.report import ReportCell
from magbench.board.view import Label, label_of, sections
from magbench.stats.intervals import sign_flip
from magbench.stats.paired import against_hosts, summarise

RATIO = 1 / 3


def test_rows_are_the_statistics_best_first(cells: list[ReportCell]) -> None:
    (section,) = sections(cells, test_train_ratio=RATIO)
    expected = summarise(scores_frame(cells)).set_index(["method", "metric"])
    for row in section.rows:
        found = expected.loc[(row.label.full, "accuracy")]
        assert (row.score.mean, row.score.std, row.low, row.high) == tuple(found[["mean", "std", "low", "high"]])
        assert row.others[0] is not None
        assert row.others[0].mean == expected.loc[(row.label.full, "macro_f1"), "mean"]
    means = [row.score.mean for row in section.rows]
    assert means == sorted(means, reverse=True) and section.best is section.rows[0]
    assert section.seeds == (0, 1, 2, 3, 4, 5) and section.failed == 1
    assert {row.label.full: row.failed for row in section.rows}["sage+dagr"] == 1


def test_regularised_methods_are_compared_with_their_host(cells: list[ReportCell]) -> None:
    (section,) = sections(cells, test_train_ratio=RATIO)
    expected = against_hosts(scores_frame(cells), metric="accuracy").set_index("b")
    rows = {row.label.full: row.versus for row in section.rows}
    assert rows["mlp"] is None and rows["sage"] is None and section.family == 3
    for method, versus in rows.items():
        if versus:
            assert (versus.p_holm, versus.difference) == tuple(expected.loc[method, ["p_holm", "difference"]])
    least, most = section.detectable or (0, 0)
    assert 0 < least <= most


def test_a_fixed_split_is_compared_over_its_items(cell) -> None:
    """By the sign flips of the item scores, not by the seeds, which all have the same here."""
    rng = np.random.default_rng(1)
    items = {method: rng.random(60) for method in ("a", "a+x")}
    cells = [
        cell(method, seed, items=values.tolist(), scores={"accuracy": float(values.mean())})
        for method, values in items.items()
        for seed in range(3)
    ]
    (section,) = sections(cells, test_train_ratio=RATIO)
    (versus,) = [row.versus for row in section.rows if row.versus]
    expected = sign_flip(items["a+x"] - items["a"], rng=np.random.default_rng(0))
    assert section.fixed
    assert (versus.p, versus.low, versus.high) == pytest.approx((expected.p, expected.low, expected.high))


def test_a_missing_host_and_a_failed_seed_are_noted(cell) -> None:
    cells = [cell("a", 0), cell("a", 1), cell("a", 2), cell("a+x", 0), cell("a+x", 1), cell("b+x", 0), cell("b+x", 1)]
    (section,) = sections(cells, test_train_ratio=RATIO)
    notes = {row.label.full: row.versus.note for row in section.rows if row.versus}
    assert notes == {"a+x": "1 seeds left out: only one method has them", "b+x": "no results of b"}
    assert {strip.label.full: len(strip.chart.columns) for strip in section.strips} == {"a+x": 2, "b+x": 1}


def test_very_wide_intervals_are_open_in_the_picture(cell) -> None:
    cells = [cell("a", seed, scores={"accuracy": value}) for seed, value in enumerate((0.5, 0.7))]
    cells += [cell("b", seed, scores={"accuracy": value}) for seed, value in enumerate((0.60, 0.601))]
    (section,) = sections(cells, test_train_ratio=RATIO)
    bars = {row.label.full: row.bar for row in section.rows}
    assert bars["a"] and bars["a"].open_low and bars["a"].open_high
    assert bars["b"] and not bars["b"].open_low and not bars["b"].open_high


def test_significant_gains_and_losses_are_told_apart(cell) -> None:
    level = {"a": 0.70, "a+up": 0.80, "a+down": 0.60, "a+same": 0.70}
    cells = [
        cell(m, s, scores={"accuracy": v + 0.01 * (s % 3) + 0.001 * ((s + len(m)) % 2)})
        for m, v in level.items()
        for s in range(10)
    ]
    (section,) = sections(cells, test_train_ratio=RATIO)
    assert (section.better, section.worse, len(section.compared)) == (1, 1, 3)


def test_telemetry_and_curves_are_there_where_measured(cells: list[ReportCell]) -> None:
    (section,) = sections(cells, test_train_ratio=RATIO)
    assert section.telemetry_names == ("mass", "diag_share")
    (label, (mass, _)) = section.telemetry[0]
    measured = [cell.telemetry["mass"] for cell in cells if cell.method == label.full]
    assert mass is not None
    assert (mass.mean, mass.std) == pytest.approx((np.mean(measured), np.std(measured, ddof=1)))
    assert len(section.curves) == 5 and all(len(view.chart.lines) == 5 for view in section.curves)
    assert [view.label.full for view in section.curves][:2] == ["mlp", "mlp+optimag"]


def test_tasks_and_protocols_are_separate_sections(cell) -> None:
    cells = [cell("a", 0), cell("a", 0, task="nc/b@1"), cell("a", 0, protocol="standard@1")]
    found = [(section.task, section.protocol) for section in sections(cells, test_train_ratio=RATIO)]
    assert found == [
        ("nc/b@1", "quickstart@1"),
        ("node_classification/emoji@1", "quickstart@1"),
        ("node_classification/emoji@1", "standard@1"),
    ]


@pytest.mark.parametrize("host", ["mlp", "sage[lr=1e+16]", 'mlp[s="]+"]'])
def test_labels(host: str) -> None:
    assert label_of(host) == Label(host, host, "")
    assert label_of(f"{host}+optimag[lam=1e+16]+dagr") == Label(
        f"{host}+optimag[lam=1e+16]+dagr", host, "+optimag[lam=1e+16]+dagr"
    )
