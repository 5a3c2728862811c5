"""The page as a file: complete, self-contained, escaped, the same bytes for the same cells, and whole when it fails."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from lab import Lab
from outcomes import render, samples
from outline import EVIL, Outline

from magbench.board.report import write_report
from magbench.board.sample import Sample
from magbench.errors import DataError, OutputError, RecordError
from magbench.results.reported import Reported
from magbench.tables.outcome import Outcome
from magbench.tables.report import report_of


@pytest.fixture
def page(cells: list[Outcome]) -> str:
    return render(cells, title="Quick start", sampled=samples(cells))


def test_the_file_is_written_whole(cells: list[Outcome], tmp_path: Path) -> None:
    target = write_report(report_of(cells), tmp_path / "a" / "b", title="Quick start")
    assert target == tmp_path / "a" / "b" / "index.html"
    assert target.read_text(encoding="utf-8") == render(cells, title="Quick start")
    assert [path.name for path in target.parent.iterdir()] == ["index.html"]


def test_same_cells_same_bytes_in_any_order(cells: list[Outcome], page: str) -> None:
    backwards = list(reversed(cells))
    assert render(backwards, title="Quick start", sampled=samples(backwards)) == page


def test_elements_close_and_ids_are_unique(page: str) -> None:
    outline = Outline(page)
    assert outline.open == []
    ids = [found["id"] for _, found in outline.tags if "id" in found]
    assert len(ids) == len(set(ids))
    targets = [found["href"] for _, found in outline.tags if (found.get("href") or "").startswith("#")]
    assert {target[1:] for target in targets if target} <= set(ids)


def test_nothing_points_outside(page: str) -> None:
    assert "http://" not in page and "https://" not in page and "url(" not in page and "@import" not in page
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert "default-src 'none'" in page


def test_table_is_accessible(page: str) -> None:
    outline = Outline(page)
    headers = [found for tag, found in outline.tags if tag == "th"]
    assert all(found.get("scope") in ("col", "row") for found in headers)
    assert [found.get("aria-sort") for found in headers].count("descending") == 1
    assert all(found.get("role") != "img" or found.get("aria-label") for tag, found in outline.tags if tag == "svg")
    assert outline.count("html", lang="en") == 1


def test_table_holds_the_statistics(cells: list[Outcome], page: str) -> None:
    outline = Outline(page)
    assert "Mean ± standard deviation (ddof 1)" in outline.text and "Holm-corrected for 3 comparisons" in outline.text
    assert "1 failed" in outline.text and "MemoryError: 1.5 GB were asked for" in outline.text
    assert "0.900" not in outline.text and "diag_share" in outline.text
    values = [cell.scores["accuracy"] for cell in cells if cell.method == "sage" and cell.ok]
    assert f"{sum(values) / 5:.3f}" in outline.text


def test_pictures_are_few(cells: list[Outcome], page: str) -> None:
    assert 0 < page.count("data:image/webp;base64,") <= 24
    many = [*cells, *(Outcome(**(vars(cell) | {"task": f"nc/other{i}@1"})) for i in range(3) for cell in cells)]
    assert render(many, title="t", sampled=samples(many)).count("data:image/webp;base64,") <= 24


def test_everything_from_outside_is_escaped(cell) -> None:
    sample = [Sample(0, EVIL, b"RIFF", EVIL, EVIL + "2"), Sample(1, EVIL, None, EVIL, EVIL)]
    changed = {
        "task": EVIL,
        "dataset": EVIL,
        "protocol": EVIL,
        "scores": {EVIL: 0.5},
        "telemetry": {EVIL: 1.0},
        "env": {EVIL: {EVIL: EVIL}},
        "keys": {EVIL: EVIL},
    }
    cells = [cell(method, 0, **changed) for method in (EVIL, f"{EVIL}+{EVIL}")]
    cells.append(cell(EVIL, 1, **changed | {"status": EVIL, "error": EVIL}))
    page = render(cells, title=EVIL, citation=EVIL, sampled=samples(cells, sample))
    outline = Outline(page)
    assert outline.count("script") == 1 and EVIL not in page
    assert outline.text.count("alert(1)") > 20
    assert outline.open == []


def test_attributes_cannot_be_left(cell) -> None:
    page = render([cell('" onload="alert(1)', 0, task='"><img src=x onerror=alert(1)>')], title="t")
    assert not any(name.startswith("on") for _, found in Outline(page).tags for name in found)


def test_no_cells_and_nothing_but_failures(cell) -> None:
    assert "No results" in render([], title="t")
    page = render([cell("mlp", 0, status="failed", error=None, scores={}, history=[])], title="t")
    assert "No run of this task finished" in page and "no error was recorded" in page


def test_one_seed_says_so(cell) -> None:
    text = Outline(render([cell("mlp", 0), cell("mlp+dagr", 0)], title="t")).text
    assert "one seed: its spread is unknown" in text and " nan" not in text


@pytest.mark.parametrize(
    ("gain", "sentence"),
    [
        (0.1, "Of 1 regularised method, 1 is significantly better than the same encoder"),
        (-0.1, "Of 1 regularised method, 1 is significantly worse than the same encoder"),
        (0.0, "The regularised method does not differ significantly from"),
    ],
)
def test_the_verdict_says_better_or_worse(cell, gain: float, sentence: str) -> None:
    cells = [cell("a", seed, scores={"accuracy": 0.5 + seed / 100}) for seed in range(5)]
    cells += [cell("a+x", seed, scores={"accuracy": 0.5 + gain + (seed + seed % 2) / 100}) for seed in range(5)]
    assert sentence in " ".join(Outline(render(cells, title="t")).text.split())


def test_reported_numbers_stand_below_their_task_and_are_no_rows(cell) -> None:
    quoted = Reported(
        method="GOMA<b>", source="a paper", note="pool not stated", metric="recall@1", values={"retrieval/toys": 0.874}
    )
    page = render([cell("mlp", 0, task="retrieval/toys@1"), cell("mlp", 0)], title="t", reported=[quoted])
    text = " ".join(re.sub("<[^>]*>", "", page).split())
    quoted_as = "never ranked: GOMA&lt;b&gt;, recall@1 0.874, pool not stated (a paper)."
    assert text.count(f"Reported by papers, not run here, {quoted_as}") == 1
    assert "GOMA<b>" not in page and 'data-value="0.874"' not in page


def test_protocols_are_never_mixed(cell) -> None:
    page = render([cell("mlp", 0), cell("mlp", 0, protocol="standard@1")], title="t")
    assert 'id="task-2"' in page


def test_what_is_never_ranked_and_what_is_not_ours_is_said(cell) -> None:
    cells = [cell("mlp", seed) for seed in range(2)]
    assert "never ranked" not in render(cells, title="x") and "Not part of magbench" not in render(cells, title="x")
    page = render([replace(found, ranked=False, shipped=False) for found in cells], title="x")
    assert page.count(" · never ranked</span>") == 1
    assert "Not part of magbench: <bdi><code>mlp</code></bdi>." in page


def test_lone_surrogates_do_not_stop_the_page(cell, tmp_path: Path) -> None:
    write_report(report_of([cell("mlp", 0, status="failed", error="\ud800", scores={})]), tmp_path, title="t")


def test_an_unwritable_folder_is_named(cells: list[Outcome], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file.index\.html cannot be written"):
        write_report(report_of(cells), tmp_path / "file", title="t")


def test_a_cell_that_stands_twice_is_refused(cells: list[Outcome]) -> None:
    with pytest.raises(RecordError, match="stand twice"):
        render([*cells, cells[0]], title="t")


def test_hundreds_of_rows(cell) -> None:
    cells = [
        cell(f"mlp[hidden={width}]{reg}", seed, history=[])
        for width in range(100)
        for reg in ("", "+dagr")
        for seed in range(2)
    ]
    page = render(cells, title="t")
    assert page.count('<th scope="row">') >= 200 and "88 more" in page and "Filter methods" in page
    assert len(page) < 4_000_000


def test_a_report_needs_no_data(lab: Lab, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results from another machine: where the data are not here, or are others, the page shows no nodes."""
    shown = lab.call("report", "--runs", finished, "--out", tmp_path / "a").out
    assert "Report" in shown and "A sample of test nodes" in (tmp_path / "a" / "index.html").read_text()

    def gone(*_: object) -> None:
        raise DataError("not here")

    for fault in (("load_dataset", gone), ("part_digests", lambda mag, parts: dict.fromkeys(parts, "f" * 64))):
        with monkeypatch.context() as patch:
            patch.setattr(f"magbench.board.collect.{fault[0]}", fault[1])
            assert lab.call("report", "--runs", finished, "--out", tmp_path / "b").code == 0
        page = (tmp_path / "b" / "index.html").read_text()
        assert "A sample of test nodes" not in page and "label_propagation" in page


def test_columns_sort_by_their_metrics_direction(cell) -> None:
    page = render([cell("mlp", 0, scores={"recall@1": 0.5, "median_rank": 3.0})], title="x")
    heading = re.search(r"<th[^>]*data-sort=\"(\w+)\"[^>]*>(?:(?!</th>).)*Median rank", page, re.S)
    assert heading is not None and heading[1] == "low"
