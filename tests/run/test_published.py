"""The published data sets, as miniatures: imported or fetched on the command line, then run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from data import miniatures
from data.hub_stub import Hub
from lab import Lab, cells

from magbench.results.frame import read_cells
from magbench.results.keep import keep
from magbench.results.kept import kept_cells
from magbench.tables.listing import listing_of


def splits(out: Path) -> dict[str, set[tuple[int, ...]]]:
    """Task name → the sets of test nodes that its cells predict."""
    import numpy as np

    found: dict[str, set[tuple[int, ...]]] = {}
    for path in out.glob("**/record.json"):
        task = json.loads(path.read_text())["task"]["id"].partition("/")[2]
        with np.load(path.with_name("predictions.npz")) as arrays:
            found.setdefault(task, set()).add(tuple(sorted(arrays["nodes"].tolist())))
    return found


def test_data_that_are_not_here_are_named_with_the_command_that_gets_them(lab: Lab, tmp_path: Path) -> None:
    message = lab.run("-t", "nc/toys", "-m", "mlp", "--out", tmp_path / "runs").one_message()
    assert "`magbench data get toys`" in message
    assert "`magbench data import toys PATH`" in message
    assert not (tmp_path / "runs").exists()
    for command in (("data", "card", "toys"), ("data", "verify", "toys"), ("data", "card", "sports")):
        assert "magbench data get" in lab.call(*command).one_message()
    rows = {row["data set"]: row["here"] for row in lab.call("ls", "datasets", "--json").json()["datasets"]}
    assert (rows["toys@1"], rows["emoji@1"], rows["toy@1"]) == ("no", "yes", "yes")


def test_movies_are_imported_and_run_with_drawn_and_fixed_splits(lab: Lab, tmp_path: Path) -> None:
    miniatures.install(lab.tasks, "movies")
    folder = miniatures.write_magb(tmp_path / "repo")
    plain = lab.call("data", "import", "mini-movies", folder)
    assert plain.code == 0, plain.err
    unique = len({frozenset(edge) for edge in miniatures.edges().T.tolist() if edge[0] != edge[1]})
    assert f"1 self-loops, {unique} unique undirected edges, 1 isolated nodes" in plain.out
    assert "the same edges" in plain.out
    again = lab.call("data", "import", "mini-movies", folder, "--json").json()
    assert again["published"]["undirected_edges"] == unique
    card = lab.call("data", "card", "mini-movies").out
    assert "as published: " in card
    assert lab.call("data", "verify", "mini-movies").code == 0
    out = tmp_path / "runs"
    outcome = lab.run(
        "-t", "nc/mini-movies", "-t", "nc/mini-movies-magb42", "-m", "mlp", "--seeds", "0,1", "--out", out
    )
    assert outcome.code == 0, outcome.err
    tested = splits(out)
    assert len(tested["mini-movies"]) == 2
    assert len(tested["mini-movies-magb42"]) == 1


def test_methods_are_compared_over_the_nodes_of_a_fixed_split(lab: Lab, tmp_path: Path) -> None:
    import numpy as np

    miniatures.install(lab.tasks, "movies")
    lab.call("data", "import", "mini-movies", miniatures.write_magb(tmp_path / "repo"))
    out, a, b = tmp_path / "runs", "mlp", "sage"
    outcome = lab.run(
        "-t", "nc/mini-movies", "-t", "nc/mini-movies-magb42", "-m", a, "-m", b, "--seeds", "0,1", "--out", out
    )
    assert outcome.code == 0, outcome.err
    right = {}
    for name, folder in cells(out / "node_classification" / "mini-movies-magb42@1").items():
        with np.load(folder / "predictions.npz") as arrays:
            assert (np.diff(arrays["nodes"]) > 0).all()
            right[name] = arrays["scores"].argmax(axis=1) == miniatures.LABELS[arrays["nodes"]]
    assert len(right) == 4
    # Every one of the 2^6 sign patterns of the six test nodes' differences, averaged over the two seeds.
    gain = (right[f"{b} 0"].astype(int) - right[f"{a} 0"] + right[f"{b} 1"] - right[f"{a} 1"]) / 2
    signs = np.array([[1 - 2 * (code >> bit & 1) for bit in range(6)] for code in range(64)])
    p = (np.abs(signs @ gain) >= abs(gain.sum()) - 1e-9).mean()
    assert len(gain) == 6 and gain.any()

    found = lab.call("compare", a, b, "--runs", out, "--json").json()["comparisons"]
    rows = {row["task"].partition("/")[2]: row for row in found}
    assert rows["mini-movies@1"]["test"] == "corrected t over seeds"
    fixed = rows["mini-movies-magb42@1"]
    assert fixed["test"] == "sign-flip permutation over items" and fixed["n_seeds"] == 2
    assert (fixed["difference"], fixed["p"]) == (pytest.approx(gain.mean()), pytest.approx(p))
    (fixed,) = lab.call(
        "compare", a, b, "-t", "nc/mini-movies-magb42", "--metric", "macro_f1", "--runs", out, "--json"
    ).json()["comparisons"]
    assert fixed["p"] is None and "macro_f1 is no mean over test items" in fixed["note"]
    plain = lab.call("compare", a, b, "-t", "nc/mini-movies-magb42", "--metric", "macro_f1", "--runs", out)
    assert "no test" in plain.out and "nan" not in plain.out
    assert {row["metric"] for row in lab.call("results", "ls", "--runs", out, "--json").json()["results"]} == {
        "accuracy"
    }
    page = Path(lab.call("report", "--runs", out, "--json").json()["report"]).read_text()
    assert "sign flips over test items" in page and "corrected resampled t" in page
    stored = [cell for cell in read_cells(out) if "magb42" in cell.record.task.id]
    with lab.environment():
        keep(stored, tmp_path / "kept")
    assert listing_of(stored, "accuracy") == listing_of(kept_cells(tmp_path / "kept"), "accuracy")


def test_ele_fashion_is_fetched_and_run_on_the_official_split(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    miniatures.install(lab.tasks, "ele-fashion")
    miniatures.write_mmgraph(tmp_path / "repo", "ele-fashion")
    with Hub(tmp_path / "repo", "mm-graph-org/mm-graph") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        fetched = lab.call("data", "get", "mini-ele-fashion", "--features", "clip", "--features", "t5-dino", "--images")
    assert fetched.code == 0, fetched.err
    assert "features t5-dino: text 4 (T5); image 4 (DINOv2)" in fetched.out
    assert "pictures: yes; licence Apache-2.0" in fetched.out
    assert "ele-fashion/clip_feat.pt (0.0 MB)" in fetched.err
    outcome = lab.run("-t", "nc/mini-ele-fashion", "-m", "mlp", "--seeds", "0,1", "--out", tmp_path / "runs")
    assert outcome.code == 0, outcome.err
    assert len(cells(tmp_path / "runs")) == 2
    (tested,) = splits(tmp_path / "runs")["mini-ele-fashion"]
    assert not {3, 4} & set(tested)


def test_wrong_input_gets_one_message(lab: Lab, tmp_path: Path) -> None:
    bare = tmp_path / "Movies"
    bare.mkdir()
    for name in ("MoviesGraph.pt", "Movies.csv"):
        (bare / name).write_bytes(b"")
    for arguments, expected in (
        (("get", "emoji"), "ships with magbench"),
        (("get", "flickr8k1k"), "magbench data import flickr8k1k PATH"),
        (("get", "toys", "--features", "clipp"), "Unknown feature set 'clipp'"),
        (("get", "toys", "--mirror", "hf"), "Available: magb, mmag"),
        (("get", "toys", "--offline"), "without --offline"),
        (("import", "toys", tmp_path / "none"), "is no folder"),
        (("import", "toys", tmp_path), "does not hold toys@1. As magb:"),
        (("import", "toys", "/"), "/ does not hold toys@1. As magb:"),
        (("import", "movies", bare), "text features roberta+clip-l14: 'Movies/TextFeature/"),
        (("import", "toys", tmp_path, "--features", "x"), "Unknown feature set 'x'"),
    ):
        assert expected in lab.call("data", *arguments).one_message()
