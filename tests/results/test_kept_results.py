"""The committed results: kept predictions cover their seed's test nodes and give the kept scores, digit by digit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from magbench import paths
from magbench.data.load import load_dataset
from magbench.data.mag import MAG
from magbench.metrics import METRICS
from magbench.predictions.ranks import PairRanks
from magbench.registry import Registry
from magbench.results.kept import kept_predictions
from magbench.results.record import parse_record
from magbench.tasks.base import Task, make_task
from magbench.tasks.retrieval.task import RetrievalTask

FILES = sorted((paths.PACKAGE.parent / "leaderboard" / "runs").glob("*/*/*.jsonl"))


def test_there_are_kept_results() -> None:
    assert FILES


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=lambda folder: folder.name)
def test_kept_predictions_give_the_kept_scores(folder: Path) -> None:
    registry = Registry.default()
    spec = registry.task(f"{folder.parent.name}/{folder.name}")
    mag = load_dataset(registry.dataset(spec.dataset))
    task = make_task(spec)
    for path in sorted(folder.glob("*.jsonl")):
        arrays = kept_predictions(path.with_name(path.name.removesuffix(".jsonl") + ".npz"))
        for line in path.read_text(encoding="utf-8").splitlines():
            record = parse_record(line, str(path))
            assert record.dataset.sha256 == mag.fingerprint()
            assert record.task.hash == spec.digest()
            end = f"_{record.protocol}_{record.seed}"
            own = {name.removesuffix(end): array for name, array in arrays.items() if name.endswith(end)}
            again = _rescored(task, mag, own, record.seed)
            for score in record.scores:
                found = again[score.metric, score.split]
                assert found == pytest.approx(score.value, abs=1e-12), (path.name, record.seed, score.metric)


def _rescored(task: Task, mag: MAG, arrays: dict[str, np.ndarray], seed: int) -> dict[tuple[str, str], float]:
    """(metric, split) → score, from a seed's kept arrays."""
    if isinstance(task, RetrievalTask):
        ranks = PairRanks(**arrays)
        places = np.arange(len(task.ask(mag).asked))
        assert all(np.array_equal(np.sort(ranks.item[ranks.side == side]), places) for side in (0, 1))
        return {(score.metric, score.split): score.value for score in task.score(ranks, mag, seed)}
    compared = _compared(task, mag, arrays, seed)
    return {(name, "test"): METRICS[name](*compared) for name in task.spec.metrics}


def _compared(task: Task, mag: MAG, arrays: dict[str, np.ndarray], seed: int) -> tuple[np.ndarray, ...]:
    """What the metrics take: true and predicted classes of the seed's test nodes, or the counts of each test edge."""
    if task.design == "fixed":
        counts = arrays["above"], arrays["equal"]
        assert len(counts[0]) == task.split(mag).test.shape[1]
        return counts
    nodes, classes = arrays["nodes"], arrays["classes"]
    assert np.array_equal(np.sort(nodes), task.split(mag, seed).test), seed
    return np.asarray(mag[task.spec.label])[nodes], classes.astype(np.int64)
