"""SGC and APPNP in every family: closed forms, PyG's layers, and what they are at their ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from magbench.baselines.appnp import APPNP
from magbench.baselines.mlp import MLP
from magbench.baselines.sgc import SGC
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from small import short_training, small_link_task, small_mag, small_retrieval_view, small_task
from torch import Tensor
from torch_geometric import nn as pyg

from magbench.data.mag import MAG
from magbench.errors import MethodError
from magbench.registry import Registry
from magbench.specs import Protocol
from magbench.train.compose import compose
from magbench.train.method import EncoderMethod

REGISTRY = Registry.default()
PROTOCOL = Protocol(name="short", version=1, title="", ranked=False, seeds=(0,), training=short_training(6))
DIMS = {"text": 12, "image": 8}


@pytest.fixture(scope="module")
def mag() -> MAG:
    return small_mag()


def predicted(name: str, family: str = "node_classification") -> np.ndarray:
    torch.set_num_threads(1)
    task = {"node_classification": small_task, "link_prediction": small_link_task}[family]()
    view = task.view(small_mag(), 0)
    method = compose(name, REGISTRY, PROTOCOL, family).build()
    method.fit(view, seed=0)
    return method.predict(view).scores


def dense(mag: MAG) -> Tensor:
    """D^-1/2 (A + I) D^-1/2 by its definition, float64 [N, N]."""
    matrix = torch.eye(mag.num_nodes, dtype=torch.float64)
    matrix[mag.edge_index[1], mag.edge_index[0]] = 1
    root = matrix.sum(1).rsqrt()
    return root[:, None] * matrix * root


def encoder(cls, **options):
    torch.manual_seed(0)
    return cls(DIMS, hidden=16, **options).eval()


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_sgc_is_logistic_regression_on_powers(steps: int, mag: MAG) -> None:
    view = small_task().view(mag, 0)
    smoothed = torch.linalg.matrix_power(dense(mag), steps)
    features = np.concatenate([(smoothed @ x.double()).numpy() for x in view.x.values()], axis=1)
    scaler = StandardScaler().fit(features[view.train])
    model = LogisticRegression(C=0.1, max_iter=300).fit(scaler.transform(features[view.train]), view.y[view.train])
    expected = model.predict_proba(scaler.transform(features[view.test]))
    np.testing.assert_allclose(predicted(f"sgc[K={steps},C=[0.1]]"), expected, atol=1e-3)


def test_sgc_without_steps_is_logistic_regression() -> None:
    assert predicted("sgc[K=0]").tobytes() == predicted("logistic_regression").tobytes()


def test_validation_chooses_the_steps(mag: MAG) -> None:
    view = small_task().view(mag, 0)
    values = {}
    for steps in ("auto", 1, 2, 4):
        method = compose(f"sgc[K={steps}]", REGISTRY, PROTOCOL).build()
        method.fit(view, seed=0)
        values[steps] = method.outcome.value
        assert method.outcome.trials == (9 if steps == "auto" else 3)
    assert values["auto"] == max(values[steps] for steps in (1, 2, 4))


def test_sgc_as_an_encoder_is_the_linear_map_of_pyg(mag: MAG) -> None:
    network, layer = encoder(SGC, K=3), pyg.SGConv(20, 16, K=3)
    with torch.no_grad():
        layer.lin.weight.copy_(torch.cat([network.projections[name].weight for name in DIMS], dim=1))
        layer.lin.bias.copy_(sum(network.projections[name].bias for name in DIMS))
        observed = {name: torch.ones(mag.num_nodes, dtype=torch.bool) for name in DIMS}
        x = [torch.nn.functional.layer_norm(mag.x_dict[name], (width,)) for name, width in DIMS.items()]
        expected = layer(torch.cat(x, dim=1), mag.edge_index)
        powers = torch.linalg.matrix_power(dense(mag).float(), 3)
        bias = (network.projections["text"].bias + network.projections["image"].bias).expand(mag.num_nodes, -1)
        found = network(mag.x_dict, mag.edge_index, observed).h
        # PyG adds the bias after smoothing
        torch.testing.assert_close(found - powers @ bias + bias, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("layers", "steps"), [(0, 0), (2, None), (1, 3)])
def test_steps_of_the_encoder(layers: int, steps: int | None) -> None:
    options = {"layers": max(layers, 1)} | ({} if steps is None else {"K": steps})
    assert encoder(SGC, **options).hops == (layers if steps is None else steps)


@pytest.mark.parametrize(("alpha", "steps"), [(0.1, 10), (0.5, 1), (0.1, 3)])
def test_appnp_is_the_closed_form_of_k_steps_and_pyg_s(alpha: float, steps: int, mag: MAG) -> None:
    """(1 - a)^K S^K H + a sum_{k<K} (1 - a)^k S^k H with H the MLP's states."""
    network, plain = encoder(APPNP, alpha=alpha, K=steps), encoder(MLP)
    with torch.no_grad():
        start = plain(mag.x_dict, mag.edge_index, mag.has_dict).h
        found = network(mag.x_dict, mag.edge_index, mag.has_dict).h
        torch.testing.assert_close(pyg.APPNP(steps, alpha)(start, mag.edge_index), found, atol=1e-5, rtol=1e-5)
    powers = [torch.linalg.matrix_power(dense(mag), k) for k in range(steps + 1)]
    weights = [alpha * (1 - alpha) ** k for k in range(steps)] + [(1 - alpha) ** steps]
    matrix = sum(weight * power for weight, power in zip(weights, powers, strict=True))
    torch.testing.assert_close((matrix @ start.double()).float(), found, atol=1e-5, rtol=1e-5)


