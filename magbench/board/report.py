"""The report of a run: one HTML file with the results, their statistics, pictures and provenance.

The page is self-contained (styles, script and pictures inside, a content policy that forbids any request), opens from
disk, prints, and works without the script, which only sorts and filters tables. Everything that came from outside
(labels, texts, errors) is escaped by the template engine. The same report gives the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from magbench import __version__
from magbench.board import charts
from magbench.board.nodes import LIMIT
from magbench.board.page import render_page, write_page
from magbench.board.sample import Sampled
from magbench.board.study_charts import FIELD, LINES_SIZE
from magbench.board.view import SectionView, section_view
from magbench.tables.base import ALPHA
from magbench.tables.report import Report

CITATION = (
    "magbench contributors. magbench: a benchmark and evaluation suite for learning on multimodal attributed graphs, "
    f"version {__version__}."
)


def write_report(
    report: Report,
    out_dir: str | os.PathLike[str],
    *,
    title: str,
    sampled: Sequence[Sampled] = (),
    citation: str = CITATION,
    studies: bool = False,
) -> Path:
    """Write ``out_dir/index.html`` and return its path; an older page is replaced at once, never half.

    Args:
        report: the numbers.
        out_dir: the folder, made if need be.
        title: the page's heading.
        sampled: some of the test nodes of finished runs.
        citation: the line to cite.
        studies: whether ``studies.html`` lies beside the page, to be linked.

    Raises:
        OutputError: if the page cannot be written.
    """
    page = render(report, title=title, sampled=sampled, citation=citation, studies=studies)
    return write_page(page, Path(out_dir) / "index.html")


def render(
    report: Report, *, title: str, sampled: Sequence[Sampled] = (), citation: str = CITATION, studies: bool = False
) -> str:
    """The page as text; the arguments are those of :func:`write_report`."""
    return render_page(
        "report.html",
        styles=("report.css",),
        title=title,
        report=report,
        sections=_sections(report, sampled),
        field=FIELD,
        line_size=LINES_SIZE,
        citation=citation,
        studies=studies,
        alpha=ALPHA,
        strip_size=charts.STRIP_SIZE,
        curve_size=charts.CURVE_SIZE,
        bar_size=charts.BAR_SIZE,
        track_size=charts.TRACK_SIZE,
    )


def _sections(report: Report, sampled: Sequence[Sampled]) -> tuple[SectionView, ...]:
    """Every section, drawn; the nodes that a page has room for are shared out evenly."""
    groups = [[run for run in sampled if run.question == s.results.question and run.nodes] for s in report.sections]
    share = max(1, LIMIT // sum(map(bool, groups))) if any(groups) else 0
    return tuple(
        section_view(number, section, group, share)
        for number, (section, group) in enumerate(zip(report.sections, groups, strict=True), 1)
    )
