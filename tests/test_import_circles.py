"""No module imports itself by way of others, not inside a function and not for type hints alone."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter

from magbench import paths


def test_imports_have_no_circle() -> None:
    files = {name(path): path for path in paths.PACKAGE.rglob("*.py")}
    graph = {module: imported(path.read_text(encoding="utf-8"), set(files)) for module, path in files.items()}
    assert "magbench.train.loop" in graph["magbench.train.method"]
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def name(path) -> str:
    parts = path.relative_to(paths.PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, modules: set[str]) -> set[str]:
    """Those of ``modules`` that a source imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            full = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {path if path in modules else str(node.module) for path in full}
    return found & modules
