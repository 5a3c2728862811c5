"""What is imported is declared: by the package in its dependencies and extras, by tests in the extra ``test`` too."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from magbench import paths

ROOT = paths.PACKAGE.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = {"hatchling", "pyg-lib"}
"""What a test uses where it is there."""


def names(requirements: list[str]) -> set[str]:
    return {canonical(re.split(r"[^\w.-]", requirement)[0]) for requirement in requirements}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folder: Path) -> set[str]:
    """Distributions of the packages that are imported below ``folder``; those that are not installed are left out."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    owners = packages_distributions()
    return {canonical(owners[name][0]) for name in found - set(sys.stdlib_module_names) if name in owners}


CORE, EXTRAS = names(PROJECT["dependencies"]), {k: names(v) for k, v in PROJECT["optional-dependencies"].items()}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [("magbench", ("encode", "distributed", "perf")), ("baselines", ()), ("tests", ("test", "encode", "perf"))],
)
def test_what_is_imported_is_declared(folder: str, extras: tuple[str, ...]) -> None:
    declared = CORE.union(*(EXTRAS[extra] for extra in extras)) | OPTIONAL | {"magbench"}
    assert imported(ROOT / folder) - declared == set()


def test_what_is_declared_is_imported() -> None:
    """But for torchmetrics, with which the tests compare our metrics; it is part of the core by decision."""
    assert CORE - imported(ROOT / "magbench") - imported(ROOT / "baselines") == {"torchmetrics"}
