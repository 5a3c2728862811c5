"""What every page is made with: the template engine, its styles and script, and a file that is written whole or not."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from magbench.board.numbers import FILTERS
from magbench.board.view import label_of
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


def template_engine() -> Environment:
    """The template engine: everything escaped, a misspelt name an error."""
    environ = Environment(
        loader=PackageLoader("magbench.board"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environ.filters |= FILTERS | {
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
