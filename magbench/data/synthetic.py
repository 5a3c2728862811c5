"""A synthetic MAG with ground truth: a stochastic block model whose nodes carry modalities that may contradict it.

Each node has a class y, a group g_m that only modality m shows (*private*), and an *instance* factor that all its
modalities share. Edges join classes (``homophily``) and, if asked, private groups (``heterophily``). Features are

    x_m(i) = class_signal * mean_m[c_m(i)] + private_signal * mean'_m[g_m(i)] + instance_signal * s_i + noise + gap_m

with c_m(i) = y(i), except at planted *conflicts*: there one modality's class is redrawn while the node keeps its edges.

Every draw is made of ``numpy.random.PCG64(seed).random_raw``; a normal variate is the centred sum of twelve 16-bit
uniforms, not Box-Muller, because sums of integers are equal on every platform and a library's log and cosine are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from magbench.checks import number
from magbench.data.mag import MAG, simple_undirected
from magbench.errors import OptionError

Array = np.ndarray
Knob = float | Mapping[str, float]


@dataclass(frozen=True)
class Truth:
    """What generated a MAG and no method may see.

    Attributes:
        y: class of each node, int64 ``[N]``.
        modality_class: class each modality shows, int64 ``[N]`` a modality.
        conflict: where that differs from y, bool ``[N]`` a modality.
        private: private group, int64 ``[N]`` a modality.
    """

    y: Array
    modality_class: dict[str, Array]
    conflict: dict[str, Array]
    private: dict[str, Array]


class Draws:
    """Random numbers from raw 64-bit draws alone."""

    def __init__(self, seed: int | Sequence[int]) -> None:
        self._bits = np.random.PCG64(seed)

    def uniform(self, n: int) -> Array:
        """float64 ``[n]`` in [0, 1), multiples of 2^-53."""
        raw: Array = self._bits.random_raw(n)
        return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(self, bound: Array | int, n: int) -> Array:
        """int64 ``[n]`` uniform in 0..bound-1 for bounds up to 2^32: the high part of a 32-bit product."""
        raw: Array = self._bits.random_raw(n)
        return ((raw >> np.uint64(32)) * np.asarray(bound, dtype=np.uint64) >> np.uint64(32)).astype(np.int64)

    def normal(self, rows: int, columns: int) -> Array:
        """float32 ``[rows, columns]``: mean 0, variance 1, |value| <= 6 (Irwin-Hall)."""
        out = np.empty((rows, columns), dtype=np.float32)
        block = max(1, 2**20 // max(columns, 1))
        for start in range(0, rows, block):
            part = out[start : start + block]
            raw: Array = self._bits.random_raw(3 * part.size)
            pieces = raw.view(np.uint16).reshape(-1, 12).sum(1, dtype=np.int64)
            part[:] = ((pieces - 6 * 65535) * 2.0**-16).astype(np.float32).reshape(part.shape)
        return out


def generate(
    *,
    num_nodes: int = 1500,
    num_classes: int = 8,
    modalities: Sequence[str] = ("text", "image"),
    dim: Knob = 64,
    degree: float = 8.0,
    homophily: float = 0.8,
    groups: int = 4,
    heterophily: Knob | None = None,
    conflict: Knob = 0.0,
    class_signal: Knob = 0.3,
    private_signal: Knob = 0.2,
    instance_signal: Knob = 0.3,
    noise: Knob = 1.0,
    gap: Knob = 0.0,
    missing: Knob = 0.0,
    seed: int = 0,
) -> tuple[MAG, Truth]:
    """Generate a MAG.

    A *knob* is one number for all modalities, or a mapping modality -> number (0 for those it leaves out).

    Args:
        num_nodes: N.
        num_classes: classes, equally likely.
        modalities: names of the modalities, any number.
        dim: width of the features.
        degree: mean degree before duplicate edges are dropped.
        homophily: probability that an edge joins two nodes of one class; otherwise two different classes.
        groups: private groups of each modality, equally likely.
        heterophily: probability that an edge joins different private groups of a modality; default (groups-1)/groups,
            where edges know nothing of the groups.
        conflict: share of nodes whose class is redrawn (to another class) in a modality.
        class_signal: size of the class means, per coordinate, in units of the noise's standard deviation.
        private_signal: size of the private means.
        instance_signal: size of the factor that a node's modalities share.
        noise: standard deviation of the noise of each coordinate.
        gap: size of a constant shift of the whole modality (the modality gap).
        missing: share of nodes that lack a modality.
        seed: seeds all draws.

    Returns:
        The MAG (label column ``y``, feature set ``synthetic``) and its ground truth.

    Raises:
        OptionError: a value out of its range.
    """
    for name, count, low in (("num_nodes", num_nodes, 2), ("num_classes", num_classes, 2), ("groups", groups, 1)):
        number(name, count, low, 2**31, low_open=False)
    number("degree", degree)
    number("homophily", homophily, high=1.0, low_open=False)
    names = tuple(modalities)
    if not names or len(set(names)) < len(names):
        raise OptionError(f"modalities={names!r} is not allowed; give at least one name, each once.")
    free = (groups - 1) / groups
    apart = _knob("heterophily", free if heterophily is None else heterophily, names, high=1.0, default=free)
    rates = {key: _knob(key, value, names, high=1.0) for key, value in (("conflict", conflict), ("missing", missing))}
    widths = {m: int(value) for m, value in _knob("dim", dim, names, low=1.0).items()}
    sizes = {
        key: _knob(key, value, names)
        for key, value in (
            ("class_signal", class_signal),
            ("private_signal", private_signal),
            ("instance_signal", instance_signal),
            ("noise", noise),
            ("gap", gap),
        )
    }
    draws = Draws(seed)
    y = draws.below(num_classes, num_nodes)
    private = {m: draws.below(groups, num_nodes) for m in names}
    edges = _edges(draws, y, num_classes, private, groups, degree, homophily, apart)
    shown, clash = {}, {}
    for m in names:
        clash[m] = draws.uniform(num_nodes) < rates["conflict"][m]
        shown[m] = np.where(clash[m], (y + 1 + draws.below(num_classes - 1, num_nodes)) % num_classes, y)
    instance = draws.normal(num_nodes, max(widths.values()))
    x, has = {}, {}
    for m in names:
        features = _features(draws, shown[m], num_classes, private[m], groups, instance, widths[m], sizes, m)
        has[m] = draws.uniform(num_nodes) >= rates["missing"][m]
        features[~has[m]] = 0.0
        x[m] = torch.from_numpy(features)
    mag = MAG.build(
        name="synthetic",
        version=1,
        edge_index=simple_undirected(torch.from_numpy(edges), num_nodes),
        x=x,
        has={m: torch.from_numpy(mask) for m, mask in has.items()},
        labels={"y": torch.from_numpy(y)},
        classes={"y": tuple(f"class {k}" for k in range(num_classes))},
        features="synthetic",
    )
    return mag, Truth(y, shown, clash, private)


def _edges(
    draws: Draws,
    y: Array,
    num_classes: int,
    private: dict[str, Array],
    groups: int,
    degree: float,
    homophily: float,
    apart: dict[str, float],
) -> Array:
    """int64 ``[2, E]``, each undirected edge once: a uniform source, then the target's block, then a uniform member.

    Sparse sampling: the cost is that of the edges, not of the pairs of nodes.
    """
    block = y
    for group in private.values():
        block = block * groups + group
    order = np.argsort(block, kind="stable")
    starts = np.searchsorted(block[order], np.arange(num_classes * groups ** len(private) + 1))
    count = round(len(y) * degree / 2)
    source = draws.below(len(y), count)
    target_block = _other(draws, y[source], num_classes, 1.0 - homophily)
    for m, group in private.items():
        target_block = target_block * groups + _other(draws, group[source], groups, apart[m])
    size = starts[target_block + 1] - starts[target_block]
    member = starts[target_block] + draws.below(np.maximum(size, 1), count)
    held = size > 0  # blocks may be empty in tiny graphs: those edges are dropped
    return np.stack([source[held], order[member[held]]])


def _other(draws: Draws, value: Array, bound: int, probability: float) -> Array:
    """``value``, replaced with the given probability by a different number below ``bound`` (where there is one)."""
    if bound == 1:
        return value
    moved = draws.uniform(len(value)) < probability
    replaced: Array = np.where(moved, (value + 1 + draws.below(bound - 1, len(value))) % bound, value)
    return replaced


def _features(
    draws: Draws,
    shown: Array,
    num_classes: int,
    private: Array,
    groups: int,
    instance: Array,
    width: int,
    sizes: dict[str, dict[str, float]],
    modality: str,
) -> Array:
    """float32 ``[N, width]``; elementwise arithmetic only, so the bytes are the same everywhere."""
    size = {key: np.float32(knob[modality]) for key, knob in sizes.items()}
    class_mean, private_mean = draws.normal(num_classes, width), draws.normal(groups, width)
    # Each modality sees the shared factor through an order of coordinates of its own.
    view = np.argsort(draws.uniform(instance.shape[1]), kind="stable")[:width]
    features = size["noise"] * draws.normal(len(shown), width)
    features += size["class_signal"] * class_mean[shown]
    features += size["private_signal"] * private_mean[private]
    features += size["instance_signal"] * instance[:, view]
    features += size["gap"] * draws.normal(1, width)
    return features


def _knob(
    name: str, value: Knob, modalities: Sequence[str], *, low: float = 0.0, high: float = 1e9, default: float = 0.0
) -> dict[str, float]:
    """One number for each modality."""
    if isinstance(value, Mapping):
        unknown = set(value) - set(modalities)
        if unknown:
            raise OptionError(f"{name} names {sorted(unknown)}; the modalities are {', '.join(modalities)}.")
        found = {m: value.get(m, default) for m in modalities}
    else:
        found = dict.fromkeys(modalities, value)
    for m, entry in found.items():
        number(f"{name}[{m}]", entry, low, high, low_open=False)
    return found
