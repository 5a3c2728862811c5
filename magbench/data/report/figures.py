"""The figures of a conflict report, as plain frozen data; :mod:`magbench.data.report.conflict` computes them.

What each means stands where it is computed: homophily in :mod:`magbench.data.report.homophily`, agreement and conflict
in :mod:`magbench.data.report.agreement`, duplicates in :mod:`magbench.data.report.duplicates`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from magbench.data.mag import Counts
from magbench.data.report.homophily import Homophily

Quartiles = tuple[float, float, float, float, float]
"""Least, first quartile, median, third quartile, greatest."""


@dataclass(frozen=True)
class Histogram:
    """Shares of each series in the bins between successive bounds."""

    bounds: tuple[float, ...]
    series: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class DegreeFigures:
    """The degrees; ``doubling`` counts the nodes of degree 0, 1, 2–3, 4–7, 8–15, …"""

    mean: float
    quartiles: Quartiles
    isolated: int
    doubling: tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """An edge in conflict: its ends, their cosine, and q (:mod:`magbench.data.report.agreement`)."""

    nodes: tuple[int, int]
    cosine: float
    conflict: float


@dataclass(frozen=True)
class AgreementFigures:
    """A modality along the edges; ``examples`` are the edges of the lowest cosine, no node twice."""

    edges: int
    cosine_edges: float
    cosine_random: float
    auc: float
    conflict_rate: float
    nodes: int
    conflicting_nodes: int
    histogram: Histogram
    examples: tuple[Pair, ...]


@dataclass(frozen=True)
class DuplicateFigures:
    """The duplicates of a modality; ``groups`` and ``near`` (no node twice) are examples by node number."""

    basis: str
    exact_nodes: int
    exact_groups: int
    largest_group: int
    near_pairs: int
    near_nodes: int
    complete: bool
    unreadable: int
    groups: tuple[tuple[int, ...], ...]
    near: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ModalityReport:
    """One modality; ``agreement`` is None where no edge has it at both ends."""

    name: str
    missing: int
    agreement: AgreementFigures | None
    duplicates: DuplicateFigures


@dataclass(frozen=True)
class CrossFigures:
    """The agreement of two modalities over ``nodes`` that have both; ``lowest`` are the nodes of the least."""

    modalities: tuple[str, str]
    nodes: int
    mean: float
    quartiles: Quartiles
    negative: int
    histogram: Histogram
    lowest: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Seen:
    """Test items of a task whose content stands in its training part: by exact duplicates, by exact or near ones."""

    task: str
    unit: str
    modality: str
    train: int
    test: int
    exact: int
    near: int


@dataclass(frozen=True)
class ConflictReport:
    """All figures of one data set."""

    name: str
    version: int
    features: str
    seed: int
    counts: Counts
    degrees: DegreeFigures
    complete_nodes: int
    bare_nodes: int
    homophily: dict[str, Homophily]
    modalities: tuple[ModalityReport, ...]
    cross_modal: tuple[CrossFigures, ...]
    seen: tuple[Seen, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {**asdict(self), "counts": self.counts._asdict()}
