"""A task: turns a data set into what a method may see, and a method's prediction into scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from magbench.data.mag import MAG
from magbench.specs import TaskSpec


@dataclass(frozen=True)
class Score:
    """One number: ``metric`` (with its version) on ``split``, over ``n`` items."""

    metric: str
    version: int
    split: str
    value: float
    n: int


class Task(ABC):
    """A family's rules bound to one :class:`~magbench.specs.TaskSpec`."""

    design: Literal["drawn", "fixed"] = "drawn"
    """Whether each seed draws a split of its own, or the task version fixes one for all."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec

    @abstractmethod
    def view(self, mag: MAG, seed: int) -> Any:
        """What a method is given for this seed."""

    @abstractmethod
    def draw(self, mag: MAG, seed: int) -> str:
        """sha256 (hex) of everything this task draws for ``seed``: split, negatives, candidates."""

    @abstractmethod
    def check(self, prediction: Any, view: Any) -> None:
        """Raise :class:`~magbench.errors.MethodError` unless the prediction can be scored."""

    @abstractmethod
    def score(self, prediction: Any, mag: MAG, seed: int) -> list[Score]:
        """Score a prediction that :meth:`check` accepts."""


def make_task(spec: TaskSpec) -> Task:
    """The task object of a specification."""
    module, _, attribute = spec.task_class.partition(":")
    task: Task = getattr(import_module(module), attribute)(spec)
    return task
