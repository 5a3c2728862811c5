"""Taking turns: processes of one machine that work on one thing wait for each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from magbench import paths


@contextmanager
def turn(name: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock ``name`` (a file name) of this user and machine, once no other process does.

    Args:
        name: what is worked on.
        waiting: called once where another process has the lock.

    Raises:
        OSError: the folder of locks cannot be written.
    """
    folder = paths.home() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def name_of(target: Path) -> str:
    """The name of a path's lock: the same however the path is written."""
    return sha256(str(target.resolve()).encode()).hexdigest()[:16]
