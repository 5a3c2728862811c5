"""A task: turns a data set into what a method may see, and a method's prediction into scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Literal

from magbench.data.mag import MAG
from magbench.data.parts import Parts
from magbench.errors import SpecError
from magbench.specs import TaskSpec
from magbench.tasks.views import Prediction


@dataclass(frozen=True)
class Score:
    """One number: ``metric`` (with its version) on ``split``, over ``n`` items.

    ``split`` is ``test``, or a part of it as ``test/<part>``. ``pool`` is the number of candidates of a query, where
    the family has them as its metrics' scale (the larger one, where directions differ).
    """

    metric: str
    version: int
    split: str
    value: float
    n: int
    pool: int | None = None


class Task(ABC):
    """A family's rules bound to one :class:`~magbench.specs.TaskSpec`."""

    rules: ClassVar[tuple[type[Any], ...]]
    """The split specifications it understands."""

    design: Literal["drawn", "fixed"] = "drawn"
    """Whether each seed draws a split of its own, or the task version fixes one for all."""

    def __init__(self, spec: TaskSpec) -> None:
        if not isinstance(spec.split, self.rules):
            raise SpecError(f"Task {spec.id}: a task of this family cannot have the split rule {spec.split.rule!r}.")
        self.spec = spec
        self.rule: Any = spec.split

    @abstractmethod
    def view(self, mag: MAG, seed: int) -> Any:
        """What a method is given for this seed."""

    def passes(self, mag: MAG, seed: int) -> Iterator[Any]:
        """The views that a cell fits a fresh method to, one after the other; more than one in some controls."""
        yield self.view(mag, seed)

    def admit(self, method: Any) -> None:  # noqa: B027  every method, by default
        """Raise :class:`~magbench.errors.MethodError` unless ``method``, not fitted yet, may answer this task."""

    def telemetry(self, method: Any, view: Any, mag: MAG, seed: int) -> dict[str, float]:
        """What is measured on a fitted method beside its scores; ``view`` is that of its pass."""
        return {}

    @abstractmethod
    def draw(self, mag: MAG, seed: int) -> str:
        """sha256 (hex) of what this task draws for ``seed``: split, negatives, candidates, a control's edges.

        Not what follows from the seed by one call each: the order of rows and noise in place of features.
        """

    def parts(self, mag: MAG, seed: int) -> Parts | None:
        """What is trained on and what is tested, nodes or edges; None for a task that divides neither."""
        return None

    @abstractmethod
    def check(self, prediction: Any, view: Any) -> None:
        """Raise :class:`~magbench.errors.MethodError` unless the prediction can be scored."""

    def kept(self, prediction: Any, mag: MAG, seed: int) -> Prediction:
        """What is stored of a prediction that :meth:`check` accepts: enough to score it."""
        stored: Prediction = prediction
        return stored

    def kept_of_passes(self, predictions: Sequence[Any], mag: MAG, seed: int) -> Prediction:
        """What is stored of the predictions for :meth:`passes`, in their order."""
        (prediction,) = predictions
        return self.kept(prediction, mag, seed)

    @abstractmethod
    def score(self, prediction: Any, mag: MAG, seed: int) -> list[Score]:
        """Score what :meth:`kept` keeps."""


def make_task(spec: TaskSpec) -> Task:
    """The task object of a specification."""
    module, _, attribute = spec.task_class.partition(":")
    task: Task = getattr(import_module(module), attribute)(spec)
    return task
