"""Features with noise, as noise, or without some nodes' modality.

The *root mean square* of a modality's features is over all entries of the nodes that have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from magbench.data.mag import MAG, Captions
from magbench.data.synthetic import Draws
from magbench.variation.shares import Seeds, leading_nodes

_ROWS = 1 << 14


def rms(x: Tensor, observed: Tensor) -> Tensor:
    """Root mean square, float32 [], of the ``observed`` (bool [N]) rows of ``x`` (float32 [N, d]); of none it is 0."""
    known = x[observed]
    return known.square().mean().sqrt() if known.numel() else x.new_zeros(())


def noise_like(x: Tensor, observed: Tensor, seed: Sequence[int]) -> Tensor:
    """Independent normal noise of the width and root mean square of ``x``; zero where nothing is observed."""
    return _plus_noise(None, x, observed, rms(x, observed), seed)


def with_noise(x: Tensor, observed: Tensor, rate: float, seed: Sequence[int]) -> Tensor:
    """``x`` plus noise of standard deviation ``rate · rms`` where it is observed; along one direction for all rates."""
    return _plus_noise(x, x, observed, rate * rms(x, observed), seed)


def _plus_noise(start: Tensor | None, x: Tensor, observed: Tensor, scale: Tensor, seed: Sequence[int]) -> Tensor:
    """``start`` (zero, if None) plus ``scale`` times noise of the shape of ``x``, some rows at a time."""
    draws, out = Draws(seed), torch.empty_like(x)
    for first in range(0, len(x), _ROWS):
        rows = slice(first, first + _ROWS)
        noise = torch.from_numpy(draws.normal(*out[rows].shape)) * scale * observed[rows, None]
        out[rows] = noise if start is None else start[rows] + noise
    return out


def noisy(mag: MAG, rate: float | None, seed: Seeds) -> MAG:
    """All features with noise of this rate; with None, noise in their place. Which nodes have what stays.

    Modality i draws from ``(*seed, i)``, the features of captions from the text's.
    """
    changed: dict[str, Any] = {}
    for number, (name, x) in enumerate(mag.x_dict.items()):
        own = (*seed, number)
        changed[f"x_{name}"] = _noisy(x, mag.has_dict[name], rate, own)
        if name == "text" and mag.captions is not None:
            captions, node = mag.captions
            every = torch.ones(len(captions), dtype=torch.bool)
            changed["captions"] = Captions(_noisy(captions, every, rate, own), node)
    return mag.replaced(**changed)


def _noisy(x: Tensor, observed: Tensor, rate: float | None, seed: Sequence[int]) -> Tensor:
    return noise_like(x, observed, seed) if rate is None else with_noise(x, observed, rate, seed)


def lost_modalities(observed: NDArray[np.bool_], rate: float, seed: Seeds) -> NDArray[np.bool_]:
    """Which node loses which modality.

    Args:
        observed: bool [M, N], which modality is there.
        rate: share of the nodes with two or more modalities; each of these loses one of its own. In the order of the
            draw the nodes lose their first, second … modality in turn: of two, each is lost by half of them.
        seed: of the draw.

    Returns:
        bool [M, N]; no node loses all it has.
    """
    able = np.flatnonzero(observed.sum(axis=0) > 1)
    chosen = leading_nodes(able, observed.shape[1], rate, seed)
    own = observed[:, chosen]
    turn = np.arange(len(chosen)) % own.sum(axis=0)
    lost = np.zeros_like(observed)
    lost[:, chosen] = own & (np.cumsum(own, axis=0) - 1 == turn)
    return lost


def without_modalities(mag: MAG, lost: Mapping[str, Tensor]) -> MAG:
    """The MAG in which the nodes of ``lost`` (modality → bool [N]) lack that modality: features and raw content.

    With ``text`` go texts and features of captions, with ``image`` the pictures. References stay: they are what a text
    is compared with, not what a method is given.
    """
    changed: dict[str, Any] = {}
    for name, gone in lost.items():
        if not bool(gone.any()):
            continue
        changed[f"x_{name}"] = mag.x_dict[name].masked_fill(gone[:, None], 0.0)
        changed[f"has_{name}"] = mag.has_dict[name] & ~gone
        if name == "text" and mag.texts is not None:
            changed["texts"] = [None if lost else text for text, lost in zip(mag.texts, gone.tolist(), strict=True)]
        if name == "text" and mag.captions is not None:
            x, node = mag.captions
            changed["captions"] = Captions(x[~gone[node]], node[~gone[node]])
        if name == "image" and mag.images is not None:
            changed["images"] = mag.images.without(gone.nonzero().flatten().tolist())
    return mag.replaced(**changed)
