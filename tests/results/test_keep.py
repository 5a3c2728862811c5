"""Kept results: compact, merged with what is there, never a mixture of two versions of the code."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from magbench import paths
from magbench.errors import OutputError, RecordError
from magbench.metrics.scores import score_prediction
from magbench.results import keep as module
from magbench.results.frame import StoredCell, read_cells
from magbench.results.keep import keep
from magbench.results.kept import cells_of, kept_cells, kept_predictions, kept_records
from magbench.results.record import Record


@pytest.fixture
def stored(finished: Path) -> list[StoredCell]:
    return read_cells(finished)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_round_trip(stored: list[StoredCell], tmp_path: Path) -> None:
    keep(stored, tmp_path)
    assert {record.run_id: record for record in kept_records(tmp_path)} == {c.record.run_id: c.record for c in stored}
    for cell in stored:
        record, prediction = cell.record, cell.prediction()
        arrays = kept_predictions(tmp_path / "node_classification" / "toy@1" / f"{record.method.name}.npz")
        kept = arrays[f"classes_{record.protocol}_{record.seed}"]
        assert kept.dtype == np.uint16
        np.testing.assert_array_equal(kept, prediction.classes)
        np.testing.assert_array_equal(arrays[f"nodes_{record.protocol}_{record.seed}"], prediction.nodes)
        np.testing.assert_array_equal(arrays[f"true_{record.protocol}_{record.seed}"], prediction.true)
    for cell in kept_cells(tmp_path):
        prediction = cell.prediction()
        scores = [score.value for score in score_prediction(prediction, ("accuracy", "macro_f1"))]
        assert scores == [score.value for score in cell.record.scores] and prediction.scores is None


def test_the_same_cells_give_the_same_bytes(stored: list[StoredCell], tmp_path: Path) -> None:
    keep(stored, tmp_path / "a")
    keep(reversed(stored), tmp_path / "b")
    keep(stored, tmp_path / "b")
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_seeds_are_merged(stored: list[StoredCell], tmp_path: Path) -> None:
    keep(stored, tmp_path / "once")
    for seed in (2, 0, 1):
        keep([cell for cell in stored if cell.record.seed == seed], tmp_path / "thrice")
    assert content(tmp_path / "once") == content(tmp_path / "thrice")


def test_cells_of_older_code_make_room(stored: list[StoredCell], tmp_path: Path) -> None:
    keep(stored, tmp_path)
    (cell,) = [cell for cell in stored if cell.record.method.name == "mlp" and cell.record.seed == 1]
    newer = dataclasses.replace(cell, record=cell.record.model_copy(update={"key": "f" * 64}))
    before = content(tmp_path)
    files, (sentence,) = keep([newer], tmp_path)
    assert files == [] and content(tmp_path) == before
    assert "mlp on node_classification/toy@1: 3 kept seeds" in sentence and "--replace" in sentence
    keep([newer], tmp_path, replace=True)
    left = [record for record in kept_records(tmp_path) if record.method.name == "mlp"]
    assert [(record.key, record.seed) for record in left] == [("f" * 64, 1)]
    arrays = kept_predictions(tmp_path / "node_classification" / "toy@1" / "mlp.npz")
    assert sorted(arrays) == ["classes_short@1_1", "nodes_short@1_1", "true_short@1_1"]


def test_kept_cells_stand_beside_those_of_a_folder(
    stored: list[StoredCell], finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the folder has a method, however few seeds of it, its own cells alone count."""
    other = stored[0].record.method.model_copy(update={"name": "another"})
    keep(
        [dataclasses.replace(c, record=c.record.model_copy(update={"method": other})) for c in stored],
        tmp_path / "runs",
    )
    keep(stored, tmp_path / "runs")
    monkeypatch.setattr(paths, "content", lambda kind: tmp_path)
    kept = cells_of(None, kept=True)
    assert {cell.record.method.name for cell in kept} > {"another", "mlp"}
    own = cells_of(finished, kept=False)
    assert all(isinstance(cell, StoredCell) for cell in own) and len(own) == len(stored)
    both = cells_of(finished, kept=True)
    assert {cell.record.method.name for cell in both if not isinstance(cell, StoredCell)} == {"another"}
    assert [cell for cell in both if isinstance(cell, StoredCell)] == own
    with pytest.raises(RecordError, match="no such folder"):
        cells_of(tmp_path / "nowhere", kept=True)


