"""A repository of the Hugging Face hub, and the files fetched from it: whole, verified, or not there.

The library ``huggingface_hub`` lists, transfers and resumes; it does not look at what arrives. Here every file is
compared with a sha256: the one that the data set's specification names, else the one recorded when the file was first
fetched, else the hub's own (LFS sha256 or git blob id). The ledger, ``magbench.lock.json`` beside the files, records
commit, sizes and hashes, so that a revision such as ``main`` stays what it was at the first download.

::

    $MAGBENCH_HOME/hub/<owner>--<name>/magbench.lock.json
    $MAGBENCH_HOME/hub/<owner>--<name>/<path>                  a verified file
    $MAGBENCH_HOME/hub/<owner>--<name>/<path>.<hash>.part      an interrupted transfer, continued by the next
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from magbench import paths
from magbench.data.meta import FileEntry
from magbench.errors import DataError, MagbenchError, OutputError
from magbench.files import replace_files
from magbench.specs import Mirror

LEDGER = "magbench.lock.json"

Show = Callable[[str, int, int], None]
"""Told of progress: what is fetched, bytes done, bytes in all."""


class Ledger(BaseModel):
    """What was fetched from a repository: path → size and sha256, all of one commit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    commit: str
    files: dict[str, FileEntry] = {}


