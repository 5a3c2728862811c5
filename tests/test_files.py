"""Files are exchanged as a whole and all together."""

from __future__ import annotations

from pathlib import Path

import pytest

from magbench.files import replace_files


def test_all_files_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    replace_files({first: b"1", second: b"1"})
    whole = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if ".b." in path.name:
            path.touch()
            raise OSError(28, "No space left on device")
        return whole(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        replace_files({first: b"2", second: b"2"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"1", "b": b"1"}
