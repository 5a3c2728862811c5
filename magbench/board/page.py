"""What every page is made with: the template engine, its styles and script, and a file that is written whole or not."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from magbench import __version__
from magbench.board.label import label_of, short_task
from magbench.board.numbers import FILTERS
from magbench.errors import OutputError
from magbench.files import replace_files
from magbench.metrics import higher_is_better


def write_page(page: str, target: Path) -> Path:
    """Write ``page`` to ``target``, which is replaced at once, never half; returns ``target``.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_files({target: page.encode("utf-8", errors="replace")})
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{target} cannot be written: {reason}. Choose another path.") from error
    return target


def render_page(template: str, *, styles: Sequence[str], **values: Any) -> str:
    """A page as text; the same values give the same bytes.

    Args:
        template: one of ``templates/``; it includes ``head.html`` and ``foot.html``.
        styles: stylesheets of ``templates/``, in their order; the script is ``report.js``.
        values: what the template prints, ``title`` among them unless it sets that itself.
    """
    environ = template_engine()
    style, script = Markup("").join(source(environ, name) for name in styles), source(environ, "report.js")
    return environ.get_template(template).render(
        values,
        version=__version__,
        style=style,
        script=script,
        style_hash=policy_hash(style),
        script_hash=policy_hash(script),
    )


def template_engine() -> Environment:
    """The template engine: everything escaped, a misspelt name an error, None prints nothing."""
    environ = Environment(
        loader=PackageLoader("magbench.board"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: "" if value is None else value,
    )
    environ.filters |= FILTERS | {
        "short_task": short_task,
        "label": label_of,
        "metric_name": _metric_name,
        "direction": _direction,
        "breakable": _breakable,
    }
    return environ


def _direction(metric: str) -> str:
    return "high" if higher_is_better(metric) else "low"


def source(environ: Environment, name: str) -> Markup:
    """A file of ours that is put into the page as it stands."""
    if environ.loader is None:
        raise OutputError(f"The report's {name} cannot be read: the template engine has no loader.")
    return Markup(environ.loader.get_source(environ, name)[0])


def policy_hash(text: str) -> str:
    """The digest by which the page's content policy allows an inline style or script."""
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _breakable(text: str) -> Markup:
    """Escaped text that may be broken where a method label has its joints."""
    return Markup(re.sub(r"(,)|([+\[])", r"\1<wbr>\2", str(escape(text))))


def _metric_name(metric: str) -> str:
    """``macro_f1`` as ``Macro-F1``, ``mrr`` as ``MRR``, ``accuracy`` as ``Accuracy``."""
    return {"macro_f1": "Macro-F1", "mrr": "MRR"}.get(metric, metric.replace("_", " ").capitalize())
