"""Scoring again: every kept score is that of its prediction, fresh metrics are filled in, wrong ones refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from lab import Lab

from magbench import paths
from magbench.errors import RecordError
from magbench.predictions.ranks import Ranks
from magbench.registry import Registry
from magbench.results.kept import kept_cells
from magbench.results.record import read_record
from magbench.results.rescore import cells_at, rescore, rescored, update
from magbench.results.stale import is_stale, stale_components

REGISTRY = Registry.default()
KEPT = paths.content("leaderboard") / "runs"


@pytest.mark.parametrize("family", ["node_classification", "link_prediction", "retrieval"])
def test_every_kept_score_is_that_of_its_prediction(family: str) -> None:
    found = list(rescored(kept_cells(KEPT / family), REGISTRY))
    assert len(found) > 100
    assert max(result.difference for result in found) == 0
    assert {metric for result in found for metric in result.fresh} == set()


def test_a_metric_that_a_record_lacks_is_filled_in(lab: Lab, finished: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    path = next(runs.glob("**/mlp/*/0/record.json"))
    record = read_record(path)
    path.write_text(record.model_copy(update={"scores": record.scores[:1]}).to_json())
    with lab.environment():
        found = list(rescored(cells_at(runs), Registry.default()))
    assert [result.fresh for result in found if result.fresh] == [("macro_f1",)]
    assert update(found) == [path]
    assert read_record(path).scores == record.scores


def test_a_wrong_score_is_refused_and_nothing_written(finished: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    path = next(runs.glob("**/mlp/*/0/record.json"))
    record = read_record(path)
    wrong = record.scores[0].model_copy(update={"value": 0.123})
    path.write_text(record.model_copy(update={"scores": (wrong,)}).to_json())
    before = path.read_bytes()
    with pytest.raises(RecordError, match=r"1 stored scores are not those of their predictions, e.g. mlp on"):
        update(list(rescored(cells_at(runs), REGISTRY)))
    assert path.read_bytes() == before


def test_a_prediction_that_was_exchanged_is_refused(finished: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    cell = cells_at(runs)[0]
    Ranks(np.zeros(3, dtype=np.int32), np.zeros(3, dtype=np.int32)).write(cell.folder)
    with pytest.raises(RecordError, match=r"predictions.npz is not the file of its record"):
        rescore(cell, REGISTRY)


def test_nothing_to_score(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="holds no results: expected a folder of `magbench run`"):
        cells_at(tmp_path)


def test_rows_of_an_earlier_revision_are_stale() -> None:
    records = {cell.record.method.name: cell.record for cell in kept_cells(KEPT / "node_classification" / "emoji@1")}
    assert stale_components(records["mlp+optimag"], REGISTRY) == {"optimag": (1, 2)}
    assert not is_stale(records["mlp"], REGISTRY)
    own = records["mlp"].method.model_copy(update={"revisions": {"mlp": "sha256 of somebody's own files"}})
    assert not is_stale(records["mlp"].model_copy(update={"method": own}), REGISTRY)
