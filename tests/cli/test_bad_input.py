"""Bad input to ``magbench run`` and its neighbours: one clear message, exit code 2, no traceback, nothing written."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import pytest
from lab import Lab

RUN = ("run", "-t", "nc/toy", "-m", "mlp")
REFUSED = {
    "task": (
        ("run", "-t", "nc/toi", "-m", "mlp"),
        ["'node_classification/toi'", "Did you mean 'node_classification/toy'?", "magbench ls tasks"],
    ),
    "task without family": (("run", "-t", "toy", "-m", "mlp"), ["'toy'", "node_classification/toy"]),
    "task version": (("run", "-t", "nc/toy@7", "-m", "mlp"), ["node_classification/toy", "'7'", "Available: 1"]),
    "method": (
        ("run", "-t", "nc/toy", "-m", "mpl"),
        ["Unknown method 'mpl'", "Did you mean 'mlp'?", "label_propagation"],
    ),
    "regulariser": (("run", "-t", "nc/toy", "-m", "mlp+optimga"), ["'optimga'", "Did you mean 'optimag'?"]),
    "regulariser alone": (("run", "-t", "nc/toy", "-m", "optimag"), ["mlp+optimag"]),
    "regulariser on a method": (
        ("run", "-t", "nc/toy", "-m", "label_propagation+optimag"),
        ["label_propagation", "not an encoder"],
    ),
    "method string": (("run", "-t", "nc/toy", "-m", "mlp["), ["'mlp['", "host[option=value]"]),
    "option": (
        (*RUN, "-o", "mlp.droput=.5"),
        ["mlp.droput", "Did you mean 'mlp.dropout'?", "Available: dropout, hidden, layers, lr"],
    ),
    "option of nobody": ((*RUN, "-o", "sage.dropout=.5"), ["method in option 'sage'", "mlp"]),
    "option form": ((*RUN, "-o", "dropout=.5"), ["'dropout=.5'", "METHOD.OPTION=VALUE"]),
    "option range": ((*RUN, "-o", "mlp.dropout=-1"), ["mlp.dropout = -1", "greater than or equal to 0"]),
    "option nan": ((*RUN, "-o", "mlp.lr=nan"), ["mlp.lr = nan", "finite"]),
    "option type": ((*RUN, "-o", "mlp.layers=many"), ["mlp.layers = 'many'", "integer"]),
    "rho negative": ((*RUN[:4], "mlp+optimag", "-o", "optimag.rho=-1"), ["optimag.rho", "-1"]),
    "rho nan": ((*RUN[:4], "mlp+optimag", "-o", "optimag.rho=nan"), ["optimag.rho", "nan"]),
    "rho type": ((*RUN[:4], "mlp+optimag", "-o", "optimag.rho=high"), ["optimag.rho", "'high'"]),
    "lam negative": ((*RUN[:4], "mlp+dagr", "-o", "dagr.lam=-1"), ["dagr.lam", "-1"]),
    "seeds falling": ((*RUN, "--seeds", "9-3"), ["'9-3'", "write 3-9"]),
    "seeds unknown": ((*RUN, "--seeds", "12"), ["'12'", "standard@1", "0, 1, 2"]),
    "seeds empty": ((*RUN, "--seeds", ""), ["''", "0-3"]),
    "seeds form": ((*RUN, "--seeds", "1;2"), ["'1;2'", "0-3"]),
    "suite": (("run", "--suite", "quickstrat"), ["'quickstrat'", "Did you mean 'quickstart'?"]),
    "protocol": ((*RUN, "--protocol", "standart@1"), ["'standart@1'", "Did you mean 'standard@1'?"]),
    "overwrite": ((*RUN, "--overwrite", "maybe"), ["'maybe'", "missing, never, always"]),
    "no task": (("run", "-m", "mlp"), ["--task"]),
    "no method": (("run", "-t", "nc/toy"), ["--method"]),
    "no such file": (("run", "-t", "nc/toy", "-m", "./nobody.py"), ["nobody.py", "method.toml"]),
    "data set": (("data", "card", "toi"), ["'toi'", "Did you mean 'toy'?"]),
    "feature set": (("data", "card", "toy", "--features", "clip"), ["'clip'", "synthetic", "toy@1"]),
    "data set to verify": (("data", "verify", "toi"), ["'toi'", "Did you mean 'toy'?"]),
    "runs folder": (("results", "ls", "--runs", "nowhere"), ["nowhere", "magbench run"]),
    "cite": (("cite", "mpl"), ["'mpl'", "Did you mean 'mlp'?"]),
    "scheduler": ((*RUN, "--scheduler", "tcp://127.0.0.1:1"), ["tcp://127.0.0.1:1", "scheduler"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, expected = REFUSED[case]
    message = lab.call(*arguments).one_message()
    for part in expected:
        assert part in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--jobs", "0"),
        ("run", "--timeout", "0"),
        ("fly",),
        ("run", "--fly"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], lab: Lab) -> None:
    outcome = lab.call(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert arguments[-1].lstrip("-") in outcome.err or arguments[-2] in outcome.err


def test_debug_shows_the_traceback(lab: Lab) -> None:
    outcome = lab.call("run", "-t", "nc/toi", "-m", "mlp", "--debug")
    assert outcome.code == 2
    assert "Traceback" in outcome.err
    assert "UnknownNameError" in outcome.err


def test_output_folder_is_a_file(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    message = lab.run("-t", "nc/toy", "-m", "label_propagation", "--out", tmp_path / "runs").one_message()
    assert str(tmp_path / "runs") in message
    assert "cannot be written" in message


@pytest.mark.parametrize(
    ("command", "path", "reason"),
    [
        (("data", "card", "toy", "--html"), "", "it is a folder"),
        (("data", "card", "toy", "--html"), "file/a/page.html", "file is no folder"),
        (("perf", "--html"), "file/page.html", "file is no folder"),
        (("perf", "--html"), "closed/page.html", "nothing may be written in"),
        (("report", "--out"), "file", "file is no folder"),
        (("report", "--studies", "--out"), "file/page", "file is no folder"),
        (("run", "-t", "nc/toy", "-m", "mlp", "--out"), "out", "it is a folder"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused_before_the_work(
    command: tuple[str, ...], path: str, reason: str, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "out" / "report" / "index.html").mkdir(parents=True)
    (tmp_path / "closed").mkdir()
    may = os.access

    def access(path: str | Path, mode: int) -> bool:
        return may(path, mode) and (mode == os.F_OK or Path(path).name != "closed")

    monkeypatch.setattr(os, "access", access)
    for module in ("magbench.board.collect", "magbench.run.scheduler", "magbench.run.workload"):
        import_module(module)  # first imported below, it would hold on to the stand-in
    for work in ("magbench.data.load.load_dataset", "magbench.run.server.start_server"):
        monkeypatch.setattr(work, lambda *_: pytest.fail("the work was begun"))
    message = lab.call(*command, tmp_path / path).one_message()
    assert f"{tmp_path / path}" in message and reason in message and f"Give {command[-1]} another path." in message


def test_output_folder_in_proc(lab: Lab) -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("no /proc on this system")
    message = lab.run("-t", "nc/toy", "-m", "label_propagation", "--out", "/proc/runs").one_message()
    assert "/proc/runs" in message
    assert "cannot be written" in message
