"""The registry: every task, data set, protocol, suite and method that can be named, found without importing any.

Methods come through four doors that lead to the same place: the shipped ``baselines/`` folder, entry points in the
group ``magbench.methods`` (a package with a ``method.toml``), ``-m FOLDER`` and ``-m FILE.py``. A broken plugin warns
and hides nothing else; a path that the user named and that is broken raises.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from magbench import paths
from magbench.errors import MagbenchError, MethodError, OptionError, SpecError, UnknownNameError
from magbench.method_string import MethodString
from magbench.specs import DatasetSpec, FamilySpec, MethodForm, MethodSpec, Protocol, TaskSpec, read_toml
from magbench.suites import Suite
from magbench.variants import make_variant, parse_options

ClassT = TypeVar("ClassT", bound=type)
MARK = "__magbench_spec__"


class PluginWarning(UserWarning):
    """A method from an entry point could not be read; everything else is still there."""


@dataclass(frozen=True)
class MethodEntry:
    """A registered name: its spec, the folder or file that is its source, and whether it comes with magbench."""

    spec: MethodSpec
    source: Path
    shipped: bool = False

    def of(self, family: str) -> MethodEntry:
        """The same as what it is in ``family``."""
        return replace(self, spec=self.spec.of(family))

    def load(self) -> type:
        """Import and return the class.

        Raises:
            MethodError: the module or the class cannot be imported.
        """
        module_name, _, attribute = self.spec.target.partition(":")
        try:
            found = getattr(importlib.import_module(module_name), attribute)
        except Exception as error:
            raise MethodError(
                f"Method {self.spec.name!r}: {self.spec.target!r} cannot be loaded: {type(error).__name__}: {error}."
            ) from error
        if not isinstance(found, type):
            raise MethodError(f"Method {self.spec.name!r}: {self.spec.target!r} is {found!r}, not a class.")
        return found

    def revision(self) -> int | str:
        """What tells one state of the method from another: its declared revision, which golden predictions guard, where
        it is shipped; else the sha256 of its files."""
        return self.spec.revision if self.shipped else self.source_hash()

    def source_hash(self) -> str:
        """sha256 over every file of the method's own: their paths below its folder, and their bytes."""
        return _hash_of(_source_files(self.source))


