"""Studies on a page and as a summary: sentences say what the numbers say, pictures show them, everything is escaped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from outline import EVIL, Outline
from studies import GRID, PARTS, TASKS, Made, cell, fixed_rows, grid_rows, kept, parts_rows

from magbench import paths
from magbench.board.numbers import point
from magbench.board.study_charts import heat, lines, lines_scale
from magbench.board.study_page import quantity_views, render_studies, write_studies
from magbench.board.study_summary import as_json, as_markdown, write_summary
from magbench.board.study_text import answer_text, finding_texts, question_text
from magbench.registry import Registry
from magbench.results.study import read_studies
from magbench.tables.study import StudyTable, study_table


@pytest.fixture(scope="module")
def parts() -> StudyTable:
    return study_table(kept(PARTS, parts_rows()))


def test_answers_are_sentences(parts: StudyTable) -> None:
    helps, beyond = parts.questions
    assert question_text(helps).startswith("Of 4 pairs of task and host: yes in 2, the reverse in 2; mean difference")
    assert question_text(beyond).startswith("Of 4 pairs of task and host: not shown in 4;")
    answer = helps.answers[0]
    text = answer_text(answer)
    assert text.startswith(f"Ours beats plain host on a, mlp host: {point(answer.difference)} points [")
    assert "10 seeds; detectable from" in text
    undecided = answer_text(beyond.answers[0])
    assert undecided.startswith("Ours is not shown to differ from trivial on a, mlp host: ")
    assert "is worse than plain host on a, sage host: −" in answer_text(helps.answers[1])


def test_what_is_not_tested_says_why() -> None:
    helps, beyond = study_table(kept(PARTS, [row for row in parts_rows(1) if row.method != "mlp+trivial"])).questions
    assert question_text(helps) == "Not tested: fewer than two seeds have both methods."
    assert answer_text(beyond.answers[0]) == (
        "Ours cannot be compared with trivial on a, mlp host: no results of mlp+trivial."
    )


def test_heat_maps_hold_gains_and_telemetry() -> None:
    view = study_table(kept(GRID, grid_rows(), 3))
    gain, mass = quantity_views(view.tasks[0])
    assert (gain.name, mass.name) == ("Gain in accuracy over the plain host, points", "mass")
    (panel,) = gain.panels
    assert panel.title == "eps = 1"
    assert [field.value for field in panel.chart.fields] == pytest.approx([0, 1, 2, 3])  # type: ignore[union-attr]
    assert [f.seeds for f in panel.chart.fields] == [3] * 4  # type: ignore[union-attr]
    assert [f.value for f in mass.panels[0].chart.fields] == pytest.approx([0.1, 0.1, 1, 1])  # type: ignore[union-attr]
    assert "alpha 0.9, rho 1: +3.0" in panel.label


def test_findings_keep_the_best_setting_in_proportion() -> None:
    def found(rows: list[Made]) -> list[str]:
        study = study_table(kept(GRID, rows, 3))
        return finding_texts(study, study.tasks[0])

    best, trivial, *axes = found(grid_rows())
    assert best.startswith("3 of 4 settings have a higher mean than the plain host. The best (rho 1, alpha 0.9, eps 1)")
    assert "gains +3.0 points; it was picked among 4 by test score over 3 seeds without correction: a lead" in best
    assert trivial == "trivial, on the same footing, gains +2.5 points; 1 of 4 settings have a higher mean."
    assert axes[0] == "Mean gain by rho, over everything else: 0.1: +0.5, 1: +2.5."
    assert axes[1] == "Mean gain by alpha, over everything else: 0.5: +1.0, 0.9: +2.0."
    assert axes[3] == "Mean mass by rho: 0.1: 0.1, 1: 1."
    without = [row for row in grid_rows() if row.method != "mlp"]
    assert found(without) == ["No setting of the grid has a seed in common with the plain host yet."]


def test_curves_draw_a_line_a_value() -> None:
    figure = {**GRID["study"]["figure"], "kind": "curves"}
    view = study_table(kept({**GRID, "study": {"figure": figure}}, grid_rows(), 3))
    (panel,) = quantity_views(view.tasks[0])[0].panels
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


def test_the_page_holds_everything_and_asks_for_nothing(parts: StudyTable) -> None:
    views = [parts, study_table(kept(GRID, grid_rows()[:-3], 3))]
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
    rows = [cell("mlp", 0, 0.5), cell("mlp+ours", 0, 0.5, error=EVIL + " `|` [x](y)")]
    view = study_table(kept(evil, rows))
    page, text = render_studies([view]), as_markdown(view)
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    assert not Outline(page).open
    assert "| &lt;script&gt;" in text
    line = next(line for line in text.splitlines() if line.startswith("* `nc/a@1 mlp+ours seed 0"))
    assert line.count("`") == 2


def test_engines_that_do_not_belong_together_are_named() -> None:
    rows = [cell("mlp", 0, 0.5), cell("mlp", 0, 0.5, TASKS[1], engine=2)]
    assert "Cells of 2 engines" in Outline(render_studies([study_table(kept(PARTS, rows))])).text
    assert "engines" not in Outline(render_studies([study_table(kept(PARTS, rows[:1]))])).text


def test_what_may_not_stand_beside_the_others_is_named_and_not_shown() -> None:
    study = study_table(kept(PARTS, [cell("mlp", 0, 0.5), cell("mlp+ours", 0, 0.5, engine=2)]))
    said = "mlp+ours on nc/a is not shown: it has another engine (2) than the newest result there."
    assert [row.method for row in study.tasks[0].rows] == ["mlp"]
    assert said in Outline(render_studies([study])).text
    assert f"* {said}" in as_markdown(study)
    assert as_json(study)["not_shown"][0].startswith(said)
    assert (study.ok, study.missing) == (2, 118)


def test_an_answer_over_test_items_says_so() -> None:
    hits = {"mlp": [[0] * 8], "mlp+ours": [[1] * 8], "mlp+trivial": [[1] * 7 + [0]]}
    helps, beyond = study_table(kept(PARTS, fixed_rows(hits))).questions
    assert answer_text(helps.answers[0]) == (
        "Ours beats plain host on a, mlp host: +100.0 points [+100.0, +100.0], p = 0.008, after Holm 0.016 (1 seed,"
        " over test items; detectable from 100.0; one seed: says nothing about other draws)."
    )
    assert "over test items" in answer_text(beyond.answers[0])
    assert "over test items" not in answer_text(study_table(kept(PARTS, parts_rows())).questions[0].answers[0])


def test_an_answer_without_a_smallest_effect_has_none_in_its_text() -> None:
    """The same difference on every seed: the sign test gives p, and there is no spread to detect an effect by."""
    rows = [cell(method, seed, 0.5 + 0.25 * (method != "mlp")) for method in ("mlp", "mlp+ours") for seed in range(8)]
    text = answer_text(study_table(kept(PARTS, rows)).questions[0].answers[0])
    assert "(8 seeds; the same over all seeds" in text and "detectable" not in text


def test_the_summary_is_the_same_for_the_same_cells(parts: StudyTable, tmp_path: Path) -> None:
    markdown, data = write_summary(parts, tmp_path)
    before = markdown.read_bytes(), data.read_bytes()
    write_summary(study_table(kept(PARTS, parts_rows()[::-1])), tmp_path)
    assert (markdown.read_bytes(), data.read_bytes()) == before
    found = json.loads(data.read_text())
    assert found["cells"] == {"planned": 120, "ok": 120, "failed": 0, "not_run": 0}
    assert found["questions"][1]["answers"][0]["verdict"] == "undecided"
    assert found["tasks"][0]["rows"][0]["gain"] is None  # a plain host has no gain
    assert "Nothing: every cell of the plan is kept." in markdown.read_text()


def test_the_kept_studies_give_their_summaries() -> None:
    root = paths.checkout()
    assert root is not None
    folder = root / "leaderboard" / "studies"
    studies = read_studies(Registry.default(), folder)
    assert {study.suite.name for study in studies} == {path.parent.name for path in folder.glob("*/summary.md")}
    for study in studies:
        assert study.cells and len(study.cells) == len(study.kept)
        assert as_markdown(study_table(study)) == (folder / study.suite.name / "summary.md").read_text(encoding="utf-8")


def test_the_summary_lists_what_was_not_run() -> None:
    text = as_markdown(study_table(kept(PARTS, parts_rows(2), 3)))
    assert "* a, `mlp+ours` (Ours): seeds 2" in text
    assert "24 of 36 cells, 0 failed, 12 not run" in text
    assert as_json(study_table(kept(PARTS, [])))["cells"]["not_run"] == 120
    assert "No finished cell." in as_markdown(study_table(kept(PARTS, [])))


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
