"""``magbench --help``: CPU time over that of Python alone (gated), and in seconds (informs)."""

from __future__ import annotations

from ..measure.benchmark import has, require
from ..measure.startup import HELP, NOTHING, cpu_seconds


class Help:
    """The command line up to its help."""

    def setup(self) -> None:
        require(has("typer"))

    def track_ratio_help(self) -> float:
        return cpu_seconds(HELP) / cpu_seconds(NOTHING)

    def track_seconds_help(self) -> float:
        return cpu_seconds(HELP)
