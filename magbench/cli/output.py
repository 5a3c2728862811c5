"""What every verb prints with: JSON on request, tables otherwise, errors in one line."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TextIO

debug = False
"""Whether ``--debug`` was given: errors come with their traceback."""


PIPE_WIDTH = 160
"""Columns of a table that no terminal shows; more if COLUMNS says so."""

UNBROKEN = 24
"""Columns no wider than this are never broken: numbers with their spread or interval."""

LEAST_FOLDED, COLUMN_GAP = 12, 3


def print_json(value: Any) -> None:
    """Print ``value`` as JSON; NaN becomes ``null``, for JSON has no NaN."""
    print(json.dumps(_plain(value), indent=1, ensure_ascii=False))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], title: str = "") -> None:
    """Print ``rows`` as a table; ``columns`` maps keys to headings."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title) if title else None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    wanted = os.environ.get("COLUMNS", "")
    width = None if sys.stdout.isatty() else max(PIPE_WIDTH, int(wanted) if wanted.isdecimal() else 0)
    colours: Literal["auto"] | None = "auto" if is_live(sys.stdout) else None
    console = Console(highlight=False, width=width, color_system=colours)
    cells = [[_cell(row.get(key)) for key in columns] for row in rows]
    headings = list(columns.values())
    for heading, whole in zip(headings, _unbroken([headings, *cells], console.width), strict=True):
        table.add_column(heading, overflow="fold", no_wrap=whole)
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def check_output(path: Path, option: str) -> None:
    """Refuse a file that could not be written when the work is done; its folder need not be there yet.

    Args:
        path: the file.
        option: what gives it, e.g. ``"--html"``.

    Raises:
        OutputError: it is a folder, or the nearest folder above it is none or closed to us.
    """
    from magbench.errors import OutputError

    above = path.absolute().parent
    while not os.access(above, os.F_OK):
        above = above.parent
    if path.is_dir():
        reason = "it is a folder"
    elif not above.is_dir():
        reason = f"{above} is no folder"
    elif not os.access(above, os.W_OK | os.X_OK):
        reason = f"nothing may be written in {above}"
    else:
        return
    raise OutputError(f"{path} cannot be written: {reason}. Give {option} another path.")


def is_live(stream: TextIO) -> bool:
    """Whether ``stream`` takes more than plain lines: a terminal, and neither NO_COLOR nor CI set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and not os.environ.get("CI")


def _unbroken(lines: Sequence[Sequence[str]], width: int) -> list[bool]:
    """Which columns keep their cells whole: the narrow ones, if that leaves room for the others in ``width``."""
    widths = [max(len(line) for cell in column for line in cell.split("\n")) for column in zip(*lines, strict=True)]
    narrow = [wide <= UNBROKEN for wide in widths]
    needed = sum(COLUMN_GAP + (wide if keep else LEAST_FOLDED) for wide, keep in zip(widths, narrow, strict=True))
    return narrow if needed <= width else [False] * len(narrow)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if hasattr(value, "item"):
        return _plain(value.item())
    return value
