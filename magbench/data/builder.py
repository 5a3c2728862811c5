"""Writing the files of a store: into a hidden folder first, fsynced and hashed, then put in place.

A new store appears in one rename. Files added to a store that is there already are moved in before meta.json, which
names them, is replaced; so a reader sees the old store or the new one, and a killed process leaves a hidden folder.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Self
from uuid import uuid4

from magbench.data.meta import META, FileEntry, Meta
from magbench.errors import OutputError


class StoreBuilder:
    """A context manager; ``files`` collects size and hash of what was written, for meta.json.

    Raises:
        OutputError: on leaving the context, when something could not be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder.parent / f".{folder.name}.{uuid4().hex}"
        self.files: dict[str, FileEntry] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        shutil.rmtree(self.temporary, ignore_errors=True)
        if isinstance(error, OSError):
            raise OutputError(f"Cannot write the data set to {self.folder}: {error}.") from error

    def path(self, name: str) -> Path:
        """Where to write the file `name`; its folder is made."""
        path = self.temporary / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, chunks: Iterable[bytes | memoryview]) -> None:
        """Write a data file from its bytes, piece by piece."""
        digest, size = hashlib.sha256(), 0
        with self.path(name).open("wb") as stream:
            for chunk in chunks:
                digest.update(chunk)
                size += stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        self.files[name] = FileEntry(bytes=size, sha256=digest.hexdigest())

    def take(self, name: str) -> None:
        """Take up a data file that somebody else wrote to :meth:`path`."""
        path = self.temporary / name
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(stream.fileno())
        self.files[name] = FileEntry(bytes=path.stat().st_size, sha256=digest)

    def write_document(self, name: str, text: str) -> None:
        """Write a file that carries no data, so that meta.json does not name it."""
        self.write(name, [text.encode()])
        del self.files[name]

    def publish(self, meta: Meta) -> None:
        """Make the new store appear."""
        self.write_document(META, meta.to_json())
        self.temporary.rename(self.folder)
        sync_folder(self.folder.parent)

    def add(self, meta: Meta) -> None:
        """Move the files into the store that is there; `meta` names the old ones and the new ones."""
        for name in self.files:
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (self.temporary / name).replace(target)
        self.write_document(META, meta.to_json())
        (self.temporary / META).replace(self.folder / META)
        sync_folder(self.folder)


def sync_folder(folder: Path) -> None:
    """fsync a folder, so that a rename in it outlives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