class Repository:
    """The repository of `mirror`; ``offline`` uses nothing but what was fetched before."""

    def __init__(self, mirror: Mirror, *, offline: bool, show: Show) -> None:
        assert mirror.repo is not None
        self.mirror, self.repo, self.show = mirror, mirror.repo, show
        self.offline = offline or os.environ.get("HF_HUB_OFFLINE", "0").lower() in ("1", "true", "yes", "on")
        self.folder = paths.home() / "hub" / self.repo.replace("/", "--")
        self.ledger = self._read_ledger()
        self.remote: dict[str, Any] = {}

    def listing(self) -> list[str]:
        """The paths of the repository; offline, those fetched before.

        Raises:
            DataError: the hub cannot be reached, or has no such repository or revision.
        """
        if self.offline:
            if self.ledger is None:
                raise DataError(f"Nothing of {self.repo} was fetched before. Run again without --offline.")
            return sorted(self.ledger.files)
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        with self._reaching("its list of files"):
            api = HfApi(endpoint=_endpoint())
            revision = self.ledger.commit if self.ledger else self.mirror.revision
            commit = api.dataset_info(self.repo, revision=revision).sha
            tree = api.list_repo_tree(self.repo, repo_type="dataset", revision=commit, recursive=True)
            self.remote = {entry.path: entry for entry in tree if isinstance(entry, RepoFile) and _inside(entry.path)}
        if self.ledger is None:
            self.ledger = Ledger(commit=str(commit))
        return sorted(self.remote)

    def missing_bytes(self, wanted: Sequence[str]) -> int:
        """How much is still to be transferred."""
        return sum(self.size(path) - self._done(path) for path in wanted)

    def size(self, path: str) -> int:
        """The size of a listed file."""
        if path in self.remote:
            return int(self.remote[path].size)
        assert self.ledger is not None
        return self.ledger.files[path].bytes

    def obtain(self, path: str) -> Path:
        """The verified file `path` of the repository, from the cache or from the hub.

        Raises:
            DataError: it cannot be fetched, or is not what it should be (then it is removed).
            OutputError: it cannot be written.
        """
        target = self.folder / path
        if target.is_file():
            problem, entry = self._verify(path, target)
            if problem is None:
                self._record(path, entry)
                return target
            target.unlink()
            if self.offline:
                raise DataError(f"{target}: {problem}. It is removed; run again without --offline.")
        if self.offline:
            raise DataError(f"{path} of {self.repo} was not fetched before. Run again without --offline.")
        part = self._part(path)
        self._transfer(path, part)
        problem, entry = self._verify(path, part)
        if problem:
            part.unlink()
            raise DataError(
                f"{path} of {self.repo}: {problem}. It is removed; run the command again, and if that does not help, "
                f"the file was changed after it was recorded in {self.folder / LEDGER}."
            )
        part.rename(target)
        self._record(path, entry)
        return target

    def _transfer(self, path: str, part: Path) -> None:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import build_hf_headers, disable_progress_bars  # type: ignore[attr-defined]

        assert self.ledger is not None
        disable_progress_bars("huggingface_hub.http_get")  # they would be drawn over ours
        size, done = self.size(path), self._done(path)
        url = hf_hub_url(self.repo, path, repo_type="dataset", revision=self.ledger.commit, endpoint=_endpoint())
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            with _Meter(part, lambda written: self.show(path, written, size)) as stream:
                if done < size:
                    with self._reaching(path):
                        http_get(url, stream, resume_size=done, headers=build_hf_headers(), expected_size=size)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise OutputError(f"{part} cannot be written: {error}. Free space, or set MAGBENCH_HOME.") from error

    def _part(self, path: str) -> Path:
        """The unfinished file; its name carries the content's hash, so that nothing of another version is continued."""
        entry = self.remote[path]
        return self.folder / f"{path}.{(entry.lfs.sha256 if entry.lfs else entry.blob_id)[:12]}.part"

    def _done(self, path: str) -> int:
        if (self.folder / path).is_file() or path not in self.remote:
            return self.size(path)
        part = self._part(path)
        done = part.stat().st_size if part.is_file() else 0
        if done > self.size(path):
            part.unlink()
            return 0
        return done

    def _verify(self, path: str, file: Path) -> tuple[str | None, FileEntry]:
        """How `file` differs from what `path` must be, None when it does not; and its size and sha256, in one pass."""
        recorded = self.ledger.files.get(path) if self.ledger else None
        remote = self.remote.get(path)
        known = self.mirror.sha256.get(path) or (recorded and recorded.sha256)
        expected = known or (remote.lfs.sha256 if remote is not None and remote.lfs else None)
        by_git = expected is None and remote is not None
        entry, blob_id = _hashes(file, by_git)
        found, kind = entry.sha256, "sha256"
        if expected is None and remote is not None:
            found, expected, kind = blob_id, remote.blob_id, "git blob id"
        return None if found == expected else f"found {kind} {found}, expected {expected}", entry

    def _record(self, path: str, entry: FileEntry) -> None:
        assert self.ledger is not None
        if path in self.ledger.files:
            return
        self.ledger = self.ledger.model_copy(update={"files": {**self.ledger.files, path: entry}})
        replace_files({self.folder / LEDGER: (self.ledger.model_dump_json(indent=1) + "\n").encode()})

    def _read_ledger(self) -> Ledger | None:
        path = self.folder / LEDGER
        try:
            return Ledger.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{path} is damaged: {reason}. Remove it; the files are then verified anew.") from error

    @contextmanager
    def _reaching(self, what: str) -> Iterator[None]:
        try:
            yield
        except (MagbenchError, KeyboardInterrupt):
            raise
        except Exception as error:  # the library lets its own errors through, those of its HTTP client, and OSErrors
            if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
                raise
            reason = (str(error).splitlines() or [""])[0].rstrip(".")
            raise DataError(
                f"{self.repo}: {what} cannot be fetched from {_endpoint() or 'https://huggingface.co'}: "
                f"{type(error).__name__}: {reason}. Run the command again: it goes on where it stopped."
            ) from error


class _Meter(io.FileIO):
    """A file to append to that tells how long it is."""

    def __init__(self, path: Path, tell: Callable[[int], None]) -> None:
        super().__init__(path, "ab")
        self._tell = tell

    def write(self, content: Any) -> int:
        written = super().write(content)
        self._tell(self.tell())
        return written


def _inside(path: str) -> bool:
    """Whether a path that the hub lists stays below the folder it is put in."""
    return not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts


def _endpoint() -> str | None:
    """``$HF_ENDPOINT``, read now: the library reads it only when it is imported."""
    return os.environ.get("HF_ENDPOINT") or None


def _hashes(path: Path, by_git: bool) -> tuple[FileEntry, str]:
    """Size and sha256 of a file and, if `by_git`, its git blob id, in one pass."""
    size, content = path.stat().st_size, hashlib.sha256()
    blob = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            content.update(chunk)
            if by_git:
                blob.update(chunk)
    return FileEntry(bytes=size, sha256=content.hexdigest()), blob.hexdigest()
