"""The wheel, built from a clean clone and installed outside the checkout, holds the same benchmark."""

from __future__ import annotations

import importlib.util
import json
import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from magbench import paths

CHECKOUT = paths.checkout()


def run(*command: object, **options: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed files alone: force-include would ship whatever lies about."""
    if CHECKOUT is None or not (CHECKOUT / ".git").exists():
        pytest.skip("not run from a checkout")
    folder = tmp_path_factory.mktemp("clone") / "magbench"
    run("git", "clone", "--quiet", "--no-hardlinks", CHECKOUT, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("wheel")
    local = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *local, "--wheel-dir", target, clone)
    (found,) = target.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_ships_the_committed_files(wheel: Path, clone: Path) -> None:
    folders = ("tasks", "baselines", "leaderboard/runs", "leaderboard/reported")
    committed = run("git", "-C", clone, "ls-files", *folders).split()
    inside = zipfile.ZipFile(wheel).namelist()
    content = [name.removeprefix("magbench/_data/") for name in inside if name.startswith("magbench/_data/")]
    assert sorted(content) == sorted(committed)
    code = run("git", "-C", clone, "ls-files", "magbench").split()
    shipped = [name for name in inside if name.startswith("magbench/") and not name.startswith("magbench/_data/")]
    assert sorted(shipped) == sorted(code)


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies are those of the environment that runs the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    ours = [entry for entry in (*site.getsitepackages(), site.getusersitepackages()) if Path(entry).is_dir()]
    # Plain lines add folders but read no .pth files in them, so an editable magbench there stays unseen.
    (packages / "dependencies.pth").write_text("".join(f"{entry}\n" for entry in ours))
    interpreter = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", interpreter, "install", "--quiet", "--no-deps", "--no-index", wheel)
    return interpreter


def magbench(python: Path, cwd: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAGBENCH"))}
    return run(python, "-m", "magbench.cli.app", *arguments, cwd=cwd, env=environment)


@pytest.mark.slow
def test_the_installed_wheel_lists_the_same(python: Path, clone: Path, tmp_path: Path) -> None:
    home = run(python, "-c", "import magbench; print(magbench.__file__)", cwd=tmp_path).strip()
    assert Path(home).is_relative_to(python.parents[1])
    installed = json.loads(magbench(python, tmp_path, "ls", "--json"))
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    cloned = json.loads(run(sys.executable, "-m", "magbench.cli.app", "ls", "--json", cwd=tmp_path, env=environment))
    assert installed == cloned
    assert len(installed["tasks"]) >= 4
    assert len(installed["methods"]) >= 6
    found = json.loads(magbench(python, tmp_path, "results", "ls", "--kept", "-t", "ret/emoji", "--json"))
    assert found["results"] and found["reported"] == []
    assert json.loads(magbench(python, tmp_path, "results", "reported", "--json"))["reported"]


@pytest.mark.slow
def test_the_installed_wheel_runs(python: Path, tmp_path: Path) -> None:
    arguments = ("-t", "nc/synthetic-conflict", "-m", "label_propagation", "--protocol", "quickstart@1", "--json")
    found = json.loads(magbench(python, tmp_path, "run", *arguments))
    assert [row["n_seeds"] for row in found["results"]] == [3]
    assert (tmp_path / "runs" / "report" / "index.html").is_file()
