"""One result file of asv (airspeed velocity): one commit on one machine, every benchmark's value for every parameter.

The layout is asv's version 2: ``results[benchmark]`` is a list whose columns ``result_columns`` names, and ``result``
is a flat list over the product of the parameter lists in ``params``, each value a Python literal in text.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from magbench.errors import RecordError


@dataclass(frozen=True)
class AsvFile:
    """Values by ``benchmark(parameter, ...)``; None where a benchmark was skipped or failed.

    Attributes:
        machine: asv's name of the machine.
        commit: commit that was measured.
        values: value of each benchmark and parameter combination.
    """

    machine: str
    commit: str
    values: dict[str, float | None]

    @classmethod
    def read(cls, path: Path) -> AsvFile:
        """Read a file.

        Raises:
            RecordError: it is missing or not a result file of asv.
        """
        try:
            content = json.loads(path.read_text())
            column = {name: index for index, name in enumerate(content["result_columns"])}
            values = {}
            for benchmark, cells in content["results"].items():
                values.update(_values(benchmark, cells, column))
            return cls(str(content["params"]["machine"]), str(content["commit_hash"]), values)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordError(
                f"{path} is not a result file of asv ({type(error).__name__}: {error}); expected what `asv run` writes"
                " as .asv/results/MACHINE/COMMIT-ENVIRONMENT.json."
            ) from error


def _values(benchmark: str, cells: list[Any], column: Mapping[str, int]) -> dict[str, float | None]:
    results, params = _cell(cells, column, "result"), _cell(cells, column, "params") or []
    labels = [f"({', '.join(map(_label, point))})" for point in product(*params)] if params else [""]
    results = [None] * len(labels) if results is None else results
    return {
        benchmark + label: float(value) if isinstance(value, (int, float)) and value == value else None
        for label, value in zip(labels, results, strict=True)
    }


def _cell(cells: list[Any], column: Mapping[str, int], name: str) -> Any:
    index = column[name]
    return cells[index] if index < len(cells) else None


def _label(text: str) -> str:
    """asv stores parameters as ``repr``."""
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text
