"""The suite ``seven`` on miniatures of its data sets: planned with none of them, fetched, imported, run, reported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from data import miniatures
from data.hub_stub import Hub
from lab import Lab, stop_server

from magbench import paths

SEVEN = {
    "mini-movies": lambda root: miniatures.write_magb(root, "Movies"),
    "mini-toys": lambda root: miniatures.write_magb(root, "Toys"),
    "mini-grocery": lambda root: miniatures.write_magb(root, "Grocery"),
    "mini-reddit-s": lambda root: miniatures.write_magb(root, "Reddit-S"),
    "mini-flickr30k": lambda root: miniatures.write_mmag(root, "Flickr30k"),
    "mini-ele-fashion": lambda root: miniatures.write_mmgraph(root, "ele-fashion"),
    "mini-sports": lambda root: miniatures.write_mmgraph(root, "sports"),
}
FETCHED = "mini-reddit-s"
SETS = ("roberta+clip-l14", "llama3.2-1b+clip-l14")
SOME = ("label_propagation", "ppr", "mlp", "sage", "sage+optimag")
RUN = ("run", "--suite", "mini-seven", "--protocol", "short@1", "--seeds", "0", "--jobs", "2", "--json")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A laboratory of its own: the miniatures' specifications, and a home with nothing but compiled kernels."""
    from magbench.run.server import start_server

    found = Lab(tmp_path_factory.mktemp("seven"))
    paths.cache("kernels").mkdir(parents=True, exist_ok=True)
    (found.home / "cache").mkdir(parents=True)
    (found.home / "cache" / "kernels").symlink_to(paths.cache("kernels"))
    miniatures.install(found.tasks, *(name.removeprefix("mini-") for name in SEVEN))
    suite = (paths.content("tasks") / "suites" / "seven.toml").read_text(encoding="utf-8")
    (found.tasks / "suites" / "mini-seven.toml").write_text(miniatures.small(suite), encoding="utf-8")
    stop_server()
    with found.environment():
        start_server()
    yield found
    stop_server()


def plan(lab: Lab, *arguments: object) -> dict:  # type: ignore[type-arg]
    return lab.run("--suite", "mini-seven", "--seeds", "0", "--plan", "--json", *arguments).json()


def test_nothing_is_here(lab: Lab, tmp_path: Path) -> None:
    found = plan(lab, "--out", tmp_path / "runs")
    assert found["cells"] == found["to_run"] == len(found["plan"])
    assert not any(row["here"] for row in found["plan"])
    needs = {need["dataset"]: need for need in found["downloads"]}
    assert set(needs) == {f"{name}@1" for name in SEVEN}
    assert (
        needs["mini-toys@1"]["command"]
        == "magbench data get mini-toys --features roberta+clip-l14 --features llama3.2-1b+clip-l14"
    )
    assert needs["mini-flickr30k@1"]["command"] == "magbench data get mini-flickr30k"
    assert {needs[f"{name}@1"]["licence"] for name in ("mini-toys", "mini-sports", "mini-flickr30k")} == {
        "CC-BY-4.0",
        "Apache-2.0",
        "NOASSERTION",
    }
    sizes = {file["file"]: file["bytes"] for file in needs["mini-sports@1"]["files"]}
    assert sizes["sports-copurchase/clip_feat.pt"] == miniatures.NODES * 8 * 4  # text and image: 4 columns each
    assert sizes["sports-copurchase/lp-edge-split.pt"] is None
    assert needs["mini-sports@1"]["store_bytes"] == 2 * miniatures.NODES * (4 + 4) * 4
    assert found["disk"]["store_features"] == sum(need["store_bytes"] for need in needs.values())
    assert not (tmp_path / "runs").exists()
    assert not (lab.home / "datasets").exists()


def test_a_plan_for_people_names_commands_licences_and_what_is_unknown(lab: Lab, tmp_path: Path) -> None:
    text = lab.run("--suite", "mini-seven", "--plan", "--out", tmp_path).out
    assert "To be fetched first" in text
    assert "magbench data get mini-sports --features clip --features t5-dino\n" in text
    assert "not stated" in text
    assert "unknown" in text
    assert "GB are free" in text
    assert text.count("node_classification/mini-movies@1") == 2  # one row a feature set
    short = lab.run("-t", "lp/mini-sports", "-m", "sage", "--features", "imagebind", "--plan", "--out", tmp_path).out
    assert "magbench data get mini-sports --features imagebind\n" in short


