"""The gate of continuous integration: every bounded value exists and is within its bound, and every count is bounded.

    python -m magbench.perf.gate BOUNDS.toml RESULT.json ...

Bounds are largest allowed values, lower is better throughout. Only counts are bounded here: they are the same on every
machine, while ratios of times are compared by ``asv continuous`` between two commits on one machine.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from magbench.errors import MagbenchError, SpecError
from magbench.perf.asvfile import AsvFile

COUNT = "track_count_"
"""Benchmarks whose name begins so are counts."""


def read_bounds(path: Path) -> dict[str, float]:
    """The table ``[bounds]``: benchmark and parameters -> largest allowed value.

    Raises:
        SpecError: the file is missing, is no TOML, or bounds nothing.
    """
    try:
        table = tomllib.loads(path.read_text()).get("bounds", {})
        bounds = {str(name): float(value) for name, value in table.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SpecError(f"{path} holds no bounds ({error}); expected a table [bounds] of name = number.") from error
    if not bounds:
        raise SpecError(f"{path} bounds nothing; expected a table [bounds] of name = number.")
    return bounds


def breaches(values: Mapping[str, float | None], bounds: Mapping[str, float]) -> list[str]:
    """What is wrong, one sentence each; empty if the gate is passed."""
    if not any(value is not None for value in values.values()):
        return ["No benchmark ran, so nothing was checked; see the output of `asv run`."]
    found = []
    for name, bound in bounds.items():
        value = values.get(name)
        if value is None:
            found.append(f"{name} has no value (bound {bound:g}): it failed, was skipped or was renamed.")
        elif not value <= bound:
            found.append(f"{name} = {value:g} is above its bound {bound:g}.")
    for name in sorted(_counts(values) - bounds.keys()):
        found.append(f"{name} = {values[name]:g} has no bound; add one to the bounds file.")
    return found


def main(arguments: Sequence[str]) -> int:
    """Check result files; 0 = within bounds, 1 = breached or nothing ran, 2 = wrong use."""
    if len(arguments) < 2:
        sys.stderr.write("Usage: python -m magbench.perf.gate BOUNDS.toml RESULT.json ...\n")
        return 2
    try:
        bounds = read_bounds(Path(arguments[0]))
        values: dict[str, float | None] = {}
        for path in arguments[1:]:
            values.update(AsvFile.read(Path(path)).values)
    except MagbenchError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    wrong = breaches(values, bounds)
    for name, bound in bounds.items():
        if (value := values.get(name)) is not None:
            sys.stdout.write(f"{name}: {value:g} (bound {bound:g})\n")
    for sentence in wrong:
        sys.stderr.write(f"FAILED: {sentence}\n")
    return 1 if wrong else 0


def _counts(values: Mapping[str, float | None]) -> set[str]:
    names: Iterable[str] = (name for name, value in values.items() if value is not None)
    return {name for name in names if name.partition("(")[0].rpartition(".")[2].startswith(COUNT)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
