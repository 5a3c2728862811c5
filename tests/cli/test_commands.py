"""Every command: JSON and nothing else under ``--json``, plans that run nothing, plain lines away from a terminal."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from lab import Lab, cells

from magbench.cli.output import is_live, print_table
from magbench.results.kept import kept_cells


@pytest.mark.parametrize(
    "arguments",
    [
        ("version",),
        ("ls",),
        ("ls", "tasks"),
        ("ls", "methods"),
        ("ls", "datasets"),
        ("ls", "protocols"),
        ("ls", "suites"),
        ("ls", "methods", "goma[steps=2]"),
        ("ls", "tasks", "ret/emoji[pool=all]"),
        ("data", "ls"),
        ("data", "card", "toy"),
        ("data", "card", "toy", "--seed", "1", "--html", "OUT/card.html"),
        ("data", "verify", "toy"),
        ("doctor",),
        ("cite",),
        ("cite", "mlp+optimag", "nc/toy", "toy"),
        ("results", "ls", "--runs", "RUNS"),
        ("results", "ls", "--runs", "RUNS", "--metric", "macro_f1"),
        ("results", "ls", "--kept", "-t", "ret/emoji[edge_swap=0.5]"),
        ("results", "keep", "--runs", "RUNS", "--to", "OUT/kept"),
        ("results", "reported"),
        ("results", "reported", "-t", "ret/toys"),
        ("compare", "mlp", "mlp[hidden=8]", "--runs", "RUNS"),
        ("compare", "mlp", "label_propagation", "-t", "nc/toy", "--runs", "RUNS"),
        ("report", "--runs", "RUNS", "--out", "OUT/report"),
        ("run", "-t", "nc/toy", "-m", "mlp", "--plan", "--out", "OUT/runs"),
    ],
    ids=" ".join,
)
def test_json_and_nothing_else(arguments: tuple[str, ...], lab: Lab, finished: Path, tmp_path: Path) -> None:
    filled = [argument.replace("RUNS", str(finished)).replace("OUT", str(tmp_path)) for argument in arguments]
    outcome = lab.call(*filled, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json() is not None
    plain = lab.call(*filled)
    assert plain.code == 0, plain.err
    assert plain.out.strip()


def test_the_version_is_an_option_too(lab: Lab) -> None:
    assert lab.call("--version").out == lab.call("version").out


def test_results_of_a_task_and_its_variants(lab: Lab, finished: Path) -> None:
    found = lab.call("results", "ls", "--kept", "-t", "ret/emoji[edge_swap=0.5]", "--json").json()
    asked = {f"retrieval/emoji[{noise}edge_swap=0.5]@1" for noise in ("", "control=random,")}
    assert {row["task"] for row in found["results"]} == asked
    assert found["controls"]
    assert "No finished cell of nc/emoji is in" in lab.call("results", "ls", "--runs", finished, "-t", "nc/emoji").err
    assert "Did you mean" in lab.call("results", "ls", "--kept", "-t", "nc/emojy").one_message()


def test_reported_numbers_stand_with_what_their_source_leaves_open(lab: Lab) -> None:
    assert "pool, encoder and direction not stated" in lab.call("results", "reported", "-t", "ret/toys").out
    assert "No paper's number is quoted for nc/toy" in lab.call("results", "reported", "-t", "nc/toy").err
    assert "Did you mean" in lab.call("results", "reported", "-t", "ret/toyz").one_message()


@pytest.mark.parametrize("width", [60, 100, 160])
def test_tables_keep_numbers_whole_where_there_is_room(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("magbench.cli.output.PIPE_WIDTH", width)
    monkeypatch.delenv("COLUMNS", raising=False)
    numbers = {f"{n}": "0.542 ± 0.003" for n in range(4)}
    print_table(
        [{"method": 3 * "goma[readout=fixed,step=1]", **numbers}], {"method": "method", **{n: n for n in numbers}}
    )
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= width
    assert (shown.count("0.542 ± 0.003") == 4) is (width > 60)
    assert shown.count("0.542") == 4


def test_options_are_listed_as_they_are_written(lab: Lab, tmp_path: Path) -> None:
    found = lab.call("ls", "methods", "mlp+optimag[relative_eps=0.9,mu=degree]", "--json").json()
    assert list(found) == [
        "mlp in lp (standard@1)",
        "mlp in nc (standard@1)",
        "mlp in ret (standard@1)",
        "optimag in lp, nc, ret (standard@1)",
    ]
    in_force = [{row["option"]: row["in force"] for row in rows} for rows in found.values()]
    assert [table["dropout"] for table in in_force[:3]] == ["0.2", "0.5", "0.5"], "link prediction has its own"
    given = ("relative_eps", "mu", "tol", "detach_mean")
    assert [in_force[3][name] for name in given] == ["0.9", "degree", "none", "false"]
    allowed = {row["option"]: row["allowed"] for row in found["optimag in lp, nc, ret (standard@1)"]}
    assert allowed["mu"] == "uniform or degree"
    assert allowed["alpha"] == "float >= 0, <= 1"
    assert all(row["what"] for row in found["mlp in nc (standard@1)"])
    method = tmp_path / "mine.py"
    method.write_text(
        "from magbench.api import Method, Options, register_method\n\n"
        "class MyOptions(Options):\n    rounds: int = 3\n    'How often.'\n\n"
        "@register_method('mine', families=['node_classification'])\n"
        "class Mine(Method):\n    Options = MyOptions\n"
        "    def fit(self, view, *, seed): ...\n    def predict(self, view): ...\n"
    )
    assert lab.call("ls", "methods", method, "--json").json() == {
        "mine in nc (standard@1)": [{"option": "rounds", "in force": "3", "allowed": "int", "what": "How often."}]
    }
    assert "common_neighbours in lp (standard@1): none" in lab.call("ls", "methods", "common_neighbours").out
    assert "only methods and tasks have options" in lab.call("ls", "datasets", "emoji").one_message()
    assert "Did you mean 'goma'" in lab.call("ls", "methods", "gma").one_message()


def test_run_prints_json(lab: Lab, tmp_path: Path) -> None:
    outcome = lab.run("-t", "nc/toy", "-m", "label_propagation", "--seeds", "0,1", "--out", tmp_path, "--json")
    found = outcome.json()
    assert [row["n_seeds"] for row in found["results"]] == [2]
    assert found["failed"] == []
    assert Path(found["report"]).is_file()


def test_one_seed_has_no_interval(lab: Lab, tmp_path: Path) -> None:
    outcome = lab.run("-t", "nc/toy", "-m", "label_propagation", "--seeds", "2", "--out", tmp_path, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json()["results"][0]["std"] is None
    assert "nan" not in lab.call("results", "ls", "--runs", tmp_path).out


def test_compare_names_a_method_without_results(lab: Lab, finished: Path) -> None:
    message = lab.call("compare", "mlp", "gcn", "--runs", finished).one_message()
    assert "'gcn'" in message
    assert "label_propagation, mlp, mlp[hidden=8]" in message
    assert "-m 'gcn'" in message


def test_a_plan_runs_nothing(lab: Lab, tmp_path: Path) -> None:
    found = lab.run("-t", "nc/toy", "-m", "mlp", "-m", "gcn", "--out", tmp_path / "runs", "--plan", "--json").json()
    assert (found["cells"], found["to_run"]) == (8, 8)
    assert not (tmp_path / "runs").exists()


def test_a_plan_knows_what_cells_cost(lab: Lab, finished: Path) -> None:
    found = lab.run("-t", "nc/toy", "-m", "mlp", "--out", finished, "--plan", "--json").json()
    assert (found["cells"], found["to_run"], found["without_estimate"]) == (4, 1, 0)
    assert found["estimate_s"] > 0
    assert "1 of 4 cells to run; about 00:00:0" in lab.run("-t", "nc/toy", "-m", "mlp", "--out", finished, "--plan").out
    new = lab.run("-t", "nc/toy", "-m", "gat+dagr", "--out", finished, "--plan").out
    assert "4 of 4 cells to run; no cell like them has run before." in new
    done = lab.run("-t", "nc/toy", "-m", "mlp", "--seeds", "0-2", "--out", finished, "--plan").out
    assert "All 3 cells are there." in done


def test_finished_cells_are_skipped(lab: Lab, finished: Path) -> None:
    before = {folder: (folder / "record.json").stat().st_mtime_ns for folder in cells(finished).values()}
    outcome = lab.run("-t", "nc/toy", "-m", "mlp", "--seeds", "0-2", "--out", finished, "--json")
    assert "3 of 3 cells are there already" in outcome.err
    assert {folder: (folder / "record.json").stat().st_mtime_ns for folder in cells(finished).values()} == before


def test_two_protocols_in_one_folder_stay_apart(lab: Lab, tmp_path: Path) -> None:
    short = (lab.tasks / "protocols" / "short.toml").read_text()
    shorter = short.replace('"short"', '"shorter"').replace("max_epochs = 10", "max_epochs = 5")
    (lab.tasks / "protocols" / "shorter.toml").write_text(shorter)
    for protocol in ("short@1", "shorter@1"):
        arguments = ("-t", "nc/toy", "-m", "label_propagation", "--seeds", "0-1", "--out", tmp_path)
        assert lab.call("run", *arguments, "--protocol", protocol, "--jobs", 1).code == 0
    outcome = lab.call("results", "ls", "--runs", tmp_path, "--json")
    assert outcome.code == 0, outcome.err
    assert [(row["protocol"], row["n_seeds"]) for row in outcome.json()["results"]] == [
        ("short@1", 2),
        ("shorter@1", 2),
    ]
    assert "shorter@1" in lab.call("results", "ls", "--runs", tmp_path).out
    for command in (("compare", "mlp", "gcn"), ("report",)):
        message = lab.call(*command, "--runs", tmp_path).one_message()
        assert "--protocol short@1 or shorter@1" in message
    assert lab.call("report", "--runs", tmp_path, "--protocol", "short@1").code == 0
    assert "'long@1'" in lab.call("report", "--runs", tmp_path, "--protocol", "long@1").one_message()
    (lab.tasks / "protocols" / "alias.toml").write_text(short.replace('"short"', '"alias"'))
    refused = lab.call("run", *arguments, "--protocol", "alias@1").one_message()
    assert "under the protocol short@1, which has the same seeds and constants as alias@1" in refused
    (lab.tasks / "protocols" / "alias.toml").unlink()


def test_a_record_of_another_schema_is_refused(lab: Lab, tmp_path: Path) -> None:
    arguments = ("-t", "nc/toy", "-m", "label_propagation", "--seeds", "0", "--out", tmp_path)
    assert lab.run(*arguments).code == 0
    (folder,) = cells(tmp_path).values()
    text = (folder / "record.json").read_text()
    (folder / "record.json").write_text(text.replace("magbench.record/2", "magbench.record/9"))
    for command in (
        ("run", "--protocol", "short@1", *arguments),
        ("results", "ls", "--runs", tmp_path),
        ("report", "--runs", tmp_path),
    ):
        message = lab.call(*command).one_message()
        assert str(folder / "record.json") in message
        assert "magbench.record/2" in message
        assert "magbench.record/9" in message


@pytest.mark.parametrize(
    ("terminal", "variables", "live"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"CI": "true"}, False),
        (False, {}, False),
    ],
)
def test_where_the_display_is_live(
    terminal: bool, variables: dict[str, str], live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_live(Stream()) is live


def test_plain_lines_on_a_terminal_without_colour(lab: Lab, tmp_path: Path) -> None:
    outer, inner = pty.openpty()
    arguments = ("-t", "nc/toy", "-m", "label_propagation", "--seeds", "0", "--out", str(tmp_path))
    command = [sys.executable, "-m", "magbench.cli.app", "run", "--protocol", "short@1", *arguments]
    environment = {**os.environ, **lab.variables, "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen(command, env=environment, stdout=inner, stderr=inner) as process:
        os.close(inner)
        shown = b""
        try:
            while chunk := os.read(outer, 4096):
                shown += chunk
        except OSError:  # how Linux says that the other end is closed
            pass
        os.close(outer)
    assert process.returncode == 0
    assert b"\x1b[" not in shown
    assert b"[1/1 " in shown


def test_the_live_bar_counts(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magbench.cli.progress.is_live", lambda stream: True)
    outcome = lab.run("-t", "nc/toy", "-m", "label_propagation", "--seeds", "0-1", "--out", tmp_path)
    assert outcome.code == 0, outcome.err
    assert "2/2" in outcome.err
    assert "label_propagation seed 1: accuracy" in outcome.err


def test_a_closed_pipe_is_no_error(lab: Lab) -> None:
    command = f"{sys.executable} -m magbench.cli.app ls --json | true"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], env={**os.environ, **lab.variables}, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1, 141)


def test_a_terminal_without_unicode_and_a_full_disk(lab: Lab) -> None:
    command = [sys.executable, "-m", "magbench.cli.app", "ls", "methods"]
    plain = {**os.environ, **lab.variables, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, env=plain, capture_output=True, text=True)
    assert done.returncode == 0 and "Adamic?Adar" in done.stdout
    for arguments in (command, [*command[:3], "version"]):
        for environment in (plain, {**os.environ, **lab.variables}):
            with Path("/dev/full").open("w") as full:
                done = subprocess.run(arguments, env=environment, stdout=full, stderr=subprocess.PIPE, text=True)
            assert (done.returncode, done.stderr.strip()) == (1, "Error: [Errno 28] No space left on device")


OWN = """
import numpy as np
from magbench.api import Method, RetrievalAnswer, register_method

