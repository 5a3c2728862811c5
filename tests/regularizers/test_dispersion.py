"""Dispersion losses: the closed forms of specification test 1, excluded pairs, and effective rank."""

from __future__ import annotations

import math

import pytest
import torch

from magbench.regularizers.dispersion import VARIANTS, rbf
from magbench.spectrum import effective_rank

F64 = torch.float64


def _sphere(n: int, d: int) -> torch.Tensor:
    points = torch.randn(n, d, generator=torch.Generator().manual_seed(0), dtype=F64)
    return torch.nn.functional.normalize(points, dim=1)


def test_1_closed_forms() -> None:
    assert float(rbf(torch.ones(7, 3, dtype=F64) / 3**0.5, 2.0)) == pytest.approx(0.0, abs=1e-12)
    assert float(rbf(torch.eye(6, dtype=F64), 2.0)) == pytest.approx(-4.0)
    # A regular simplex of B = d + 1 points has squared distances 2 B / (B - 1).
    simplex = torch.nn.functional.normalize(torch.eye(9, dtype=F64) - 1 / 9, dim=1)
    assert float(rbf(simplex, 2.0)) == pytest.approx(-4.5)
    antipodes = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=F64)
    assert float(rbf(antipodes, 2.0)) == pytest.approx(-8.0)
    assert float(rbf(_sphere(2000, 64), 2.0)) == pytest.approx(-3.87, abs=0.02)


def test_rbf_equals_the_loop() -> None:
    z = _sphere(8, 4)
    total = sum(math.exp(-1.5 * float((z[i] - z[j]).square().sum())) for i in range(8) for j in range(8) if i != j)
    assert float(rbf(z, 1.5)) == pytest.approx(math.log(total / 56), rel=1e-12)


def test_excluded_pairs_do_not_repel() -> None:
    z = _sphere(6, 3).requires_grad_()
    excluded = torch.zeros(6, 6, dtype=torch.bool)
    excluded[0, 1:] = excluded[1:, 0] = True
    for name in ("rbf", "hinge", "dispersive"):
        (gradient,) = torch.autograd.grad(VARIANTS[name](z, 2.0, excluded), z)
        assert float(gradient[0].abs().max()) == 0.0
        assert float(gradient[1:].abs().max()) > 0.0
    nothing_left = torch.ones(6, 6, dtype=torch.bool)
    for name in ("rbf", "hinge", "dispersive"):
        assert float(VARIANTS[name](z, 2.0, nothing_left).detach()) == 0.0


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_each_variant_falls_as_the_rows_spread(name: str) -> None:
    spread, tight = (
        _sphere(40, 8),
        torch.nn.functional.normalize(_sphere(40, 8) + 5 * torch.eye(8, dtype=F64)[0], dim=1),
    )
    if name == "cov":  # measures correlation of coordinates, which a common factor creates
        tight = torch.nn.functional.normalize(_sphere(40, 1) @ torch.ones(1, 8, dtype=F64) + 0.1 * spread, dim=1)
    assert float(VARIANTS[name](spread, 2.0, None)) < float(VARIANTS[name](tight, 2.0, None))


def test_logdet_does_not_depend_on_which_gram_matrix_is_used() -> None:
    wide = torch.randn(5, 12, generator=torch.Generator().manual_seed(1), dtype=F64)
    expected = -torch.logdet(torch.eye(12, dtype=F64) + (2.0 * 12 / 5) * wide.t() @ wide) / 12
    torch.testing.assert_close(VARIANTS["logdet"](wide, 2.0, None), expected)


def test_effective_rank() -> None:
    assert effective_rank(torch.eye(5)) == pytest.approx(5.0)
    assert effective_rank(torch.ones(5, 3)) == pytest.approx(1.0, abs=1e-5)
    assert effective_rank(torch.zeros(4, 4)) == pytest.approx(1.0)