def test_a_run_without_the_data_says_how_to_get_them(lab: Lab, tmp_path: Path) -> None:
    one = lab.run("-t", "lp/mini-toys", "-m", "sage", "--out", tmp_path / "runs").one_message()
    assert "A data set of this run is not on this machine: mini-toys@1 (roberta+clip-l14)" in one
    assert "`magbench data get mini-toys`, or `magbench data import mini-toys PATH`" in one
    seven = lab.run("--suite", "mini-seven", "--out", tmp_path / "runs").one_message()
    assert "7 data sets of this run are not on this machine" in seven
    assert "`magbench data get mini-ele-fashion --features clip --features t5-dino`" in seven
    local = lab.run("-t", "lp/flickr8k1k", "-m", "sage", "--out", tmp_path / "runs").one_message()
    assert "Run `magbench data import flickr8k1k PATH`." in local
    assert not (tmp_path / "runs").exists()


def test_names_that_do_not_fit(lab: Lab, tmp_path: Path) -> None:
    wrong = lab.run("--suite", "mini-seven", "-t", "nc/emoji", "--plan", "--out", tmp_path).one_message()
    assert "Unknown task of suite mini-seven 'node_classification/emoji'" in wrong
    wrong = lab.run(
        "-t", "nc/mini-toys", "-m", "sage", "--features", "roberta", "--plan", "--out", tmp_path
    ).one_message()
    assert "Unknown feature set 'roberta'. Did you mean 'roberta+clip-l14'?" in wrong
    mixed = ("--features", SETS[0], "--features", "mmag-clip-768", "--plan", "--out", tmp_path)
    wrong = lab.run("-t", "nc/mini-toys", "-m", "sage", *mixed).one_message()
    assert "no mirror has the feature sets roberta+clip-l14 and mmag-clip-768 together" in wrong
    wrong = lab.run("-t", "nc/mini-toys", "-t", "nc/emoji", "-m", "sage", "--features", SETS[0], "--plan").one_message()
    assert "Unknown feature set 'roberta+clip-l14'. Available: minilm+efflite0. Data set: emoji@1." in wrong


