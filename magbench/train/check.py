"""A method's check-up: what an author wants to know before a long run, on a small graph and in words.

Each :class:`Finding` answers one question: does the method fit and answer, does it see what is hidden, does a seed give
the same answer again, does it leave its input and the global generators as they were.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from magbench.data.mag import MAG
from magbench.data.synthetic import generate
from magbench.registry import Registry
from magbench.specs import FamilySpec, TaskSpec
from magbench.tasks.base import AnyTask, make_task
from magbench.train.compose import compose
from magbench.train.method import Method
from magbench.train.probe import leaks

SEED = 0
NODES, EPOCHS = 200, 2
"""Size of the check: enough to see a leak, too little to learn."""


@dataclass(frozen=True)
class Finding:
    """The answer to one question; ``words`` say what was found and, if it is not ``ok``, what to do."""

    family: str
    question: str
    ok: bool
    words: str


def check_method(name: str, registry: Registry, task: TaskSpec) -> Iterator[Finding]:
    """Check a method on a small synthetic graph, asked as ``task`` asks.

    Raises:
        MagbenchError: the method cannot be composed for the task's family.
    """
    protocol = registry.protocol("standard")
    short = protocol.training.model_copy(update={"max_epochs": EPOCHS, "validate_every": 1, "hidden": 16})
    composition = compose(name, registry, protocol.model_copy(update={"training": short}), task.family)
    asked, mag = make_task(_small(task, registry.family(task.family))), small_graph()

    def finding(question: str, problem: str, fine: str) -> Finding:
        return Finding(task.family, question, not problem, problem or fine)

    try:
        state, method = _generators(), _ready(composition.build(), asked)
        view = asked.view(mag, SEED)
        before = digest_of(view)
        method.fit(view, seed=SEED)
        answer = method.predict(view)
        asked.check(answer, view)
    except Exception as error:  # whatever a stranger's code raises is the finding
        yield finding("fits and answers", f"{type(error).__name__}: {error}", "")
        return
    yield finding("fits and answers", "", f"on {NODES} nodes, {EPOCHS} epochs")
    yield finding(
        "leaves its input alone",
        "" if digest_of(view) == before else "It changed a tensor of the view in place; copy before you change one.",
        "the view is as it was",
    )
    yield finding(
        "draws from generators of its own",
        "" if _generators() == state else "It drew from the global generators; make one of its own from `seed`.",
        "the global generators are where they were",
    )
    yield finding(
        "the same seed gives the same answer",
        _again(composition.build, asked, view, answer),
        "to the last bit",
    )
    yield finding(
        "sees nothing that is hidden",
        _seen(composition.build, asked, mag),
        "noise in place of what is hidden changes nothing",
    )


def small_graph() -> MAG:
    """200 nodes with texts, two modalities of one width, a tenth of the pictures missing."""
    mag, _ = generate(
        num_nodes=NODES, num_classes=4, dim=12, degree=8.0, class_signal=1.0, missing={"image": 0.1}, seed=1
    )
    return mag.replaced(texts=[f"item {node}" for node in range(NODES)])


def digest_of(value: Any) -> str:
    """sha256 over every array and tensor of a view, in order."""
    digest = hashlib.sha256()
    for array in _arrays(value):
        digest.update(str((array.dtype, array.shape)).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _arrays(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, Tensor):
        yield value.detach().cpu().numpy()
    elif isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _arrays(entry)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _arrays(getattr(value, field.name))


def _small(task: TaskSpec, family: FamilySpec) -> TaskSpec:
    """The task's question of the small graph: its own labels, a split that can be drawn, a pool that can be filled."""
    variant = {option: value for option, value in task.variant.items() if option not in ("pool", "text")}
    split = family.parse_split(family.split, family.name)
    return task.model_copy(update={"label": "y", "variant": variant, "split": split})


def _ready(method: Method, task: AnyTask) -> Method:
    task.admit(method)
    return method


def _again(make: Callable[[], Method], task: AnyTask, view: Any, answer: Any) -> str:
    try:
        second = make()
        second.fit(view, seed=SEED)
        same = task.same(answer, second.predict(view))
    except Exception as error:  # a stranger's code may raise anything
        return f"The second fit failed: {type(error).__name__}: {error}"
    return "" if same else "A second fit with the same seed answered otherwise; draw from generators made of `seed`."


def _seen(make: Callable[[], Method], task: AnyTask, mag: MAG) -> str:
    try:
        found = leaks(make, task, mag, SEED)
    except Exception as error:  # a stranger's code may raise anything
        return f"It failed where something is hidden: {type(error).__name__}: {error}"
    return f"Its answer changes with {' and '.join(found)}, which the task hides." if found else ""


def _generators() -> tuple[bytes, str, object]:
    """The states of the global generators."""
    return torch.get_rng_state().numpy().tobytes(), repr(np.random.get_state()), random.getstate()
