"""Ranks of embeddings against pytrec_eval, ranx, torchmetrics and scikit-learn without ties, and OGB with them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import pytrec_eval
import torch
from ogb.linkproppred import Evaluator
from sklearn.metrics import coverage_error, label_ranking_average_precision_score, top_k_accuracy_score
from torch import Tensor
from torchmetrics.functional.retrieval import retrieval_hit_rate, retrieval_reciprocal_rank

from magbench.metrics.ranking import hits_at_k, mrr, rank_counts, realistic_ranks, recall_at_k, top_k

KS = (1, 5, 10)
SIZES = [(3, 4, 2), (20, 60, 5), (40, 300, 16)]


def make(q: int, g: int, d: int, levels: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, gallery, positives; with ``levels`` the scores tie heavily."""
    generator = torch.Generator().manual_seed(q)
    queries, gallery = (torch.randn(n, d, generator=generator) for n in (q, g))
    if levels:
        queries, gallery = (rows.mul(levels).round() for rows in (queries, gallery))
    return queries, gallery, torch.randint(g, (q,), generator=generator)


def table(scores: np.ndarray) -> dict[str, dict[str, float]]:
    return {f"q{i}": {f"d{j}": float(s) for j, s in enumerate(row)} for i, row in enumerate(scores)}


def relevant(positive: Tensor) -> dict[str, dict[str, int]]:
    rows = positive.reshape(len(positive), -1).tolist()
    return {f"q{i}": {f"d{j}": 1 for j in row if j >= 0} for i, row in enumerate(rows)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("several", [False, True])
def test_pytrec_eval(size: tuple[int, int, int], several: bool) -> None:
    """With several right candidates, the rank of the best: their reciprocal rank and their success at k."""
    queries, gallery, positive = make(*size)
    if several:
        positive = torch.stack([positive, (positive + 1) % size[1], torch.full_like(positive, -1)], 1)
    above, equal = rank_counts(queries, gallery, positive)
    scores = (queries.double() @ gallery.double().T).numpy()
    measures = {"recip_rank", *(f"success_{k}" for k in KS)}
    found = pytrec_eval.RelevanceEvaluator(relevant(positive), measures).evaluate(table(scores)).values()
    assert mrr(above, equal) == pytest.approx(np.mean([row["recip_rank"] for row in found]), rel=1e-9)
    for k in KS:
        ours = recall_at_k(above, equal, k)
        assert ours == pytest.approx(np.mean([row[f"success_{k}"] for row in found]))


RANX = """
import json, sys
from ranx import Qrels, Run, evaluate
run, right, measures = json.load(sys.stdin)
print(json.dumps({k: float(v) for k, v in evaluate(Qrels(right), Run(run), measures, make_comparable=False).items()}))
"""


def test_ranx() -> None:
    """In a process that does not compile: ranx spends most of a minute on that."""
    queries, gallery, positive = make(*SIZES[-1])
    positive = torch.stack([positive, (positive + 1) % len(gallery)], 1)
    above, equal = rank_counts(queries, gallery, positive)
    measures = ["mrr", *(f"hit_rate@{k}" for k in KS)]
    asked = [table((queries.double() @ gallery.double().T).numpy()), relevant(positive), measures]
    found = subprocess.run(
        [sys.executable, "-c", RANX],
        input=json.dumps(asked),
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    theirs = json.loads(found.stdout)
    assert mrr(above, equal) == pytest.approx(theirs["mrr"], rel=1e-9)
    assert [recall_at_k(above, equal, k) for k in KS] == pytest.approx([theirs[f"hit_rate@{k}"] for k in KS])


@pytest.mark.parametrize("size", SIZES)
def test_torchmetrics_and_scikit_learn(size: tuple[int, int, int]) -> None:
    queries, gallery, positive = make(*size)
    above, equal = rank_counts(queries, gallery, positive)
    scores = queries.double() @ gallery.double().T
    truth = torch.nn.functional.one_hot(positive, len(gallery))
    positive_scores = scores - scores.min() + 1.0  # torchmetrics takes a score below 0 for no answer
    reciprocal = [retrieval_reciprocal_rank(s, t.bool()) for s, t in zip(positive_scores, truth, strict=True)]
    np.testing.assert_allclose(1 / realistic_ranks(above, equal), torch.stack(reciprocal), rtol=1e-6)
    assert mrr(above, equal) == pytest.approx(label_ranking_average_precision_score(truth, scores))
    assert realistic_ranks(above, equal).mean() == pytest.approx(coverage_error(truth, scores))
    for k in (k for k in KS if k < len(gallery)):
        ours = recall_at_k(above, equal, k, pool=len(gallery))
        hits = [retrieval_hit_rate(s, t.bool(), top_k=k) for s, t in zip(positive_scores, truth, strict=True)]
        assert ours == pytest.approx(float(torch.stack(hits).mean()))
        labels = np.arange(len(gallery))
        assert ours == pytest.approx(top_k_accuracy_score(positive, scores, k=k, labels=labels))


@pytest.mark.parametrize("levels", [1, 2, 5])
@pytest.mark.parametrize("size", SIZES)
def test_ogb_on_ties(size: tuple[int, int, int], levels: int) -> None:
    queries, gallery, positive = make(*size, levels=levels)
    above, equal = rank_counts(queries, gallery, positive)
    scores = queries @ gallery.T
    right = scores.gather(1, positive[:, None])[:, 0]
    others = torch.ones_like(scores, dtype=torch.bool).scatter_(1, positive[:, None], False)
    wrong = scores[others].view(len(scores), -1)
    theirs = Evaluator("ogbl-citation2").eval({"y_pred_pos": right, "y_pred_neg": wrong})
    assert mrr(above, equal) == pytest.approx(float(theirs["mrr_list"].double().mean()), rel=1e-6)
    for k in (1, 10):
        assert hits_at_k(above, equal, k) == pytest.approx(float(theirs[f"hits@{k}_list"].double().mean()))


@pytest.mark.parametrize("size", SIZES)
def test_the_best_candidates_are_those_that_count(size: tuple[int, int, int]) -> None:
    """Without ties a query's right candidate stands in its own place of the list."""
    queries, gallery, positive = make(*size)
    above, _ = rank_counts(queries, gallery, positive)
    _, ids = top_k(queries, gallery, len(gallery))
    assert torch.equal((ids == positive[:, None]).nonzero()[:, 1], above)
