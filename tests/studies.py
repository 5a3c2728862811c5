"""A small factory of kept studies with invented results."""

from __future__ import annotations

from typing import Any

import numpy as np

from magbench.results.study import KeptStudy, StudyCell
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


def cell(method: str, seed: int, score: float, task: str = TASKS[0], **fields: Any) -> StudyCell:
    values = {
        "task": task,
        "dataset": "d@1",
        "method": method,
        "protocol": "standard@1",
        "seed": seed,
        "status": "ok",
        "scores": {"accuracy": score, "macro_f1": score / 2},
        "n": 100,
        "key": f"key of {method}",
        "run_id": "r",
        "source_sha256": "s",
        "engine": 1,
        "core_seconds": 36.0,
        "seconds": 30.0,
        "finished": "2026",
    }
    return StudyCell.model_validate({**values, **fields})


def kept(description: dict[str, Any], rows: list[StudyCell], seeds: int = 10) -> KeptStudy:
    suite = Suite.parse(description, "here")
    tasks = TASKS[: len(suite.tasks)]
    plan = tuple((task, method, seed) for seed in range(seeds) for task in tasks for method in suite.method_strings)
    return KeptStudy(suite, plan, tuple(rows))


def parts_rows(seeds: int = 10, edge: float = 0.05) -> list[StudyCell]:
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


def grid_rows(seeds: int = 3) -> list[StudyCell]:
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
