"""Which published files a data set needs: the patterns of a mirror, matched against what is there.

The same choice serves the hub (paths of a repository) and a folder of a user's (paths below it).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from magbench.data.formats.pictures import SUFFIXES
from magbench.data.formats.published import Files
from magbench.errors import DataError
from magbench.specs import DatasetSpec, FeatureFile, Mirror

PICTURES = "images"

FeaturePaths = Mapping[str, Mapping[str, Path]]
"""Feature set → modality → file."""


@dataclass(frozen=True)
class Sources:
    """Files on this machine: the layout's by role, feature files by set and modality, the pictures if wanted."""

    files: Files
    features: FeaturePaths
    pictures: Path | None
    origin: str


@dataclass(frozen=True)
class Choice:
    """Chosen paths, relative to the repository: the layout's by role, features by set and modality, pictures."""

    files: dict[str, str]
    features: dict[str, dict[str, str]]
    pictures: str | None

    def paths(self) -> list[str]:
        """Every path, once, in a fixed order."""
        features = [path for parts in self.features.values() for path in parts.values()]
        return list(dict.fromkeys([*self.files.values(), *features, *([self.pictures] if self.pictures else [])]))


def choose(mirror: Mirror, listing: Sequence[str], where: str, features: Iterable[str], pictures: bool) -> Choice:
    """Match the patterns of `mirror` against `listing`; `where` names it in errors.

    Raises:
        DataError: a pattern matches no path, or several; names pattern and paths.
    """
    roles = {role: patterns for role, patterns in mirror.files.items() if role != PICTURES}
    return Choice(
        files={role: match(patterns, listing, where, role) for role, patterns in roles.items()},
        features={
            name: {m: match((part.file,), listing, where, f"{m} features {name}") for m, part in files.items()}
            for name, files in mirror.features.items()
            if name in features
        },
        pictures=match(mirror.files[PICTURES], listing, where, PICTURES) if pictures else None,
    )


def match(patterns: Iterable[str], listing: Sequence[str], where: str, what: str) -> str:
    """The one path that the first fitting pattern matches; a pattern that ends in ``/`` names a folder."""
    tried = tuple(patterns)
    for pattern in tried:
        found = sorted({path for entry in listing if (path := _matched(pattern, entry))})
        if len(found) > 1:
            raise DataError(
                f"{where}: {what}: {pattern!r} matches {len(found)} files: {', '.join(found[:6])}; expected one. "
                "Name it in the data set's TOML file."
            )
        if found:
            return found[0]
    folder = tried[0].rpartition("/")[0].lower()
    near = [path for path in listing if path.rpartition("/")[0].lower() == folder] or list(listing)
    names = [name for path in near if not (name := path.rpartition("/")[2]).lower().endswith(SUFFIXES)]
    shown = f"{', '.join(names[:8])}{', …' if len(names) > 8 else ''}" if names else "no such file"
    raise DataError(f"{where}: {what}: {' or '.join(map(repr, tried))} is missing; found {shown}.")


def _matched(pattern: str, path: str) -> str | None:
    """`path` if it matches (``*`` stays inside a folder), or the folder part of it that a folder's pattern matches."""
    parts = path.split("/")[: len(pattern.rstrip("/").split("/"))]
    if not pattern.endswith("/") and len(parts) < len(path.split("/")):
        return None
    names = pattern.rstrip("/").split("/")
    fits = len(parts) == len(names) and all(map(fnmatch, map(str.lower, parts), map(str.lower, names)))
    return "/".join(parts) if fits else None


def local_sources(spec: DatasetSpec, path: Path, features: Sequence[str] = ()) -> tuple[Mirror, Sources]:
    """The files of `spec` in the folder `path`: a copy of the whole repository, or of the data set's folder in it.

    Args:
        spec: the data set.
        path: a folder.
        features: the feature sets to take; default: all whose files are there.

    Returns:
        The mirror whose layout fits, and the files.

    Raises:
        DataError: `path` is no folder, or holds no mirror's files; names what is missing.
    """
    path = path.expanduser().resolve()
    if not path.is_dir():
        raise DataError(f"{path} is no folder. Give the folder with the published files of {spec.id}.")
    problems = []
    for mirror in spec.mirrors:
        folder = Folder(mirror, path)
        try:
            wanted = list(features) or folder.feature_sets() or list(mirror.features)[:1]
            choice = choose(mirror, folder.listing, str(path), wanted, folder.has_pictures())
        except DataError as error:
            problems.append(f"As {mirror.name}: {error}")
            continue
        if set(features) <= set(choice.features) and choice.features:
            return mirror, sources(choice, folder.real, f"imported from a folder in the layout {mirror.layout}")
        others = ", ".join(name for name in wanted if name not in choice.features)
        problems.append(f"As {mirror.name}: {others} is none of its feature sets.")
    raise DataError(f"{path} does not hold {spec.id}. {' '.join(problems)}")


def sources(choice: Choice, real: Callable[[str], Path], origin: str) -> Sources:
    """The chosen files where they really are."""
    return Sources(
        files={role: real(path) for role, path in choice.files.items()},
        features={name: {m: real(path) for m, path in parts.items()} for name, parts in choice.features.items()},
        pictures=real(choice.pictures) if choice.pictures else None,
        origin=origin,
    )


class Folder:
    """A user's folder seen as the repository of `mirror`: itself a copy of it, or of the data set's folder in it."""

    def __init__(self, mirror: Mirror, path: Path) -> None:
        self.mirror = mirror
        self.whole = (path / mirror.folder).is_dir()
        self.root, self.folder = (path, path / mirror.folder) if self.whole else (path.parent, path)
        patterns = [*sum(mirror.files.values(), ()), *(f.file for s in mirror.features.values() for f in s.values())]
        beside = {pattern.partition("/")[0] for pattern in patterns} - {mirror.folder}
        depth = max(len(pattern.rstrip("/").split("/")) for pattern in patterns) - 1
        self.listing = [f"{mirror.folder}/{name}" for name in _files_below(self.folder, depth)]
        for name in sorted(beside):
            self.listing += [f"{name}/{file}" for file in _files_below(self.root / name, depth)]

    def real(self, path: str) -> Path:
        """The file or folder that stands for `path` of the repository."""
        first, _, rest = path.partition("/")
        return self.folder / rest if first == self.mirror.folder else self.root / path

    def feature_sets(self) -> list[str]:
        """The feature sets whose files are all there."""
        return [name for name, parts in self.mirror.features.items() if all(map(self._has, parts.values()))]

    def has_pictures(self) -> bool:
        """Whether there is an archive or a folder of pictures."""
        patterns = self.mirror.files.get(PICTURES, ())
        return any(_matched(pattern, path) for pattern in patterns for path in self.listing)

    def _has(self, part: FeatureFile) -> bool:
        return any(_matched(part.file, path) for path in self.listing)


def _files_below(folder: Path, depth: int) -> list[str]:
    """Files up to `depth` levels down, and the folders of that level with a ``/``; what cannot be looked into is left
    out."""
    found = []
    for place, folders, files in os.walk(folder):
        inside = Path(place).relative_to(folder)
        found += [(inside / name).as_posix() for name in files]
        if len(inside.parts) == depth - 1:
            found += [f"{(inside / name).as_posix()}/" for name in folders]
            folders.clear()
    return sorted(found)
