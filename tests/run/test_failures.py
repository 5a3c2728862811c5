"""A cell that fails in any way becomes a record, and the others go on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from lab import Lab, Outcome, cells, temporaries

METHODS = """
import os, signal, time
import numpy as np
from magbench.api import Method, NodeAnswer, register_method

def uniform(view):
    return np.ones((len(view.test), view.num_classes), dtype=np.float32)

class Base(Method):
    def fit(self, view, *, seed):
        print("noise on stdout")
    def predict(self, view):
        return NodeAnswer(view.test.numpy(), uniform(view))

@register_method("fine")
class Fine(Base):
    pass

@register_method("raises")
class Raises(Base):
    def fit(self, view, *, seed):
        raise RuntimeError("no luck")

@register_method("exits")
class Exits(Base):
    def fit(self, view, *, seed):
        os._exit(7)

@register_method("leaves")
class Leaves(Base):
    def fit(self, view, *, seed):
        raise SystemExit(3)

@register_method("segfaults")
class Segfaults(Base):
    def fit(self, view, *, seed):
        os.kill(os.getpid(), signal.SIGSEGV)

@register_method("starves")
class Starves(Base):
    def fit(self, view, *, seed):
        os.kill(os.getpid(), signal.SIGKILL)

@register_method("allocates")
class Allocates(Base):
    def fit(self, view, *, seed):
        raise MemoryError()

@register_method("sleeps")
class Sleeps(Base):
    def fit(self, view, *, seed):
        time.sleep(600)

@register_method("wrong_type")
class WrongType(Base):
    def predict(self, view):
        return uniform(view)

@register_method("wrong_shape")
class WrongShape(Base):
    def predict(self, view):
        return NodeAnswer(view.test.numpy(), uniform(view)[:, :-1])

@register_method("nan")
class NaN(Base):
    def predict(self, view):
        return NodeAnswer(view.test.numpy(), uniform(view) * np.nan)

@register_method("missing")
class Missing(Base):
    def predict(self, view):
        return NodeAnswer(view.test.numpy()[1:], uniform(view)[1:])

@register_method("tells_text")
class TellsText(Base):
    def fit(self, view, *, seed):
        self.outcome.telemetry["note"] = "words"

@register_method("half_a_parameter")
class HalfAParameter(Base):
    def fit(self, view, *, seed):
        self.outcome.params = 2.5

@register_method("twice")
class Twice(Base):
    def predict(self, view):
        nodes = view.test.numpy().copy()
        nodes[0] = nodes[1]
        return NodeAnswer(nodes, uniform(view))
