"""Compiled kernels: numba functions whose machine code is kept under ``MAGBENCH_HOME``.

Every cell of a run is a new process, and compiling a kernel takes seconds where loading it takes milliseconds. So each
kernel states its signature, is compiled when its module is imported, and is kept in ``cache/kernels/<name>-<hash>/``,
where the hash is that of the source file: an edited file never meets the machine code of an earlier one (numba writes
its index before the code, so a process killed in between would otherwise leave the two mixed up). ``NUMBA_CACHE_DIR``
goes first where it is set; where no folder can be written, kernels are compiled anew in each process.

Import a module of kernels inside the function that needs it (numba and the kernels take about half a second to load),
and keep the helpers of a kernel in the kernel's own file, or the hash does not see them change.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, ParamSpec, TypeVar, cast

from magbench import paths

P = ParamSpec("P")
R = TypeVar("R")

_LOCK = Lock()


def compiled(signature: str | None = None, **options: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorator: the function compiled by numba without the interpreter, its machine code kept.

    The compiled function lets other Python threads run (``nogil``). It does not check array bounds: callers do.

    Args:
        signature: numba's types of result and arguments, e.g. ``"float64(float64[::1], int32)"``; ``None`` for a helper
            that only other kernels of the same file call.
        options: further options of ``numba.njit``, e.g. ``fastmath={"reassoc"}``.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        import numba

        with _LOCK:
            config: Any = numba.config
            configured = config.CACHE_DIR
            config.CACHE_DIR = configured or str(folder(function))
            try:
                kernel = numba.njit(signature, cache=True, nogil=True, **options)(function)
            except (RuntimeError, OSError):  # nowhere to keep it; an error of another origin comes again
                kernel = numba.njit(signature, nogil=True, **options)(function)
            finally:
                config.CACHE_DIR = configured
        return cast(Callable[P, R], kernel)

    return decorate


def folder(function: Callable[..., object]) -> Path:
    """Where the machine code of a function is kept: one folder for each content of its source file."""
    source = Path(inspect.getfile(function))
    return paths.cache("kernels") / f"{source.stem}-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}"
