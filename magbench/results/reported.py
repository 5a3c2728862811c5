"""Reported results: numbers quoted from papers, in ``leaderboard/reported/*.toml``; shown apart and never ranked.

A file has one method of one source; ``note`` says what the source leaves open and stands beside every number.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from magbench import paths
from magbench.errors import SpecError
from magbench.metrics import METRICS
from magbench.registry import Registry
from magbench.specs import Spec

ABOUT = {"note", "source", "url"}
"""What must stand beside a reported number."""


class Reported(Spec):
    """What one source reports of one method.

    ``values`` maps an unversioned task id to the value of ``metric``: of which version of the task nobody can say.
    """

    method: str = Field(min_length=1)
    source: str = Field(min_length=1)
    url: str = Field("", pattern=r"^(https://.*)?$")
    note: str = Field(min_length=1)
    metric: str
    values: dict[str, float] = Field(min_length=1)

    @field_validator("metric")
    @classmethod
    def _known(cls, metric: str) -> str:
        if metric not in METRICS:
            raise ValueError(f"no metric is called so; there are {', '.join(sorted(METRICS))}")
        return metric


def read_reported(registry: Registry, folder: Path | None = None) -> list[Reported]:
    """Every reported result in ``folder`` (default: those that magbench ships), by file name.

    Raises:
        SpecError: a file breaks the schema, or a value is outside the metric's bounds.
        UnknownNameError: a task that does not exist.
    """
    folder = folder or paths.content("leaderboard") / "reported"
    found = []
    for path in sorted(folder.glob("*.toml")):
        reported = Reported.from_toml(path)
        low, high = METRICS[reported.metric].bounds
        for task, value in reported.values.items():
            registry.task(task)
            if not low <= value <= high:
                raise SpecError(f"{path}: {task}: {value:g} is no {reported.metric}; expected {low:g} to {high:g}.")
        found.append(reported)
    return found


def reported_rows(registry: Registry, tasks: Collection[str] | None = None) -> list[dict[str, Any]]:
    """What papers report, a row a value: ``task``, ``method``, ``metric``, ``value``, ``note``, ``source``, ``url``.

    Args:
        registry: knows the tasks that values are of.
        tasks: unversioned ids of those wanted; all by default.

    Raises:
        SpecError, UnknownNameError: as :func:`read_reported`.
    """
    return [
        {
            "task": task,
            "method": found.method,
            "metric": found.metric,
            "value": value,
            **found.model_dump(include=ABOUT),
        }
        for found in read_reported(registry)
        for task, value in found.values.items()
        if tasks is None or task in tasks
    ]
