"""GOMA as a method: what its map, readouts and options do in the one loop."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from magbench.baselines.goma import GOMANetwork
from magbench.baselines.linear_infonce import LinearInfoNCE
from small import short_training, small_retrieval_view
from torch.nn import functional

from magbench.errors import MethodError
from magbench.nn.contrastive import info_nce
from magbench.nn.goma import GOMA, CoupledGraph, diagnostics, smoothing
from magbench.nn.goma.smoothing import limit_steps
from magbench.nn.memo import Memo
from magbench.registry import Registry
from magbench.tasks.retrieval.view import RetrievalView
from magbench.train.compose import compose
from magbench.train.method import EncoderMethod
from magbench.train.retrieval import RetrievalObjective

VARIANTS = (
    {"readout": "node"},
    {"readout": "global"},
    {"readout": "fixed", "step": 2},
    {"readout": "limit"},
    {"operator": "learned"},
    {"operator": "cosine", "norm": "sym"},
    {"coupled": False},
    {"map": "trained", "auxiliary": 0.5, "entropy": 0.01},
)


@pytest.fixture(scope="module")
def view() -> RetrievalView:
    return small_retrieval_view()


def fitted(view: RetrievalView, epochs: int = 4, **options: object) -> EncoderMethod:
    method = EncoderMethod(GOMANetwork, short_training(epochs), (), RetrievalObjective(), **{"hidden": 16, **options})
    method.fit(view, seed=0)
    return method


def embedded(method: EncoderMethod, view: RetrievalView) -> list[torch.Tensor]:
    return [torch.from_numpy(rows) for rows in method.predict(view).embeddings.values()]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_every_variant_trains_to_unit_rows_and_repeats(options: dict, view: RetrievalView) -> None:
    method = fitted(view, **options)
    rows = embedded(method, view)
    assert all(torch.allclose(part.norm(dim=1), torch.ones(len(part)), atol=1e-5) for part in rows)
    assert all(torch.equal(a, b) for a, b in zip(rows, embedded(fitted(view, **options), view), strict=True))
    told = method.outcome.telemetry
    assert 0 <= told["gate.entropy"] <= 1 and told["echo.own"] >= 0
    assert method.outcome.value is not None and method.outcome.value > 0


def test_fixed_is_the_map_and_the_library_and_nothing_to_train(view: RetrievalView) -> None:
    """Step k of the frozen map, smoothed by :mod:`magbench.nn.goma` alone; step 0 is the map itself."""
    for step in (0, 1, 3):
        method = fitted(view, readout="fixed", step=step)
        assert method.outcome.epoch is None
        linear = method.network.map.eval()
        sides = list(view.sides.values())
        with torch.no_grad():
            e = [linear(p, side.x, side.observed) for p, side in enumerate(sides)]
        edges = [side.edge_index for side in sides]
        graph = CoupledGraph.of_sides([len(side) for side in sides], edges, list(view.cross.values()))
        expected = GOMA(16, steps=step, readout=f"fixed:{step}")(e, graph).embeddings
        if step == 0:
            expected = tuple(functional.normalize(rows, dim=1) for rows in e)
        for found, wanted in zip(embedded(method, view), expected, strict=True):
            assert torch.allclose(found, wanted, atol=1e-5)


def test_the_frozen_map_is_the_same_whatever_follows(view: RetrievalView) -> None:
    maps = [fitted(view, **options).network.map.state_dict() for options in VARIANTS[:5]]
    for other in maps[1:]:
        assert all(torch.equal(maps[0][name], other[name]) for name in other)
    assert not torch.equal(maps[0]["maps.0.weight"], fitted(view, map="trained").network.map.maps[0].weight)


def test_what_learns(view: RetrievalView) -> None:
    """Frozen: the gate or the operator alone; trained: the map, too. Both fit the map, and it counts as it does alone.

    The global vector has its learning rate.
    """
    linear = (12 + 1) * 16 + (8 + 1) * 16
    methods = {name: fitted(view, 1, readout="global", **{"map": name}) for name in ("frozen", "trained")}
    trained = {
        name: sum(part.numel() for part in method.network.parameters() if part.requires_grad)
        for name, method in methods.items()
    }
    assert trained == {"frozen": 7, "trained": 7 + linear}
    assert [method.outcome.params for method in methods.values()] == [7 + linear] * 2
    assert fitted(view, 1, readout="fixed").outcome.params == linear
    alone = EncoderMethod(LinearInfoNCE, short_training(1), (), RetrievalObjective(), hidden=16)
    alone.fit(view, seed=0)
    assert alone.outcome.params == linear
    network = fitted(view, 1, readout="global", global_lr=0.2).network
    assert [group.get("lr") for group in network.parameter_groups()] == [0.2]


@pytest.mark.parametrize("readout", ["node", "global", "fixed"])
def test_one_coupled_step_hears_nothing_of_the_own_other_half(readout: str, view: RetrievalView) -> None:
    """The leak probe at one step: another picture for a test node leaves its text's embedding byte-equal."""
    text, image = view.sides
    method = fitted(view, readout=readout, steps=1)
    item = int(view.test[image][0])
    x = view.sides[image].x.clone()
    x[item] = torch.randn(x.size(1), generator=torch.Generator().manual_seed(0))
    other = replace(view, sides={**view.sides, image: replace(view.sides[image], x=x)})
    before, after = (method.predict(part).embeddings for part in (view, other))
    moved = torch.from_numpy((before[text] != after[text]).any(1))
    receives = view.cross[text][1][view.cross[text][0] == item]
    assert moved.nonzero().flatten().tolist() == sorted(set(receives.tolist()))
    assert len(receives)


