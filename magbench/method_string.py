"""Method strings: ``encoder[option=value]+regulariser[option=value]``, the one way a method is named everywhere.

``sage+optimag[lam=10,loss_norm=mass2]`` is the encoder ``sage`` with the regulariser ``optimag`` and two options of it.
Values are booleans, numbers, strings and lists of them as TOML writes them. A string may also be a bare word; with a
comma or a bracket in it, it needs quotes: ``name='a,b'`` or ``name="a,b"``. The canonical form sorts the options and
writes each value in one way, so that equal methods have equal strings.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magbench.errors import OptionError
from magbench.options import is_literal, parse_literal

_PART = re.compile(r"\s*(?P<name>[^\[\]+=,\s][^\[\]+=,]*?)\s*(?:\[(?P<options>.*)\])?\s*", re.DOTALL)
_QUOTED = re.compile(
    r"""(?P<before>[=,\[]\s*)'[^'\n]*'(?=\s*(?:[],]|\Z))  # '...' where it is a whole value; it knows no escapes
    | (?<!\\)"(?:[^"\\]|\\.)*(?:"|\\?\Z)               # "...", in which a backslash escapes the next character""",
    re.DOTALL | re.VERBOSE,
)
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Component:
    """One component of a method string: a registered name and the options given to it."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        settings = ",".join(f"{key}={literal(self.options[key])}" for key in sorted(self.options))
        return f"{self.name}[{settings}]" if settings else self.name


@dataclass(frozen=True)
class MethodString:
    """The parsed form: a host (encoder or whole method) and the regularisers added to it."""

    components: tuple[Component, ...]

    @property
    def host(self) -> Component:
        return self.components[0]

    @property
    def regularizers(self) -> tuple[Component, ...]:
        return self.components[1:]

    def __str__(self) -> str:
        return "+".join(str(part) for part in self.components)

    def with_options(self, assignments: Sequence[tuple[str, str, Any]]) -> MethodString:
        """This method with ``(owner, option, value)`` settings given to the parts of that name."""
        parts = []
        for part in self.components:
            extra = {option: value for owner, option, value in assignments if owner == part.name}
            parts.append(Component(part.name, {**part.options, **extra}))
        return MethodString(tuple(parts))


def parse_method(text: str) -> MethodString:
    """Parse a method string.

    Raises:
        OptionError: an empty component, an option that is not ``key=value`` or stands twice, or a value that is none of
            those allowed.
    """
    parts = []
    for piece in _split(text, "+"):
        match = _PART.fullmatch(piece)
        if match is None:
            raise OptionError(f"Method {text!r} is not of the form host[option=value]+regulariser[option=value].")
        parts.append(Component(match["name"], _options(match["options"] or "", text)))
    return MethodString(tuple(parts))


def split_host(method: str) -> tuple[str, str]:
    """The text of the host and that of what is added to it, empty where nothing is.

    >>> split_host("sage[lr=1e+2]+optimag+dagr")
    ('sage[lr=1e+2]', 'optimag+dagr')
    """
    host, *added = _split(method, "+")
    return host, "+".join(added)


def file_name(method: str) -> str:
    """A method string as the name of a file or folder: itself, or shortened with a hash where that is no good name."""
    if "/" not in method and len(method.encode()) <= _LONGEST_NAME:
        return method
    digest = hashlib.sha256(method.encode()).hexdigest()[:12]
    safe = re.sub(r"[^A-Za-z0-9+=,.\[\]_-]", "_", method)
    return f"{safe[: _LONGEST_NAME - 13]}-{digest}"


def _options(text: str, method: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for assignment in filter(None, (item.strip() for item in _split(text, ","))):
        key, equals, literal = (piece.strip() for piece in assignment.partition("="))
        if not (key and equals and literal):
            raise OptionError(f"Method {method!r}: {assignment!r} is not of the form option=value.")
        if key in options:
            raise OptionError(f"Method {method!r}: option {key!r} is given twice.")
        options[key] = parse_literal(literal, f"Method {method!r}: option {key!r}")
    return options


def _split(text: str, separator: str) -> list[str]:
    """Split where ``separator`` stands outside brackets and quotes."""
    pieces, depth, start = [], 0, 0
    for index, character in enumerate(_QUOTED.sub(_blank, text)):
        if character in "[]":
            depth += 1 if character == "[" else -1
        elif depth == 0 and character == separator:
            pieces.append(text[start:index])
            start = index + 1
    return [*pieces, text[start:]]


def _blank(quoted: re.Match[str]) -> str:
    """As many characters, none of which separates anything where the quotes were."""
    before = quoted["before"] or ""
    return before + "_" * (len(quoted[0]) - len(before))


def literal(value: Any) -> str:
    """``value`` as text that :func:`parse_literal` reads back; a whole float is written as an integer."""
    if isinstance(value, str):
        return value if _is_bare_word(value) else _quoted(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_literal_item, value))}]"
    if isinstance(value, float) and not isinstance(value, bool):
        if value != value or value in (float("inf"), float("-inf")):
            return str(value)
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if not is_literal(value):
        raise OptionError(
            f"The value {value!r} cannot be written in a method string. Allowed: booleans, numbers, strings and lists"
            " of these."
        )
    return json.dumps(value)


def _literal_item(value: Any) -> str:
    """An entry of a list, where TOML knows no bare words."""
    return _quoted(value) if isinstance(value, str) else literal(value)


def _is_bare_word(value: str) -> bool:
    """Whether a string reads back as itself without quotes: not ``true``, ``1.0`` or ``2020-01-01``."""
    try:
        return re.fullmatch(r"[\w.-]+", value) is not None and parse_literal(value) == value
    except OptionError:
        return False


def _quoted(value: str) -> str:
    """A TOML string. JSON's escapes are TOML's, but for the one control character that JSON leaves bare."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
