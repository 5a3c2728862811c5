"""Mini-batch training: the whole-graph loss at full fan-out, deterministic, for every encoder and regulariser."""

from __future__ import annotations

import sys
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from small import short_training, small_link_task, small_mag, small_task

from magbench.errors import MethodError
from magbench.method_string import parse_method
from magbench.nn.encoder import Encoded, Encoder
from magbench.registry import Registry
from magbench.regularizers import OptiMAG, PPRPairs
from magbench.regularizers.base import Context
from magbench.specs import Protocol, Sampling, Training
from magbench.tasks.link_prediction.view import LinkPredictionView
from magbench.tasks.node_classification.view import NodeClassificationView
from magbench.tasks.views import TaskView
from magbench.train import loop
from magbench.train.compose import compose
from magbench.train.link_prediction import LinkPredictionObjective
from magbench.train.method import EncoderMethod
from magbench.train.network import Network
from magbench.train.node_classification import NodeClassificationObjective
from magbench.train.sampling import SampledBatches

REGISTRY = Registry.default()
ENCODERS = [name for name, entry in REGISTRY.methods.items() if entry.of("node_classification").spec.kind == "encoder"]
REGULARIZERS = [name for name, entry in REGISTRY.methods.items() if entry.spec.kind == "regularizer"]

pytestmark = pytest.mark.filterwarnings("ignore::magbench.errors.MagbenchWarning")


@pytest.fixture(scope="module")
def view() -> NodeClassificationView:
    return small_task().view(small_mag(), 0)


@pytest.fixture(scope="module")
def links() -> LinkPredictionView:
    return small_link_task().view(small_mag(), 0)


def training(epochs: int = 2, *, batch_size: int = 40, fanout: int = 4) -> Training:
    return short_training(epochs).model_copy(update={"sampling": Sampling(batch_size=batch_size, fanout=fanout)})


def fitted(name: str, view: TaskView, seed: int = 0, **settings: int) -> EncoderMethod:
    torch.set_num_threads(1)
    protocol = Protocol(name="s", version=1, title="", ranked=False, seeds=(0,), training=training(**settings))
    method = compose(name, REGISTRY, protocol, view.task.partition("/")[0]).build()
    method.fit(view, seed=seed)
    return method


def scores(name: str, view: TaskView, **settings: int) -> bytes:
    return fitted(name, view, **settings).predict(view).scores.tobytes()


def batches(view: NodeClassificationView, encoder: Encoder, sampling: Sampling, **options: bool) -> SampledBatches:
    options = {"regularized": False, **options}
    return SampledBatches(NodeClassificationObjective(), view, sampling, encoder, 0, **options)


@pytest.mark.parametrize("name", ENCODERS)
def test_one_batch_of_full_fanout_has_the_loss_of_the_whole_graph(name: str, view: NodeClassificationView) -> None:
    torch.manual_seed(0)
    objective = NodeClassificationObjective()
    encoder = REGISTRY.method(name).load()({"text": 12, "image": 8}, hidden=16, layers=2)
    network = Network(encoder, objective.head(encoder, view)).eval()
    (whole,) = objective.batches(view, torch.Generator())
    (sampled,) = batches(view, encoder, Sampling(batch_size=10_000, fanout=10_000)).epoch(1)
    losses = [
        objective.loss(network, network(batch.x, batch.edge_index, batch.observed, batch.degree), batch)
        for batch in (whole, sampled)
    ]
    assert torch.allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_link_prediction(name: str, links: LinkPredictionView) -> None:
    """Trains and predicts, the same bytes for the same seed, and no step sees the edges it is asked for."""
    method = fitted(name, links)
    small_link_task().check(method.predict(links), links)
    assert method.predict(links).scores.tobytes() == scores(name, links) != scores(name, links, seed=1)
    assert scores(f"{name}+dagr[warmup=0]", links) != scores(name, links)
    sampling = Sampling(batch_size=40, fanout=100)
    steps = SampledBatches(LinkPredictionObjective(), links, sampling, method.network.encoder, 0, regularized=True)
    asked = set()
    for batch in steps.epoch(1):
        targets = batch.node_ids[batch.targets[:, batch.labels == 1]]
        hidden = {*map(tuple, targets.t().tolist()), *map(tuple, targets.flip(0).t().tolist())}
        assert not hidden & set(map(tuple, batch.node_ids[batch.graph].t().tolist()))
        assert (batch.y_train == -1).all()
        asked |= set(map(tuple, targets.t().tolist()))
    assert asked == set(map(tuple, links.train.t().tolist()))


