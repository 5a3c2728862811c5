"""The synthetic MAG: contract, reproducible bytes, ground truth and every knob."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch

from magbench.data.load import load_dataset
from magbench.data.synthetic import Draws, generate
from magbench.errors import OptionError
from magbench.registry import Registry


def test_result_is_a_valid_mag() -> None:
    mag, truth = generate(num_nodes=300, missing={"image": 0.3}, conflict=0.2, gap=1.0, seed=1)
    mag.validate()
    assert mag.modalities == ("text", "image")
    assert set(truth.conflict) == {"text", "image"}
    assert np.array_equal(mag.y.numpy(), truth.y)
    assert mag.counts().self_loops == 0


def test_bytes_follow_the_seed_alone() -> None:
    first, again, other = (generate(num_nodes=200, seed=seed)[0].fingerprint() for seed in (3, 3, 4))
    assert first == again != other


def test_shipped_data_set_has_known_bytes() -> None:
    mag = load_dataset(Registry.default().datasets["synthetic-conflict"])
    assert mag.fingerprint() == "e6cf8e9876b2f6977dbf5cde64e5b9b2bee9df3da9966d0702e30bc6235e5c19"


def test_normals_are_standard() -> None:
    values = Draws(0).normal(4000, 50)
    assert values.dtype == np.float32
    assert float(values.mean()) == pytest.approx(0.0, abs=0.01)
    assert float(values.std()) == pytest.approx(1.0, abs=0.01)
    assert float(np.mean(values.astype(np.float64) ** 4)) == pytest.approx(3.0 - 6 / 5 / 12, abs=0.05)
    assert abs(np.corrcoef(values[:, 0], values[:, 1])[0, 1]) < 0.06


def test_bounded_draws_are_uniform() -> None:
    counts = np.bincount(Draws(0).below(7, 70_000), minlength=7)
    assert counts.min() > 9_600
    assert counts.max() < 10_400


@pytest.mark.parametrize("homophily", [0.2, 0.7, 1.0])
def test_homophily_and_degree(homophily: float) -> None:
    mag, truth = generate(num_nodes=4000, homophily=homophily, degree=10.0)
    same = truth.y[mag.edge_index[0]] == truth.y[mag.edge_index[1]]
    assert float(same.mean()) == pytest.approx(homophily, abs=0.02)
    assert mag.edge_index.shape[1] / 4000 == pytest.approx(10.0, rel=0.02)


def test_heterophily_of_one_modality() -> None:
    mag, truth = generate(num_nodes=4000, heterophily={"image": 0.1})
    apart = {m: float((g[mag.edge_index[0]] != g[mag.edge_index[1]]).mean()) for m, g in truth.private.items()}
    assert apart["image"] == pytest.approx(0.1, abs=0.02)
    assert apart["text"] == pytest.approx(0.75, abs=0.02)


def test_conflicts_show_another_class_in_one_modality() -> None:
    mag, truth = generate(num_nodes=4000, conflict={"image": 0.25}, class_signal=3.0)
    assert float(truth.conflict["image"].mean()) == pytest.approx(0.25, abs=0.02)
    assert not truth.conflict["text"].any()
    assert np.array_equal(truth.modality_class["image"] != truth.y, truth.conflict["image"])
    shown = truth.modality_class["image"]
    means = torch.stack([mag.x_image[torch.from_numpy((shown == k) & (truth.y == k))].mean(0) for k in range(8)])
    nearest = torch.cdist(mag.x_image, means).argmin(1).numpy()
    assert float((nearest == shown).mean()) > 0.99


def test_modalities_share_the_instance_factor_and_nothing_else() -> None:
    def paired(**options: Any) -> float:
        mag, _ = generate(num_nodes=400, class_signal=0.0, private_signal=0.0, dim=32, **options)
        gram = [x - x.mean(0) for x in mag.x_dict.values()]
        # Whatever orders of coordinates two modalities see, a shared factor gives their Gram matrices a correlation.
        flat = [(g @ g.t())[torch.triu_indices(400, 400, 1).unbind()] for g in gram]
        return float(np.corrcoef(flat[0].numpy(), flat[1].numpy())[0, 1])

    assert paired(instance_signal=2.0) > 0.5
    assert abs(paired(instance_signal=0.0)) < 0.02


def test_gap_missing_width_and_number_of_modalities() -> None:
    mag, _ = generate(
        num_nodes=500, modalities=["text", "image", "audio"], dim={"text": 8, "image": 16, "audio": 4},
        gap={"audio": 5.0}, missing={"image": 0.4},
    )  # fmt: skip
    assert {m: x.shape[1] for m, x in mag.x_dict.items()} == {"text": 8, "image": 16, "audio": 4}
    assert float(mag.x_audio.mean(0).norm()) > 4 * float(mag.x_text.mean(0).norm())
    assert float((~mag.has_image).float().mean()) == pytest.approx(0.4, abs=0.06)
    assert float(mag.x_image[~mag.has_image].abs().sum()) == 0.0
    assert bool(mag.has_text.all())


def test_a_million_edges_are_quick() -> None:
    start = time.process_time()
    mag, _ = generate(num_nodes=100_000, degree=20.0, dim=4)
    assert mag.counts().undirected_edges > 990_000
    assert time.process_time() - start < 15


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"num_nodes": 1}, "num_nodes=1"),
        ({"num_classes": 1}, "num_classes=1"),
        ({"homophily": 1.5}, "homophily=1.5"),
        ({"degree": 0.0}, "degree=0"),
        ({"conflict": {"sound": 0.1}}, "conflict names"),
        ({"conflict": 1.2}, r"conflict\[text\]=1.2"),
        ({"noise": float("nan")}, r"noise\[text\]=nan"),
        ({"modalities": ["text", "text"]}, "each once"),
        ({"dim": 0}, r"dim\[text\]"),
    ],
)
def test_bad_knobs_are_named(options: dict[str, Any], match: str) -> None:
    with pytest.raises(OptionError, match=match):
        generate(**options)
