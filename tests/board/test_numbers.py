"""How numbers are printed."""

from __future__ import annotations

import pytest

from magbench.board import numbers

NAN = float("nan")


@pytest.mark.parametrize(
    ("function", "value", "printed"),
    [
        (numbers.score, 0.7525, "0.752"),
        (numbers.score, -0.1, "−0.100"),
        (numbers.score, -0.0001, "0.000"),
        (numbers.score, NAN, "–"),
        (numbers.score, None, "–"),
        (numbers.signed, 0.0125, "+0.013"),
        (numbers.signed, -0.004, "−0.004"),
        (numbers.signed, -0.0001, "0.000"),
        (numbers.signed, NAN, "–"),
        (numbers.signed, None, "–"),
        (numbers.p_value, 0.0004, "< 0.001"),
        (numbers.p_value, 0.0496, "0.050"),
        (numbers.p_value, 0.21, "0.21"),
        (numbers.p_value, 1.0, "1.00"),
        (numbers.p_value, NAN, "–"),
        (numbers.p_value, None, "–"),
        (numbers.count, 1_234_567, "1\u202f234\u202f567"),
        (numbers.count, None, "–"),
        (numbers.seconds, 3.21, "3.2 s"),
        (numbers.seconds, 125.0, "2 min 05 s"),
        (numbers.seconds, NAN, "–"),
        (numbers.seconds, None, "–"),
        (numbers.general, 0.000123456, "0.000123"),
        (numbers.general, -12.0, "−12"),
        (numbers.general, float("inf"), "–"),
    ],
)
def test_printed(function, value, printed: str) -> None:
    assert function(value) == printed
