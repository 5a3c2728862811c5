"""Where the files of a data set lie, and whether they are there; nothing heavy is imported to answer that."""

from __future__ import annotations

from pathlib import Path

from magbench import paths
from magbench.data.meta import META
from magbench.errors import SpecError
from magbench.specs import DatasetSpec


def dataset_folder(spec: DatasetSpec) -> Path:
    """Where the files of a stored data set lie. Raises SpecError for a source without files."""
    if spec.source == "embedded":
        return Path(__file__).parent / "embedded" / spec.name
    if spec.source == "store":
        return paths.home() / "datasets" / spec.id
    allowed = "embedded, store, synthetic"
    raise SpecError(f"Data set {spec.id}: source {spec.source!r} has no files; allowed: {allowed}.")


def is_here(spec: DatasetSpec) -> bool:
    """Whether `spec` can be loaded without fetching anything first."""
    return spec.source == "synthetic" or (dataset_folder(spec) / META).is_file()
