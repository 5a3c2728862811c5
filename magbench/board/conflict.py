"""The page of a conflict report: figures, histograms, and examples with their pictures.

Self-contained as the report of a run is (:mod:`magbench.board.report`): it makes no request, everything that came from
outside is escaped, and a picture is decoded and drawn anew, small, before it goes in.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from magbench.board import histograms
from magbench.board.nodes import data_uri, shortened
from magbench.board.page import render_page, write_page
from magbench.data.mag import MAG
from magbench.data.report.cards import Card
from magbench.data.report.figures import ConflictReport
from magbench.errors import DataError

_SIDE = 96


@dataclass(frozen=True)
class NodeView:
    """A node as the page shows it: its shortened text, its picture as a data URI, the name of its class."""

    node: int
    text: str
    image: str | None
    label: str


def write_conflict(report: ConflictReport, mag: MAG, facts: Card, target: Path) -> Path:
    """Write the page to the file `target` and return it.

    Raises:
        OutputError: it cannot be written.
    """
    return write_page(render_conflict(report, mag, facts), target)


def render_conflict(report: ConflictReport, mag: MAG, facts: Card) -> str:
    """The page as text; the same report of the same data set gives the same bytes."""
    return render_page(
        "conflict.html",
        styles=("report.css", "conflict.css"),
        report=report,
        facts=facts,
        title=f"{facts.title}: conflict report",
        size=histograms.SIZE,
        steps=histograms.steps,
        bars=histograms.degree_bars(report.degrees.doubling),
        view=cache(lambda node: _view(mag, node)),
        pictures=mag.images is not None,
    )


def _view(mag: MAG, node: int) -> NodeView:
    text = (mag.texts[node] or "") if mag.texts is not None else ""
    return NodeView(node, shortened(text), _thumbnail(mag, node), _label(mag, node, tuple(mag.classes)))


def _label(mag: MAG, node: int, columns: Sequence[str]) -> str:
    """The node's class in the first label column, empty where it has none."""
    number = int(mag[columns[0]][node]) if columns else -1
    return mag.classes[columns[0]][number] if number >= 0 else ""


def _thumbnail(mag: MAG, node: int) -> str | None:
    try:
        picture = None if mag.images is None else mag.images[node]
    except DataError:
        return None
    if picture is None:
        return None
    picture.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=80)
    return data_uri(buffer.getvalue())
