"""The conflict report of a data set: where its modalities contradict the graph, each other, or an honest split.

:func:`conflict_report` measures a MAG and fills :mod:`magbench.data.report.figures`, which says where each figure is
defined. The same MAG, parts and seed give the same report.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import torch

from magbench.data.mag import MAG
from magbench.data.parts import Parts
from magbench.data.report.agreement import Doubles, EdgeAgreement, cross_modal, edge_agreement
from magbench.data.report.directions import Directions, Index
from magbench.data.report.duplicates import Duplicates, duplicates
from magbench.data.report.figures import (
    AgreementFigures,
    ConflictReport,
    CrossFigures,
    DegreeFigures,
    DuplicateFigures,
    Histogram,
    ModalityReport,
    Pair,
    Quartiles,
    Seen,
)
from magbench.data.report.homophily import Homophily

EXAMPLES = 12
"""Examples of each kind: pairs in conflict, groups of duplicates, nodes whose modalities disagree."""
_GROUP = 6
_BINS = 40


def conflict_report(mag: MAG, parts: Mapping[str, Parts] | None = None, *, seed: int = 0) -> ConflictReport:
    """Measure `mag`.

    Args:
        mag: the data set.
        parts: what each task trains on and tests, to be searched for duplicates across the two.
        seed: draws the random pairs and the anchors.
    """
    generator = np.random.default_rng(seed)
    directions = {m: Directions.of(mag.x_dict[m], mag.has_dict[m]) for m in mag.modalities}
    repeated = {m: duplicates(mag, m, found) for m, found in directions.items()}
    has = torch.stack(list(mag.has_dict.values()))
    return ConflictReport(
        name=mag.name,
        version=mag.version,
        features=mag.features,
        seed=seed,
        counts=mag.counts(),
        degrees=_degrees(np.bincount(mag.edge_index[0].numpy(), minlength=mag.num_nodes)),
        complete_nodes=int(has.all(dim=0).sum()),
        bare_nodes=int((~has).all(dim=0).sum()),
        homophily={column: Homophily.of(mag.edge_index, mag[column]) for column in mag.classes},
        modalities=tuple(
            ModalityReport(
                name=m,
                missing=mag.num_nodes - len(found.ids),
                agreement=_agreement(edge_agreement(found, mag.edge_index, generator), mag.num_nodes),
                duplicates=_duplicates(repeated[m]),
            )
            for m, found in directions.items()
        ),
        cross_modal=tuple(
            figures
            for a, b in combinations(mag.modalities, 2)
            if (figures := _cross((a, b), cross_modal(directions[a], directions[b], generator)))
        ),
        seen=tuple(
            _seen(task, both, m, found) for task, both in (parts or {}).items() for m, found in repeated.items()
        ),
    )


def _seen(task: str, parts: Parts, modality: str, found: Duplicates) -> Seen:
    unit = "nodes" if parts.test.ndim == 1 else "edges"
    exact, near = found.seen(parts.test, parts.train)
    return Seen(task, unit, modality, parts.train.shape[-1], parts.test.shape[-1], exact, near)


def _degrees(degree: Index) -> DegreeFigures:
    ladder = np.where(degree > 0, np.log2(np.maximum(degree, 1)).astype(np.int64) + 1, 0)
    return DegreeFigures(float(degree.mean()), _quartiles(degree), int((degree == 0).sum()), _ints(np.bincount(ladder)))


def _agreement(found: EdgeAgreement | None, num_nodes: int) -> AgreementFigures | None:
    if found is None:
        return None
    nodes = found.node_conflict(num_nodes)
    return AgreementFigures(
        edges=len(found.cosine),
        cosine_edges=float(found.cosine.mean(dtype=np.float64)),
        cosine_random=float(found.random.mean(dtype=np.float64)),
        auc=found.auc,
        conflict_rate=found.rate,
        nodes=int(np.isfinite(nodes).sum()),
        conflicting_nodes=int((nodes > 0.5).sum()),
        histogram=_histogram({"edges": found.cosine, "random pairs": found.random}),
        examples=_worst(found),
    )


def _worst(found: EdgeAgreement) -> tuple[Pair, ...]:
    """The edges of the lowest cosine among those in conflict."""
    order = np.argsort(found.cosine, kind="stable")[: int((found.conflict > 0.5).sum())]
    chosen = order[_apart(found.edges[:, order])]
    figures = zip(found.edges[:, chosen].T, found.cosine[chosen], found.conflict[chosen], strict=True)
    return tuple(Pair((int(a), int(b)), float(cosine), float(conflict)) for (a, b), cosine, conflict in figures)


def _apart(pairs: Index) -> list[int]:
    """The places of the first pairs, int64 [2, P], that name no node twice; a thousand times as many are looked at."""
    taken: set[int] = set()
    places: list[int] = []
    for place, pair in enumerate(pairs[:, : 1000 * EXAMPLES].T.tolist()):
        if len(places) < EXAMPLES and taken.isdisjoint(pair):
            taken.update(pair)
            places.append(place)
    return places


def _duplicates(found: Duplicates) -> DuplicateFigures:
    groups = found.groups()
    near = np.unique(found.content, return_index=True)[1][found.near]
    return DuplicateFigures(
        basis=found.basis,
        exact_nodes=sum(map(len, groups)),
        exact_groups=len(groups),
        largest_group=len(groups[0]) if groups else 0,
        near_pairs=found.near.shape[1],
        near_nodes=len(found.near_nodes()),
        complete=found.complete,
        unreadable=found.unreadable,
        groups=tuple(_ints(group[:_GROUP]) for group in groups[:EXAMPLES]),
        near=tuple((int(a), int(b)) for a, b in near[:, _apart(near)].T),
    )


def _cross(modalities: tuple[str, str], values: Doubles) -> CrossFigures | None:
    nodes = np.flatnonzero(np.isfinite(values))
    if not len(nodes):
        return None
    own = values[nodes]
    lowest = nodes[np.argsort(own, kind="stable")[:EXAMPLES]]
    return CrossFigures(
        modalities=modalities,
        nodes=len(nodes),
        mean=float(own.mean()),
        quartiles=_quartiles(own),
        negative=int((own < 0).sum()),
        histogram=_histogram({"nodes": own}),
        lowest=tuple((int(node), float(values[node])) for node in lowest),
    )


def _histogram(series: Mapping[str, np.ndarray]) -> Histogram:
    """Equal bins over the range of all series."""
    low, high = min(s.min() for s in series.values()), max(s.max() for s in series.values())
    bounds = np.linspace(low, max(high, low + 1e-6), _BINS + 1)
    shares = {name: np.histogram(values, bounds)[0] / len(values) for name, values in series.items()}
    return Histogram(tuple(bounds.tolist()), {name: tuple(values.tolist()) for name, values in shares.items()})


def _quartiles(values: np.ndarray) -> Quartiles:
    least, first, median, third, greatest = np.quantile(values, (0, 0.25, 0.5, 0.75, 1)).tolist()
    return least, first, median, third, greatest


def _ints(values: np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in values)