def test_uncoupled_sides_do_not_meet(view: RetrievalView) -> None:
    text, image = view.sides
    method = fitted(view, coupled=False)
    other = replace(view, sides={**view.sides, image: replace(view.sides[image], x=view.sides[image].x.flip(0))})
    assert torch.equal(*(torch.from_numpy(method.predict(part).embeddings[text]) for part in (view, other)))
    assert method.outcome.telemetry["echo.own"] == 0


def test_the_echo_needs_two_steps_and_shortcuts_spoil_one(view: RetrievalView) -> None:
    echo = {
        name: fitted(view, readout="fixed", **options).outcome.telemetry["echo.own"]
        for name, options in {"one": {"step": 1}, "two": {"step": 2}, "own": {"step": 1, "shortcuts": True}}.items()
    }
    assert echo["one"] == 0 < echo["two"] < echo["own"]


def test_features_of_one_width_need_no_map(view: RetrievalView) -> None:
    with pytest.raises(MethodError, match=r"the features have the widths 12 and 8; .* map=frozen or map=trained"):
        fitted(view, map="none")
    text = next(iter(view.sides))
    cut = replace(view, sides={**view.sides, text: replace(view.sides[text], x=view.sides[text].x[:, :8])})
    method = fitted(cut, map="none", readout="fixed", step=0)
    expected = functional.normalize(cut.sides[text].x, dim=1)
    assert torch.allclose(embedded(method, cut)[0], expected, atol=1e-6)


def test_it_composes_with_a_regulariser(view: RetrievalView) -> None:
    assert Registry.default().method("goma").spec.reimplementation
    method = composed("goma[map=trained]+geometric_consistency[warmup=0]", 2)
    method.fit(view, seed=0)
    assert any(name.startswith("geometric_consistency.") for name in method.outcome.telemetry)
    assert method.towers == "coupled"


@pytest.mark.parametrize("readout", ["node", "global", "limit"])
def test_constants_are_made_once_and_again_for_other_features(readout: str, view: RetrievalView, monkeypatch) -> None:
    """With a frozen map no step smooths again, however many there are; features that changed do, also in place."""
    calls = []
    plain = smoothing.propagate
    monkeypatch.setattr(smoothing, "propagate", lambda *args, **options: calls.append(1) or plain(*args, **options))
    counts = []
    for epochs in (1, 6):
        calls.clear()
        method = fitted(view, epochs, readout=readout, steps=4)
        method.predict(view)
        counts.append(len(calls))
    once = limit_steps(0.2, torch.float32) if readout == "limit" else 4
    assert counts == [once, once]
    text = next(iter(view.sides))
    side = replace(view.sides[text], x=view.sides[text].x.clone())
    other = replace(view, sides={**view.sides, text: side})
    calls.clear()
    assert all(torch.equal(*parts) for parts in zip(embedded(method, view), embedded(method, other), strict=True))
    side.x[0] = -side.x[1]
    changed = embedded(method, other)
    assert len(calls) == once
    method.network._mapped, method.network._smoothed = Memo(), Memo()
    assert all(torch.equal(*parts) for parts in zip(changed, embedded(method, other), strict=True))
    assert not torch.equal(changed[0], embedded(method, view)[0])


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_what_does_not_fit_is_made_again_and_is_the_same(options: dict, view: RetrievalView, monkeypatch) -> None:
    kept = embedded(fitted(view, 2, **options), view)
    monkeypatch.setattr(smoothing, "KEEP_BYTES", 0)
    again = embedded(fitted(view, 2, **options), view)
    assert all(torch.equal(*parts) for parts in zip(kept, again, strict=True))


