"""The leak probe: what a method must not see is replaced by noise, and its answer must stay as it was."""

from __future__ import annotations

from collections.abc import Callable

from magbench.data.mag import MAG
from magbench.tasks.base import AnyTask
from magbench.train.method import Method


def leaks(make: Callable[[], Method], task: AnyTask, mag: MAG, seed: int) -> list[str]:
    """What a method saw although the task hides it, in words; empty for an honest one.

    Args:
        make: gives the method, not fitted yet.
        task: knows what it hides (:meth:`magbench.tasks.base.Task.probes`).
        mag: a small graph.
        seed: of the draw and of the fits.

    Raises:
        MethodError: the method cannot answer the task.
    """
    drawn, method = task.draw(mag, seed), make()
    view = next(task.views(mag, seed, drawn))
    method.fit(view, seed=seed)
    answer = method.predict(view)
    task.check(answer, view)
    found = []
    for probe in task.probes(mag, seed, drawn, make()):
        asked = method
        if probe.refit:
            asked = make()
            asked.fit(probe.view, seed=seed)
        if not probe.agree(answer, asked.predict(probe.view)):
            found.append(probe.hidden)
    return found
