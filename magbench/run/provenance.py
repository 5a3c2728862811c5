"""Provenance: which code, machine and packages made a result."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import magbench
from magbench import paths
from magbench.results.record import MagbenchPart

if TYPE_CHECKING:
    import torch

PACKAGES = ("torch", "torch-geometric", "numpy", "scipy", "scikit-learn", "pandas")


def magbench_part() -> MagbenchPart:
    """Version, engine and, in a checkout, the commit."""
    root = paths.checkout()
    commit, dirty = git_state(root) if root else (None, None)
    return MagbenchPart(version=magbench.__version__, engine=magbench.ENGINE, commit=commit, dirty=dirty)


def git_state(folder: Path) -> tuple[str | None, bool | None]:
    """Commit and whether tracked files differ from it; ``(None, None)`` outside a repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return (commit, bool(status)) if commit is not None else (None, None)


def environment(device: torch.device | None = None) -> dict[str, Any]:
    """Python, platform, processor, threads and package versions of this process, and the GPU if ``device`` is one."""
    import torch

    cuda = device is not None and device.type == "cuda"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name(device) if cuda else None,
        "driver": torch.version.cuda if cuda else None,
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
