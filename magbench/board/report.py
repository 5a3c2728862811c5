"""The report of a run: one HTML file with the results, their statistics, pictures and provenance.

The page is self-contained (styles, script and pictures inside, a content policy that forbids any request), opens from
disk, prints, and works without the script, which only sorts and filters tables. Everything that came from outside
(labels, texts, errors) is escaped by the template engine. The same cells give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from magbench import __version__
from magbench.board import charts
from magbench.board.cells import ReportCell, Sample
from magbench.board.nodes import LIMIT, cards
from magbench.board.numbers import FILTERS
from magbench.board.provenance import commands, environment, failures, identities
from magbench.board.view import ALPHA, label_of, sections
from magbench.errors import OutputError

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
) -> Path:
    """Write ``out_dir/index.html`` and return its path; an older page is replaced at once, never half.

    Args:
        cells: the outcomes, in any order; one for each task, protocol, method and seed.
        out_dir: the folder, made if need be.
        title: the page's heading.
        test_train_ratio: test nodes over training nodes of the drawn splits.
        citation: the line to cite.
        reproduce: the commands to print; by default those that make the cells again.

    Raises:
        OutputError: if the page cannot be written.
        RecordError: if a score is NaN or a cell stands twice.
    """
    page = render(cells, title=title, test_train_ratio=test_train_ratio, citation=citation, reproduce=reproduce)
    target = Path(out_dir) / "index.html"
    partial = target.with_name(f".index.{os.getpid()}.html")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(page.encode("utf-8", errors="replace"))
        partial.replace(target)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        reason = error.strerror or error
        raise OutputError(f"The report {target} cannot be written: {reason}. Choose another folder.") from error
    return target


def render(
    cells: Sequence[ReportCell],
    *,
    title: str,
    test_train_ratio: float = 1 / 3,
    citation: str = CITATION,
    reproduce: Sequence[str] | None = None,
) -> str:
    """The page as text; the arguments are those of :func:`write_report`."""
    environ = _environment()
    found = sections(cells, test_train_ratio=test_train_ratio)
    by_section = [[c for c in cells if (c.task, c.protocol) == (s.task, s.protocol)] for s in found]
    sampled = sum(any(cell.ok and cell.sample for cell in group) for group in by_section)
    share = max(1, LIMIT // sampled) if sampled else 0
    names, keyed = identities(cells)
    style, script = _source(environ, "report.css"), _source(environ, "report.js")
    return environ.get_template("report.html").render(
        title=title,
        version=__version__,
        sections=tuple(zip(found, (cards(group, share) for group in by_section), strict=True)),
        methods=len({cell.method for cell in cells}),
        cells=len(cells),
        failures=failures(cells),
        environment=environment(cells),
        key_names=names,
        keyed=keyed,
        commands=commands(cells) if reproduce is None else tuple(reproduce),
        citation=citation,
        alpha=ALPHA,
        strip_size=charts.STRIP_SIZE,
        curve_size=charts.CURVE_SIZE,
        bar_size=charts.BAR_SIZE,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _environment() -> Environment:
    """The template engine: everything escaped, a misspelt name an error."""
    environ = Environment(
        loader=PackageLoader("magbench.board"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environ.filters |= FILTERS | {"label": label_of, "metric_name": _metric_name, "breakable": _breakable}
    return environ


def _source(environ: Environment, name: str) -> Markup:
    """A file of ours that is put into the page as it stands."""
    if environ.loader is None:
        raise OutputError(f"The report's {name} cannot be read: the template engine has no loader.")
    return Markup(environ.loader.get_source(environ, name)[0])


def _hash(source: str) -> str:
    """The digest by which the page's content policy allows an inline style or script."""
    return "sha256-" + b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")


def _breakable(text: str) -> Markup:
    """Escaped text that may be broken where a method label has its joints."""
    return Markup(re.sub(r"(,)|([+\[])", r"\1<wbr>\2", str(escape(text))))


def _metric_name(metric: str) -> str:
    """``macro_f1`` as ``Macro-F1``, ``accuracy`` as ``Accuracy``."""
    return {"macro_f1": "Macro-F1"}.get(metric, metric.replace("_", " ").capitalize())
