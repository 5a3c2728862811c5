"""The plan: seeds, keys that follow everything that can change a score, folders, and what still has to run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from lab import Lab, cells

from magbench.errors import OptionError, RecordError
from magbench.method_string import parse_method
from magbench.registry import Registry
from magbench.run.plan import Cell, Digests, PlanPart, key, make_plan, parse_seeds, pending
from magbench.run.request import make_request
from magbench.specs import Protocol
from magbench.train.compose import compose

STANDARD = Registry.default().protocol("standard@1")


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0", [0]),
        ("0-3", [0, 1, 2, 3]),
        ("0,2,5", [0, 2, 5]),
        (" 7 , 1-2 ", [7, 1, 2]),
        ("1-3,2", [1, 2, 3]),
        ("4-4", [4]),
    ],
)
def test_seeds(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text, STANDARD) == seeds


@pytest.mark.parametrize(
    "text", ["", ",", "a", "-1", "1-", "-", "1--2", "1.5", "9-3", "10", "0-10", "8-99999999999999", "²"]
)
def test_seeds_refused(text: str) -> None:
    with pytest.raises(OptionError, match="Seeds "):
        parse_seeds(text, STANDARD)


def test_a_range_over_a_gap_is_refused() -> None:
    gap = Protocol.model_validate({**STANDARD.model_dump(), "seeds": (0, 1, 5)})
    with pytest.raises(OptionError, match="Seeds '0-5'"):
        parse_seeds("0-5", gap)


def plan(lab: Lab, *methods: str, **options: object) -> list[Cell]:
    with lab.environment():
        arguments = {"tasks": ["nc/toy"], "methods": methods, "protocol": "short@1", "seeds": "0", **options}
        return make_request(**arguments).plan(lab.root / "planned")  # type: ignore[arg-type]


def test_every_method_has_its_first_seed_early(lab: Lab) -> None:
    found = plan(lab, "mlp", "gcn", seeds="0-1")
    assert [(cell.method, cell.seed) for cell in found] == [("mlp", 0), ("gcn", 0), ("mlp", 1), ("gcn", 1)]
    assert len({cell.folder for cell in found}) == len({cell.run_id for cell in found}) == 4
    assert len({cell.key for cell in found}) == 2


def test_the_same_method_twice_is_one(lab: Lab) -> None:
    assert len(plan(lab, "mlp", "mlp", "mlp[]")) == 1
    assert len(plan(lab, "mlp[dropout=0.5,lr=1]", "mlp[lr=1.0,dropout=0.50]")) == 1


def test_controls_stand_behind_their_task(lab: Lab) -> None:
    tasks = ["ret/emoji", "nc/toy", "ret/tabler[pool=all]", "ret/tabler[control=rewired]"]
    found = list(dict.fromkeys(cell.task for cell in plan(lab, "gcn", tasks=tasks, controls=True)))
    names = ("random", "no_graph", "node_disjoint", "random_node_disjoint")
    assert found == [
        "retrieval/emoji@1", *(f"retrieval/emoji[control={name}]@1" for name in names), "node_classification/toy@1",
        *(f"node_classification/toy[control={name}]@1" for name in ("no_graph", "shuffled", "random")),
        "retrieval/tabler[pool=all]@1", *(f"retrieval/tabler[pool=all,control={name}]@1" for name in names),
        "retrieval/tabler[control=rewired]@1",
    ]  # fmt: skip
    with pytest.raises(OptionError, match="--controls: each task here is a control itself"):
        plan(lab, "gcn", tasks=["nc/toy[control=no_graph]", "ret/emoji[control=random]"], controls=True)


def test_the_key_follows_what_can_change_a_score(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    (before,) = plan(lab, "mlp")
    assert plan(lab, "mlp")[0].key == before.key
    (option,) = plan(lab, "mlp", options=["mlp.dropout=0.4"])
    (task,) = plan(lab, "mlp", tasks=["nc/synthetic-conflict"])
    (protocol,) = plan(lab, "mlp", protocol="standard@1")
    monkeypatch.setattr("magbench.ENGINE", 10**6)
    (engine,) = plan(lab, "mlp")
    assert len({cell.key for cell in (before, option, task, protocol, engine)}) == 5


def test_the_key_holds_what_is_asked_and_trained_and_no_prose(lab: Lab) -> None:
    """Not how a task, protocol or method is called, scored, searched or cited."""
    with lab.environment():
        registry = Registry.default()
    (before,) = plan(lab, "mlp+optimag")
    task, protocol = registry.task("nc/toy"), registry.protocol("short@1")
    registry.tasks[task.id] = task.model_copy(
        update={"title": "Other", "summary": "Other", "metrics": ("macro_f1",), "ranked": False}
    )
    registry.protocols["short"] = protocol.model_copy(update={"title": "Other", "ranked": True})
    for name in ("mlp", "optimag"):
        entry = registry.methods[name]
        prose = {"title": "Other", "summary": "Other", "citation": ("Other",), "search": {}}
        registry.methods[name] = dataclasses.replace(entry, spec=entry.spec.model_copy(update=prose))

    def key(**changed: object) -> str:
        part = PlanPart(
            (registry.task("nc/toy"),), (), (parse_method("mlp+optimag"),), registry.protocol("short@1"), (0,)
        )
        with lab.environment():
            (cell,) = make_plan(registry, [part], lab.root / "planned")
        return cell.key

    assert key() == before.key
    entry = registry.methods["optimag"]
    registry.methods["optimag"] = dataclasses.replace(entry, spec=entry.spec.model_copy(update={"revision": 99}))
    assert key() != before.key


def test_the_key_holds_the_parts_of_the_data_that_the_family_reads(lab: Lab) -> None:
    with lab.environment():
        registry = Registry.default()
        task, protocol = registry.task("nc/toy"), registry.protocol("short@1")
        data = Digests(registry).of(task, "synthetic")
    assert set(data) == {"graph", "features", "labels"} <= set(registry.family("node_classification").reads)
    composition = compose("mlp", registry, protocol)
    found = key(task, composition, protocol, data)
    assert key(task, composition, protocol, {**data, "graph": "0" * 64}) != found
    assert set(found) == {"task", "data", "method", "engine", "protocol"}


def test_equal_options_have_one_name_and_one_key(lab: Lab) -> None:
    texts = ("mlp+optimag[rho=.5]", "mlp+optimag[rho=0.5]", "mlp+optimag[rho=5e-1]")
    found = [plan(lab, text)[0] for text in texts]
    assert {cell.method for cell in found} == {"mlp+optimag[rho=0.5]"} and len({cell.key for cell in found}) == 1
    assert len(plan(lab, *texts)) == 1


def test_a_long_method_string_has_a_folder(lab: Lab) -> None:
    (cell,) = plan(lab, "mlp+optimag[" + ",".join(["rho=0.123456789", "eps=0.0123456789"] * 1) + "]")
    long = dataclasses.replace(cell, method=cell.method * 20)
    assert all(len(part) <= 100 for part in long.folder.relative_to(lab.root).parts)


def test_what_still_has_to_run(lab: Lab, finished: Path) -> None:
    found = [dataclasses.replace(cell, out=str(finished)) for cell in plan(lab, "mlp", "gcn", seeds="0-3")]
    todo = {(cell.method, cell.seed) for cell in pending(found, "missing")}
    assert todo == {("mlp", 3), *(("gcn", seed) for seed in range(4))}
    assert pending(found, "always") == found


def test_a_record_of_another_key_is_refused(lab: Lab, finished: Path) -> None:
    cell = dataclasses.replace(plan(lab, "mlp")[0], out=str(finished))
    assert cell.folder == cells(finished)["mlp 0"]
    collision = dataclasses.replace(cell, key=cell.key[:16] + "0" * 48)
    with pytest.raises(RecordError, match="another key"):
        pending([collision], "missing")
