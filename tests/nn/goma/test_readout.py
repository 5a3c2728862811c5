"""What the readouts learn, and what the gate sees and does not see."""

from __future__ import annotations

import pytest
import torch
from goma_cases import coupled, node_graph, unit_rows
from torch.nn import functional

from magbench.errors import MethodError, OptionError
from magbench.nn.goma import GOMA
from magbench.nn.goma.readout import entropy, gate_features, make_readout
from magbench.nn.goma.smoothing import Trajectory


def run(steps: int = 3) -> Trajectory:
    graph = coupled()
    e = unit_rows(60, 8)
    return Trajectory(e, GOMA(8).operator(e, graph), graph, 0.2, steps, 1)


def test_gate_features() -> None:
    trajectory = run()
    states = [state for _, state in trajectory.up()]
    features = gate_features(trajectory, trajectory.graph)
    for k, state in enumerate(states):
        assert torch.allclose(features[:, k, 0], functional.cosine_similarity(state, states[0], dim=1), atol=1e-12)
        assert torch.allclose(features[:, k, 1], (state - states[max(0, k - 1)]).norm(dim=1), atol=1e-12)
    edges = node_graph()
    degree = torch.bincount(torch.unique(edges[:, edges[0] != edges[1]], dim=1)[1], minlength=30)
    assert torch.allclose(features[:30, 0, 2], degree.double().log1p())
    assert torch.equal(features[:30, :, 2], features[30:, :, 2])


def test_the_gate_of_a_modality_is_its_own() -> None:
    torch.manual_seed(0)
    trajectory, gate = run(), make_readout("node", 3).double()
    before = gate(trajectory, trajectory.graph)
    with torch.no_grad():
        for parameter in gate.gates[1].parameters():
            parameter.add_(1)
    after = gate(trajectory, trajectory.graph)
    assert torch.equal(before[:30], after[:30]) and not torch.allclose(before[30:], after[30:])


def test_step_1_is_where_learning_starts() -> None:
    trajectory = run()
    weights = make_readout("global", 3, first_step=2.0)(trajectory, trajectory.graph)
    assert torch.allclose(weights[0, 1], torch.tensor(2.0).exp() / (3 + torch.tensor(2.0).exp()))
    assert (make_readout("node", 3, first_step=9.0).double()(trajectory, trajectory.graph)[:, 1] > 0.9).all()
    assert make_readout("node", 0).double()(run(0), trajectory.graph).shape == (60, 1)


def test_entropy() -> None:
    """(1/2, 1/2, 0, 0) and (1, 0, 0, 0): (log 2 + 0) / 2 over log 4 is a quarter."""
    weights = torch.tensor([[0.5, 0.5, 0, 0], [1.0, 0, 0, 0]])
    assert float(entropy(weights)) == pytest.approx(0.25)
    assert float(entropy(torch.full((3, 4), 0.25))) == pytest.approx(1.0)
    assert float(entropy(torch.ones(3, 1))) == 0
    logits = torch.zeros(1, 4, requires_grad=True)
    assert torch.autograd.grad(entropy((logits + torch.tensor([1.0, 0, 0, 0])).softmax(1)), logits)[0].any()


def test_readouts_learn_which_step_is_right() -> None:
    """Targets are the states of step 2: the weights of ``global`` and ``node`` go there."""
    graph, x = coupled(), unit_rows(60, 8).float()
    wanted = torch.cat(GOMA(8, readout="fixed:2")((x[:30], x[30:]), graph).embeddings)
    connected = graph.degree > 0
    for readout in ("global", "node"):
        torch.manual_seed(0)
        module = GOMA(8, steps=4, readout=readout)
        optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
        for _ in range(60):
            optimizer.zero_grad()
            out = module((x[:30], x[30:]), graph)
            (1 - (torch.cat(out.embeddings) * wanted).sum(1)).mean().backward()
            optimizer.step()
        assert out.weights is not None
        weights = out.weights.detach().expand(60, -1)[connected].mean(0)
        assert int(weights.argmax()) == 2 and float(weights[2]) > 0.6


def test_the_global_vector_has_a_learning_rate_of_its_own() -> None:
    first, second = GOMA(8, readout="global", operator="learned").parameter_groups()
    assert (second["lr"], second["weight_decay"]) == (0.05, 0.0)
    assert [tuple(p.shape) for p in second["params"]] == [(7,)]
    assert "lr" not in first and len(first["params"]) == 4
    (only,) = GOMA(8, readout="node").parameter_groups()
    assert "lr" not in only
    assert GOMA(8, readout="fixed:1").parameter_groups() == []


@pytest.mark.parametrize("name", ["fixed", "fixed:x", "fixed:-1", "nodes", "fixed:7"])
def test_unknown_readouts(name: str) -> None:
    with pytest.raises(OptionError, match="readout="):
        GOMA(8, readout=name)


def test_bad_features() -> None:
    graph, x = coupled(), unit_rows(60, 8).float()
    module = GOMA(8)
    with pytest.raises(MethodError, match=r"the widths 8 and 5; .* map"):
        module((x[:30], x[30:, :5]), graph)
    with pytest.raises(MethodError, match=r"found sides of shapes .* expected \[\[30, 8\], \[30, 8\]\]"):
        module((x[:29], x[29:]), graph)
    with pytest.raises(MethodError, match="second side has values that are not finite"):
        module((x[:30], x[30:].clone().fill_(float("nan"))), graph)
    for side, found in (
        (x[:30].numpy(), "ndarray"),
        (x[:30].half(), r"torch\.float16"),
        (x[:30].double(), r"torch\.float64"),
    ):
        with pytest.raises(MethodError, match=rf"a side is {found}; expected a tensor of torch\.float32"):
            module((side, x[30:]), graph)
    with pytest.raises(
        MethodError, match=r"a side is torch\.int64; expected a tensor of torch\.float32 or torch\.float64"
    ):
        GOMA(8, readout="uniform")((x[:30].long(), x[30:].long()), graph)
    with pytest.raises(OptionError, match=r"alpha=1e-06 is not allowed; .* \[0\.001, 1\]"):
        GOMA(8, alpha=1e-6, readout="limit")
    for options in ({"dim": 0}, {"dim": -1}, {"dim": 8, "steps": 2.5}, {"dim": 8, "steps": True}):
        with pytest.raises(OptionError, match="must be an integer from"):
            GOMA(**options)
    with pytest.raises(OptionError, match=r"alpha=0\.0"):
        GOMA(8, alpha=0.0)
    with pytest.raises(OptionError, match="operator='attention'"):
        GOMA(8, operator="attention")
