"""The registry: every door a method comes through, broken plugins, and names that nobody knows."""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from magbench import registry as module
from magbench.errors import MethodError, SpecError, UnknownNameError
from magbench.method_string import parse_method
from magbench.registry import PluginWarning, Registry
from magbench.stats.controls import PLAIN, split_control
from magbench.train.compose import compose

FILE = '''
from magbench.api import Method, register_method

@register_method("tiny", citation=["Nobody 2020."])
class Tiny(Method):
    """A tiny method.

    More of it.
    """

    def fit(self, view, *, seed): ...
    def predict(self, view): ...
'''
TOML = 'name = "plugged"\nkind = "method"\nclass = "{package}:Tiny"\ntitle = "Plugged"\n'


@pytest.fixture(scope="module")
def shipped() -> Registry:
    with warnings.catch_warnings():
        warnings.simplefilter("error", PluginWarning)
        return Registry.default()


def test_everything_shipped_loads(shipped: Registry) -> None:
    for entry in shipped.methods.values():
        assert entry.load().__doc__
        assert len(entry.source_hash()) == 64
        assert entry.spec.title
    assert {"mlp", "gcn", "sage", "gat", "logistic_regression", "label_propagation"} <= set(shipped.methods)


def test_everything_shipped_fits_together(shipped: Registry) -> None:
    for task in shipped.tasks.values():
        assert task.dataset in shipped.datasets
        assert task.family != "node_classification" or task.label in shipped.dataset(task.dataset).labels
    for suite in shipped.suites.values():
        for part in suite.whole_parts:
            protocol, tasks = shipped.protocol(part.protocol), [shipped.task(name) for name in part.tasks]
            assert set(suite.seeds or ()) <= set(protocol.seeds)
            known = {name for task in tasks for name in shipped.dataset(task.dataset).features}
            assert set(part.features) <= known, suite.name
            families = {task.family for task in tasks}
            names = [compose(text, shipped, protocol, family).name for family in families for text in part.methods]
            assert names == list(part.methods) * len(families), suite.name  # canonical: kept cells are found again
            assert len(set(part.methods)) == len(part.methods), suite.name


def test_coupled_rows_of_suites_have_their_control_on_noise(shipped: Registry) -> None:
    rows = set()
    for suite in shipped.suites.values():
        for part in suite.whole_parts:
            for text in part.methods:
                towers = getattr(shipped.method(parse_method(text).host.name).load(), "towers", None)
                tasks = [task for task in part.tasks if task.startswith("retrieval/") and towers == "coupled"]
                rows |= {(*split_control(task), text) for task in tasks}
    alone = {(task, text) for task, control, text in rows if control == PLAIN and (task, "random", text) not in rows}
    assert rows and not alone


@pytest.mark.parametrize(
    "name", ["node_classification/synthetic-conflict", "nc/synthetic-conflict", "nc/synthetic-conflict@1"]
)
def test_ways_to_name_a_task(name: str, shipped: Registry) -> None:
    assert shipped.task(name).versioned_id == "node_classification/synthetic-conflict@1"


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("task", "nc/synthetic-conflit", "Did you mean 'node_classification/synthetic-conflict'"),
        (
            "task",
            "synthetic-conflict",
            "node_classification/synthetic-conflict or retrieval/synthetic-conflict.",
        ),
        ("task", "nc/synthetic-conflict@9", "version of node_classification/synthetic-conflict '9'. Available: 1."),
        ("dataset", "synthetic_conflict", "Did you mean 'synthetic-conflict'"),
        ("method", "gcnn", "Did you mean 'gcn'"),
        ("protocol", "standart@1", "Did you mean 'standard@1'"),
        ("suite", "quickstrat", "Did you mean 'quickstart'"),
        ("method", "zzzzzzzz", "Available: adamic_adar, "),
    ],
)
def test_unknown_names(kind: str, name: str, expected: str, shipped: Registry) -> None:
    with pytest.raises(UnknownNameError) as caught:
        getattr(shipped, kind)(name)
    assert expected in str(caught.value)


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(FILE)
    registry = Registry.default([tmp_path / "tiny.py"])
    entry = registry.method("tiny")
    assert entry.spec.title == "A tiny method."
    assert entry.spec.citation == ("Nobody 2020.",)
    assert entry.source == tmp_path / "tiny.py"
    assert entry.load().__name__ == "Tiny"


