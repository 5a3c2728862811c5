"""Result files as asv writes them, for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_asv(
    path: Path,
    results: Mapping[str, tuple[Sequence[float | None] | None, Sequence[Sequence[str]]]],
    machine: str = "box",
) -> Path:
    """Write ``benchmark -> (values, parameter lists)`` as asv's version 2."""
    content: dict[str, Any] = {
        "commit_hash": "c" * 40,
        "params": {"machine": machine},
        "result_columns": ["result", "params", "version", "started_at", "duration"],
        "results": {name: [values, list(map(list, params)), "v", 0, 1.0] for name, (values, params) in results.items()},
        "version": 2,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path
