"""Choosing among candidates that are fitted without the loop."""

from __future__ import annotations

import pytest
import torch
from small import small_retrieval_view

from magbench.errors import MethodError
from magbench.train import pure
from magbench.train.loop import Outcome


def test_the_best_candidate_is_chosen_below_minus_one_too(monkeypatch) -> None:
    view, outcome = small_retrieval_view(60), Outcome()
    values = iter([-5.0, -3.0, -3.0, -4.0])
    monkeypatch.setattr(pure, "pair_mrr", lambda embeddings, pairs: next(values))
    sides = {name: torch.ones(side.x.size(0), 2) for name, side in view.sides.items()}
    assert pure.select([(name, sides) for name in "abcd"], view, outcome) == "b"
    assert (outcome.value, outcome.trials) == (-3.0, 4)


def test_no_candidate_is_an_error() -> None:
    with pytest.raises(MethodError, match="no candidate"):
        pure.select([], small_retrieval_view(60), Outcome())
