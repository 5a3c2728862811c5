"""Where things are: the benchmark's content (``tasks/``, ``baselines/``, ``leaderboard/``) and the user's caches.

Installed from a wheel, the content lies in ``magbench/_data``; in a checkout it lies beside the package.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

PACKAGE = Path(__file__).resolve().parent


def content(kind: Literal["tasks", "baselines", "leaderboard"]) -> Path:
    """Folder of the shipped tasks, baselines, or kept and reported results."""
    packaged = PACKAGE / "_data" / kind
    return packaged if packaged.is_dir() else PACKAGE.parent / kind


def own_content() -> Path | None:
    """The user's own folder with ``tasks/`` and ``baselines/`` as ours: ``$MAGBENCH_CONTENT``, or ``None``."""
    configured = os.environ.get("MAGBENCH_CONTENT")
    return Path(configured).expanduser().resolve() if configured else None


def checkout() -> Path | None:
    """Root of the checkout the package is imported from, or ``None`` for an installed wheel."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "tasks").is_dir() else None


def install_extra(name: str) -> str:
    """The command that installs the extra ``name`` beside what runs now: a checkout, or an installed wheel."""
    root = checkout()
    return f"pip install 'magbench[{name}]'" if root is None else f"pip install -e '{root}[{name}]'"


def home() -> Path:
    """Cache folder: ``$MAGBENCH_HOME``, else ``~/.cache/magbench`` (honouring ``XDG_CACHE_HOME``)."""
    if configured := os.environ.get("MAGBENCH_HOME"):
        return Path(configured).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "magbench"


def cache(kind: str) -> Path:
    """Folder under :func:`home` of things that can be made again, e.g. ``"kernels"``; deleting it only costs time."""
    return home() / "cache" / kind
