"""A laboratory for tests of the command line: the shipped tasks beside tiny ones, seen by every process of a run.

Commands run in this process where that is equivalent (:meth:`Lab.call`; cells are forked from one server, so torch is
loaded once) and in a process group of their own where signals, limits or exit codes matter (:meth:`Lab.start`).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from magbench import paths
from magbench.cli.app import main

TOY = """
name = "toy"
version = 1
title = "Toy"
source = "synthetic"
features = ["synthetic"]
modalities = ["text", "image"]
labels = ["y"]
licence = "CC0-1.0"
[params]
num_nodes = 120
num_classes = 3
dim = 8
"""
TASK = """
name = "{name}"
version = 1
title = "{name}"
dataset = "{name}"
"""
# Short training: what is tested here is the machinery around it.
PROTOCOL = """
name = "short"
version = 1
title = "Short"
ranked = false
seeds = [0, 1, 2, 3]
[training]
optimizer = "adamw"
lr = 1e-2
weight_decay = 1e-4
hidden = 16
layers = 2
dropout = 0.5
max_epochs = 10
patience = 10
validate_every = 5
"""


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as JSON; fails when there is anything else on it."""
        return json.loads(self.out)

    def one_message(self) -> str:
        """The message of a refused command: exit code 2, nothing on stdout, one message, no traceback."""
        assert self.code == 2, (self.code, self.out, self.err)
        assert self.out == ""
        assert "Traceback" not in self.err
        assert [line.startswith("Error: ") for line in self.err.splitlines()].count(True) == 1, self.err
        return self.err.partition("Error: ")[2].strip()

    def one_message_after_progress(self) -> str:
        """As :meth:`one_message`, for a command that was stopped while cells were running."""
        progress, _, message = self.err.rpartition("Error: ")
        Outcome(self.code, self.out, f"Error: {message}").one_message()
        assert all(line.startswith("[") or "there already" in line for line in progress.splitlines()), progress
        return message.strip()


class Lab:
    """The folders and the environment of the tests' processes.

    Attributes:
        root: everything lies below it.
        tasks: the laboratory's own tasks, beside those that ship: a folder as magbench's, for ``$MAGBENCH_CONTENT``.
        home: ``$MAGBENCH_HOME``.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.tasks, self.home = root, root / "content" / "tasks", root / "home"
        for kind in ("datasets", "protocols", "suites", "node_classification", "link_prediction", "retrieval"):
            (self.tasks / kind).mkdir(parents=True)
        (self.tasks / "protocols" / "short.toml").write_text(PROTOCOL)
        self.add_dataset("toy", TOY)
        self.variables = {
            "MAGBENCH_CONTENT": str(self.tasks.parent),
            "MAGBENCH_HOME": str(self.home),
            "PYTHONPATH": str(paths.PACKAGE.parent),
            "OMP_NUM_THREADS": "1",
        }

    def add_dataset(self, name: str, toml: str) -> None:
        """A data set and the node classification task on it."""
        (self.tasks / "datasets" / f"{name}.toml").write_text(toml)
        (self.tasks / "node_classification" / f"{name}.toml").write_text(TASK.format(name=name))

    @contextlib.contextmanager
    def environment(self) -> Any:
        """This process as one of the laboratory's."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.variables.items():
                patch.setenv(name, value)
            patch.delenv("CI", raising=False)
            yield

    def call(self, *arguments: object) -> Outcome:
        """Run a command in this process."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        with self.environment(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["magbench", *map(str, arguments)])
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    main()
                except SystemExit as end:
                    code = int(end.code or 0)
        return Outcome(code, out.getvalue(), err.getvalue())

    def run(self, *arguments: object) -> Outcome:
        """``magbench run`` with the short protocol, one cell at a time, in this process."""
        return self.call("run", "--protocol", "short@1", "--jobs", 1, *arguments)

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        command = [sys.executable, "-m", "magbench.cli.app", *map(str, arguments)]
        environment = {**os.environ, **self.variables, **options.pop("env", {})}
        environment.pop("CI", None)
        options.setdefault("preexec_fn", _heed_interrupts)
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command,
            env=environment,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
            **options,
        )

    def process(self, *arguments: object, **options: Any) -> Outcome:
        """Run a command in a process of its own."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        return Outcome(process.returncode, out, err)


def _heed_interrupts() -> None:
    """A shell's background jobs ignore SIGINT, and so would every process that tests start from one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def cells(out: Path) -> dict[str, Path]:
    """``method seed`` → folder of each published cell below ``out``."""
    found = {}
    for path in sorted(out.glob("**/record.json")):
        if not any(part.startswith(".") for part in path.relative_to(out).parts):
            record = json.loads(path.read_text())
            name = f"{record['method']['name']} {record['seed']}"
            assert name not in found, f"two cells of {name}"
            found[name] = path.parent
    return found


def temporaries(out: Path) -> list[Path]:
    """Half-written cells below ``out``."""
    return list(out.glob("**/.tmp-*"))


def group_members(group: int) -> list[int]:
    """Processes of a process group that are still there, zombies left out."""
    listed = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, owner, state in rows if int(owner) == group and not state.startswith("Z")]


def wait_until(holds: Any, seconds: float = 30) -> bool:
    """Poll until ``holds()``; False when the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def stop_server() -> None:
    """End this process's fork server, so that the next one starts with the present environment."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
