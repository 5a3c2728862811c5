"""``magbench --help`` answers at once: no numpy, torch or pandas, under 0.2 s of CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_cpu_seconds() -> None:
    """The minimum of several tries: a busy machine makes a try slower, never faster."""
    assert min(cpu_seconds() for _ in range(5)) < 0.2


def cpu_seconds() -> float:
    """User and system seconds of one ``magbench --help``."""
    command = [sys.executable, "-m", "magbench.cli.app", "--help"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime
