"""The report of a run: one HTML file with the results, their statistics, pictures and provenance.

The page is self-contained (styles, script and pictures inside, a content policy that forbids any request), opens from
disk, prints, and works without the script, which only sorts and filters tables. Everything that came from outside
(labels, texts, errors) is escaped by the template engine. The same cells give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from magbench import __version__
from magbench.board import charts
from magbench.board.cells import ReportCell, Sample
from magbench.board.controls import controls_of, noise_of, split_cells
from magbench.board.ladders import ladders_of
from magbench.board.nodes import LIMIT, cards
from magbench.board.page import policy_hash, source, template_engine, write_page
from magbench.board.provenance import commands, environment, failures, identities
from magbench.board.study_charts import FIELD, LINES_SIZE
from magbench.board.study_grid import point
from magbench.board.sweeps import Sweep, sweeps_of
from magbench.board.view import ALPHA, sections
from magbench.results.reported import Reported

__all__ = ["ReportCell", "Sample", "render", "write_report"]

CITATION = (
    "magbench contributors. magbench: a benchmark and evaluation suite for learning on multimodal attributed graphs, "
    f"version {__version__}."
)


def write_report(
    cells: Sequence[ReportCell],
    out_dir: str | os.PathLike[str],
    *,
    title: str,
    test_train_ratio: float = 1 / 3,
    citation: str = CITATION,
    reproduce: Sequence[str] | None = None,
    studies: bool = False,
    reported: Sequence[Reported] = (),
) -> Path:
    """Write ``out_dir/index.html`` and return its path; an older page is replaced at once, never half.

    Args:
        cells: the outcomes, in any order; one for each task, feature set, protocol, method and seed.
        out_dir: the folder, made if need be.
        title: the page's heading.
        test_train_ratio: test nodes over training nodes of the drawn splits.
        citation: the line to cite.
        reproduce: the commands to print; by default those that make the cells again.
        studies: whether ``studies.html`` lies beside the page, to be linked.
        reported: what papers report; it stands below the results of its tasks, unranked.

    Raises:
        OutputError: if the page cannot be written.
        RecordError: if a score is NaN or a cell stands twice.
    """
    page = render(
        cells,
        title=title,
        test_train_ratio=test_train_ratio,
        citation=citation,
        reproduce=reproduce,
        studies=studies,
        reported=reported,
    )
    return write_page(page, Path(out_dir) / "index.html")


def render(
    cells: Sequence[ReportCell],
    *,
    title: str,
    test_train_ratio: float = 1 / 3,
    citation: str = CITATION,
    reproduce: Sequence[str] | None = None,
    studies: bool = False,
    reported: Sequence[Reported] = (),
) -> str:
    """The page as text; the arguments are those of :func:`write_report`."""
    environ = template_engine()
    environ.filters["point"] = point
    own, beside, hidden = split_cells(cells)
    found = sections(own, test_train_ratio=test_train_ratio)
    by_section = [[c for c in own if c.question == (s.task, s.features, s.protocol)] for s in found]
    sampled = sum(any(cell.ok and cell.sample for cell in group) for group in by_section)
    share = max(1, LIMIT // sampled) if sampled else 0
    names, keyed = identities(cells)
    controls = {s.anchor: controls_of(g, beside) for s, g in zip(found, by_section, strict=True)}
    style, script = source(environ, "report.css"), source(environ, "report.js")
    return environ.get_template("report.html").render(
        title=title,
        version=__version__,
        sections=tuple(zip(found, (cards(group, share) for group in by_section), strict=True)),
        controls=controls,
        ladders={
            s.anchor: ladders_of(at, group, [*own, *beside]) if (at := controls[s.anchor]) else ()
            for s, group in zip(found, by_section, strict=True)
        },
        sweeps={s.anchor: _sweeps(g, beside) for s, g in zip(found, by_section, strict=True)},
        field=FIELD,
        reported={section.anchor: _reported_of(section.task, reported) for section in found},
        hidden=hidden,
        line_size=LINES_SIZE,
        methods=len({cell.method for cell in cells}),
        cells=len(cells),
        failures=failures(cells),
        environment=environment(cells),
        key_names=names,
        keyed=keyed,
        unranked={cell.question for cell in cells if not cell.ranked},
        foreign=sorted({cell.method for cell in cells if not cell.shipped}),
        commands=commands(cells) if reproduce is None else tuple(reproduce),
        citation=citation,
        studies=studies,
        alpha=ALPHA,
        strip_size=charts.STRIP_SIZE,
        curve_size=charts.CURVE_SIZE,
        bar_size=charts.BAR_SIZE,
        track_size=charts.TRACK_SIZE,
        style=style,
        script=script,
        style_hash=policy_hash(style),
        script_hash=policy_hash(script),
    )


def _sweeps(section: Sequence[ReportCell], beside: Sequence[ReportCell]) -> tuple[Sweep, ...]:
    return sweeps_of([("the task’s features", section), ("random features", noise_of(section, beside))])


def _reported_of(task: str, reported: Sequence[Reported]) -> list[tuple[Reported, float]]:
    name = task.partition("@")[0]
    return [(found, found.values[name]) for found in reported if name in found.values]
