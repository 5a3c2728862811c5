"""Agreement and conflict against scikit-learn and scipy, in closed form, and on conflicts that were planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest, pearsonr, spearmanr
from sklearn.metrics import roc_auc_score

from magbench.data.load import load_dataset
from magbench.data.mag import MAG, simple_undirected
from magbench.data.report.agreement import EdgeAgreement, cross_modal, edge_agreement
from magbench.data.report.directions import Directions, random_pairs
from magbench.data.synthetic import generate
from magbench.registry import Registry

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75)


def directions(mag: MAG, modality: str) -> Directions:
    return Directions.of(mag.x_dict[modality], mag.has_dict[modality])


def agreement(mag: MAG, modality: str, seed: int = 0, pairs: int = 20_000) -> EdgeAgreement:
    found = edge_agreement(directions(mag, modality), mag.edge_index, np.random.default_rng(seed), pairs)
    assert found is not None
    return found


def all_nodes(x: np.ndarray) -> Directions:
    return Directions.of(torch.from_numpy(x.astype(np.float32)), torch.ones(len(x), dtype=torch.bool))


def test_directions_are_unit_vectors_about_the_mean_of_those_present() -> None:
    x = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 0.0], [2.0, 3.0]])
    found = Directions.of(x, torch.tensor([True, True, False, True]))
    assert found.mean.tolist() == [2.0, 1.0]
    expected = np.array([[-1, -1], [1, -1], [0, 2]]) / np.array([[2**0.5], [2**0.5], [2]])
    assert found.rows(np.array([0, 1, 3])) == pytest.approx(expected)
    # (−1, −1) and (1, −1) are orthogonal; (1, −1) and (0, 1) stand at 135 degrees.
    assert found.cosines(np.array([[0, 1], [1, 3]])) == pytest.approx([0.0, -(0.5**0.5)], abs=1e-6)


def test_a_feature_equal_to_the_mean_has_no_direction() -> None:
    found = all_nodes(np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))
    assert found.cosines(np.array([[0, 0], [1, 2]])) == pytest.approx([-1.0, 0.0])


def test_random_pairs_are_uniform_and_never_a_node_with_itself() -> None:
    ids = np.array([2, 5, 7])
    pairs = random_pairs(ids, 60_000, np.random.default_rng(0))
    assert set(np.unique(pairs)) == {2, 5, 7}
    assert (pairs[0] != pairs[1]).all()
    _, counts = np.unique(pairs, axis=1, return_counts=True)
    assert counts == pytest.approx([10_000] * 6, rel=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_auc_equals_scikit_learn(seed: int) -> None:
    mag, _ = generate(num_nodes=200, seed=seed)
    found = agreement(mag, "text")
    truth = np.repeat([1, 0], [len(found.cosine), len(found.random)])
    assert found.auc == pytest.approx(roc_auc_score(truth, np.concatenate([found.cosine, found.random])), abs=1e-9)


def test_conflict_by_brute_force() -> None:
    mag, _ = generate(num_nodes=60, degree=4.0, missing={"image": 0.3})
    found = agreement(mag, "image", pairs=500)
    more = (found.random[:, None] > found.cosine).mean(axis=0) + 0.5 * (found.random[:, None] == found.cosine).mean(
        axis=0
    )
    assert found.conflict == pytest.approx(more)
    assert found.rate == np.mean(more > 0.5)
    nodes = found.node_conflict(60)
    for node in range(60):
        own = more[(found.edges == node).any(axis=0)]
        assert nodes[node] == pytest.approx(own.mean()) if len(own) else np.isnan(nodes[node])
    held = mag.has_image.numpy()
    expected = {(a, b) for a, b in mag.edge_index.t().tolist() if a < b and held[a] and held[b]}
    assert set(map(tuple, found.edges.T.tolist())) == expected


def test_edges_drawn_at_random_have_a_uniform_conflict() -> None:
    rng = np.random.default_rng(0)
    features = all_nodes(rng.normal(size=(3000, 16)))
    edges = simple_undirected(torch.from_numpy(rng.integers(3000, size=(2, 6000))), 3000)
    found = edge_agreement(features, edges, rng)
    assert found is not None
    assert kstest(found.conflict, "uniform").pvalue > 0.01
    assert found.auc == pytest.approx(0.5, abs=0.01)
    assert found.rate == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_conflict_in_closed_form(share: float) -> None:
    """K classes that the features show almost without noise: random pairs share one with probability 1/K, so q is below
    1/K within a class and above it between two, where its mean is that of a uniform number on [1/K, 1]."""
    classes = 4
    mag, truth = generate(
        num_nodes=4000,
        num_classes=classes,
        class_signal=5.0,
        private_signal=0.0,
        instance_signal=0.0,
        conflict={"image": share},
    )
    found = agreement(mag, "image", pairs=100_000)
    shown = truth.modality_class["image"][found.edges]
    apart = shown[0] != shown[1]
    assert (found.conflict[~apart] < 1.1 / classes).all()
    assert found.conflict[apart].min() > 0.9 / classes
    assert found.conflict[apart].mean() == pytest.approx((1 + 1 / classes) / 2, abs=0.03)
    assert found.auc == pytest.approx(
        1 - (apart.mean() * (1 + 1 / classes) + (1 - apart.mean()) / classes) / 2, abs=0.03
    )


def test_conflict_finds_the_planted_nodes() -> None:
    params = Registry.default().dataset("synthetic-conflict").params
    mag, truth = generate(**params)
    nodes = agreement(mag, "image", pairs=100_000).node_conflict(mag.num_nodes)
    seen = np.isfinite(nodes)
    assert roc_auc_score(truth.conflict["image"][seen], nodes[seen]) > 0.85
    both = cross_modal(directions(mag, "text"), directions(mag, "image"), np.random.default_rng(0))
    assert roc_auc_score(truth.conflict["image"], -both) > 0.7


@pytest.mark.parametrize("gap", [0.0, 2.0])
def test_every_figure_is_monotone_in_the_planted_share(gap: float) -> None:
    measured = []
    for share in SHARES:
        mag, _ = generate(num_nodes=1500, class_signal=0.5, conflict={"image": share}, gap=gap)
        found = agreement(mag, "image")
        both = cross_modal(directions(mag, "text"), directions(mag, "image"), np.random.default_rng(0))
        nodes = found.node_conflict(1500)
        measured.append((found.rate, -found.auc, np.nanmean(nodes > 0.5), -both.mean()))
    for figure in zip(*measured, strict=True):
        assert spearmanr(SHARES, figure).statistic == pytest.approx(1.0), figure


def test_a_constant_shift_changes_nothing() -> None:
    mag, _ = generate(num_nodes=300)
    before = agreement(mag, "image")
    mag["x_image"] = mag.x_image + 100 * torch.randn(64, generator=torch.Generator().manual_seed(0))
    assert agreement(mag, "image").conflict == pytest.approx(before.conflict, abs=2e-3)


def test_no_edge_no_agreement() -> None:
    mag, _ = generate(num_nodes=20, missing={"image": 1.0})
    rng = np.random.default_rng(0)
    assert edge_agreement(directions(mag, "image"), mag.edge_index, rng) is None
    assert edge_agreement(directions(mag, "text"), mag.edge_index[:, :0], rng) is None
    assert np.isnan(cross_modal(directions(mag, "text"), directions(mag, "image"), rng)).all()


def test_cross_modal_agreement_equals_scipy() -> None:
    mag, _ = generate(num_nodes=40, missing={"image": 0.2}, seed=2)
    first, second = directions(mag, "text"), directions(mag, "image")
    found = cross_modal(first, second, np.random.default_rng(0), anchors=1000)  # more than there are: all of them
    both = np.flatnonzero(mag.has_image)
    assert np.array_equal(np.flatnonzero(np.isfinite(found)), both)
    for node in both:
        others = both[both != node]
        pairs = np.stack([np.full(len(others), node), others])
        assert found[node] == pytest.approx(pearsonr(first.cosines(pairs), second.cosines(pairs)).statistic, abs=1e-5)


def test_a_rotated_copy_agrees_wholly() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 8))
    turn, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    found = cross_modal(all_nodes(x), all_nodes(3 * x @ turn + 1), rng, anchors=30)
    assert found == pytest.approx(np.ones(100), abs=1e-4)


def test_the_generator_decides() -> None:
    mag = load_dataset(Registry.default().dataset("synthetic-conflict"))
    first, again, other = (agreement(mag, "text", seed) for seed in (0, 0, 1))
    assert np.array_equal(first.conflict, again.conflict)
    assert not np.array_equal(first.random, other.random)
    assert first.auc == pytest.approx(other.auc, abs=0.01)
