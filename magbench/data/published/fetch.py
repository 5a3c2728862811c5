"""Getting a data set: from the hub (:func:`fetch`) or from files that a user has already (:func:`import_folder`).

Both end in the store, ``$MAGBENCH_HOME/datasets/<name>@<version>/``, and add to what is there. Two processes that want
the same data set take turns; the second finds it made.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from magbench import locks, paths
from magbench.data.meta import Conversion, Meta, check_sizes, read_meta
from magbench.data.place import dataset_folder
from magbench.data.published.hub import Repository, Show
from magbench.data.published.locate import PICTURES, Choice, Sources, choose, local_sources, sources
from magbench.errors import DataError, OutputError, UnknownNameError
from magbench.specs import DatasetSpec, Mirror

ALREADY = "Everything that was asked for was here already."


def silent(what: str, done: int, total: int) -> None:
    """Show no progress."""


def fetch(
    spec: DatasetSpec,
    *,
    features: Sequence[str] = (),
    images: bool = False,
    mirror: str | None = None,
    offline: bool = False,
    show: Show = silent,
) -> Conversion:
    """Download what is missing of `spec`, verify it, and convert it.

    Args:
        spec: a data set with mirrors.
        features: feature sets; default: the mirror's first.
        images: the pictures, too.
        mirror: where from; default: where the data set came from before, else the first that has `features`.
        offline: use nothing but what was downloaded before.
        show: told of progress.

    Raises:
        UnknownNameError: no such mirror or feature set.
        DataError: a file cannot be fetched, is not what it should be, or is not of this data set.
        OutputError: something cannot be written, or the disk is too full.
    """
    _refuse_unpublished(spec)
    with turn(spec.id, show):
        folder, old = _present(spec)
        chosen = _mirror(spec, mirror, features, old)
        wanted = tuple(features) or (next(iter(old.features if old else chosen.features)),)
        missing = [name for name in wanted if old is None or name not in old.features]
        pictures = images and (old is None or "images.parquet" not in old.files)
        if old is not None and not missing and not pictures:
            return Conversion(folder, old, (ALREADY,))
        with turn(str(chosen.repo).replace("/", "--"), show):
            repository = Repository(chosen, offline=offline, show=show)
            choice = choose(_archived(chosen), repository.listing(), str(chosen.repo), missing, pictures)
            check_disk(repository, choice)
            for path in choice.paths():
                repository.obtain(path)
            assert repository.ledger is not None
            origin = f"https://huggingface.co/datasets/{chosen.repo} at {repository.ledger.commit}"
        found = sources(choice, lambda path: repository.folder / path, origin)
        return _converted(spec, chosen, found, folder, show)


def import_folder(spec: DatasetSpec, path: Path, *, features: Sequence[str] = (), show: Show = silent) -> Conversion:
    """Convert the published files of `spec` in the folder `path`, which stays as it is.

    Args:
        spec: a data set with mirrors.
        path: a copy of the repository, or of the data set's folder in it.
        features: feature sets; default: all whose files are there.
        show: told of progress.

    Raises:
        UnknownNameError: no such feature set.
        DataError: the folder does not hold the data set.
        OutputError: the store cannot be written.
    """
    _refuse_unmirrored(spec)
    for name in features:
        if name not in spec.features:
            raise UnknownNameError("feature set", name, spec.features, f"Data set: {spec.id}.")
    with turn(spec.id, show):
        folder, old = _present(spec)
        mirror, found = local_sources(spec, path, features)
        if old is not None and mirror.name != old.mirror:
            raise _other_mirror(spec, mirror.name, old, folder)
        new = {name for name in found.features if old is None or name not in old.features}
        if old is not None and not new and (found.pictures is None or "images.parquet" in old.files):
            return Conversion(folder, old, (ALREADY,))
        return _converted(spec, mirror, found, folder, show)


def _converted(spec: DatasetSpec, mirror: Mirror, found: Sources, folder: Path, show: Show) -> Conversion:
    from magbench.data.published.convert import convert  # loads torch, which a refusal need not wait for

    show(f"converting {spec.id}", 0, 0)
    return convert(spec, mirror, found, folder)


def check_disk(repository: Repository, choice: Choice) -> None:
    """Raise OutputError unless there is room for the downloads and for what is made of them.

    A feature file becomes a float32 file of at most twice its size; pictures are copied twice.
    """
    features = {path for parts in choice.features.values() for path in parts.values()}
    made = sum(2 * repository.size(path) for path in features)
    made += 2 * repository.size(choice.pictures) if choice.pictures else 0
    needed = repository.missing_bytes(choice.paths()) + made
    home = next(folder for folder in (paths.home(), *paths.home().parents) if folder.is_dir())
    free = shutil.disk_usage(home).free
    if free < needed:
        raise OutputError(
            f"{paths.home()} has {free / 1e9:.1f} GB free, but {needed / 1e9:.1f} GB are needed for download and "
            "conversion. Free space, or set MAGBENCH_HOME to a folder on another disk."
        )


def _refuse_unmirrored(spec: DatasetSpec) -> None:
    if not spec.mirrors:
        ways = {"embedded": "ships with magbench", "synthetic": "is generated"}
        raise DataError(f"Data set {spec.id} {ways.get(spec.source, 'is published nowhere')}; there is nothing to get.")


def _refuse_unpublished(spec: DatasetSpec) -> None:
    _refuse_unmirrored(spec)
    if not any(mirror.repo for mirror in spec.mirrors):
        raise DataError(
            f"Data set {spec.id} is not published on a hub. If you have its files, run "
            f"`magbench data import {spec.name} PATH`."
        )


def _present(spec: DatasetSpec) -> tuple[Path, Meta | None]:
    """Where the store is or will be, and its meta.json; what a killed process left beside it is removed.

    Raises:
        DataError: the store is damaged.
    """
    folder = dataset_folder(spec)
    for orphan in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(orphan, ignore_errors=True)
    if not folder.exists():
        return folder, None
    try:
        meta = read_meta(folder)
        check_sizes(folder, meta)
    except DataError as error:
        raise DataError(f"The data set is here, but damaged: {error} Remove {folder} first.") from error
    return folder, meta


def _mirror(spec: DatasetSpec, name: str | None, features: Sequence[str], old: Meta | None) -> Mirror:
    known = tuple(spec.features)
    for feature in features:
        if feature not in known:
            raise UnknownNameError("feature set", feature, known, f"Data set: {spec.id}.")
    if name is None:
        fitting = [mirror.name for mirror in spec.mirrors if set(features) <= set(mirror.features)]
        name = old.mirror if old is not None else next(iter(fitting), None)
    mirror = spec.mirror(name)
    if old is not None and mirror.name != old.mirror:
        raise _other_mirror(spec, mirror.name, old, dataset_folder(spec))
    for feature in features:
        if feature not in mirror.features:
            hint = f"Mirror {mirror.name} of data set {spec.id}."
            raise UnknownNameError("feature set", feature, mirror.features, hint)
    return mirror


def _archived(mirror: Mirror) -> Mirror:
    """The mirror with its pictures as one archive: a folder of files is taken from a disk, not from a hub."""
    archives = tuple(pattern for pattern in mirror.files.get(PICTURES, ()) if not pattern.endswith("/"))
    return mirror.model_copy(update={"files": {**mirror.files, PICTURES: archives}}) if archives else mirror


def _other_mirror(spec: DatasetSpec, name: str, old: Meta, folder: Path) -> DataError:
    return DataError(
        f"Data set {spec.id} is here already, from the mirror {old.mirror}; it cannot be mixed with files of {name}. "
        f"Remove {folder} first."
    )


@contextmanager
def turn(name: str, show: Show) -> Iterator[None]:
    """Wait until no other process works on `name`."""
    try:
        with locks.turn(name, lambda: show(f"waiting for another process to finish with {name}", 0, 0)):
            yield
    except OSError as error:
        raise OutputError(f"{paths.home()}: {error}. Free space, or set MAGBENCH_HOME to another folder.") from error
