"""Where numbers come from."""

from __future__ import annotations

from outcomes import make_cell as cell

from magbench.tables.provenance import commands, environment, failures, identities


def test_commands_make_the_cells_again() -> None:
    cells = [
        cell(method, seed)
        for method in ("mlp", "mlp+dagr", "sage+optimag[lam=10,loss_norm=mass2]")
        for seed in (2, 0, 1)
    ]
    assert commands(cells) == (
        "magbench run -t node_classification/emoji@1 -m mlp -m mlp+dagr -m 'sage+optimag[lam=10,loss_norm=mass2]' "
        "--protocol quickstart@1 --seeds 0-2",
    )


def test_odd_seeds() -> None:
    (line,) = commands([cell("mlp+dagr", seed) for seed in (0, 5, 2)])
    assert line.endswith("--seeds 0,2,5")


def test_commands_are_quoted() -> None:
    (line,) = commands([cell("a;rm -rf", 3)])
    assert "-m 'a;rm -rf'" in line and line.endswith("--seeds 3")


def test_environment_lists_every_distinct_value() -> None:
    cells = [cell("a", 0), cell("a", 1, env={"python": "3.12.1", "gpu": None, "packages": {"torch": "2.13.0"}})]
    assert environment(cells) == {"cores": ("2",), "packages.torch": ("2.13.0",), "python": ("3.11.9", "3.12.1")}


def test_identities_align_with_their_names() -> None:
    names, rows = identities(
        [cell("b", 0, keys={"x": "1", "y": "2"}), cell("a", 0, keys={"y": "3"}), cell("c", 0, keys={})]
    )
    assert names == ("y", "x")
    assert [(found.method, found.values) for found in rows] == [("a", ("3", "")), ("b", ("2", "1"))]


def test_failures_are_sorted_and_long_errors_keep_their_end() -> None:
    cells = [
        cell("b", 1, status="failed", error="x" * 9_000 + "ValueError: end"),
        cell("b", 0, status="timeout", error=""),
    ]
    first, second = failures([*cells, cell("a", 0)])
    assert (first.seed, first.status, first.error) == (0, "timeout", "no error was recorded")
    assert second.error.startswith("… x") and second.error.endswith("ValueError: end") and len(second.error) < 4_100
