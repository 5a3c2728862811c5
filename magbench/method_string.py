"""Method strings: ``encoder[option=value]+regulariser[option=value]``, the one way a method is named everywhere.

``sage+optimag[lam=10,loss_norm=mass2]`` is the encoder ``sage`` with the regulariser ``optimag`` and two options of it.
The canonical form sorts the options, so that equal methods have equal strings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magbench.errors import OptionError
from magbench.options import parse_literal

_PART = re.compile(r"\s*(?P<name>[^\[\]+=,\s][^\[\]+=,]*?)\s*(?:\[(?P<options>[^\[\]]*)\])?\s*")


@dataclass(frozen=True)
class Part:
    """One component of a method string: a registered name and the options given to it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        settings = ",".join(f"{key}={_literal(self.options[key])}" for key in sorted(self.options))
        return f"{self.name}[{settings}]" if settings else self.name


@dataclass(frozen=True)
class MethodString:
    """The parsed form: a host (encoder or whole method) and the regularisers added to it."""

    parts: tuple[Part, ...]

    @property
    def host(self) -> Part:
        return self.parts[0]

    @property
    def regularizers(self) -> tuple[Part, ...]:
        return self.parts[1:]

    def __str__(self) -> str:
        return "+".join(str(part) for part in self.parts)

    def with_options(self, assignments: Sequence[tuple[str, str, Any]]) -> MethodString:
        """This method with ``(owner, option, value)`` settings given to the parts of that name."""
        parts = []
        for part in self.parts:
            extra = {option: value for owner, option, value in assignments if owner == part.name}
            parts.append(Part(part.name, {**part.options, **extra}))
        return MethodString(tuple(parts))


def parse_method(text: str) -> MethodString:
    """Parse a method string.

    Raises:
        OptionError: an empty component or an option that is not ``key=value``.
    """
    parts = []
    for piece in re.split(r"\+(?![^\[]*\])", text):
        match = _PART.fullmatch(piece)
        if match is None:
            raise OptionError(f"Method {text!r} is not of the form host[option=value]+regulariser[option=value].")
        parts.append(Part(match["name"], _options(match["options"] or "", text)))
    return MethodString(tuple(parts))


def _options(text: str, method: str) -> dict[str, Any]:
    options = {}
    for assignment in filter(None, (item.strip() for item in text.split(","))):
        key, equals, literal = assignment.partition("=")
        if not equals:
            raise OptionError(f"Method {method!r}: {assignment!r} is not of the form option=value.")
        options[key.strip()] = parse_literal(literal)
    return options


def _literal(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
