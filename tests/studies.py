"""A small factory of kept studies with invented results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from magbench.predictions.base import Prediction
from magbench.predictions.classes import Classes
from magbench.results.record import SCHEMA, Record
from magbench.results.study import KeptStudy
from magbench.suites import Suite

TASKS = ("nc/a@1", "nc/b@1")
PARTS = {
    "name": "parts",
    "title": "Parts",
    "protocol": "standard@1",
    "tasks": ["nc/a", "nc/b"],
    "methods": ["mlp", "mlp+ours", "mlp+trivial", "sage", "sage+ours", "sage+trivial"],
    "study": {
        "names": {"ours": "Ours"},
        "contrasts": [
            {"question": "Does it help?", "a": "", "b": "ours"},
            {"question": "Beyond the trivial?", "a": "trivial", "b": "ours"},
        ],
    },
}
GRID = {
    "name": "grid",
    "title": "Grid",
    "protocol": "standard@1",
    "tasks": ["nc/a"],
    "methods": ["mlp", "mlp+trivial"],
    "grid": {"method": "mlp+ours", "axes": {"ours": {"rho": [0.1, 1], "alpha": [0.5, 0.9], "eps": [1]}}},
    "study": {"figure": {"kind": "heat", "x": "alpha", "y": "rho", "panel": "eps", "telemetry": ["mass"]}},
}


@dataclass(frozen=True)
class Made:
    """A kept cell with an invented result: with ``hits`` of a fixed split, each test item right (1) or wrong (0)."""

    record: Record
    hits: tuple[int, ...] = ()

    @property
    def method(self) -> str:
        return self.record.method.name

    @property
    def seed(self) -> int:
        return self.record.seed

    @property
    def task(self) -> str:
        return f"{self.record.task.id}@{self.record.task.version}"

    @property
    def score(self) -> float:
        return self.record.value("accuracy")

    def prediction(self) -> Prediction:
        true = np.ones(len(self.hits), dtype=np.int64)
        return Classes(np.arange(len(self.hits)), true, np.array(self.hits, dtype=np.int64))

    def history(self) -> list[dict[str, float]]:
        return []


def cell(
    method: str,
    seed: int,
    score: float,
    task: str = TASKS[0],
    *,
    hits: tuple[int, ...] = (),
    error: str = "",
    telemetry: dict[str, float] | None = None,
    engine: int = 1,
    dirty: bool = False,
) -> Made:
    """A cell of 36 core-seconds, 30 of them for fit and predict; one with an ``error`` failed and has no score."""
    name, version = task.split("@")
    owner, values = method.partition("+")[2].partition("[")[0], {"accuracy": score, "macro_f1": score / 2}
    record = {
        "schema": SCHEMA,
        "run_id": "r",
        "key": f"key of {method}",
        "task": {
            "id": name,
            "version": int(version),
            "hash": "t",
            "variant": {},
            "design": "fixed" if hits else "drawn",
        },
        "dataset": {"id": "d", "version": 1, "features": "f", "sha256": {"graph": "g"}},
        "method": {
            "name": method,
            "config": {},
            "config_sha256": "c",
            "params": None,
            "revisions": {},
            "source": {"sha256": "s", "commit": None, "dirty": None},
        },
        "protocol": "standard@1",
        "seed": seed,
        "status": "failed" if error else "ok",
        "error": {"type": "E", "message": error, "user": False} if error else None,
        "warnings": [],
        "scores": []
        if error
        else [{"metric": m, "version": 1, "split": "test", "value": v, "n": 100} for m, v in values.items()],
        "selection": None,
        "predictions": None,
        "telemetry": {f"{owner}.{quantity}": value for quantity, value in (telemetry or {}).items()} if owner else {},
        "cost": {"fit_s": 29.0, "predict_s": 1.0, "peak_rss": None, "peak_cuda": None},
        "env": {"threads": 1},
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:36+00:00",
        "magbench": {"version": "0", "engine": engine, "commit": None, "dirty": dirty},
    }
    return Made(Record.model_validate(record), hits)


def kept(description: dict[str, Any], rows: Sequence[Made], seeds: int = 10) -> KeptStudy:
    suite = Suite.parse(description, "here")
    tasks = TASKS[: len(suite.tasks)]
    plan = tuple((task, method, seed) for seed in range(seeds) for task in tasks for method in suite.method_strings)
    return KeptStudy(suite, plan, tuple(rows))


def parts_rows(seeds: int = 10, edge: float = 0.05) -> list[Made]:
    """``ours`` is ``edge`` above its host on the MLP, as good as ``trivial``, and ``edge`` below its host on SAGE."""
    rng = np.random.default_rng(0)
    rows = []
    for task in TASKS:
        for seed in range(seeds):
            base = 0.6 + 0.01 * seed
            for method in PARTS["methods"]:
                host, _, extra = method.partition("+")
                gain = 0 if not extra else edge if host == "mlp" else -edge
                rows.append(cell(method, seed, base + gain + rng.normal(0, 0.004), task, telemetry={"lam": 2.0}))
    return rows


def grid_rows(seeds: int = 3) -> list[Made]:
    """Gain 1 point for alpha .9 and 2 points for rho 1; mass is rho; trivial gains 2.5 points."""
    rows = []
    suite = Suite.parse(GRID, "here")
    for seed in range(seeds):
        base = 0.5 + 0.1 * seed
        rows += [cell("mlp", seed, base), cell("mlp+trivial", seed, base + 0.025)]
        for method, at in (suite.grid.points() if suite.grid else {}).items():
            gain = 0.01 * (at["alpha"] == 0.9) + 0.02 * (at["rho"] == 1)
            rows.append(cell(method, seed, base + gain, telemetry={"mass": float(at["rho"])}))
    return rows


def fixed_rows(hits: dict[str, list[list[int]]], task: str = TASKS[0]) -> list[Made]:
    """Cells on a fixed split: method → for each seed whether each test item is right."""
    return [
        cell(method, seed, float(np.mean(items)), task, hits=tuple(items))
        for method, table in hits.items()
        for seed, items in enumerate(table)
    ]
