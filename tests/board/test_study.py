"""Studies: answers follow from the numbers, pictures show them, and page and summary hold what was not run, escaped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from magbench.board.study import StudyView, study_view
from magbench.board.study_grid import point

from magbench.board.study_charts import heat, lines, lines_scale
from magbench.board.study_page import render_studies, write_studies
from magbench.board.study_summary import as_json, as_markdown, write_summary
from magbench.results.study import KeptStudy, StudyCell
from magbench.suites import Suite

from .test_report import EVIL, Outline

TASKS = ("nc/a@1", "nc/b@1")
PARTS = {
    "name": "parts",
    "title": "Parts",
    "protocol": "standard@1",
    "tasks": ["nc/a", "nc/b"],
    "methods": ["mlp", "mlp+ours", "mlp+trivial", "sage", "sage+ours", "sage+trivial"],
    "study": {
        "names": {"ours": "Ours"},
        "contrasts": [
            {"question": "Does it help?", "a": "", "b": "ours"},
            {"question": "Beyond the trivial?", "a": "trivial", "b": "ours"},
        ],
    },
}
GRID = {
    "name": "grid",
    "title": "Grid",
    "protocol": "standard@1",
    "tasks": ["nc/a"],
    "methods": ["mlp", "mlp+trivial"],
    "grid": {"method": "mlp+ours", "axes": {"ours": {"rho": [0.1, 1], "alpha": [0.5, 0.9], "eps": [1]}}},
    "study": {"figure": {"kind": "heat", "x": "alpha", "y": "rho", "panel": "eps", "telemetry": ["mass"]}},
}


def cell(method: str, seed: int, score: float, task: str = TASKS[0], **fields: Any) -> StudyCell:
    values = {
        "task": task,
        "dataset": "d@1",
        "method": method,
        "protocol": "standard@1",
        "seed": seed,
        "status": "ok",
        "scores": {"accuracy": score, "macro_f1": score / 2},
        "n": 100,
        "key": f"key of {method}",
        "run_id": "r",
        "source_sha256": "s",
        "engine": 1,
        "core_seconds": 36.0,
        "seconds": 30.0,
        "finished": "2026",
    }
    return StudyCell.model_validate({**values, **fields})


def kept(description: dict[str, Any], rows: list[StudyCell], seeds: int = 10) -> KeptStudy:
    suite = Suite.parse(description, "here")
    tasks = TASKS[: len(suite.tasks)]
    plan = tuple((task, method, seed) for seed in range(seeds) for task in tasks for method in suite.method_strings)
    return KeptStudy(suite, plan, tuple(rows))


def parts_rows(seeds: int = 10, edge: float = 0.05) -> list[StudyCell]:
    """``ours`` is ``edge`` above its host on the MLP, as good as ``trivial``, and ``edge`` below its host on SAGE."""
    rng = np.random.default_rng(0)
    rows = []
    for task in TASKS:
        for seed in range(seeds):
            base = 0.6 + 0.01 * seed
            for method in PARTS["methods"]:
                host, _, extra = method.partition("+")
                gain = 0 if not extra else edge if host == "mlp" else -edge
                rows.append(cell(method, seed, base + gain + rng.normal(0, 0.004), task, telemetry={"lam": 2.0}))
    return rows


@pytest.fixture(scope="module")
def parts() -> StudyView:
    return study_view(kept(PARTS, parts_rows()))


def test_answers_say_what_the_statistics_say(parts: StudyView) -> None:
    helps, beyond = parts.questions
    assert {(a.task, a.host): a.verdict for a in helps.answers} == {
        ("a", "mlp"): "better",
        ("b", "mlp"): "better",
        ("a", "sage"): "worse",
        ("b", "sage"): "worse",
    }
    assert {a.verdict for a in beyond.answers} == {"undecided"}
    assert helps.verdict.startswith("Of 4 pairs of task and host: yes in 2, the reverse in 2; mean difference")
    assert beyond.verdict.startswith("Of 4 pairs of task and host: not shown in 4;")


def test_a_host_with_a_plus_in_an_option_is_a_host() -> None:
    host = "mlp[lr=1e+16]"
    study = {"contrasts": PARTS["study"]["contrasts"][:1]}
    description = {**PARTS, "tasks": ["nc/a"], "methods": [host, f"{host}+ours"], "study": study}
    rows = [cell(method, s, 0.6 + 0.01 * s + 0.001 * len(method)) for method in description["methods"] for s in (0, 1)]
    (question,) = study_view(kept(description, rows, seeds=2)).questions
    assert [answer.host for answer in question.answers] == [host]


def test_an_answer_holds_its_numbers(parts: StudyView) -> None:
    """The mean difference by hand, and Holm over the four contrasts of one task."""
    answer = parts.questions[0].answers[0]
    rows = [row for row in parts_rows() if row.task == TASKS[0]]
    scores = {(row.method, row.seed): row.scores["accuracy"] for row in rows}
    mean = 100 * np.mean([scores["mlp+ours", seed] - scores["mlp", seed] for seed in range(10)])
    assert answer.difference == pytest.approx(mean)
    assert answer.low < answer.boot_low < answer.difference < answer.boot_high < answer.high
    assert (answer.seeds, answer.family) == (10, 4)
    assert answer.text.startswith(f"Ours beats plain host on a, mlp host: {point(mean)} points [")
    assert "10 seeds; detectable from" in answer.text
    undecided = parts.questions[1].answers[0].text
    assert undecided.startswith("Ours is not shown to differ from trivial on a, mlp host: ")
    assert "is worse than plain host on a, sage host: −" in parts.questions[0].answers[1].text


def test_one_seed_and_missing_rows_are_not_tested() -> None:
    view = study_view(kept(PARTS, [row for row in parts_rows(1) if row.method != "mlp+trivial"]))
    verdicts = {answer.verdict for question in view.questions for answer in question.answers}
    assert verdicts == {"untested"}
    assert view.questions[0].verdict == "Not tested: fewer than two seeds have both methods."
    assert "no results of mlp+trivial" in view.questions[1].answers[0].text
    assert study_view(kept(PARTS, [])).questions == ()


def test_counts_costs_and_what_was_not_run() -> None:
    rows = [row for row in parts_rows() if not (row.method == "mlp" and row.seed > 6 and row.task == TASKS[1])]
    rows[0] = rows[0].model_copy(update={"status": "failed", "scores": {}, "error": "E: x", "dirty": True})
    view = study_view(kept(PARTS, rows))
    assert (view.planned, view.ok, len(view.failed), view.missing) == (120, 116, 1, 3)
    assert view.core_hours == pytest.approx(117 * 36 / 3600)
    assert [(group.task, group.method, group.seeds) for group in view.not_run] == [(TASKS[1], "mlp", (7, 8, 9))]
    row = view.tasks[0].rows[0]
    assert (row.method, row.seeds, row.failed) == ("mlp", 9, 1)
    assert view.commits == ("unknown", "unknown+")


def grid_rows(seeds: int = 3) -> list[StudyCell]:
    """Gain 1 point for alpha .9 and 2 points for rho 1; mass is rho; trivial gains 2.5 points."""
    rows = []
    suite = Suite.parse(GRID, "here")
    for seed in range(seeds):
        base = 0.5 + 0.1 * seed
        rows += [cell("mlp", seed, base), cell("mlp+trivial", seed, base + 0.025)]
        for method, at in (suite.grid.points() if suite.grid else {}).items():
            gain = 0.01 * (at["alpha"] == 0.9) + 0.02 * (at["rho"] == 1)
            rows.append(cell(method, seed, base + gain, telemetry={"mass": float(at["rho"])}))
    return rows


def test_heat_maps_hold_gains_and_telemetry() -> None:
    view = study_view(kept(GRID, grid_rows(), 3))
    gain, mass = view.tasks[0].quantities
    assert (gain.name, mass.name) == ("Gain in accuracy over the plain host, points", "mass")
    (panel,) = gain.panels
    assert panel.title == "eps = 1"
    assert [field.value for field in panel.chart.fields] == pytest.approx([0, 1, 2, 3])  # type: ignore[union-attr]
    assert [f.seeds for f in panel.chart.fields] == [3] * 4  # type: ignore[union-attr]
    assert [f.value for f in mass.panels[0].chart.fields] == pytest.approx([0.1, 0.1, 1, 1])  # type: ignore[union-attr]
    assert "alpha 0.9, rho 1: +3.0" in panel.label
    assert [row.method for row in view.tasks[0].rows] == ["mlp", "mlp+trivial"]


def test_findings_keep_the_best_setting_in_proportion() -> None:
    best, trivial, *axes = study_view(kept(GRID, grid_rows(), 3)).tasks[0].findings
    assert best.startswith("3 of 4 settings have a higher mean than the plain host. The best (rho 1, alpha 0.9, eps 1)")
    assert "gains +3.0 points; it was picked among 4 by test score over 3 seeds without correction: a lead" in best
    assert trivial == "trivial, on the same footing, gains +2.5 points; 1 of 4 settings have a higher mean."
    assert axes[0] == "Mean gain by rho, over everything else: 0.1: +0.5, 1: +2.5."
    assert axes[1] == "Mean gain by alpha, over everything else: 0.5: +1.0, 0.9: +2.0."
    assert axes[3] == "Mean mass by rho: 0.1: 0.1, 1: 1."
    without = [row for row in grid_rows() if row.method != "mlp"]
    assert study_view(kept(GRID, without, 3)).tasks[0].findings == (
        "No setting of the grid has a seed in common with the plain host yet.",
    )


def test_curves_draw_a_line_a_value() -> None:
    figure = {**GRID["study"]["figure"], "kind": "curves"}
    view = study_view(kept({**GRID, "study": {"figure": figure}}, grid_rows(), 3))
    (panel,) = view.tasks[0].quantities[0].panels
    assert [line.name for line in panel.chart.lines] == ["0.1", "1"]  # type: ignore[union-attr]
    assert [dot.value for dot in panel.chart.lines[1].dots] == pytest.approx([2, 3])  # type: ignore[union-attr]


def test_heat_geometry_by_hand() -> None:
    """Fields are 54 × 26 from (44, 8); shares are of the largest magnitude; what was not measured leaves a hole."""
    chart = heat([1, 2], ["a", "b"], {(1, "a"): (-2.0, 3), (2, "b"): (1.0, 1)}, 4.0)
    assert [(f.x, f.y, f.value, f.share, f.seeds) for f in chart.fields] == [(44, 8, -2, 0.5, 3), (98, 34, 1, 0.25, 1)]
    assert [(tick.at, tick.label) for tick in chart.columns] == [(71, "1"), (125, "2")]
    assert heat([1], [1], {(1, 1): (0.0, 1)}, 0.0).fields[0].share == 0


def test_line_geometry() -> None:
    """Sizes stand by their logarithm, so doublings are equally far apart; higher values stand higher."""
    scale = lines_scale([0.0, 2.0])
    chart = lines([512, 128, 256], ["s"], {(n, "s"): (v, 1) for n, v in ((128, 0.0), (256, 1.0), (512, 2.0))}, scale)
    (line,) = chart.lines
    x = [dot.x for dot in line.dots]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.11)
    assert [dot.at for dot in line.dots] == ["128", "256", "512"]
    assert [dot.y for dot in line.dots] == sorted((dot.y for dot in line.dots), reverse=True)
    assert chart.zero == line.dots[0].y
    assert lines([1], ["s"], {(1, "s"): (5.0, 1)}, lines_scale([5.0, 6.0])).zero is None


def test_the_page_holds_everything_and_asks_for_nothing(parts: StudyView) -> None:
    views = [parts, study_view(kept(GRID, grid_rows()[:-3], 3))]
    page = render_studies(views)
    outline = Outline(page)
    assert not outline.open
    ids = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(not str(a.get(k, "")).startswith("http") for _, a in outline.tags for k in ("src", "href"))
    assert "style" not in {key for _, attributes in outline.tags for key in attributes}
    pictures = [a for tag, a in outline.tags if tag == "svg" and a.get("role") == "img"]
    assert len(pictures) == 2
    assert all(a["aria-label"] for a in pictures)
    for text in ("Does it help?", "Ours beats plain host on a", "+3.0", "3 of 18 cells", "a lead, not a result"):
        assert text in outline.text, text
    assert render_studies(views) == page


def test_everything_from_outside_is_escaped() -> None:
    evil = {**PARTS, "title": EVIL, "study": {"names": {"ours": EVIL}, "contrasts": []}}
    rows = [cell("mlp", 0, 0.5), cell("mlp+ours", 0, 0.5, status="failed", scores={}, error=EVIL + " `|` [x](y)")]
    view = study_view(kept(evil, rows))
    page, text = render_studies([view]), as_markdown(view)
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    assert not Outline(page).open
    assert "| &lt;script&gt;" in text
    line = next(line for line in text.splitlines() if line.startswith("* `nc/a@1 mlp+ours seed 0"))
    assert line.count("`") == 2


def test_engines_that_do_not_belong_together_are_named() -> None:
    rows = [cell("mlp", 0, 0.5), cell("mlp+ours", 0, 0.5, engine=2)]
    assert "Cells of 2 engines" in Outline(render_studies([study_view(kept(PARTS, rows))])).text
    assert "engines" not in Outline(render_studies([study_view(kept(PARTS, rows[:1]))])).text


def test_the_summary_is_the_same_for_the_same_cells(parts: StudyView, tmp_path: Path) -> None:
    markdown, data = write_summary(parts, tmp_path)
    before = markdown.read_bytes(), data.read_bytes()
    write_summary(study_view(kept(PARTS, parts_rows()[::-1])), tmp_path)
    assert (markdown.read_bytes(), data.read_bytes()) == before
    found = json.loads(data.read_text())
    assert found["cells"] == {"planned": 120, "ok": 120, "failed": 0, "not_run": 0}
    assert found["questions"][1]["answers"][0]["verdict"] == "undecided"
    assert found["tasks"][0]["rows"][0]["gain"] is None  # a plain host has no gain
    assert "Nothing: every cell of the plan is kept." in markdown.read_text()


def test_the_summary_lists_what_was_not_run() -> None:
    text = as_markdown(study_view(kept(PARTS, parts_rows(2), 3)))
    assert "* a, `mlp+ours` (Ours): seeds 2" in text
    assert "24 of 36 cells, 0 failed, 12 not run" in text
    assert as_json(study_view(kept(PARTS, [])))["cells"]["not_run"] == 120
    assert "No finished cell." in as_markdown(study_view(kept(PARTS, [])))


def test_no_studies(tmp_path: Path) -> None:
    page = write_studies([], tmp_path)
    assert "None is kept yet" in page.read_text()


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (1.26, "gain", "+1.3"),
        (-0.31, "gain", "−0.3"),
        (-0.04, "gain", "0.0"),
        (float("nan"), "gain", "–"),
        (0.12345, "mass", "0.123"),
    ],
)
def test_points(value: float, name: str, text: str) -> None:
    assert point(value, name) == text
