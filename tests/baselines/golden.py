"""Golden predictions: what every shipped method and regulariser predicted on a small MAG, one file a method.

A file holds the method's ``revision`` and ``ENGINE``, and for each cell, ``<family> <method string>``, a corner of the
answer. ``PYTHONPATH=tests python tests/baselines/golden.py [METHOD ...]`` writes files anew; answers that moved need
another revision or ENGINE first.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from small import short_training, small_link_task, small_mag, small_retrieval_view, small_task
from torch import Tensor

import magbench
from magbench.method_string import parse_method
from magbench.registry import Registry
from magbench.specs import Protocol, Sampling, Training
from magbench.train.compose import compose

FOLDER = Path(__file__).with_name("golden")
ROUNDING = 1e-3
"""Processors differ by less."""
REGISTRY = Registry.default()
NC, LP, RET, MINI = "node_classification", "link_prediction", "retrieval", "node_classification,sampled"
TURN = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator().manual_seed(0)))[0]
SHARED = ("zero_shot", "realign")
"""Methods that need both sides in one space."""
GOMA = (
    "goma[readout=node]",
    "goma[readout=global]",
    "goma[readout=fixed,step=2]",
    "goma[readout=limit]",
    "goma[operator=learned]",
    "goma[norm=sym,operator=cosine]",
    "goma[coupled=false]",
    "goma[auxiliary=0.5,entropy=0.01,map=trained]",
)
REGULARIZERS = tuple(name for name, entry in REGISTRY.methods.items() if entry.spec.kind == "regularizer")
STRONG = [(part, key, value) for part in REGULARIZERS for key, value in (("warmup", 0), ("lam", 10))]
STRONG.append(("placebo_rewired", "gradient_ratio", 10))  # two epochs hardly tell one wrong graph from another


def cells_of(name: str) -> list[tuple[str, str]]:
    """Family and method string of each cell that is pinned for a method."""
    spec = REGISTRY.method(name).spec
    if spec.kind == "regularizer":
        return [(NC, f"mlp+{name}"), (NC, f"sage+{name}"), (LP, f"sage+{name}"), (RET, f"sage+{name}")]
    if name == "goma":
        return [(RET, text) for text in GOMA]
    found = [(family, name) for family in (NC, LP, RET) if spec.does(family)]
    if spec.does(NC) and spec.of(NC).kind == "encoder":
        found.append((MINI, name))
    return [*found, (LP, "mlp[decoder=dot]")] if name == "mlp" else found


def answer(family: str, text: str) -> list[list[float]]:
    """A corner of what a method answers: class scores of five nodes, candidates' scores of two queries, cosines."""
    torch.set_num_threads(1)
    if family == RET:
        return _rows(_cosines(text))
    view = (small_link_task() if family == LP else small_task()).view(small_mag(), 0)
    training = short_training(6 if family == LP else 2)
    if family == MINI:
        training = training.model_copy(update={"sampling": Sampling(batch_size=40, fanout=4)})
    scores = _fitted(text, family.partition(",")[0], view, training).predict(view).scores
    return _rows(scores[:2, :8] if family == LP else scores[:5])


def _cosines(text: str) -> Tensor:
    """Cosines of asked items of both sides: a base of the space may turn, they may not."""
    shared = text in SHARED
    view = small_retrieval_view(planted=lambda x: x @ TURN) if shared else small_retrieval_view()
    method = _fitted(text, RET, view, short_training(6))
    first, second = (torch.from_numpy(rows) for rows in method.predict(view).embeddings.values())
    rows, columns = (4, 4) if text.startswith("goma") else (3, 8)
    return first[view.test["text"][:rows]] @ second[view.test["image"][:columns]].t()


def _fitted(text: str, family: str, view: Any, training: Training) -> Any:
    protocol = Protocol(name="short", version=1, title="", ranked=False, seeds=(0,), training=training)
    given = [*STRONG, *((name, "shared", True) for name in SHARED), ("goma", "lr", 0.003)]
    method = compose(parse_method(text).with_options(given), REGISTRY, protocol, family).build()
    method.fit(view, seed=0)
    return method


def _rows(values: Any) -> list[list[float]]:
    return [[round(float(value), 5) for value in row] for row in values]


@cache
def stored(name: str) -> dict[str, Any]:
    """The file of a method; empty where there is none."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def agree(first: Any, second: Any) -> bool:
    """Whether two answers are equal up to what processors differ by."""
    a, b = np.asarray(first), np.asarray(second)
    return a.shape == b.shape and bool(np.allclose(a, b, atol=ROUNDING))


def write(name: str) -> None:
    """Write a method's file; raises SystemExit where answers moved and neither revision nor ENGINE did."""
    old, revision = stored(name), REGISTRY.method(name).spec.revision
    found = {f"{family} {text}": answer(family, text) for family, text in cells_of(name)}
    known = old.get("answers", {})
    moved = [cell for cell, rows in found.items() if cell in known and not agree(rows, known[cell])]
    if moved and (old["revision"], old["engine"]) == (revision, magbench.ENGINE):
        raise SystemExit(
            f"{name}: the predictions of {', '.join(moved)} moved; raise revision in baselines/{name}/method.toml."
        )
    same = (old.get("revision"), old.get("engine")) == (revision, magbench.ENGINE)
    kept = {cell: known[cell] if same and cell in known else rows for cell, rows in found.items()}
    content = {"engine": magbench.ENGINE, "revision": revision, "answers": kept}
    lines = json.dumps(content, indent=1)
    (FOLDER / f"{name}.json").write_text(lines + "\n")


if __name__ == "__main__":
    for method in sys.argv[1:] or REGISTRY.methods:
        write(method)