@dataclass
class Registry:
    """Names → specs. :meth:`default` reads the shipped content; :meth:`add_path` adds a user's method."""

    datasets: dict[str, DatasetSpec] = field(default_factory=dict)
    tasks: dict[str, TaskSpec] = field(default_factory=dict)
    protocols: dict[str, Protocol] = field(default_factory=dict)
    suites: dict[str, Suite] = field(default_factory=dict)
    methods: dict[str, MethodEntry] = field(default_factory=dict)
    families: dict[str, FamilySpec] = field(default_factory=dict)
    family_sources: dict[str, str] = field(default_factory=dict)
    """Family → sha256 of its code, where it is a user's own; else empty."""

    @classmethod
    def default(cls, method_paths: Iterable[str | Path] = ()) -> Registry:
        """The shipped tasks and baselines, the installed plugins, and the methods at ``method_paths``."""
        registry = cls()
        registry._read_tasks(paths.content("tasks"))
        for folder in _method_folders(paths.content("baselines")):
            registry._add_folder(folder, shipped=True)
        registry._add_plugins()
        if (own := paths.own_content()) is not None:
            registry._add_content(own)
        for path in method_paths:
            registry.add_path(path)
        return registry

    def dataset(self, name: str) -> DatasetSpec:
        """A data set by ``name`` or ``name@version``.

        Raises:
            UnknownNameError: no such data set or version.
        """
        name, _, version = name.partition("@")
        spec = _lookup(self.datasets, "data set", name, "See `magbench ls datasets`.")
        _check_version(spec.name, version, spec.version)
        return spec

    def task(self, name: str) -> TaskSpec:
        """A task by ``family/name`` or ``alias/name``, with a variant's options in brackets, with ``@version``.

        Raises:
            UnknownNameError: no such task, version, option or value.
            OptionError, DataError: the options cannot be read, or not be met by the data set.
        """
        unversioned, _, version = name.partition("@")
        unversioned, bracket, options = unversioned.partition("[")
        family, slash, rest = unversioned.partition("/")
        aliases = {spec.alias: spec.name for spec in self.families.values()}
        full = f"{aliases.get(family, family)}{slash}{rest}"
        same_name = [task.id for task in self.tasks.values() if not slash and task.name == family]
        hint = f"Write {' or '.join(same_name)}." if same_name else "See `magbench ls tasks`."
        spec = _lookup(self.tasks, "task", full, hint)
        _check_version(spec.id, version, spec.version)
        if not bracket:
            return spec
        if not options.endswith("]"):
            raise OptionError(f"Task {name!r}: the bracket is not closed; write {spec.id}[option=value].")
        chosen = parse_options(options[:-1], spec.id)
        return make_variant(spec, chosen, self.family(spec.family), self.dataset(spec.dataset))

    def find_task(self, name: str) -> TaskSpec | None:
        """As :meth:`task`; ``None`` where nothing is called so."""
        try:
            return self.task(name)
        except MagbenchError:
            return None

    def examples(self, method: MethodString) -> list[TaskSpec]:
        """A task of each family that every component of a method does, on the smallest data set that ships.

        Raises:
            UnknownNameError: a component is not registered.
        """
        specs = [self.method(part.name).spec for part in method.components]
        here = [task for task in self.tasks.values() if self.dataset(task.dataset).source != "store"]
        here.sort(key=lambda task: self.dataset(task.dataset).counts.get("nodes", 1 << 62), reverse=True)
        found = {task.family: task for task in here if all(self.family(task.family).takes(spec) for spec in specs)}
        return list(found.values())

    def variants(self, task: TaskSpec) -> list[TaskSpec]:
        """The variants of a task in one option that its data set can meet."""
        options = self.family(task.family).variants
        names = [f"{task.id}[{name}={value}]" for name, option in options.items() for value in option.values]
        found = {spec.id: spec for name in names if (spec := self.find_task(name)) is not None}
        return [spec for spec in found.values() if spec.id != task.id]

    def family(self, name: str) -> FamilySpec:
        return _lookup(self.families, "family", name, "See `magbench ls tasks`.")

    def protocol(self, name: str) -> Protocol:
        known = {**{spec.id: spec for spec in self.protocols.values()}, **self.protocols}
        return _lookup(known, "protocol", name, "See `magbench ls protocols`.")

    def suite(self, name: str) -> Suite:
        return _lookup(self.suites, "suite", name, "See `magbench ls suites`.")

    def method(self, name: str) -> MethodEntry:
        return _lookup(self.methods, "method", name, "See `magbench ls methods`, or give the path of a .py file.")

    def add_path(self, path: str | Path) -> list[str]:
        """Register the method(s) in a folder with ``method.toml`` or in a one-file module; returns their names.

        Raises:
            MethodError: nothing is there, the file does not run, or it registers no class or a name that is taken.
        """
        path = Path(path).expanduser().resolve()
        if path.is_dir() and (path / "method.toml").is_file():
            return [self._add_package(path)]
        if path.is_file() and path.suffix == ".py":
            return self._add_file(path)
        raise MethodError(f"No method at {path}: expected a .py file or a folder with a method.toml.")

    def _read_tasks(self, folder: Path, own: Path | None = None) -> None:
        """The content of ``tasks/``; ``own`` is the user's folder that it is of."""
        for path in sorted((folder / "datasets").glob("*.toml")):
            dataset = DatasetSpec.from_toml(path)
            _take(self.datasets, dataset.name, dataset, path)
        for path in sorted((folder / "protocols").glob("*.toml")):
            protocol = Protocol.from_toml(path)
            _take(self.protocols, protocol.name, protocol, path)
        for path in sorted((folder / "suites").glob("*.toml")):
            suite = Suite.from_toml(path)
            _take(self.suites, suite.name, suite, path)
        for path in sorted(folder.glob("*/family.toml")):
            family = FamilySpec.from_toml(path)
            if any(family.alias == other.alias for other in self.families.values()):
                raise SpecError(f"{path}: the alias {family.alias!r} is taken. Give it another one.")
            _take(self.families, family.name, family, path)
            self.family_sources[family.name] = _hash_of(_family_files(own)) if own else ""
        for family in self.families.values():
            for path in sorted((folder / family.name).glob("*.toml")):
                if path.name != "family.toml":
                    task = _read_task(path, family, self.family_sources[family.name])
                    _take(self.tasks, task.id, task, path)

    def _add_content(self, folder: Path) -> None:
        """A user's own tasks and methods, in a folder laid out as magbench's; its modules can be imported by name."""
        if not any((folder / kind).is_dir() for kind in ("tasks", "baselines")):
            raise MagbenchError(f"MAGBENCH_CONTENT (--content): {folder} has neither tasks/ nor baselines/.")
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        self._read_tasks(folder / "tasks", folder)
        for method in _method_folders(folder / "baselines"):
            self._add_package(method)

    def _add_folder(self, folder: Path, *, shipped: bool = False) -> None:
        """A shipped method or an installed plugin: its class can be imported by its name."""
        self._insert(MethodEntry(MethodSpec.from_toml(folder / "method.toml"), folder, shipped))

    def _add_package(self, folder: Path) -> str:
        """A user's folder, imported under a name of its own: two folders of one name are two methods."""
        spec = MethodSpec.from_toml(folder / "method.toml")
        for form in (spec, *spec.forms.values()):
            module, _, attribute = form.target.partition(":")
            if module.partition(".")[0] != folder.name or not (folder / "__init__.py").is_file():
                raise MethodError(
                    f"{folder / 'method.toml'}: class is {form.target!r}; it must name a class of this folder, e.g."
                    f" {folder.name}:{attribute}, and the folder needs an __init__.py."
                )
        name = _run_module(folder / "__init__.py", folder).__name__

        def here(form: MethodForm) -> dict[str, str]:
            return {"target": name + form.target.removeprefix(folder.name)}

        forms = {family: form.model_copy(update=here(form)) for family, form in spec.forms.items()}
        self._insert(MethodEntry(spec.model_copy(update={**here(spec), "forms": forms}), folder))
        return spec.name

    def _add_file(self, path: Path) -> list[str]:
        module = _run_module(path)
        names = []
        for value in list(vars(module).values()):
            mark = vars(value).get(MARK) if isinstance(value, type) else None
            if mark is None or value.__module__ != module.__name__:
                continue
            spec = MethodSpec.parse(
                {
                    "title": ((value.__doc__ or "").strip() or mark["name"]).splitlines()[0],
                    **mark,
                    "class": f"{module.__name__}:{value.__name__}",
                },
                str(path),
            )
            self._insert(MethodEntry(spec, path))
            names.append(spec.name)
        if not names:
            raise MethodError(
                f'{path} registers no method. Decorate a class with @register_encoder("name"), '
                '@register_method("name") or @register_regularizer("name") from magbench.api.'
            )
        return names

    def _add_plugins(self) -> None:
        for entry in entry_points(group="magbench.methods"):
            try:
                found = importlib.util.find_spec(entry.module)
                if found is None or found.origin is None:
                    raise MethodError(f"module {entry.module!r} not found")
                self._add_folder(Path(found.origin).parent)
            except Exception as error:
                warnings.warn(
                    f"Plugin {entry.name!r} ({entry.value}) is left out: {error}", PluginWarning, stacklevel=2
                )

    def _insert(self, entry: MethodEntry) -> None:
        known = self.methods.get(entry.spec.name)
        if known is not None and (known.source, known.spec.target) != (entry.source, entry.spec.target):
            taken = f"a class before it, {known.spec.target.partition(':')[2]}"
            raise MethodError(
                f"Method name {entry.spec.name!r} of {entry.source} is taken by"
                f" {taken if known.source == entry.source else known.source}. Register it under another name."
            )
        self.methods[entry.spec.name] = entry


