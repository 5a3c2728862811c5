"""A result is kept for as long as the tensors that it was made of are the same."""

from __future__ import annotations

import torch
from torch import Tensor

from magbench.nn.memo import Memo


def test_made_again_only_where_something_changed() -> None:
    kept: Memo[float] = Memo()
    made: list[Tensor] = []

    def total(*parts: Tensor) -> float:
        def make() -> float:
            made.append(parts[0])
            return float(sum(part.sum() for part in parts))

        return kept(parts, make)

    x, y = torch.ones(3), torch.zeros(2)
    assert [total(x, y), total(x, y), total(x.clone(), y)] == [3, 3, 3] and len(made) == 1
    x[0] = 5
    assert total(x, y) == 7 and len(made) == 2, "written to in place"
    assert total(torch.ones(3), y) == 3 and len(made) == 3, "another of the same shape"
    assert total(torch.ones(4), y) == 4 and total(torch.ones(4)) == 4 and len(made) == 5
    assert total(torch.ones(4, dtype=torch.float64)) == 4 and len(made) == 6
    with torch.inference_mode():
        z = torch.ones(2)
    assert [total(z), total(z)] == [2, 2] and len(made) == 7


def test_a_copy_of_what_was_written_to_is_another() -> None:
    """The kept tensor itself was changed, so it no longer tells what the result was made of."""
    kept: Memo[float] = Memo()
    x = torch.ones(2)
    assert kept([x], lambda: 1.0) == 1.0
    x.zero_()
    assert kept([torch.zeros(2)], lambda: 2.0) == 2.0


def test_the_last_result_is_let_go_before_the_next_is_made() -> None:
    kept: Memo[int] = Memo()
    held: list[int] = []
    for value in range(2):
        kept([torch.tensor([value])], lambda: held.append(len(kept._result)) or 0)
    assert held == [0, 0]
