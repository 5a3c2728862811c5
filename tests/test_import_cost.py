"""``magbench --help`` answers at once: no numpy, torch or pandas, in less CPU time than a bare typer app."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from magbench import paths

SCRIPT = """
import json, sys
sys.argv = ["magbench", *{arguments!r}]
from magbench.cli.app import main
try:
    main()
except SystemExit:
    pass
heavy = {{"numpy", "torch", "pandas", "torch_geometric", "scipy", "sklearn"}}
print(json.dumps(sorted(heavy & set(sys.modules))), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["version"]])
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(arguments=arguments)], capture_output=True, text=True)
    assert json.loads(done.stderr) == []
    assert done.stdout


KEPT = paths.content("leaderboard") / "runs" / "node_classification" / "emoji-coarse@1"


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", str(KEPT)],
        ["results", "rescore", str(KEPT)],
        ["results", "ls", "--kept", "-t", "nc/emoji-coarse"],
    ],
)
def test_results_are_read_without_torch(arguments: list[str]) -> None:
    """Nor any code that trains."""
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(arguments=arguments)], capture_output=True, text=True)
    heavy = json.loads(done.stderr.splitlines()[-1])
    assert done.stdout, done.stderr
    assert not {"torch", "torch_geometric"} & set(heavy), heavy


def test_the_api_is_cheap_to_import() -> None:
    code = "import sys, magbench.api; sys.exit(bool({'numpy', 'torch', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_run_starts_the_server_before_it_imports_anything_heavy(tmp_path: Path) -> None:
    """Else the two load one after the other."""
    code = (
        "import sys\nfrom magbench.run import server\n"
        "def started():\n    sys.exit(3 if {'numpy', 'torch', 'pandas'} & set(sys.modules) else 0)\n"
        "server.start_server = started\nsys.argv = ['magbench', 'run']\n"
        "from magbench.cli.app import main\nmain()\nsys.exit(4)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0


BARE = "import typer, rich.table\napp = typer.Typer()\napp.command()(lambda: None)\napp(['--help'])"


def test_cpu_seconds() -> None:
    """Minima of several tries, taken in turns: a busy machine makes a try slower, never faster."""
    tries = [(cpu_seconds("-m", "magbench.cli.app", "--help"), cpu_seconds("-c", BARE)) for _ in range(5)]
    ours, bare = map(min, zip(*tries, strict=True))
    assert ours < bare


def cpu_seconds(*arguments: str) -> float:
    """User and system seconds of one Python."""
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime
