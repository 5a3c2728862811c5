"""Records of schema 1, read as schema 2: what runs folders from before still hold.

What schema 1 did not say is filled in by what was true of every such record: the task's options stand in its name, a
split was drawn for each seed in node classification alone, and methods had no revision but their source.
"""

from __future__ import annotations

from typing import Any

SCHEMA = "magbench.record/1"


def upgraded(record: dict[str, Any]) -> dict[str, Any]:
    """The values of a record of schema 2; raises ValueError where the record is none of schema 1."""
    try:
        task, dataset, method = record["task"], record["dataset"], record["method"]
        selection, predictions = record["selection"], record["predictions"]
        classifies = task["id"].startswith("node_classification/")
        drawn = classifies and not task["id"].endswith(("-magb42", "/ele-fashion"))
        sha256 = dataset["sha256"]
        return {
            **record,
            "schema": "magbench.record/2",
            "task": {**task, "variant": _variant(task["id"]), "design": "drawn" if drawn else "fixed"},
            "dataset": {**dataset, "sha256": None if sha256 is None else {"all": sha256}},
            "method": {**method, "revisions": {method["name"]: method["source"]["sha256"]}},
            "selection": selection and {**selection, "config": {}},
            "predictions": predictions
            and {
                "kind": "classes" if classifies else "ranks",
                "files": [{"path": predictions["path"], "sha256": predictions["sha256"]}],
                "rows": predictions["rows"],
            },
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a part of schema 1 is missing or of another form: {error}") from None


def _variant(task: str) -> dict[str, str]:
    written = task.partition("[")[2].rstrip("]")
    return dict(item.split("=", 1) for item in written.split(",") if "=" in item)
