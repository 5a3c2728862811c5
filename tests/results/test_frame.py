"""Stored cells: what is read from a runs folder, and which of it may stand together."""

from __future__ import annotations

import dataclasses
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from magbench.errors import OptionError, RecordError, UnknownNameError
from magbench.predictions.classes import Classes
from magbench.results.controls import fit_to_show
from magbench.results.frame import StoredCell, comparable, newest, one_protocol, read_cells


def test_every_published_cell_is_read(finished: Path) -> None:
    stored = read_cells(finished)
    assert len(stored) == 9
    assert all(len(cell.prediction().nodes) == cell.record.scores[0].n for cell in stored)
    assert {len(cell.history()) for cell in stored if cell.record.method.name == "mlp"} == {2}
    assert {len(cell.history()) for cell in stored if cell.record.method.name == "label_propagation"} == {0}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="magbench run"):
        read_cells(tmp_path / "nowhere")


def test_only_cells_of_the_newest_key_stand_together(finished: Path) -> None:
    stored = read_cells(finished)
    old = [
        dataclasses.replace(c, record=c.record.model_copy(update={"key": "0" * 64, "finished": "2000"})) for c in stored
    ]
    assert newest([*stored, *old]) == newest(stored)
    assert {cell.record.key for cell in newest(old)} == {"0" * 64}
    assert newest([old[0], *stored[1:]]) == newest(stored[1:])


@pytest.mark.parametrize(
    ("part", "change", "expected"),
    [
        ("task", {"hash": "f" * 64}, "another definition of the task"),
        ("dataset", {"sha256": {"graph": "f" * 64}}, "other data"),
        ("magbench", {"engine": 99}, r"another engine \(99\)"),
        ("scores", {"version": 42}, r"another version of accuracy \(42\)"),
    ],
)
def test_results_that_cannot_be_compared_never_stand_together(
    finished: Path, part: str, change: dict[str, object], expected: str
) -> None:
    stored = read_cells(finished)
    assert comparable(stored) == (stored, [])

    def older(cell: StoredCell) -> StoredCell:
        value = getattr(cell.record, part)
        changed = (
            (value[0].model_copy(update=change), *value[1:]) if part == "scores" else value.model_copy(update=change)
        )
        return replace(
            cell, record=cell.record.model_copy(update={part: changed, "finished": "2000-01-01T00:00:00+00:00"})
        )

    mixed = [older(cell) if cell.record.method.name == "mlp" else cell for cell in stored]
    shown, (sentence,) = comparable(mixed)
    assert {cell.record.method.name for cell in shown} == {cell.record.method.name for cell in stored} - {"mlp"}
    assert re.search(f"mlp on node_classification/toy is not shown: it has {expected}", sentence)
    assert fit_to_show(mixed) == (shown, [sentence])
    failed = [replace(cell, record=cell.record.model_copy(update={"status": "failed"})) for cell in mixed]
    assert comparable(failed) == (failed, [])


@pytest.mark.parametrize("line", ["{", "3"])
def test_a_damaged_history_is_named(finished: Path, tmp_path: Path, line: str) -> None:
    (tmp_path / "history.jsonl").write_text(line)
    with pytest.raises(RecordError, match=r"history\.jsonl"):
        replace(read_cells(finished)[0], folder=tmp_path).history()


def test_a_cell_has_the_prediction_of_its_record_or_says_why_not(finished: Path, tmp_path: Path) -> None:
    cell = next(cell for cell in read_cells(finished) if cell.record.method.name == "mlp")
    found, part = cell.prediction(), cell.record.predictions
    assert isinstance(found, Classes) and part is not None
    assert (part.kind, [file.path for file in part.files], part.rows) == ("classes", ["predictions.npz"], found.rows)
    shutil.copytree(cell.folder, tmp_path / "cell")
    other = replace(found, classes=(found.classes + 1) % 3)
    other.write(tmp_path / "cell")
    with pytest.raises(RecordError, match=r"predictions\.npz is not the file of its record; run the cell again"):
        replace(cell, folder=tmp_path / "cell").prediction()
    with pytest.raises(RecordError, match=r"predictions\.npz cannot be read"):
        replace(cell, folder=tmp_path).prediction()
    failed = cell.record.model_copy(update={"status": "failed", "predictions": None})
    with pytest.raises(RecordError, match="the cell is failed and has no prediction"):
        replace(cell, record=failed).prediction()
    another = cell.record.model_copy(update={"predictions": part.model_copy(update={"kind": "maps"})})
    with pytest.raises(UnknownNameError, match="Unknown kind of prediction 'maps'"):
        replace(cell, record=another).prediction()


def test_one_protocol() -> None:
    assert one_protocol([]) is None
    assert one_protocol(["a@1", "a@1"]) == "a@1"
    assert one_protocol(["a@1", "b@1"], "b@1") == "b@1"
    with pytest.raises(OptionError, match="--protocol a@1 or b@1"):
        one_protocol(["b@1", "a@1"])
    with pytest.raises(UnknownNameError, match="a@2"):
        one_protocol(["a@1"], "a@2")
