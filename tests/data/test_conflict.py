"""The conflict report as a whole: by hand on four nodes, the same for a seed, and whatever a data set lacks."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch

from magbench.data.mag import MAG
from magbench.data.parts import Parts
from magbench.data.report.conflict import EXAMPLES, conflict_report
from magbench.data.synthetic import generate

Small = Callable[..., MAG]


def test_by_hand(small: Small) -> None:
    texts = ["a", "b", "b", None]
    report = conflict_report(small(texts=texts), {"some/task@1": Parts(np.array([0, 1]), np.array([2, 3]))})
    assert report.counts == (4, 6, 0, 3)
    assert report.degrees.quartiles == (1, 1, 1.5, 2, 2)
    assert (report.degrees.isolated, report.degrees.doubling) == (0, (0, 2, 2))
    assert (report.complete_nodes, report.bare_nodes) == (3, 0)
    assert report.homophily["y"].edge == 0.5
    text, image = report.modalities
    assert (text.missing, image.missing) == (0, 1)
    assert (text.duplicates.exact_nodes, text.duplicates.groups) == (2, ((1, 2),))
    assert [(s.modality, s.unit, s.train, s.test, s.exact) for s in report.seen] == [
        ("text", "nodes", 2, 2, 1),
        ("image", "nodes", 2, 2, 0),
    ]


def test_the_same_seed_gives_the_same_report() -> None:
    mag, _ = generate(num_nodes=300, conflict=0.2, missing=0.1)
    first, again, other = (conflict_report(mag, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert json.loads(json.dumps(first.to_dict())) == json.loads(json.dumps(again.to_dict()))


def test_examples_are_in_conflict_and_name_no_node_twice() -> None:
    mag, _ = generate(num_nodes=300, conflict=0.2)
    for modality in conflict_report(mag).modalities:
        assert modality.agreement is not None
        pairs = modality.agreement.examples
        nodes = [node for pair in pairs for node in pair.nodes]
        assert len(pairs) == EXAMPLES
        assert len(set(nodes)) == len(nodes)
        assert all(pair.conflict > 0.5 for pair in pairs)
        assert [pair.cosine for pair in pairs] == sorted(pair.cosine for pair in pairs)
        edges = set(map(tuple, mag.edge_index.t().tolist()))
        assert {pair.nodes for pair in pairs} <= edges


def test_histograms_hold_everything() -> None:
    mag, _ = generate(num_nodes=200)
    report = conflict_report(mag)
    found = [m.agreement.histogram for m in report.modalities if m.agreement]
    found += [cross.histogram for cross in report.cross_modal]
    assert len(found) == 3
    for histogram in found:
        assert all(sum(values) == pytest.approx(1.0) for values in histogram.series.values())


@pytest.mark.parametrize("modalities", [["text"], ["text", "image", "sound"]])
def test_any_number_of_modalities(modalities: list[str]) -> None:
    mag, _ = generate(num_nodes=60, modalities=modalities)
    report = conflict_report(mag)
    assert [m.name for m in report.modalities] == modalities
    assert len(report.cross_modal) == len(modalities) * (len(modalities) - 1) // 2


def test_nothing_but_nodes() -> None:
    mag = MAG.build(
        name="bare",
        version=1,
        edge_index=torch.empty(2, 0, dtype=torch.int64),
        x={"text": torch.zeros(5, 2)},
        has={"text": torch.zeros(5, dtype=torch.bool)},
    )
    report = conflict_report(mag)
    assert (report.bare_nodes, report.degrees.isolated, report.degrees.doubling) == (5, 5, (5,))
    assert report.modalities[0].agreement is None
    assert (report.homophily, report.cross_modal, report.seen) == ({}, (), ())
    assert report.modalities[0].duplicates.exact_nodes == 0