def test_many_steps_of_appnp_are_personalised_pagerank(mag: MAG) -> None:
    """a (I - (1 - a) S)^-1 H in the limit."""
    start = encoder(MLP)(mag.x_dict, mag.edge_index, mag.has_dict).h.detach().double()
    limit = 0.2 * torch.linalg.solve(torch.eye(mag.num_nodes) - 0.8 * dense(mag), start)
    found = encoder(APPNP, alpha=0.2, K=80)(mag.x_dict, mag.edge_index, mag.has_dict).h
    torch.testing.assert_close(limit.float(), found, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["node_classification", "link_prediction"])
@pytest.mark.parametrize("options", ["K=0", "alpha=1"])
def test_appnp_without_propagation_is_the_mlp(options: str, family: str) -> None:
    plain, found = predicted("mlp", family), predicted(f"appnp[{options}]", family)
    np.testing.assert_allclose(found, plain, atol=1e-6)
    assert not np.allclose(predicted("appnp", family), plain, atol=1e-3)


def test_both_train_with_a_regulariser_where_they_are_encoders() -> None:
    for name in ("sgc", "appnp"):
        assert not np.allclose(
            predicted(f"{name}+dagr[warmup=0,lam=10]", "link_prediction"), predicted(name, "link_prediction")
        )


def test_what_a_name_is_follows_the_family() -> None:
    kinds = {
        (name, family): type(compose(name, REGISTRY, PROTOCOL, family).build()).__name__
        for name in ("sgc", "appnp")
        for family in ("node_classification", "link_prediction", "retrieval")
    }
    trained = EncoderMethod.__name__
    assert kinds == {
        ("sgc", "node_classification"): "SGC",
        ("sgc", "link_prediction"): trained,
        ("sgc", "retrieval"): "SGC",
        ("appnp", "node_classification"): trained,
        ("appnp", "link_prediction"): trained,
        ("appnp", "retrieval"): "APPNP",
    }
    with pytest.raises(MethodError, match="'sgc' is not an encoder"):
        compose("sgc+dagr", REGISTRY, PROTOCOL)


def test_the_key_of_retrieval_holds_retrieval_s_options_alone() -> None:
    """As before the other families came: kept rows stay what they are."""
    ridge = {"alphas": (0.01, 0.1, 1.0, 10.0), "source": "auto"}
    configs = {name: compose(name, REGISTRY, PROTOCOL, "retrieval").config for name in ("sgc", "appnp")}
    assert configs["sgc"] == {"training": {}, "sgc": {**ridge, "K": "auto"}}
    assert configs["appnp"] == {"training": {}, "appnp": {**ridge, "alpha": 0.2, "K": "auto"}}
    view = small_retrieval_view(60)
    method = compose("sgc", REGISTRY, PROTOCOL, "retrieval").build()
    method.fit(view, seed=0)
    assert method.outcome.trials == 24
