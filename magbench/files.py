"""Files written whole: a reader sees the old content or the new one, and a full disk leaves the old."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def replace_files(contents: Mapping[Path, bytes]) -> None:
    """Exchange files as a whole and all together; their folders must be there.

    Args:
        contents: path → new content. Each is written beside its target first, then all are renamed.

    Raises:
        OSError: one cannot be written; then all are as they were.
    """
    staged = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in contents}
    try:
        for path, temporary in staged.items():
            temporary.write_bytes(contents[path])
        for path, temporary in staged.items():
            temporary.replace(path)
    finally:
        for temporary in staged.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
