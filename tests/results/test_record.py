"""Records: the JSON Schema holds for what runs write, the round trip is exact, a foreign schema is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from lab import Lab, cells

from magbench.errors import RecordError
from magbench.results.record import SCHEMA, ScorePart, TaskPart, json_schema, parse_record, read_record


@pytest.fixture(scope="module")
def text(finished: Path) -> str:
    return (cells(finished)["mlp 0"] / "record.json").read_text()


def test_the_schema_is_one(text: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_what_runs_write_is_valid(finished: Path) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    for folder in cells(finished).values():
        validator.validate(json.loads((folder / "record.json").read_text()))


def test_a_failure_is_valid_too(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "from magbench.api import Method, register_method\n"
        '@register_method("bad")\nclass Bad(Method):\n'
        "    def fit(self, view, *, seed): raise ValueError('no')\n"
        "    def predict(self, view): ...\n"
    )
    lab.run("-t", "nc/toy", "-m", tmp_path / "bad.py", "--seeds", "0", "--out", tmp_path / "runs")
    record = json.loads((cells(tmp_path / "runs")["bad 0"] / "record.json").read_text())
    jsonschema.Draft202012Validator(json_schema()).validate(record)
    assert record["error"]["type"] == "ValueError"
    assert "bad.py" in record["error"]["traceback"]


def test_what_a_record_says(text: str) -> None:
    record = parse_record(text, "here")
    assert record.task.id == "node_classification/toy"
    assert record.status == "ok"
    assert [score.metric for score in record.scores] == ["accuracy", "macro_f1"]
    assert record.selection is not None
    assert record.selection.split == "val"
    assert record.env["threads"] == 1
    assert record.method.params is not None
    assert record.cost.peak_rss is not None
    assert record.cost.peak_rss < 1.5e9
    assert record.started < record.finished


def test_round_trip(text: str) -> None:
    record = parse_record(text, "here")
    assert record.to_json() == text
    assert parse_record(record.to_json(), "there") == record


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schema": "magbench.record/9"}, ["schema", SCHEMA, "'magbench.record/9'"]),
        ({"colour": "red"}, ["colour", "not permitted"]),
        ({"seed": "zero"}, ["seed", "integer", "'zero'"]),
        ({"status": "fine"}, ["status", "'fine'"]),
        ({"seed": -1}, ["seed", "greater than or equal to 0"]),
        ({"scores": []}, ["a cell that is ok must have a score"]),
        ({"finished": "yesterday"}, ["finished", "'yesterday'"]),
        ({"protocol": "../../x"}, ["protocol", "'../../x'"]),
        ({"task.id": "../../escaped/x"}, ["task.id", "'../../escaped/x'"]),
        ({"task.id": "/tmp/x"}, ["task.id", "'/tmp/x'"]),
        ({"dataset.features": "../clip"}, ["dataset.features", "'../clip'"]),
        ({"dataset.id": ".."}, ["dataset.id", "'..'"]),
        ({"method.name": "mlp\x1b[2J"}, ["method.name", "pattern"]),
        ({"method.name": "ml\0p"}, ["method.name", "pattern"]),
    ],
)
def test_foreign_records_are_refused(change: dict[str, Any], expected: list[str], text: str) -> None:
    record = json.loads(text)
    for place, value in change.items():
        *parts, last = place.split(".")
        inner = record[parts[0]] if parts else record
        inner[last] = value
    with pytest.raises(RecordError) as caught:
        parse_record(json.dumps(record), "FILE")
    for part in ["FILE", "--out", *expected]:
        assert part in str(caught.value)


def test_half_a_record_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text(text[: len(text) // 2])
    with pytest.raises(RecordError, match=r"record\.json is not a record"):
        read_record(tmp_path / "record.json")


@pytest.mark.parametrize("name", ["retrieval/emoji[control=random,pool=1k]", "link_prediction/synthetic-conflict"])
def test_names_of_tasks_and_variants_are_records_names(name: str) -> None:
    assert TaskPart(id=name, version=1, hash="0").id == name


def test_a_score_outside_its_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"accuracy must be from 0 to 1, not 7\.25"):
        ScorePart(metric="accuracy", version=1, split="test", value=7.25, n=3)
    assert ScorePart(metric="accuracy", version=99, split="test", value=7.25, n=3).value == 7.25  # who knows


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        ScorePart(metric="accuracy", version=1, split="test", value=float("nan"), n=3)