@pytest.mark.parametrize("name", [*ENCODERS, "mlp+optimag", "sage+optimag", "sage+dagr"])
def test_same_seed_same_bytes_other_seed_other_bytes(name: str, view: NodeClassificationView) -> None:
    assert scores(name, view) == scores(name, view)
    assert scores(name, view) != scores(name, view, seed=1)


@pytest.mark.parametrize("regularizer", REGULARIZERS)
@pytest.mark.parametrize("host", ["mlp", "sage"])
def test_every_regulariser_acts_on_mini_batches(host: str, regularizer: str, view: NodeClassificationView) -> None:
    strong = [(regularizer, "warmup", 0), (regularizer, "lam", 10)]
    method = fitted(str(parse_method(f"{host}+{regularizer}").with_options(strong)), view)
    assert method.predict(view).scores.tobytes() != scores(host, view)
    assert all(np.isfinite(value) for value in method.outcome.telemetry.values())
    assert method.outcome.telemetry[f"{regularizer_name(method)}.loss"] != 0


def regularizer_name(method: EncoderMethod) -> str:
    return method.regularizers[0].name


@pytest.mark.parametrize("host", ["mlp", "sage"])
def test_weight_zero_is_bit_identical(host: str, view: NodeClassificationView) -> None:
    plain = scores(host, view)
    assert scores(f"{host}+optimag[lam=0]", view) == scores(f"{host}+dagr[lam=0]", view) == plain


def test_a_batch_is_the_graph_around_its_nodes(view: NodeClassificationView) -> None:
    sage = REGISTRY.method("sage").load()({"text": 12, "image": 8}, layers=2)
    steps = list(batches(view, sage, Sampling(batch_size=40, fanout=4)).epoch(1))
    assert torch.equal(torch.cat([b.node_ids[b.targets] for b in steps]).sort().values, view.train.sort().values)
    for batch in steps:
        assert torch.equal(batch.labels, view.y[batch.node_ids[batch.targets]])
        assert torch.equal(batch.y_train, view.y_train[batch.node_ids])
        assert torch.equal(batch.x["image"], view.x["image"][batch.node_ids])
        pairs = set(map(tuple, batch.graph.t().tolist()))
        assert {(b, a) for a, b in pairs} == pairs > set(map(tuple, batch.edge_index.t().tolist()))
        assert int(torch.bincount(batch.edge_index[1]).max()) <= 4


def test_the_mlp_is_given_neighbours_only_for_a_regulariser(view: NodeClassificationView) -> None:
    mlp = REGISTRY.method("mlp").load()({"text": 12, "image": 8}, layers=2)
    alone, *_ = batches(view, mlp, Sampling(batch_size=40, fanout=4)).epoch(1)
    watched, *_ = batches(view, mlp, Sampling(batch_size=40, fanout=4), regularized=True).epoch(1)
    assert (len(alone.node_ids), alone.edge_index.size(1)) == (40, 0)
    assert len(watched.node_ids) > 80


def test_training_learns(view: NodeClassificationView) -> None:
    method = fitted("sage", view, epochs=40)
    truth = small_mag().y[view.test].numpy()
    assert (method.predict(view).scores.argmax(axis=1) == truth).mean() > 0.8
    assert method.outcome.history[-1]["loss"] < method.outcome.history[0]["loss"] / 2


