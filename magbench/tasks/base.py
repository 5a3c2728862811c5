"""A task: turns a data set into what a method may see, and a method's answers into a prediction that can be scored.

For each seed it *draws* what it asks: split, negatives, candidates, a control's edges. A *view* of the drawn is what a
method is given, an *answer* what it gives back, a *prediction* (:mod:`magbench.predictions`) what is stored of answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from magbench.data.mag import MAG
from magbench.data.parts import Parts
from magbench.graph.splits import Index
from magbench.metrics.scores import Score, score_prediction
from magbench.predictions.base import Prediction
from magbench.specs import TaskSpec, load
from magbench.variants import AT, AT_TEST, corruptions_of
from magbench.variation.controls import CONTROLS, controlled
from magbench.variation.corrupt import corrupt

NOISE, CONTROL, CORRUPTION = 2, 3, 4
"""Streams of draws, apart from a split's."""
DrawnT = TypeVar("DrawnT")
ViewT = TypeVar("ViewT")
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, eq=False)
class Probe(Generic[ViewT, AnswerT]):
    """A view with something hidden replaced by noise, under which an honest method's answer stays as it was.

    Attributes:
        hidden: what was replaced, in words.
        view: the view with noise in its place.
        refit: whether a fresh method is fitted to it; else the one fitted to the true view is only asked again.
        agree: whether the answer to the true view and that to this one are the same.
    """

    hidden: str
    view: ViewT
    agree: Callable[[AnswerT, AnswerT], bool]
    refit: bool = True


class Task(ABC, Generic[DrawnT, ViewT, AnswerT]):
    """A family's rules bound to one :class:`~magbench.specs.TaskSpec`."""

    design: Literal["drawn", "fixed"] = "drawn"
    """Whether each seed draws a split of its own, or the task version fixes one for all."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self.rule: Any = spec.split

    @abstractmethod
    def draw(self, mag: MAG, seed: int) -> DrawnT:
        """What the task asks with this seed."""

    @abstractmethod
    def digest(self, drawn: DrawnT) -> str:
        """sha256 (hex) of what was drawn.

        Not what follows from the seed by one call each: the order of rows and noise in place of features.
        """

    @abstractmethod
    def views(self, mag: MAG, seed: int, drawn: DrawnT, *, asked: bool = False) -> Iterator[ViewT]:
        """The views that a cell fits a fresh method to, one after the other; more than one in some controls.

        With ``asked`` those in which the fitted methods are asked: others where the variant has ``at=test``.
        """

    @abstractmethod
    def check(self, answer: AnswerT, view: ViewT) -> None:
        """Raise :class:`~magbench.errors.MethodError` unless the answer can be scored."""

    @abstractmethod
    def stored(self, answers: Sequence[AnswerT], mag: MAG, seed: int, drawn: DrawnT) -> Prediction:
        """The prediction that is stored of checked answers, one for each of :meth:`views`: enough to score them."""

    @abstractmethod
    def same(self, first: AnswerT, second: AnswerT) -> bool:
        """Whether two answers are equal to the last bit."""

    def varied(
        self, mag: MAG, seed: int, *, asked: bool, nodes: Index | None = None, known: Index | None = None
    ) -> MAG:
        """``mag`` under the features' and the graph's corruptions of the variant, and under its control.

        Args:
            mag: what may be seen of the data set.
            seed: of what is drawn.
            asked: whether the view is one in which a fitted method is asked.
            nodes: int64 [T], those that are asked.
            known: int64 [2, K], edges that ``edge_add`` may not add though ``mag`` lacks them.
        """
        first, variant = getattr(self.rule, "seed", 0), self.spec.variant
        if (control := variant.get("control")) in CONTROLS:
            mag = controlled(mag, str(control), (first, NOISE if control == "random" else CONTROL, seed))
        if AT in variant and not asked:
            return mag
        for corruption in corruptions_of(variant):
            if corruption.acts_on in AT_TEST:
                mag = corrupt(mag, corruption, (first, CORRUPTION, seed), asked=nodes, known=known)
        return mag

    def hide(self, mag: MAG, seed: int, drawn: DrawnT) -> MAG:
        """The data set with noise in place of what a method must not see of it; by default all of it may be seen."""
        return mag

    def probes(self, mag: MAG, seed: int, drawn: DrawnT, method: Any) -> Iterator[Probe[ViewT, AnswerT]]:
        """What must not change the answer of ``method`` (not fitted yet) to the first view."""
        hidden = next(self.views(self.hide(mag, seed, drawn), seed, drawn))
        yield Probe("what the task hides", hidden, self.same)

    def fits(self, mag: MAG, seed: int, drawn: DrawnT) -> Iterator[tuple[ViewT, ViewT]]:
        """For each fit of a cell the view that a method is fitted to, and the one in which it is asked.

        They are one and the same, but for variants with ``at=test``.
        """
        views = self.views(mag, seed, drawn)
        if AT in self.spec.variant:
            yield from zip(views, self.views(mag, seed, drawn, asked=True), strict=True)
        else:
            yield from ((view, view) for view in views)

    def view(self, mag: MAG, seed: int) -> ViewT:
        """The first view of this seed."""
        return next(self.views(mag, seed, self.draw(mag, seed)))

    def admit(self, method: Any) -> None:
        """Raise :class:`~magbench.errors.MethodError` unless ``method``, not fitted yet, may answer this task."""

    def telemetry(self, method: Any, view: ViewT, mag: MAG, seed: int) -> dict[str, float]:
        """What is measured on a fitted method beside its scores; ``view`` is the first one."""
        return {}

    def parts(self, mag: MAG, seed: int) -> Parts | None:
        """What is trained on and what is tested, nodes or edges; None for a task that divides neither."""
        return None

    def score(self, prediction: Prediction) -> list[Score]:
        """The task's metrics of a prediction."""
        return score_prediction(prediction, self.spec.metrics)


AnyTask = Task[Any, Any, Any]


def make_task(spec: TaskSpec) -> AnyTask:
    """The task object of a specification."""
    task: AnyTask = load(spec.task_class)(spec)
    return task
