"""Pictures of a published data set: a tar archive (compressed or not) or a folder, one file a node, in any order.

An archive is somebody else's: it is read member by member and never unpacked into folders. Links, devices, absolute
paths and ``..`` are refused, and so is a member too large for a picture. Pictures are not decoded here.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from magbench.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
LARGEST = 100 << 20
LARGEST_HEADER = 1 << 20
_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
COMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}


@dataclass
class Tally:
    """What a source of pictures held beside the pictures of nodes."""

    unknown: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)


def pictures(
    source: Path, node_of: Callable[[str], int | None], num_nodes: int, spool: IO[bytes], tally: Tally
) -> Iterator[bytes | None]:
    """The encoded picture of node 0, 1, … N−1, or None where it has none (an empty file is none).

    Args:
        source: a tar archive, or a folder with the files somewhere below it.
        node_of: the node of a file's name without folder and suffix.
        num_nodes: N.
        spool: an empty file, opened for reading and writing, for what comes before its turn.
        tally: filled with the names of files of no node and of second pictures of a node.

    Raises:
        DataError: the source is unreadable or dangerous, or none of its pictures belongs to a node.
    """
    places: dict[int, tuple[int, int]] = {}
    members = _folder(source) if source.is_dir() else _archive(source)
    for name, content in members:
        path = PurePosixPath(name)
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        node = node_of(path.stem)
        if node is None:
            tally.unknown.append(name)
        elif node in places:
            tally.repeated.append(name)
        elif content:
            places[node] = (spool.tell(), len(content))
            spool.write(content)
    if not places:
        sample = ", ".join(tally.unknown[:3]) or "no picture at all"
        raise DataError(f"{source}: found {sample}, expected pictures named after the nodes of the data set.")
    for node in range(num_nodes):
        offset, size = places.get(node, (0, 0))
        spool.seek(offset)
        yield spool.read(size) or None


def _folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            try:
                content = path.read_bytes()
            except OSError as error:
                raise DataError(f"{path} cannot be read: {error.strerror}.") from error
            yield path.relative_to(folder).as_posix(), content


def _archive(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with _open(path) as inner:
            stream = _Tail(inner)
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member) as archive:
                for member in archive:
                    _refuse_dangerous(path, member)
                    content = archive.extractfile(member) if member.isfile() else None
                    if content is not None:
                        yield member.name, content.read()
            stream.expect_end()
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path} cannot be read as a tar archive: {error}. Fetch the file again.") from error


def _open(path: Path) -> IO[bytes]:
    """The archive, decompressed as it is read; unlike tarfile's own decompression, a cut stream raises EOFError."""
    with path.open("rb") as stream:
        start = stream.read(6)
    for mark, opener in COMPRESSED.items():
        if start.startswith(mark):
            return opener(path)  # type: ignore[no-any-return]
    return path.open("rb")


class _Member(tarfile.TarInfo):
    """A member whose long name or extended header, which tarfile reads as a whole, is of a sensible size."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {self.size} bytes, allowed {LARGEST_HEADER}")
        return super()._proc_member(archive)  # type: ignore[misc,no-any-return]


class _Tail(io.RawIOBase):
    """A stream that remembers its last block: tarfile takes a cut archive for a short one."""

    def __init__(self, inner: IO[bytes]) -> None:
        self.inner, self.tail = inner, b""

    def read(self, size: int = -1) -> bytes:
        content = self.inner.read(size)
        self.tail = (self.tail + content[-tarfile.BLOCKSIZE :])[-tarfile.BLOCKSIZE :]
        return content

    def expect_end(self) -> None:
        """Raise EOFError unless the stream ends with a block of zeros, as archives do."""
        while self.read(1 << 20):
            pass
        if self.tail != bytes(tarfile.BLOCKSIZE):
            raise EOFError("it ends before its end mark")


def _refuse_dangerous(path: Path, member: tarfile.TarInfo) -> None:
    name = PurePosixPath(member.name.replace("\\", "/"))
    problem = ""
    if name.is_absolute() or ".." in name.parts:
        problem = "a path out of the archive"
    elif not (member.isfile() or member.isdir()):
        problem = "a link or device"
    elif member.size > LARGEST:
        problem = f"{member.size} bytes, allowed {LARGEST}"
    if problem:
        raise DataError(f"{path}: the member {member.name!r} is {problem}; the archive is refused. Do not unpack it.")
