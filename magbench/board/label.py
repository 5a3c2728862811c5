"""How a method and a task are written: the host and what follows it; a task without family and version."""

from __future__ import annotations

from dataclasses import dataclass

from magbench.method_string import split_host


@dataclass(frozen=True)
class Label:
    """A method label in two parts, so that host and regulariser can be told apart at a glance."""

    full: str
    host: str
    rest: str


def label_of(method: str) -> Label:
    """A method label, split."""
    host = split_host(method)[0]
    return Label(method, host, method[len(host) :])


def short_task(task: str) -> str:
    """``node_classification/emoji@1`` as ``emoji``."""
    return task.rpartition("/")[2].partition("@")[0]