def register(kind: str, name: str, **metadata: Any) -> Callable[[ClassT], ClassT]:
    """Class decorator behind ``register_encoder`` & co.: marks a class of a one-file method; nothing global changes."""

    def mark(cls: ClassT) -> ClassT:
        setattr(cls, MARK, {"kind": kind, "name": name, **metadata})
        return cls

    return mark


def _run_module(path: Path, package: Path | None = None) -> ModuleType:
    """Execute a user's file, or a folder's ``__init__.py``, as a module whose name is stable for its path, so that
    forked workers find it again."""
    digest = hashlib.sha256(str(package or path).encode()).hexdigest()[:12]
    name = f"magbench_user_{digest}_{re.sub(r'[^a-zA-Z0-9_]', '_', (package or path).stem)}"
    inside = None if package is None else [str(package)]
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=inside)
    if spec is None or spec.loader is None:
        raise MethodError(f"{path} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        sys.modules.pop(name)
        raise MethodError(f"{path}, line {error.lineno}: syntax error: {error.msg}.") from error
    except MagbenchError:
        sys.modules.pop(name)
        raise
    except (Exception, SystemExit) as error:
        sys.modules.pop(name)
        own = package is not None and isinstance(error, ModuleNotFoundError) and error.name == package.name
        hint = " Import the folder's own files relatively (from .file import name)." if own else ""
        raise MethodError(f"{path} does not run: {type(error).__name__}: {error}.{hint}") from error
    return module


def _source_files(source: Path) -> list[tuple[str, Path]]:
    """Every file and its path below ``source``, but for what Python compiles and hidden files."""
    if source.is_file():
        return [(source.name, source)]
    files = ((file.relative_to(source), file) for file in source.rglob("*") if file.is_file())
    kept = ((path, file) for path, file in files if not any(_is_no_source(part) for part in path.parts))
    return sorted((path.as_posix(), file) for path, file in kept)


def _hash_of(files: Iterable[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, file in files:
        digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _is_no_source(part: str) -> bool:
    return part.startswith(".") or part == "__pycache__" or part.endswith(".pyc")


def _family_files(content: Path) -> list[tuple[str, Path]]:
    """The Python files of a user's content that are no method's: the code of its families."""
    found = ((file.relative_to(content), file) for file in content.rglob("*.py"))
    return sorted(
        (path.as_posix(), file)
        for path, file in found
        if path.parts[0] != "baselines" and not any(map(_is_no_source, path.parts))
    )


def _read_task(path: Path, family: FamilySpec, source: str) -> TaskSpec:
    """A task's file; what it leaves out is the family's."""
    values = {"metrics": family.metrics, "split": family.split, **read_toml(path)}
    values |= {"family": family.name, "task_class": family.task, "source": source}
    values["split"] = family.parse_split(values["split"], str(path))
    return TaskSpec.parse(values, str(path))


def _check_version(name: str, wanted: str, version: int) -> None:
    if wanted and wanted != str(version):
        raise UnknownNameError("version of " + name, wanted, [str(version)])


SpecT = TypeVar("SpecT")


def _take(table: dict[str, SpecT], name: str, spec: SpecT, path: Path) -> None:
    """Enter a specification; a name that is there already is refused: what it means must not depend on a folder."""
    if name in table:
        raise SpecError(f"{path}: the name {name!r} is taken. Give it another one.")
    table[name] = spec


def _method_folders(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/method.toml"))


def _lookup(table: Mapping[str, SpecT], kind: str, name: str, hint: str) -> SpecT:
    if name not in table:
        raise UnknownNameError(kind, name, table, hint)
    return table[name]
