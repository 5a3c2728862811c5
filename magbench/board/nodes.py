"""A sample of test nodes, each with what every method took it for.

Nodes are taken from one seed of a section, so that all methods were tested on the same part; a *card* shows a node once
and groups the methods by the class they predicted.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from magbench.board.label import Label, label_of
from magbench.board.sample import Sample, Sampled

LIMIT = 24
"""Nodes on a page, over all sections: pictures travel inside the page."""

_TEXT = 160
_MAGIC = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


@dataclass(frozen=True)
class Verdict:
    """One predicted class, whether it is right, and the methods that predicted it (empty: all of them)."""

    predicted: str
    right: bool
    methods: tuple[Label, ...]


@dataclass(frozen=True)
class Card:
    """One node: its picture as a data URI (or None), its shortened text, its class; verdicts, the right one first."""

    node: int
    text: str
    image: str | None
    true: str
    verdicts: tuple[Verdict, ...]


def cards(sampled: Sequence[Sampled], limit: int) -> tuple[int | None, tuple[Card, ...]]:
    """The seed that was looked at, and up to ``limit`` cards in the order of the first method's sample."""
    sampled = [run for run in sampled if run.nodes]
    if not sampled or limit < 1:
        return None, ()
    seed = min(run.seed for run in sampled)
    nodes: dict[int, list[tuple[str, Sample]]] = {}
    for run in sorted((run for run in sampled if run.seed == seed), key=lambda run: run.method):
        for sample in run.nodes:
            nodes.setdefault(sample.node, []).append((run.method, sample))
    methods = len({run.method for run in sampled if run.seed == seed})
    return seed, tuple(_card(seen, methods) for seen in list(nodes.values())[:limit])


def _card(seen: list[tuple[str, Sample]], methods: int) -> Card:
    sample = seen[0][1]
    groups: dict[str, list[str]] = {}
    for method, own in seen:
        groups.setdefault(own.predicted, []).append(method)
    unanimous = len(groups) == 1 and len(seen) == methods
    verdicts = tuple(
        Verdict(predicted, predicted == sample.true, () if unanimous else tuple(label_of(name) for name in names))
        for predicted, names in sorted(groups.items(), key=lambda group: (group[0] != sample.true, group[0]))
    )
    return Card(sample.node, shortened(sample.text), data_uri(sample.image), sample.true, verdicts)


def shortened(text: str) -> str:
    """A text on one line, cut to what a card has room for."""
    line = " ".join(text.split())
    return line if len(line) <= _TEXT else line[: _TEXT - 1] + "…"


def data_uri(image: bytes | None) -> str | None:
    """A WebP, PNG or JPEG picture as a data URI; None for anything else, which is then shown as having no picture."""
    if image is None:
        return None
    webp = image[:4] == b"RIFF" and image[8:12] == b"WEBP"
    kind = "image/webp" if webp else next((kind for magic, kind in _MAGIC.items() if image.startswith(magic)), None)
    return f"data:{kind};base64,{b64encode(image).decode('ascii')}" if kind else None
