"""From a data set's specification to its MAG, wherever it lives: in the package, in a generator, or in the cache.

* ``embedded``: shipped with the package, under ``magbench/data/embedded/<name>/``;
* ``store``: fetched before, under ``$MAGBENCH_HOME/datasets/<name>@<version>/``;
* ``synthetic``: made by :func:`magbench.data.synthetic.generate` from the specification's ``params``.
"""

from __future__ import annotations

from pathlib import Path

from magbench.data.mag import MAG
from magbench.data.meta import META, read_meta
from magbench.data.place import dataset_folder as dataset_folder
from magbench.data.place import is_here
from magbench.data.store import file_sha256, read_store
from magbench.errors import DataError, UnknownNameError
from magbench.specs import DatasetSpec


def load_dataset(spec: DatasetSpec, features: str | None = None) -> MAG:
    """The MAG that `spec` describes, checked against its counts and the sha256 of its meta.json.

    Args:
        spec: the data set.
        features: a feature set's name; default: the first of ``spec.features``.

    Raises:
        UnknownNameError: the data set has no such feature set.
        DataError: files missing, damaged, or not those that the specification names.
        SpecError: a source that nobody knows.
    """
    chosen = features if features is not None else next(iter(spec.features), "")
    if chosen not in spec.features:
        hint = f"Data set: {spec.name}@{spec.version}."
        raise UnknownNameError("feature set", chosen, spec.features, hint)
    mag = _generate(spec) if spec.source == "synthetic" else _read(spec, chosen)
    _check_counts(mag, spec)
    return mag


def check_identity(spec: DatasetSpec) -> Path:
    """The folder of `spec`, once its meta.json is the very file the specification names. Raises DataError if not."""
    folder = dataset_folder(spec)
    path = folder / META
    if not path.is_file():
        raise DataError(f"Data set {spec.name}@{spec.version}: {path} is missing. {_next_step(spec)}")
    found = file_sha256(path)
    if spec.sha256 and found != spec.sha256:
        raise DataError(f"{path}: found sha256 {found}, expected {spec.sha256}. {_next_step(spec)}")
    return folder


def _next_step(spec: DatasetSpec) -> str:
    if spec.source == "embedded":
        return f"Run `magbench data verify {spec.name}`; if it fails, install magbench again."
    if not is_here(spec) and spec.mirrors:
        published = any(mirror.repo for mirror in spec.mirrors)
        get = f"`magbench data get {spec.name}` to fetch it, or " if published else ""
        return f"Run {get}`magbench data import {spec.name} PATH` if you have its files."
    return f"Run `magbench data verify {spec.name}`; if it fails, fetch or build the data set again."


def _read(spec: DatasetSpec, features: str) -> MAG:
    folder = check_identity(spec)
    if spec.mirrors and features not in (here := read_meta(folder).features):
        raise DataError(
            f"Data set {spec.name}@{spec.version}: the feature set {features!r} is not here, only {', '.join(here)}. "
            f"Run `magbench data get {spec.name} --features {features}`."
        )
    mag = read_store(folder, features=features)
    if (mag.name, mag.version) != (spec.name, spec.version):
        found = f"{mag.name}@{mag.version}"
        raise DataError(
            f"{folder}: found the data set {found}, expected {spec.name}@{spec.version}. {_next_step(spec)}"
        )
    return mag


def _generate(spec: DatasetSpec) -> MAG:
    # Imported here: the generator pulls in what no stored data set needs.
    from magbench.data.synthetic import generate

    mag: MAG = generate(**spec.params)[0]
    mag.name, mag.version, mag.features = spec.name, spec.version, spec.features[0]
    mag.validate()
    return mag


def _check_counts(mag: MAG, spec: DatasetSpec) -> None:
    found = mag.counts()._asdict()
    for key, expected in spec.counts.items():
        if found.get(key) != expected:
            raise DataError(
                f"Data set {spec.name}@{spec.version}: found {found.get(key)} {key.replace('_', ' ')}, "
                f"expected {expected}. {_next_step(spec)}"
            )
    missing = [column for column in spec.labels if column not in mag.classes]
    if missing:
        raise DataError(
            f"Data set {spec.name}@{spec.version}: found the label columns {sorted(mag.classes)}, "
            f"expected {list(spec.labels)}. {_next_step(spec)}"
        )
