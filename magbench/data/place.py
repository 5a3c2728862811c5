"""Where the files of a data set lie, and whether they are there; nothing heavy is imported to answer that."""

from __future__ import annotations

from pathlib import Path

from magbench import paths
from magbench.data.meta import META, read_meta
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


def is_here(spec: DatasetSpec, features: str | None = None) -> bool:
    """Whether `spec`, and its feature set `features` if one is named, can be loaded without fetching anything first."""
    if spec.source == "synthetic":
        return True
    folder = dataset_folder(spec)
    return (folder / META).is_file() and (features is None or features in read_meta(folder).features)
