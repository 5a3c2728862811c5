"""The errors magbench raises for its users: each names the object, the value found, what is allowed and the next step.

Every class derives from :class:`MagbenchError`; the command line prints its message and exits with code 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class MagbenchError(Exception):
    """Anything a user can mend: wrong names, options, data, files or methods."""


class UnknownNameError(MagbenchError):
    """A task, data set, method, metric … that no registry entry carries.

    Args:
        kind: what was looked for, e.g. ``"task"``.
        found: the name given.
        allowed: the names that exist.
        hint: the next step, e.g. ``"See `magbench ls tasks`."``.
    """

    def __init__(self, kind: str, found: str, allowed: Iterable[str], hint: str = "") -> None:
        self.kind, self.found, self.allowed, self.hint = kind, found, sorted(allowed), hint
        super().__init__(" ".join(part for part in (f"Unknown {kind} {found!r}.", self._suggestion(), hint) if part))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.kind, self.found, self.allowed, self.hint)

    def _suggestion(self) -> str:
        near = get_close_matches(self.found, self.allowed, n=1, cutoff=0.5)
        available = f"Available: {', '.join(self.allowed) or 'none'}."
        return f"Did you mean {near[0]!r}? {available}" if near else available


class OptionError(MagbenchError):
    """An option of a method, regulariser or command with a value that is not allowed."""


class SpecError(MagbenchError):
    """A TOML file of the benchmark's content (task, data set, protocol, suite, method) that does not hold together."""


class DataError(MagbenchError):
    """A data set whose files or content break the MAG contract."""


class MethodError(MagbenchError):
    """A method that cannot be loaded, or whose prediction is not acceptable."""


class OutputError(MagbenchError):
    """A folder or file that cannot be written."""


class RecordError(MagbenchError):
    """A stored result that cannot be read or belongs to another schema."""


class MagbenchWarning(UserWarning):
    """Anything magbench carries on with, but that a user should know about; a run shows each once."""
