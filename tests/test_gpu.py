"""What runs on a GPU gives what the CPU gives; run with -m gpu on a machine that has one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from goma_cases import coupled, unit_rows
from magbench.baselines.sage import SAGE
from otcases import make_case
from small import short_training, small_link_task, small_mag, small_retrieval_view, small_task

from magbench.graph.ppr import ppr
from magbench.metrics.exact import rank_counts
from magbench.metrics.topk import top_k
from magbench.nn.goma import GOMA
from magbench.ot import CosineFactors, modality_cost, ufgw
from magbench.ot.pullback import structure_loss
from magbench.registry import Registry
from magbench.regularizers.base import Context
from magbench.regularizers.optimag import OptiMAG
from magbench.specs import Protocol, Sampling
from magbench.tasks.views import TaskView
from magbench.train import loop
from magbench.train.compose import compose
from magbench.train.device import device_of
from magbench.train.link_prediction import LinkPredictionObjective
from magbench.train.method import EncoderMethod

REGISTRY = Registry.default()
KINDS = {name: entry.of("node_classification").spec.kind for name, entry in REGISTRY.methods.items()}
ENCODERS = [name for name, kind in KINDS.items() if kind == "encoder"]
TRAINED = [*ENCODERS, *(f"sage+{name}" for name, kind in KINDS.items() if kind == "regularizer")]
NETWORKS = [
    "goma[dropout=0]",
    "goma[dropout=0,readout=limit]",
    "goma[dropout=0,operator=learned]",
    "goma[dropout=0,map=trained,auxiliary=0.5,entropy=0.01]",
    "linear_infonce[dropout=0]",
]

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: torch sees none"),
    pytest.mark.filterwarnings("ignore::magbench.errors.MagbenchWarning"),
]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kl", ["plain", "joint"])
@pytest.mark.parametrize("eps", [0.05, 5e-4])
def test_solver(kl: str, eps: float, dtype: torch.dtype) -> None:
    case = make_case(200, dtype=dtype)
    options: dict[str, Any] = {"alpha": 0.6, "rho": 0.1, "eps": eps, "kl": kl, "n_outer": 3}
    here = ufgw(*case[:3], mu=case.mu, nu=case.nu, **options)
    moved = [part.cuda() for part in case]
    there = ufgw(*moved[:3], mu=moved[3], nu=moved[4], **options)
    assert there.plan.is_cuda
    tight = 1e-9 if dtype == torch.float64 else 2e-3
    assert float((there.plan.cpu() - here.plan).abs().sum()) < tight * here.mass
    assert there.objective == pytest.approx(here.objective, rel=tight)


def test_zero_weights_and_factors() -> None:
    z = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    case = make_case(60, dtype=torch.float32)
    mu = case.mu.clone()
    mu[3] = 0.0
    options: dict[str, Any] = {"alpha": 0.6, "rho": 0.1, "eps": 0.05}
    here = ufgw(CosineFactors(z), case.Cy, case.M, mu=mu, **options)
    there = ufgw(CosineFactors(z.cuda()), case.Cy.cuda(), case.M.cuda(), mu=mu.cuda(), **options)
    assert float(there.plan[3].sum()) == 0.0
    torch.testing.assert_close(there.plan.cpu(), here.plan, rtol=1e-3, atol=1e-7)


def test_closed_form_gradient() -> None:
    z = torch.randn(80, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    case = make_case(80)
    gradients = []
    for device in ("cpu", "cuda"):
        state = z.clone().to(device).requires_grad_()
        plan = case.M.to(device) / case.M.sum().to(device)
        structure_loss(state, modality_cost(state.detach()), case.Cy.to(device), plan).backward()
        assert state.grad is not None
        gradients.append(state.grad.cpu())
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("options", [{}, {"solver": "auto"}, {"relative_eps": 0.9}, {"kl": "joint"}], ids=str)
def test_optimag_step(options: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(0)
    edges = torch.randint(0, 300, (2, 900), generator=generator)
    edges = torch.cat([edges, edges.flip(0)], 1)
    states = {m: torch.randn(300, 16, generator=generator) for m in ("text", "image")}
    found = []
    for device in ("cpu", "cuda"):
        z = {m: state.clone().to(device).requires_grad_() for m, state in states.items()}
        context = Context(
            z=z,
            h=None,
            node_ids=torch.arange(300, device=device),
            edge_index=edges.to(device),
            observed={},
            y_train=torch.full((300,), -1, device=device),
            step=0,
            generator=torch.Generator().manual_seed(0),
        )
        loss, _ = OptiMAG(N=200, **options)(context)
        loss.backward()
        found.append(
            (float(loss.detach()), torch.cat([s.grad.cpu().flatten() for s in z.values() if s.grad is not None]))
        )
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-3)
    assert float(torch.nn.functional.cosine_similarity(found[0][1], found[1][1], dim=0)) > 0.9999


def test_pagerank_block_lies_on_the_device_of_its_nodes() -> None:
    edges = torch.randint(0, 100, (2, 300), generator=torch.Generator().manual_seed(0))
    store, nodes = ppr(edges, 100), torch.arange(0, 100, 3)
    block = store.block(nodes.cuda())
    assert block.is_cuda
    assert torch.equal(block.cpu(), store.block(nodes))


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("family", ["node_classification", "link_prediction"])
def test_training(family: str, sampled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropout draws other numbers there, so only what was learnt can be compared."""
    nodes = family == "node_classification"
    view = (small_task() if nodes else small_link_task()).view(small_mag(), 0)
    sampling = Sampling(batch_size=40, fanout=4) if sampled else None
    training = short_training(40).model_copy(update={"sampling": sampling})
    values = []
    for device in ("cpu", "cuda"):
        monkeypatch.setenv("MAGBENCH_DEVICE", device)
        objective = None if nodes else LinkPredictionObjective()
        method = EncoderMethod(SAGE, training, [OptiMAG(N=64)], objective, hidden=16, lr=0.01)
        method.fit(view, seed=0)
        assert next(method.network.parameters()).device.type == device
        assert len(method.predict(view).scores) == len(view.test)
        values.append(method.outcome.value)
    assert values[0] == pytest.approx(values[1], abs=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tied", [False, True])
def test_ranks_are_the_same_integers(tied: bool, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    queries, gallery = (torch.randn(rows, 64, generator=generator, dtype=dtype) for rows in (3_000, 10_000))
    if tied:
        queries, gallery = queries.round(), gallery.round()
        gallery[5_000:] = gallery[:5_000]
    positive = torch.randint(0, 10_000, (3_000,), generator=generator)
    here = rank_counts(queries, gallery, positive)
    there = rank_counts(queries.cuda(), gallery.cuda(), positive.cuda())
    assert all(part.is_cuda for part in there)
    assert all(torch.equal(mine.cpu(), other) for mine, other in zip(there, here, strict=True))
    scores, ids = top_k(queries, gallery, 10)
    scores_there, ids_there = top_k(queries.cuda(), gallery.cuda(), 10)
    assert torch.equal(ids_there.cpu(), ids)
    assert torch.equal(scores_there.cpu(), scores)


@pytest.mark.parametrize("readout", ["node", "global", "limit", "fixed:2"])
@pytest.mark.parametrize("operator", ["uniform", "cosine", "learned"])
def test_goma_and_its_gradients(operator: str, readout: str) -> None:
    graph, e = coupled(), unit_rows(60, 8)
    found = []
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        model = GOMA(8, steps=3, operator=operator, readout=readout).double().to(device)
        sides = [part.to(device).requires_grad_() for part in (e[:30].clone(), e[30:].clone())]
        out = model(sides, graph.to(device))
        sum((rows[:, 0] ** 2).sum() for rows in out.embeddings).backward()
        gradients = [part.grad for part in (*sides, *model.parameters()) if part.grad is not None]
        found.append([part.cpu() for part in (*(rows.detach() for rows in out.embeddings), *gradients)])
    assert len(found[0]) == len(found[1])
    for mine, other in zip(*found, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12)


def _alike(here: torch.Tensor, there: torch.Tensor) -> float:
    """The correlation of two outputs."""
    return float(torch.corrcoef(torch.stack([here, there]))[0, 1])


def _outputs(name: str, family: str, view: TaskView, device: str, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    monkeypatch.setenv("MAGBENCH_DEVICE", device)
    training = short_training(5).model_copy(update={"validate_every": 5})  # the last state counts
    protocol = Protocol(name="s", version=1, title="", ranked=False, seeds=(0,), training=training)
    host, *rest = name.split("+")  # link prediction has a dropout of its own
    host = host if "[" in host else f"{host}[dropout=0]"
    method = compose("+".join([host, *rest]), REGISTRY, protocol, family).build()
    steps, seen = loop._step, set()
    monkeypatch.setattr(loop, "_step", lambda net, *rest: (seen.add(device_of(net).type), steps(net, *rest))[1])
    method.fit(view, seed=0)
    assert seen == {device}, "a map that is fitted first too"
    found = method.predict(view)
    rows = found.embeddings.values() if family == "retrieval" else [found.scores]
    return torch.cat([torch.from_numpy(part).flatten() for part in rows])


@pytest.mark.parametrize("family", ["node_classification", "link_prediction", "retrieval"])
@pytest.mark.parametrize("name", TRAINED)
def test_without_dropout_a_whole_graph_learns_the_same(name: str, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = {"node_classification": small_task, "link_prediction": small_link_task}
    view = tasks[family]().view(small_mag(), 0) if family in tasks else small_retrieval_view()
    here, there = (_outputs(name, family, view, device, monkeypatch) for device in ("cpu", "cuda"))
    assert _alike(here, there) > 0.999


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_retrieval_learn_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    view = small_retrieval_view()
    here, there = (_outputs(name, "retrieval", view, device, monkeypatch) for device in ("cpu", "cuda"))
    assert _alike(here, there) > 0.999


@pytest.mark.parametrize("family", ["node_classification", "link_prediction"])
@pytest.mark.parametrize("name", TRAINED)
def test_every_method_learns_from_samples(name: str, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 products and dropout are others there, so only what was learnt can be compared."""
    view = (small_task() if family == "node_classification" else small_link_task()).view(small_mag(), 0)
    training = short_training(12).model_copy(update={"sampling": Sampling(batch_size=40, fanout=4)})
    protocol = Protocol(name="s", version=1, title="", ranked=False, seeds=(0,), training=training)
    values = []
    for device in ("cpu", "cuda"):
        monkeypatch.setenv("MAGBENCH_DEVICE", device)
        method = compose(name, REGISTRY, protocol, family).build()
        method.fit(view, seed=0)
        values.append(method.outcome.value)
    assert values[0] == pytest.approx(values[1], abs=0.12)
