"""The page of the kept studies: answers, tables, heat maps and curves, and what was not run.

Self-contained as the report of a run is (:mod:`magbench.board.report`): it makes no request, and everything that came
from outside is escaped by the template engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from magbench import __version__
from magbench.board.page import policy_hash, source, template_engine, write_page
from magbench.board.study import ALPHA, TELEMETRY, StudyView, name_of, short_task
from magbench.board.study_charts import FIELD, LINES_SIZE
from magbench.board.study_grid import point

PAGE = "studies.html"


def write_studies(views: Sequence[StudyView], folder: Path) -> Path:
    """Write ``folder/studies.html`` and return its path.

    Raises:
        OutputError: it cannot be written.
    """
    return write_page(render_studies(views), folder / PAGE)


def render_studies(views: Sequence[StudyView]) -> str:
    """The page as text; the same studies give the same bytes."""
    environ = template_engine()
    environ.filters |= {"point": point, "short_task": short_task}
    style = source(environ, "report.css") + source(environ, "studies.css")
    script = source(environ, "report.js")
    return environ.get_template("studies.html").render(
        studies=views,
        version=__version__,
        name_of=name_of,
        telemetry=TELEMETRY,
        alpha=ALPHA,
        field=FIELD,
        lines_size=LINES_SIZE,
        style=style,
        script=script,
        style_hash=policy_hash(style),
        script_hash=policy_hash(script),
    )
