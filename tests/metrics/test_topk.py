"""The k best candidates against a stable float64 argsort, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_exact import DTYPES, draw, score_matrix

from magbench.errors import MethodError
from magbench.metrics import topk
from magbench.metrics.ranking import top_k


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["plain", "levels", "duplicates", "near", "uneven", "sparse"])
@pytest.mark.parametrize("k", [1, 5, 60])
def test_agrees_with_a_float64_argsort(k: int, kind: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topk, "_CELLS", 400)
    queries, gallery, _ = draw(20, 60, 12, kind, dtype)
    scores = score_matrix(queries, gallery)
    wanted = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found, ids = top_k(queries, gallery, k)
    np.testing.assert_array_equal(ids, wanted)
    np.testing.assert_allclose(found, np.take_along_axis(scores, wanted, 1), rtol=1e-13, atol=1e-15)


def test_ties_in_the_order_of_the_gallery() -> None:
    _, ids = top_k(torch.full((3, 7), 0.1), torch.full((500, 7), 0.1), 4)
    assert ids.tolist() == [[0, 1, 2, 3]] * 3


def test_by_hand_and_unscaled() -> None:
    gallery = torch.tensor([[1.0], [3.0], [3.0], [2.0]], dtype=torch.float64) * 1e200
    scores, ids = top_k(torch.tensor([[1.0]]), gallery, 3)
    assert ids.tolist() == [[1, 2, 3]]
    assert scores.tolist() == [[3e200, 3e200, 2e200]]


@pytest.mark.parametrize("k", [0, 4, 1.0, True])
def test_refusals(k: object) -> None:
    with pytest.raises(MethodError, match="expected an integer from 1 to 3, the candidates"):
        top_k(torch.ones(1, 2), torch.ones(3, 2), k)  # type: ignore[arg-type]