@pytest.fixture(scope="module")
def here(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All seven in the home: one through the hub, the others imported; the repositories are gone afterwards."""
    root = tmp_path_factory.mktemp("published")
    for name, write in SEVEN.items():
        repository = root / name
        repository.mkdir()
        write(repository)
        if name == FETCHED:
            with Hub(repository, "Sherirto/MAGB") as hub, pytest.MonkeyPatch.context() as patch:
                patch.setenv("HF_ENDPOINT", hub.url)
                outcome = lab.call("data", "get", name, *(word for name in SETS for word in ("--features", name)))
        else:
            outcome = lab.call("data", "import", name, repository)
        assert outcome.code == 0, (name, outcome.err)
    shutil.rmtree(root)
    return lab.home


@pytest.fixture(scope="module")
def runs(lab: Lab, here: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some methods of the suite on all of its tasks, one seed of the short protocol."""
    out = tmp_path_factory.mktemp("runs")
    outcome = lab.call(*RUN, *(word for name in SOME for word in ("-m", name)), "--out", out)
    assert outcome.code == 0, outcome.err
    assert outcome.json()["failed"] == []
    return out


def records(runs: Path) -> list[dict]:  # type: ignore[type-arg]
    return [json.loads(path.read_text()) for path in runs.glob("*/*/*/*/0/record.json")]


def test_every_task_runs(lab: Lab, runs: Path) -> None:
    done = records(runs)
    assert {record["status"] for record in done} == {"ok"}
    assert len({record["run_id"] for record in done}) == len(done)
    assert {record["dataset"]["id"] for record in done} == set(SEVEN)
    assert {record["method"]["name"] for record in done} == set(SOME)
    found = plan(lab, "--out", runs)
    assert {row["task"] for row in found["plan"]} == {f"{r['task']['id']}@{r['task']['version']}" for r in done}
    assert (found["to_run"], found["downloads"]) == (found["cells"] - len(done), [])


@pytest.mark.slow
def test_the_whole_suite_runs(lab: Lab, runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs, tmp_path / "runs")
    outcome = lab.call(*RUN, "--out", tmp_path / "runs")
    assert outcome.code == 0, outcome.err
    assert outcome.json()["failed"] == []
    found = plan(lab, "--out", tmp_path / "runs")
    assert found["to_run"] == 0
    assert len(records(tmp_path / "runs")) == found["cells"]


def test_each_feature_set_has_results_of_its_own(lab: Lab, runs: Path) -> None:
    done = [record for record in records(runs) if record["task"]["id"] == "node_classification/mini-toys"]
    of_sage = {r["dataset"]["features"]: r for r in done if r["method"]["name"] == "sage"}
    assert set(of_sage) == set(SETS)
    assert len({record["dataset"]["sha256"]["features"] for record in of_sage.values()}) == 2
    assert {r["dataset"]["features"] for r in done if r["method"]["name"] == "label_propagation"} == {SETS[0]}
    rows = lab.call("results", "ls", "--runs", runs, "--json").json()["results"]
    rows = [row for row in rows if row["task"] == "node_classification/mini-toys@1" and row["method"] == "sage"]
    assert {row["features"] for row in rows} == set(SETS)


def test_two_feature_sets_are_never_compared(lab: Lab, runs: Path) -> None:
    command = ("compare", "mlp", "sage", "-t", "nc/mini-toys", "--runs", runs)
    message = lab.call(*command).one_message()
    assert f"have 2 feature sets: choose --features {SETS[1]} or {SETS[0]}" in message
    (row,) = lab.call(*command, "--features", SETS[1], "--json").json()["comparisons"]
    assert row["n_seeds"] == 1
    assert "Unknown feature set of these results 'clip'" in lab.call(*command, "--features", "clip").one_message()
    page = (runs / "report" / "index.html").read_text(encoding="utf-8")
    assert page.count(f"features <bdi>{SETS[1]}</bdi>") == 8  # two families of four data sets


def test_kept_results_of_two_feature_sets_lie_apart(lab: Lab, runs: Path, tmp_path: Path) -> None:
    assert lab.call("results", "keep", "--runs", runs, "--to", tmp_path).code == 0
    folder = tmp_path / "node_classification" / "mini-toys@1"
    assert (folder / "sage.jsonl").is_file()
    assert (folder / SETS[1] / "sage.jsonl").is_file()
    with lab.environment():
        from magbench.results.kept import kept_records

        assert {record.run_id for record in kept_records(tmp_path)} == {record["run_id"] for record in records(runs)}


def test_a_suite_with_parts_can_be_narrowed(lab: Lab, here: Path, tmp_path: Path) -> None:
    found = plan(lab, "--out", tmp_path, "-t", "nc/mini-toys", "-m", "mlp")
    # The part of methods that look at no features has one feature set, and it is one of the two.
    assert [(row["task"], row["features"], row["method"]) for row in found["plan"]] == [
        ("node_classification/mini-toys@1", features, "mlp") for features in SETS
    ]
    ranked = plan(lab, "--out", tmp_path, "-m", "ppr", "-m", "label_propagation")["plan"]
    assert {row["task"].partition("/")[0]: row["method"] for row in ranked} == {
        "node_classification": "label_propagation",
        "link_prediction": "ppr",
    }
    assert len(ranked) == 5 + 7
    other = plan(lab, "--out", tmp_path, "-t", "nc/mini-toys", "-t", "lp/mini-toys", "-m", "ppr[teleport=0.3]")["plan"]
    assert [(row["task"], row["method"]) for row in other] == [("link_prediction/mini-toys@2", "ppr[teleport=0.3]")]
    mixed = lab.run(
        "--suite", "mini-seven", "-t", "nc/mini-toys", "-m", "ppr", "--plan", "--out", tmp_path
    ).one_message()
    assert "'ppr' does link_prediction, not node_classification" in mixed
    one = plan(lab, "--out", tmp_path, "-t", "nc/mini-toys", "--features", SETS[1])
    assert {row["features"] for row in one["plan"]} == {SETS[1]}


def test_plans_scale_with_the_load(lab: Lab, runs: Path) -> None:
    """The miniatures' cells judge those of another protocol by its epochs: 300 of standard@1, 10 of short@1."""
    found = lab.call(
        "run", "-t", "nc/mini-movies", "-m", "sage", "--seeds", "0", "--out", runs, "--plan", "--json"
    ).json()
    (row,) = found["plan"]
    (known,) = [
        r
        for r in records(runs)
        if (r["task"]["id"], r["method"]["name"], r["dataset"]["features"])
        == ("node_classification/mini-movies", "sage", SETS[0])
    ]
    seconds = known["cost"]["fit_s"] + known["cost"]["predict_s"]
    assert row["exact"] is False
    assert row["s_cell"] > 20 * seconds
    assert row["memory"] >= 0.9 * known["cost"]["peak_rss"]