def test_an_encoder_of_unknown_structure_trains_on_samples_too(view: NodeClassificationView) -> None:
    class Own(Encoder):
        def forward(self, x, edge_index, observed):
            z = self.project(x, observed)
            h = sum(z.values())
            return Encoded(z=z, h=h.index_add(0, edge_index[1], h[edge_index[0]]))

    method = EncoderMethod(Own, training(4), hidden=16, lr=0.01)
    method.fit(view, seed=0)
    small_task().check(method.predict(view), view)
    with torch.no_grad():
        expected = method.network(view.x, view.edge_index, view.observed)
        logits = method.network.head(expected.h)[view.test]
    assert np.array_equal(method.predict(view).scores, logits.numpy())


def test_graph_without_edges(view: NodeClassificationView) -> None:
    bare = replace(view, edge_index=view.edge_index[:, :0])
    for name in ("gcn", "sage", "gat", "mlp+optimag"):
        small_task().check(fitted(name, bare).predict(bare), bare)


def test_regularisers_need_the_whole_graph_first(view: NodeClassificationView) -> None:
    sage = REGISTRY.method("sage").load()({"text": 12, "image": 8}, layers=2)
    batch, *_ = batches(view, sage, Sampling(batch_size=40, fanout=4)).epoch(1)

    context = Context(
        z=batch.x, h=None, node_ids=batch.node_ids, edge_index=batch.graph, observed=batch.observed,
        y_train=batch.y_train, step=0, generator=torch.Generator(),
    )  # fmt: skip
    for regularizer in (OptiMAG(), PPRPairs()):
        with pytest.raises(MethodError, match=r"this is a mini-batch; call prepare\(edge_index, num_nodes\)"):
            regularizer(context)


def test_a_batch_moves_as_a_whole(view: NodeClassificationView) -> None:
    (batch,) = NodeClassificationObjective().batches(view, torch.Generator())
    moved = batch.to(torch.device("meta"))
    for entry in fields(batch):
        value = getattr(moved, entry.name)
        tensors = value.values() if isinstance(value, dict) else [value] if value is not None else []
        assert all(tensor.device.type == "meta" for tensor in tensors), entry.name
    assert batch.to(torch.device("cpu")).edge_index is batch.edge_index


@pytest.mark.parametrize("encoder", ["mlp", "sage", "gcn", "gat"])
def test_in_half_precision_regularisers_are_on(encoder: str, view: NodeClassificationView, monkeypatch) -> None:
    """A GPU under a sampled protocol computes in bfloat16; a CPU's own stands in for it, with a GPU's edges."""
    for name in ("gcn", "sage"):
        module = sys.modules[REGISTRY.method(name).load().__module__]
        monkeypatch.setattr(module, "adjacency", lambda edges, rows, columns, *weight: (edges, *weight))
    monkeypatch.setattr(loop, "mixed_precision", lambda device, wanted: torch.autocast("cpu", dtype=torch.bfloat16))
    half = fitted(f"{encoder}+dagr[gradient_ratio=1,warmup=0]", view).outcome.telemetry["dagr.lam"]
    monkeypatch.undo()
    full = fitted(f"{encoder}+dagr[gradient_ratio=1,warmup=0]", view).outcome.telemetry["dagr.lam"]
    assert half == pytest.approx(full, rel=0.1)


def test_features_move_once_and_not_in_every_step(view: NodeClassificationView) -> None:
    """Another device stands in for a GPU; on a CPU nothing is copied at all."""
    objective, whole = NodeClassificationObjective(), short_training(1)
    sage = REGISTRY.method("sage").load()
    network = objective.build(sage, sage.Options(hidden=8), view, whole, 0)
    for device, same in (("cpu", True), ("meta", False)):
        epoch = objective.epochs(network.to(device), view, whole, (), 0)
        (first,), (second,) = epoch(1), epoch(2)
        for name, features in view.x.items():
            assert first.x[name].device.type == device and first.x[name] is second.x[name]
            assert (first.x[name] is features) == same
            assert first.observed[name] is second.observed[name]


def test_absent_sampling_leaves_no_trace() -> None:
    assert "sampling" not in short_training().model_dump()
    assert training().model_dump(exclude={"lr"})["sampling"] == {"batch_size": 40, "fanout": 4}
    # As published with the first results: keys of kept cells depend on it.
    assert REGISTRY.protocol("standard@1").digest().startswith("77d9249992f1d075")
