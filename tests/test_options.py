"""Options: assignments from the command line, and messages naming option, value, what is allowed, a near match."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import Field

from magbench.errors import OptionError
from magbench.options import Options, parse_assignment, parse_literal, parse_options


class Knobs(Options):
    rate: float = Field(0.1, ge=0, lt=1)
    depth: int = Field(2, ge=1)
    far: float = Field(math.inf, gt=0, allow_inf_nan=True)
    flag: bool = False


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1),
        ("1e-3", 0.001),
        ("3", 3),
        ("inf", math.inf),
        ("true", True),
        ("[0.1, 2]", [0.1, 2]),
        ('"0.1"', "0.1"),
        ("joint", "joint"),
        (" joint ", "joint"),
        ("", ""),
        ('"a#b"', "a#b"),
        ("joint#5", "joint#5"),
        ("[1, ['a', true]]", [1, ["a", True]]),
    ],
)
def test_literals(text: str, value: Any) -> None:
    assert parse_literal(text) == value


def test_assignments() -> None:
    assert parse_assignment("optimag.rho=0.1") == ("optimag", "rho", 0.1)
    assert parse_assignment(" sage.name = a=b") == ("sage", "name", "a=b")


@pytest.mark.parametrize("text", ["rho=1", "optimag.rho", ".rho=1", "optimag.=1", "", "="])
def test_assignments_of_another_form(text: str) -> None:
    with pytest.raises(OptionError, match=r"not of the form METHOD\.OPTION=VALUE, e\.g\. optimag\.rho=0\.1"):
        parse_assignment(text)


@pytest.mark.parametrize("value", ["0.1#5", "0.1 # note", "1\nfoo=2", "1\n# note", "'a' # note"])
def test_a_comment_or_a_further_line_is_refused(value: str) -> None:
    with pytest.raises(OptionError, match=r"Option gcn\.lr: .* goes on after the value"):
        parse_assignment(f"gcn.lr={value}")


@pytest.mark.parametrize("value", ["2020-01-01", "12:30:00", "2020-01-01T12:30:00Z", "{a=1}", "[1, {a=1}]"])
def test_dates_and_tables_are_refused(value: str) -> None:
    with pytest.raises(OptionError, match=r"Option gcn\.lr: .* date, a time or a table\. Allowed: booleans, numbers"):
        parse_assignment(f"gcn.lr={value}")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"rat": 1}, ["Unknown option m.rat", "Did you mean 'm.rate'?", "Available: depth, far, flag, rate"]),
        ({"zzz": 1}, ["Unknown option m.zzz", "Available"]),
        ({"rate": -1}, ["m.rate = -1", "greater than or equal to 0"]),
        ({"rate": 1}, ["m.rate = 1", "less than 1"]),
        ({"rate": math.nan}, ["m.rate = nan", "finite"]),
        ({"rate": math.inf}, ["m.rate = inf", "finite"]),
        ({"rate": "much"}, ["m.rate = 'much'", "number"]),
        ({"rate": [1]}, ["m.rate = [1]", "number"]),
        ({"depth": 1.5}, ["m.depth = 1.5", "integer"]),
        ({"flag": 7}, ["m.flag = 7", "boolean"]),
        ({"far": -math.inf}, ["m.far = -inf", "greater than 0"]),
        ({"depth": True}, ["m.depth = True", "int >= 1"]),
        ({"rate": False}, ["m.rate = False", "float >= 0, < 1"]),
    ],
)
def test_refused(values: dict[str, Any], expected: list[str]) -> None:
    with pytest.raises(OptionError) as caught:
        parse_options(Knobs, values, "m")
    for part in expected:
        assert part in str(caught.value)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        parse_options(Knobs, {"rate": -1, "dept": 3}, "m")
    assert len(str(caught.value).splitlines()) == 2


def test_accepted() -> None:
    assert parse_options(Knobs, {"rate": 0, "far": math.inf}, "m") == Knobs(rate=0.0)
    assert parse_options(Knobs, {"far": "inf"}, "m").far == math.inf
