"""CPU time of starting the command line, beside that of starting Python alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

HELP = ("-m", "magbench.cli.app", "--help")
NOTHING = ("-c", "pass")


def cpu_seconds(arguments: Sequence[str], *, repeats: int = 5) -> float:
    """User and system seconds of ``python ARGUMENTS``: the least of several, for a busy machine only ever adds.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    return min(_once([sys.executable, *arguments]) for _ in range(repeats))


def _once(command: list[str]) -> float:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return usage.ru_utime + usage.ru_stime