def test_the_echo_of_all_steps_is_told_by_one_run(view: RetrievalView, monkeypatch) -> None:
    method = fitted(view, 1, readout="uniform", steps=6)
    told, calls, plain = method.outcome.telemetry, [], diagnostics.propagate
    monkeypatch.setattr(diagnostics, "propagate", lambda *args: calls.append(1) or plain(*args))
    assert method.network.telemetry() == told
    assert len(calls) == 6


def test_what_each_step_does_is_told(view: RetrievalView) -> None:
    """Step 0 is the map as it was selected, and the step that is read is what selects the whole."""
    outcome = fitted(view, readout="fixed", step=2).outcome
    told, (text, image) = outcome.telemetry, view.sides
    assert told["step.0.val_mrr"] == told["map.val_mrr"]
    assert told["step.2.val_mrr"] == outcome.value
    sides = [f"{quantity}.{side}" for quantity in ("dirichlet", "effective_rank") for side in (text, image)]
    names = {f"step.{k}.{name}" for k in range(3) for name in ("val_mrr", "paired", "unpaired", *sides)}
    assert {name for name in told if name.startswith("step.")} == names
    assert told[f"step.1.dirichlet.{text}"] < told[f"step.0.dirichlet.{text}"], "neighbours grow alike"


def test_the_limit_has_no_steps_to_tell_of(view: RetrievalView) -> None:
    assert not any(name.startswith("step.") for name in fitted(view, 1, readout="limit").outcome.telemetry)


def composed(text: str, epochs: int = 4) -> EncoderMethod:
    registry = Registry.default()
    protocol = registry.protocol("quickstart@1").model_copy(update={"training": short_training(epochs)})
    method = compose(text, registry, protocol, "retrieval").build()
    assert isinstance(method, EncoderMethod)
    return method


def test_the_temperature_reaches_the_frozen_map_and_the_auxiliary_loss(view: RetrievalView) -> None:
    maps = {}
    for temperature in (0.07, 0.5):
        frozen = composed(f"goma[readout=fixed,temperature={temperature}]")
        alone = composed(f"linear_infonce[temperature={temperature}]")
        for method in (frozen, alone):
            method.fit(view, seed=0)
        maps[temperature] = frozen.network.map.maps[0].weight
        assert frozen.outcome.telemetry["map.val_mrr"] == pytest.approx(alone.outcome.value, abs=0.15)
    assert not torch.equal(maps[0.07], maps[0.5])
    penalties = []
    for temperature in (0.07, 0.5):
        method = composed(f"goma[map=trained,auxiliary=1,dropout=0,temperature={temperature}]", 1)
        method.fit(view, seed=0)
        network = method.network.train()
        with torch.random.fork_rng():
            states = network(view.sides, view.cross)
            rows = [functional.normalize(z[own], dim=1) for z, own in zip(states.z.values(), view.train, strict=True)]
        penalties.append((states.penalty, info_nce(*rows, temperature, view.train)))
    assert all(torch.allclose(found, wanted, atol=1e-5) for found, wanted in penalties)
    assert abs(penalties[0][0] - penalties[1][0]) > 0.1


@pytest.mark.parametrize("host", ["goma[readout=fixed]", "goma[readout=limit]"])
def test_a_regulariser_of_nothing_is_refused(host: str, view: RetrievalView) -> None:
    with pytest.raises(MethodError, match=r"nothing to train .* so optimag would change nothing.*map=trained"):
        composed(f"{host}+optimag").fit(view, seed=0)
