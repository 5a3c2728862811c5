"""Who comes second waits, says so once, and goes on when the first is done."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

import pytest

from magbench.locks import name_of, turn


def test_the_second_waits_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGBENCH_HOME", str(tmp_path))
    waits, order = Event(), []

    def second() -> None:
        with turn("thing", waits.set):
            order.append("second")

    with turn("thing", lambda: order.append("nobody is there to wait for")):
        other = Thread(target=second)
        other.start()
        assert waits.wait(10)
        with turn("another thing"):
            order.append("first")
    other.join()
    assert order == ["first", "second"]


def test_a_path_has_one_name(tmp_path: Path) -> None:
    assert name_of(tmp_path / "x" / ".." / "a") == name_of(tmp_path / "a") != name_of(tmp_path / "b")
