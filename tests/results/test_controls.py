"""Retrieval with controls through the commands: tables, comparison and page show no coupled row without its control."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lab import Lab

from magbench.results.controls import fit_to_show
from magbench.results.frame import read_cells
from magbench.tables.controls import ControlRow
from magbench.tables.listing import listing_of

TASK = """
name = "toy"
version = 1
title = "Toy pairs"
dataset = "toy"
"""
CONTROLS = ("no_graph", "node_disjoint")


@pytest.fixture(scope="module")
def runs(lab: Lab) -> Path:
    """Two seeds of a pure and of a coupled method with two controls, the pure one with random features as well."""
    (lab.tasks / "retrieval" / "toy.toml").write_text(TASK)
    out = lab.root / "controls"
    tasks = [part for name in CONTROLS for part in ("-t", f"ret/toy[control={name}]")]
    both = lab.run("-t", "ret/toy", *tasks, "-m", "ridge", "-m", "smoothed_ridge", "--seeds", "0-1", "--out", out)
    assert both.code == 0, both.err
    alone = lab.run("-t", "ret/toy[control=random]", "-m", "ridge", "--seeds", "0-1", "--out", out)
    assert alone.code == 0, alone.err
    return out


def rows_of(runs: Path) -> dict[str, ControlRow]:
    (table,) = listing_of(read_cells(runs)).controls
    assert (table.metric, table.pool) == ("recall@1", 24)
    return {row.method: row for row in table.rows}


def test_a_coupled_row_is_withheld_until_its_control_is_run(runs: Path, lab: Lab) -> None:
    cells = read_cells(runs)
    kept, reasons = fit_to_show(cells)
    assert len(reasons) == 1 and "smoothed_ridge on retrieval/toy@1 is not shown" in reasons[0]
    assert len(cells) - len(kept) == 2
    assert list(rows_of(runs)) == ["ridge"]
    shown = lab.call("results", "ls", "--runs", runs)
    assert shown.code == 0
    assert "beside controls" in shown.out and "24 candidates" in shown.out
    assert reasons[0] in shown.err
    compared = lab.call("compare", "ridge", "smoothed_ridge", "-t", "ret/toy", "--runs", runs)
    assert compared.code != 0 and reasons[0] in compared.err


def test_content_gain_is_the_difference_of_the_controls(runs: Path, lab: Lab) -> None:
    row = rows_of(runs)["ridge"]
    with_context, without = row.controls["node_disjoint"], row.controls["no_graph"]
    assert row.gain and with_context and without
    assert row.gain.value == pytest.approx(with_context.mean - without.mean)
    assert row.gain.low <= row.gain.value <= row.gain.high
    assert row.towers == "pure"
    (shown,) = lab.call("results", "ls", "--runs", runs, "--json").json()["controls"]
    assert shown["rows"][0]["content_gain"] == row.gain.value and shown["rows"][0]["pool"] == 24


def test_controls_of_another_revision_do_not_stand_beside_the_score(runs: Path) -> None:
    cells = [cell for cell in read_cells(runs) if cell.record.method.name == "ridge"]
    older = [
        cell if cell.record.task.variant else replace(cell, record=cell.record.model_copy(update={"method": made}))
        for cell in cells
        for made in [cell.record.method.model_copy(update={"revisions": {"ridge": 0}})]
    ]
    kept, sentences = fit_to_show(older)
    assert {cell.record.task.id for cell in kept} == {"retrieval/toy"}
    assert (
        len(sentences) == 1 and "controls of ridge on retrieval/toy@1 are not shown: another revision" in sentences[0]
    )
    alone = [cell for cell in older if cell.record.task.variant]
    assert fit_to_show(alone) == (alone, []), "without a score they stand for themselves"


def test_with_its_control_it_is_shown(runs: Path, lab: Lab) -> None:
    assert lab.run("-t", "ret/toy[control=random]", "-m", "smoothed_ridge", "--seeds", "0-1", "--out", runs).code == 0
    cells = read_cells(runs)
    assert fit_to_show(cells) == (cells, [])
    compared = lab.call("compare", "ridge", "smoothed_ridge", "-t", "ret/toy", "--runs", runs)
    assert compared.code == 0, compared.err
    assert "pool" in compared.out
    assert lab.call("report", "--runs", runs).code == 0
    page = (runs / "report" / "index.html").read_text()
    assert "Fingerprint’s share" in page and "smoothed_ridge" in page and "is not shown" not in page