def test_an_imported_class_is_not_registered_again(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(FILE)
    registry = Registry.default([tmp_path / "tiny.py"])
    home = registry.method("tiny").load().__module__
    (tmp_path / "other.py").write_text(f"from {home} import Tiny\n")
    with pytest.raises(MethodError, match="registers no method"):
        registry.add_path(tmp_path / "other.py")


def test_the_source_hash_follows_the_file(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(FILE)
    before = Registry.default([tmp_path / "tiny.py"]).method("tiny").source_hash()
    (tmp_path / "tiny.py").write_text(FILE + "# more\n")
    assert Registry.default([tmp_path / "tiny.py"]).method("tiny").source_hash() != before


def package(folder: Path, name: str, toml: str, code: str = FILE) -> Path:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code.replace("@register_method", "#"))
    (folder / name / "method.toml").write_text(toml)
    return folder / name


def test_two_folders_of_one_name_are_two_methods(tmp_path: Path) -> None:
    """Also where the name is that of a module which was imported long before."""
    folders = []
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        toml = TOML.format(package="statistics").replace("plugged", version).replace(":Tiny", ".inner:Tiny")
        folders.append(package(tmp_path / version, "statistics", toml, "from .inner import Tiny\n"))
        (folders[-1] / "inner.py").write_text(
            FILE.replace("@register_method", "#").replace("class Tiny", f"{version} = 1\n\n\nclass Tiny")
        )
    registry = Registry.default(folders)
    for version in ("v1", "v2"):
        found = registry.method(version).load()
        assert hasattr(sys.modules[found.__module__], version)


@pytest.mark.parametrize(
    ("toml", "code", "message"),
    [
        ("elsewhere", FILE, r"must name a class of this folder, e\.g\. mine:Tiny"),
        ("mine", "from mine.helpers import x\n", r"relatively \(from \.file import name\)"),
    ],
)
def test_a_folder_that_cannot_be_imported(tmp_path: Path, toml: str, code: str, message: str) -> None:
    with pytest.raises(MethodError, match=message):
        Registry().add_path(package(tmp_path, "mine", TOML.format(package=toml), code))


def test_two_classes_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text(FILE + "\n\n" + FILE.replace("class Tiny", "class Other"))
    with pytest.raises(MethodError, match="taken by a class before it, Tiny"):
        Registry().add_path(tmp_path / "twice.py")


def test_versions_of_data_sets() -> None:
    registry = Registry.default()
    assert registry.dataset("emoji@1") is registry.dataset("emoji")
    with pytest.raises(UnknownNameError, match="version of emoji"):
        registry.dataset("emoji@99")


def test_a_folder(tmp_path: Path) -> None:
    folder = package(tmp_path, "a_folder_of_mine", TOML.format(package="a_folder_of_mine"))
    registry = Registry.default([folder])
    assert registry.method("plugged").load().__name__ == "Tiny"
    (folder / "notes.md").write_text("not code")
    before = registry.method("plugged").source_hash()
    (folder / "more.py").write_text("")
    assert registry.method("plugged").source_hash() != before


def test_a_method_may_be_something_else_in_a_family(tmp_path: Path) -> None:
    form = '\n[forms.retrieval]\nkind = "network"\nclass = "mine:Other"\n'
    code = FILE + "\n\n" + FILE.replace("class Tiny", "class Other")
    entry = Registry.default([package(tmp_path, "mine", TOML.format(package="mine") + form, code)]).method("plugged")
    there = entry.of("retrieval")
    assert (entry.load().__name__, there.load().__name__) == ("Tiny", "Other")
    assert (there.spec.kind, there.source) == ("network", entry.source)
    assert entry.of("node_classification") == entry
    assert entry.spec.does("retrieval") and not entry.spec.does("link_prediction")


@pytest.mark.parametrize("path", ["nowhere.py", "nowhere", "."])
def test_no_method_there(path: str, tmp_path: Path) -> None:
    with pytest.raises(MethodError, match=r"expected a \.py file or a folder with a method\.toml"):
        Registry().add_path(tmp_path / path)


def test_a_broken_folder_that_the_user_named_raises(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read as TOML"):
        Registry().add_path(package(tmp_path, "broken_toml", "name ="))


def test_broken_plugins_warn_and_hide_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    package(tmp_path, "plugin_that_works", TOML.format(package="plugin_that_works"))
    package(tmp_path, "plugin_with_bad_toml", "name =")
    package(tmp_path, "plugin_with_taken_name", TOML.format(package="x").replace("plugged", "mlp"))
    names = ["plugin_with_bad_toml", "plugin_with_taken_name", "plugin_that_is_gone", "plugin_that_works"]
    found = [EntryPoint(name=name, value=name, group="magbench.methods") for name in names]
    monkeypatch.setattr(module, "entry_points", lambda group: found)
    with pytest.warns(PluginWarning) as caught:
        registry = Registry.default()
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 3
    for name, message in zip(names, messages, strict=False):
        assert repr(name) in message
        assert "is left out" in message
    assert registry.method("plugged").spec.title == "Plugged"
    assert {"mlp", "sage"} <= set(registry.methods)


def test_an_option_of_a_method_may_have_the_name_of_one_of_the_family(tmp_path: Path) -> None:
    """What trains itself takes no option of the loop's objective, so its own of that name stays its own."""
    (tmp_path / "mine.py").write_text(
        "from magbench.api import Method, Options, register_method\n\n\n"
        "class MyOptions(Options):\n    temperature: float = 1.0\n\n\n"
        '@register_method("mine", families=("retrieval",))\n'
        'class Mine(Method):\n    Options = MyOptions\n    towers = "pure"\n'
    )
    registry = Registry.default()
    (name,) = registry.add_path(tmp_path / "mine.py")
    found = compose(f"{name}[temperature=0.5]", registry, registry.protocol("standard@1"), "retrieval")
    assert found.config == {"training": {}, name: {"temperature": 0.5}}
