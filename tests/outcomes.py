"""A small factory of outcomes with invented results, made here, never shipped, and of pages made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from magbench.board import report
from magbench.board.sample import Sample, Sampled
from magbench.results.reported import Reported
from magbench.tables.outcome import Outcome
from magbench.tables.report import report_of

CLASSES = ("animals-nature", "food-drink", "objects", "travel-places")
TEXTS = ("red apple", "hot air balloon", "otter", "screwdriver", "bento box", "suspension railway", "maple leaf")
LEVELS = {
    "mlp": 0.69,
    "mlp+optimag": 0.70,
    "sage": 0.75,
    "sage+optimag[lam=10,loss_norm=mass2]": 0.755,
    "sage+dagr": 0.79,
}
ITEMS = 40
RETRIEVAL_LEVELS = {
    ("", "gcn"): 0.5, ("random", "gcn"): 0.45, ("no_graph", "gcn"): 0.2, ("node_disjoint", "gcn"): 0.2,
    ("", "ridge"): 0.3, ("random", "ridge"): 0.0, ("no_graph", "ridge"): 0.3, ("node_disjoint", "ridge"): 0.4,
    ("", "goma"): 0.65,
}  # fmt: skip


@cache
def picture(node: int) -> bytes:
    """A coloured shape as WebP bytes."""
    image = Image.new("RGBA", (48, 48), (0, 0, 0, 0))
    colour = tuple(int(c) for c in np.random.default_rng(node).integers(40, 220, size=3))
    ImageDraw.Draw(image).regular_polygon((24, 24, 20), 3 + node % 6, fill=(*colour, 255))
    buffer = BytesIO()
    image.save(buffer, "WEBP")
    return buffer.getvalue()


def make_cell(method: str, seed: int, **changed: object) -> Outcome:
    """A finished outcome; keyword arguments replace its fields."""
    rng = np.random.default_rng([seed, sum(map(ord, method))])
    level = LEVELS.get(method, 0.7) + 0.01 * np.sin(3 * seed) + rng.normal(0, 0.003)
    history = [
        {
            "epoch": epoch,
            "train_loss": 2 / (1 + epoch),
            "val_accuracy": level * (1 - np.exp(-epoch / 12)) + rng.normal(0, 0.006),
        }
        for epoch in range(5, 100 + 10 * seed, 5)
    ]
    values: dict[str, object] = {
        "task": "node_classification/emoji@1",
        "dataset": "emoji@1",
        "method": method,
        "seed": seed,
        "status": "ok",
        "error": None,
        "scores": {"accuracy": level, "macro_f1": level - 0.05},
        "n_test": 363,
        "history": history,
        "telemetry": {"mass": 0.9 + rng.normal(0, 0.01), "diag_share": 0.41} if "optimag" in method else {},
        "cost": {"fit_s": 3.2 + seed},
        "params": 234_567,
        "protocol": "quickstart@1",
        "env": {"python": "3.11.9", "cores": 2, "packages": {"torch": "2.13.0"}},
        "keys": {"dataset": "0123456789abcdef0123", "source": "fedcba9876543210"},
    }
    return Outcome(**(values | changed))  # type: ignore[arg-type]


def make_cells() -> list[Outcome]:
    """Five methods with five seeds each, and one failure."""
    done = [make_cell(method, seed) for method in LEVELS for seed in range(5)]
    failed = {"status": "oom", "error": "MemoryError: 1.5 GB were asked for", "scores": {}, "history": []}
    return [*done, make_cell("sage+dagr", 5, **failed)]


def make_retrieval(control: str, method: str, seed: int, level: float, towers: str, task: str = "") -> Outcome:
    right = np.arange(ITEMS) < level * ITEMS
    return Outcome(
        task=task or (f"retrieval/toy[control={control}]@1" if control else "retrieval/toy@1"),
        dataset="toy@1", method=method, seed=seed, status="ok", error=None,
        scores={"recall@1": float(right.mean()), "mrr": float(right.mean())}, n_test=2 * ITEMS,
        history=[], telemetry={}, cost={"fit_s": 1.0}, params=10, protocol="standard@1", env={},
        items=right.astype(float).tolist(), features="clip", towers=towers, pool=ITEMS,
        parts={"text->image": level, "image->text": level, "isolated": level / 2},
        recall={1: level, 10: min(1.0, 2 * level)},
    )  # fmt: skip


def retrieval_cells() -> list[Outcome]:
    """Two pure methods with controls, and a coupled one without."""
    return [
        make_retrieval(control, method, seed, level, "coupled" if method == "goma" else "pure")
        for (control, method), level in RETRIEVAL_LEVELS.items()
        for seed in range(2)
    ]


def stepwise_cells(cells: Sequence[Outcome]) -> list[Outcome]:
    """The cells, of which gcn measures its states step by step, with and without noise."""
    level = {"val_mrr": 0.4, "paired": 0.5, "unpaired": 0.1, "dirichlet": 0.3, "effective_rank": 20.0}
    return [
        replace(cell, steps={name: {0: value, 1: value + cell.seed} for name, value in level.items()})
        if cell.method == "gcn" and cell.task in ("retrieval/toy@1", "retrieval/toy[control=random]@1")
        else cell
        for cell in cells
    ]


def samples(cells: Iterable[Outcome], nodes: Sequence[Sample] | None = None) -> list[Sampled]:
    """What the first seed of each method took 24 nodes for, or these ``nodes``."""
    return [Sampled(c.question, c.method, c.seed, nodes or _nodes(c)) for c in cells if c.seed == 0 and c.ok]


def _nodes(cell: Outcome) -> list[Sample]:
    rng = np.random.default_rng(sum(map(ord, cell.method)))
    return [
        Sample(
            node,
            TEXTS[node % len(TEXTS)],
            picture(node) if node % 7 != 6 else None,
            CLASSES[node % 4],
            CLASSES[node % 4] if rng.random() < cell.score else CLASSES[(node + 1) % 4],
        )
        for node in range(24)
    ]


def render(cells: Sequence[Outcome], *, reported: Sequence[Reported] = (), **options: Any) -> str:
    """The page of some outcomes."""
    return report.render(report_of(cells, reported=reported), **options)