"""
CRASHES = {
    "raises": ("failed", "RuntimeError", "no luck"),
    "exits": ("failed", "Crash", "exit code 7"),
    "leaves": ("failed", "SystemExit", "3"),
    "segfaults": ("failed", "Crash", "signal 11 (SIGSEGV)"),
    "starves": ("oom", "OutOfMemory", "memory"),
    "allocates": ("oom", "MemoryError", ""),
    "sleeps": ("timeout", "Timeout", "--timeout"),
    "tells_text": ("failed", "ValueError", "could not convert string to float: 'words'"),
    "half_a_parameter": ("failed", "ValidationError", "params\n  Input should be a valid integer"),
}
BAD_PREDICTIONS = {
    "wrong_type": "ndarray, expected magbench.api.NodeAnswer",
    "wrong_shape": "scores must have shape [24, 3], found [24, 2]",
    "nan": "72 scores are NaN or infinite",
    "missing": "1 nodes missing",
    "twice": "1 nodes missing",
}


@pytest.fixture(scope="module")
def methods(lab: Lab) -> Path:
    path = lab.root / "my_methods.py"
    path.write_text(METHODS)
    return path


def run_all(lab: Lab, file: Path, names: list[str], out: Path, *extra: object) -> Outcome:
    chosen = [argument for name in names for argument in ("-m", f"{file}:{name}")]
    return lab.run("-t", "nc/toy", *chosen, "--seeds", "0", "--out", out, *extra)


@pytest.fixture(scope="module")
def crashed(lab: Lab, methods: Path) -> tuple[Outcome, Path]:
    out = lab.root / "crashed"
    return run_all(lab, methods, [*CRASHES, "fine"], out, "--timeout", 3, "--json"), out


def read(folder: Path) -> dict:
    return json.loads((folder / "record.json").read_text())


@pytest.mark.parametrize("name", CRASHES)
def test_a_crash_is_a_record(name: str, crashed: tuple[Outcome, Path]) -> None:
    status, kind, message = CRASHES[name]
    record = read(cells(crashed[1])[f"{name} 0"])
    assert record["status"] == status
    assert record["error"]["type"] == kind
    assert message in record["error"]["message"]
    assert record["scores"] == []


def test_the_others_go_on(crashed: tuple[Outcome, Path]) -> None:
    outcome, out = crashed
    assert read(cells(out)["fine 0"])["status"] == "ok"
    assert len(cells(out)) == len(CRASHES) + 1
    assert temporaries(out) == []
    assert outcome.code == 1
    shown = outcome.json()
    assert [row["method"] for row in shown["results"]] == ["fine"]
    assert {row["method"]: row["status"] for row in shown["failed"]} == {n: s for n, (s, _, _) in CRASHES.items()}


def test_failures_run_again_and_never_keeps_them(lab: Lab, methods: Path, tmp_path: Path) -> None:
    run_all(lab, methods, ["raises", "fine"], tmp_path)
    before = {name: (folder / "record.json").stat().st_mtime_ns for name, folder in cells(tmp_path).items()}
    run_all(lab, methods, ["raises", "fine"], tmp_path, "--overwrite", "never")
    never = {name: (folder / "record.json").stat().st_mtime_ns for name, folder in cells(tmp_path).items()}
    assert never == before
    outcome = run_all(lab, methods, ["raises", "fine"], tmp_path)
    assert "1 of 2 cells are there already" in outcome.err
    missing = {name: (folder / "record.json").stat().st_mtime_ns for name, folder in cells(tmp_path).items()}
    assert missing["fine 0"] == before["fine 0"]
    assert missing["raises 0"] > before["raises 0"]
    run_all(lab, methods, ["fine"], tmp_path, "--overwrite", "always")
    always = {name: (folder / "record.json").stat().st_mtime_ns for name, folder in cells(tmp_path).items()}
    assert always["fine 0"] > before["fine 0"]
    assert temporaries(tmp_path) == []


@pytest.fixture(scope="module")
def refused(lab: Lab, methods: Path) -> tuple[Outcome, Path]:
    out = lab.root / "refused"
    return run_all(lab, methods, list(BAD_PREDICTIONS), out), out


@pytest.mark.parametrize("name", BAD_PREDICTIONS)
def test_a_bad_prediction_is_refused(name: str, refused: tuple[Outcome, Path]) -> None:
    outcome, out = refused
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert BAD_PREDICTIONS[name] in outcome.err
    record = read(cells(out)[f"{name} 0"])
    assert record["error"]["user"] is True
    assert record["predictions"] is None


def test_debug_shows_the_traceback_of_a_method(lab: Lab, methods: Path, tmp_path: Path) -> None:
    outcome = run_all(lab, methods, ["raises"], tmp_path, "--debug")
    assert "no luck" in outcome.err
    assert f'File "{methods}"' in outcome.err


def test_a_segmentation_fault_leaves_its_traceback(crashed: tuple[Outcome, Path]) -> None:
    folder = cells(crashed[1])["segfaults 0"]
    assert str(folder.parent / ".log-0.txt") in read(folder)["error"]["message"]
    assert "my_methods.py" in (folder.parent / ".log-0.txt").read_text()


def test_what_a_method_prints_is_kept_apart(crashed: tuple[Outcome, Path]) -> None:
    folder = cells(crashed[1])["fine 0"]
    assert "noise" not in crashed[0].err
    assert (folder.parent / ".log-0.txt").read_text() == "noise on stdout\n"


def test_a_full_disk_loses_nothing(lab: Lab, methods: Path, tmp_path: Path) -> None:
    """A limit on the size of a file stands for the full disk, so that no privilege is needed."""
    assert run_all(lab, methods, ["fine"], tmp_path / "runs").code == 0
    kept = cells(tmp_path / "runs")

    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    arguments = ("run", "--protocol", "short@1", "-t", "nc/toy", "-m", "label_propagation", "--seeds", "0")
    environment = {"PYTHONDONTWRITEBYTECODE": "1"}
    outcome = lab.process(*arguments, "--out", tmp_path / "runs", preexec_fn=limit, env=environment)
    message = outcome.one_message_after_progress()
    assert "cannot be written: File too large" in message
    assert "Finished cells are kept" in message
    assert cells(tmp_path / "runs") == kept
    assert temporaries(tmp_path / "runs") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_a_full_file_system_loses_nothing(lab: Lab, tmp_path: Path) -> None:
    import subprocess

    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        outcome = lab.run("-t", "nc/toy", "-m", "mlp", "-m", "label_propagation", "--out", small / "runs")
        message = outcome.one_message_after_progress()
        assert "cannot be written: No space left on device" in message
        for folder in cells(small / "runs").values():
            assert read(folder)["status"] == "ok"
        assert temporaries(small / "runs") == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


EDITED = """
import os, pathlib
import numpy as np
from magbench.api import Method, NodeAnswer, register_method

@register_method("edits")
class Edits(Method):
    def fit(self, view, *, seed):
        if seed == 0:
            file = pathlib.Path(__file__)
            {edit}

    def predict(self, view):
        return NodeAnswer(view.test.numpy(), np.ones((len(view.test), view.num_classes), dtype=np.float32))
"""


def test_a_file_that_is_edited_during_a_run_gives_no_result_of_the_planned_key(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "edited.py"
    file.write_text(EDITED.format(edit="file.write_text(file.read_text() + '# other code' + chr(10))"))
    out = tmp_path / "runs"
    outcome = lab.run("-t", "nc/toy", "-m", file, "--seeds", "0-1", "--jobs", 1, "--out", out)
    assert outcome.code == 2
    assert "code, data or settings are not those that the run was planned with" in outcome.err
    found = {name: read(folder) for name, folder in cells(out).items()}
    assert (found["edits 0"]["status"], found["edits 1"]["status"]) == ("ok", "failed")


def test_a_file_that_breaks_during_a_run_does_not_stop_the_others(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(EDITED.format(edit="file.write_text('def')"))
    out = tmp_path / "runs"
    outcome = lab.run(
        "-t", "nc/toy", "-m", file, "-m", "label_propagation", "--seeds", "0-1", "--jobs", 1, "--out", out
    )
    assert outcome.code == 1
    assert "NO RESULT" in outcome.err and "1 cells left no result, e.g." in outcome.err
    assert set(cells(out)) == {"edits 0", "label_propagation 0", "label_propagation 1"}
    assert temporaries(out) == []