def test_a_changed_method_gets_no_kept_controls(
    stored: list[StoredCell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its score and the older code's control would make one row."""
    (cell,) = [cell for cell in stored if cell.record.method.name == "mlp" and cell.record.seed == 0]
    task, method = cell.record.task, cell.record.method
    control = task.model_copy(update={"id": "node_classification/toy[control=random]"})
    keep([dataclasses.replace(cell, record=cell.record.model_copy(update={"task": control}))], tmp_path / "runs")
    monkeypatch.setattr(paths, "content", lambda kind: tmp_path)

    def beside(record: Record) -> list[str]:
        monkeypatch.setattr("magbench.results.kept.read_cells", lambda runs: [dataclasses.replace(cell, record=record)])
        return [found.record.task.id for found in cells_of(tmp_path, kept=True)]

    assert beside(cell.record) == [task.id, control.id]

    def changed(**update: object) -> Record:
        return cell.record.model_copy(update={"method": method.model_copy(update=update)})

    assert beside(changed(revisions={"mlp": 99})) == [task.id]
    assert beside(changed(source=method.source.model_copy(update={"sha256": "0" * 64}))) == [task.id, control.id]
    data = cell.record.dataset.model_copy(update={"sha256": {"graph": "0" * 64}})
    assert beside(cell.record.model_copy(update={"dataset": data})) == [task.id]
    suite = cell.record.magbench.model_copy(update={"engine": 99})
    assert beside(cell.record.model_copy(update={"magbench": suite})) == [task.id]


def test_failures_are_not_kept(stored: list[StoredCell], tmp_path: Path) -> None:
    failed = [dataclasses.replace(c, record=c.record.model_copy(update={"status": "failed"})) for c in stored]
    assert keep(failed, tmp_path) == ([], [])
    assert kept_records(tmp_path) == []


def test_tasks_that_are_not_ranked_are_not_kept(stored: list[StoredCell], tmp_path: Path) -> None:
    cell = stored[0]
    task = cell.record.task.model_copy(update={"id": "link_prediction/flickr8k1k", "version": 2})
    other = dataclasses.replace(cell, record=cell.record.model_copy(update={"task": task}))
    files, (sentence,) = keep([cell, other], tmp_path)
    assert sentence == "link_prediction/flickr8k1k@2 is not ranked; cells not kept: 1."
    assert {file.parent.name for file in files} == {"toy@1"}
    assert [record.task.id for record in kept_records(tmp_path)] == [cell.record.task.id]


def test_a_folder_that_cannot_be_written(stored: list[StoredCell], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        keep(stored, tmp_path / "file")


def test_a_full_disk_leaves_the_old_files(
    stored: list[StoredCell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep([cell for cell in stored if cell.record.seed == 0], tmp_path)
    before = content(tmp_path)

    whole = Path.write_bytes
    for room in (0, 1):  # before the first file of a pair, and before the second
        written = iter(range(room))

        def full(path: Path, content: bytes, written: Iterator[int] = written) -> int:
            if next(written, None) is None:
                path.touch()
                raise OSError(28, "No space left on device")
            return whole(path, content)

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError, match="No space left on device"):
            keep(stored, tmp_path)
        assert content(tmp_path) == before


def test_sessions_that_keep_at_once_lose_nothing(
    stored: list[StoredCell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second starts while the first has read and not yet written."""
    first, second = ([cell for cell in stored if cell.record.seed == seed] for seed in (0, 1))
    others: list[Thread] = []
    write = module.replace_files

    def slowly(contents: Mapping[Path, bytes]) -> None:
        if not others:
            others.append(Thread(target=keep, args=(second, tmp_path)))
            others[0].start()
            others[0].join(0.5)
        write(contents)

    monkeypatch.setattr(module, "replace_files", slowly)
    keep(first, tmp_path)
    others[0].join()
    assert {record.seed for record in kept_records(tmp_path)} == {0, 1}


def test_damaged_predictions_are_named(stored: list[StoredCell], tmp_path: Path) -> None:
    keep(stored, tmp_path)
    path = tmp_path / "node_classification" / "toy@1" / "mlp.npz"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(RecordError, match=r"mlp\.npz"):
        kept_predictions(path)
    for cell in kept_cells(tmp_path):
        if cell.record.method.name == "mlp":
            with pytest.raises(RecordError, match=r"mlp\.npz"):
                cell.prediction()