@register_method("my_map", families=["retrieval"])
class MyMap(Method):
    towers = "pure"

    def fit(self, view, *, seed):
        first, second = view.sides.values()
        self.weight = np.linalg.pinv(first.x[view.train[0]].numpy()) @ second.x[view.train[1]].numpy()

    def predict(self, view):
        (a, first), (b, second) = view.sides.items()
        return RetrievalAnswer({a: first.x.numpy() @ self.weight, b: second.x.numpy()})
"""


def test_a_method_of_ones_own_beside_the_kept_ones(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = kept_cells()
    own = tmp_path / "my_map.py"
    own.write_text(OWN)
    done = lab.call("run", "-t", "ret/emoji", "-m", own, "--seeds", "0", "--out", tmp_path / "runs")
    assert done.code == 0, done.err
    folder = ("--runs", tmp_path / "runs")
    (row,) = lab.call("compare", "crossed_ridge", own, "-t", "ret/emoji", *folder, "--kept", "--json").json()[
        "comparisons"
    ]
    assert (row["pool"], row["n_seeds"]) == (381, 1) and row["mean_a"] == pytest.approx(0.274, abs=0.001)
    few = [
        cell for cell in kept if cell.record.task.id == "retrieval/emoji" and cell.record.method.name.endswith("ridge")
    ]
    monkeypatch.setattr("magbench.results.kept.kept_cells", lambda: [cell for cell in few if cell.record.seed < 2])
    assert lab.call("report", *folder, "--kept").code == 0
    page = (tmp_path / "runs" / "report" / "index.html").read_text()
    assert "crossed_ridge" in page and "<h1>magbench report</h1>" in page
    assert "Not part of magbench: <bdi><code>my_map</code></bdi>." in page


def test_the_leaderboards_page(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [cell for cell in kept_cells() if cell.record.task.id == "node_classification/emoji-coarse"]
    monkeypatch.setattr("magbench.results.kept.kept_cells", lambda: kept)
    monkeypatch.chdir(tmp_path)
    assert lab.call("report", "--kept").code == 0
    page = (tmp_path / "report" / "index.html").read_text()
    assert "<h1>magbench leaderboard</h1>" in page and "label_propagation" in page


def test_controls_are_planned(lab: Lab, tmp_path: Path) -> None:
    asked = ("run", "-t", "ret/emoji", "-m", "ridge", "--seeds", "0", "--plan", "--out", tmp_path, "--json")
    assert lab.call(*asked).json()["cells"] == 1
    assert lab.call(*asked, "--controls").json()["cells"] == 5


def test_compare_holds_two_tasks_of_one_data_set_apart(lab: Lab) -> None:
    found = lab.call("compare", "mlp", "sage", "-t", "nc/emoji", "-t", "nc/emoji-coarse", "--kept", "--json").json()
    tasks = {row["task"] for row in found["comparisons"]}
    assert {"node_classification/emoji@1", "node_classification/emoji-coarse@1"} <= tasks
    assert "Data set 'emoji' has 2 tasks" in found["across"]["summary"][0]
