"""Options: the validated settings of a method or regulariser, from Python keywords or ``-o NAME.OPTION=VALUE``.

A *literal* is a value as text: a boolean, a number, a string or a list of literals as TOML writes them, or a bare word.
A class declares them as a nested pydantic model ``Options``; a value that is not allowed raises
:class:`~magbench.errors.OptionError` with the option, the value found, what is allowed and a near match.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from magbench.errors import OptionError


class Options(BaseModel):
    """Base of every options model: frozen, closed, and without NaN or infinity unless a field allows them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


OptionsT = TypeVar("OptionsT", bound=BaseModel)


def parse_options(model: type[OptionsT], values: Mapping[str, Any], owner: str) -> OptionsT:
    """Validate ``values`` against ``model``.

    Args:
        model: the pydantic model that declares the options.
        values: option name → value.
        owner: the method or regulariser, named in the error.

    Raises:
        OptionError: unknown option, wrong type or value out of range.
    """
    for name, value in values.items():
        field = model.model_fields.get(name)
        if isinstance(value, bool) and field is not None and not _takes_booleans(field.annotation):
            raise OptionError(
                f"Option {owner}.{name} = {value}: expected {allowed(field.annotation, field.metadata)}, not a boolean."
            )
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise OptionError(_explain(error, model, owner)) from None


def parse_assignment(text: str) -> tuple[str, str, Any]:
    """Read ``owner.option=value`` as ``(owner, option, value)``; the value is a literal.

    Raises:
        OptionError: the text has another form, or the value is none of a literal's.
    """
    target, equals, literal = text.partition("=")
    owner, dot, option = target.strip().partition(".")
    if not (equals and dot and owner and option):
        raise OptionError(f"Option {text!r} is not of the form METHOD.OPTION=VALUE, e.g. optimag.rho=0.1.")
    return owner, option, parse_literal(literal, f"Option {owner}.{option}")


def parse_literal(text: str, subject: str = "Value") -> Any:
    """The boolean, number, string or list that ``text`` is in TOML, else the text itself: a bare word.

    Args:
        text: the literal.
        subject: what it is the value of, for the error.

    Raises:
        OptionError: a date, a time or a table; or a comment or a further line after the value.
    """
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text.strip()
    if not _is_alone(text):
        raise OptionError(
            f"{subject}: {text!r} goes on after the value {value!r}, with a comment or a further line. Leave that out,"
            " or write the whole as a string in quotes."
        )
    if not is_literal(value):
        raise OptionError(
            f"{subject}: {text!r} is or holds a date, a time or a table. Allowed: booleans, numbers, strings and lists"
            " of these; write a string in quotes."
        )
    return value


def is_literal(value: Any) -> bool:
    """Whether a value can be written as a literal: bool, int, float, str, and lists of them.

    >>> is_literal([1, ["a", True]]), is_literal({"a": 1})
    (True, False)
    """
    if isinstance(value, list | tuple):
        return all(map(is_literal, value))
    return isinstance(value, bool | int | float | str)


_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


def allowed(annotation: Any, constraints: Sequence[Any] = ()) -> str:
    """What an option takes, in words.

    Args:
        annotation: its type.
        constraints: what holds its bounds: the metadata of its field.

    >>> allowed(Literal["auto"] | int), allowed(tuple[float, ...]), allowed(bool)
    ('auto or int', 'list of float', 'true or false')
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return allowed(
            inner[0], [*constraints, *(part for field in inner[1:] for part in getattr(field, "metadata", ()))]
        )
    if origin in (Union, UnionType):
        return " or ".join(allowed(part, constraints) for part in inner)
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin in (tuple, list):
        return f"list of {allowed(inner[0])}"
    if annotation is bool:
        return "true or false"
    if annotation is NoneType:
        return "none"
    bounds = [
        f" {sign} {getattr(part, key):g}"
        for part in constraints
        for key, sign in _BOUNDS.items()
        if getattr(part, key, None) is not None
    ]
    return str(annotation.__name__) + ",".join(bounds)


def _takes_booleans(annotation: Any) -> bool:
    """Whether a type allows a boolean as such: pydantic also reads one as the number 0 or 1."""
    return annotation in (bool, Any) or any(_takes_booleans(part) for part in get_args(annotation))


def _is_alone(text: str) -> bool:
    """Whether nothing follows the value in ``text``: a comment would hide the bracket, a further line is no item."""
    try:
        tomllib.loads(f"value = [{text}]")
    except tomllib.TOMLDecodeError:
        return False
    return True


def _explain(error: ValidationError, model: type[BaseModel], owner: str) -> str:
    lines = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"][:1]) or "options"
        if item["type"] == "extra_forbidden":
            near = get_close_matches(name, model.model_fields, n=1, cutoff=0.5)
            lines.append(
                f"Unknown option {owner}.{name}."
                + (f" Did you mean '{owner}.{near[0]}'?" if near else "")
                + f" Available: {', '.join(sorted(model.model_fields)) or 'none'}."
            )
        else:
            lines.append(f"Option {owner}.{name} = {item['input']!r}: {item['msg'][:1].lower()}{item['msg'][1:]}.")
    return "\n".join(lines)
