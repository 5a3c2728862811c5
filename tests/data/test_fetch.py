"""Getting data sets from a hub on loopback: everything arrives whole and verified, or is not there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from data import miniatures
from data.conftest import picture
from data.hub_stub import COMMIT, Hub
from data.miniatures import NODES, WRITERS

from magbench import paths
from magbench.data.load import load_dataset
from magbench.data.place import is_here
from magbench.data.published.fetch import ALREADY, fetch, import_folder
from magbench.data.store import file_sha256, verify_store
from magbench.errors import DataError, OutputError, UnknownNameError
from magbench.registry import Registry
from magbench.specs import DatasetSpec

ARCHIVE = "Movies/MoviesImages.tar.gz"
GRAPH = "Movies/MoviesGraph.pt"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAGBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # the library waits a second before it tries again
    return tmp_path / "home"


@pytest.fixture
def movies(tmp_path: Path) -> DatasetSpec:
    return miniatures.spec("movies", tmp_path)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    WRITERS["movies"](tmp_path / "repo")
    with Hub(tmp_path / "repo", "Sherirto/MAGB") as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        yield found


def left_behind(home: Path) -> list[str]:
    """Unfinished files and folders, locks aside."""
    found = [path for path in home.rglob("*") if path.name.startswith(".") or path.suffix == ".part"]
    return [path.relative_to(home).as_posix() for path in found]


@pytest.mark.parametrize("name", list(WRITERS))
def test_every_layout_goes_from_the_hub_into_a_mag(
    name: str, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = miniatures.spec(name, tmp_path)
    WRITERS[name](tmp_path / "repo")
    repo = spec.mirror(None).repo
    assert repo is not None
    assert not is_here(spec)
    with Hub(tmp_path / "repo", repo) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        shown: list[tuple[str, int, int]] = []
        conversion = fetch(spec, images=True, show=lambda *step: shown.append(step))
    mag = load_dataset(spec)
    assert mag.num_nodes == NODES
    assert mag.images.bytes(5) == picture(40)
    assert conversion.meta.source == f"https://huggingface.co/datasets/{repo} at {COMMIT}"
    verify_store(conversion.folder)
    assert left_behind(home) == []
    totals = {what: total for what, _, total in shown}
    assert {what: max(done for path, done, _ in shown if path == what) for what in totals} == totals


def test_only_what_is_asked_for_is_fetched_and_only_once(hub: Hub, movies: DatasetSpec) -> None:
    fetch(movies)
    assert set(hub.gets) == {
        GRAPH,
        "Movies/Movies.csv",
        "Movies/TextFeature/Movies_roberta_base_512_mean.npy",
        "Movies/ImageFeature/Movies_openai_clip-vit-large-patch14.npy",
    }
    assert fetch(movies).notes == (ALREADY,)
    fetch(movies, features=["llama3.2-1b+clip-l14"], images=True)
    assert max(hub.gets.values()) == 1
    assert set(load_dataset(movies, "llama3.2-1b+clip-l14").x_dict) == {"text", "image"}
    assert hub.gets[ARCHIVE] == 1


PROCESS = """
import sys
from pathlib import Path
import huggingface_hub.constants
huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE = 1
from magbench.data.published.fetch import fetch
from magbench.specs import DatasetSpec
fetch(DatasetSpec.from_toml(Path(sys.argv[1])), images=True)
"""


def start(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that fetches the movies with their pictures, and writes every byte as it comes."""
    command = [sys.executable, "-c", PROCESS, str(tmp_path / "movies.toml")]
    environment = {**os.environ, "PYTHONPATH": str(paths.PACKAGE.parent)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_killed_transfer_goes_on_where_it_stopped(hub: Hub, movies: DatasetSpec, home: Path, tmp_path: Path) -> None:
    size = (hub.root / ARCHIVE).stat().st_size
    part = size // 3
    hub.stall[ARCHIVE] = part
    process = start(tmp_path)
    folder = home / "hub" / "Sherirto--MAGB" / "Movies"
    while sum(path.stat().st_size for path in folder.glob("MoviesImages*.part")) < part:
        assert process.poll() is None, process.communicate()[1]
        hub.wake.wait(0.05)
    process.kill()
    process.communicate()
    assert not is_here(movies)
    hub.stall.clear()
    hub.wake.set()
    hub.sent.clear()
    fetch(movies, images=True)
    assert hub.ranges[ARCHIVE] == [None, f"bytes={part}-"]
    assert hub.sent == {ARCHIVE: size - part}
    assert load_dataset(movies).images.bytes(5) == picture(40)
    assert left_behind(home) == []


def test_a_connection_that_breaks_is_taken_up_within_one_call(
    hub: Hub, movies: DatasetSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1)
    size = (hub.root / ARCHIVE).stat().st_size
    hub.cut[ARCHIVE] = size // 2 + 1
    fetch(movies, images=True)
    assert len(hub.ranges[ARCHIVE]) == 2
    assert hub.sent[ARCHIVE] == size


def test_a_connection_that_keeps_breaking_keeps_what_came(hub: Hub, movies: DatasetSpec, home: Path) -> None:
    hub.cut[GRAPH] = 0
    with pytest.raises(DataError, match=rf"{GRAPH} cannot be fetched from {hub.url}.*goes on where it stopped"):
        fetch(movies)
    assert not is_here(movies)
    hub.cut.clear()
    fetch(movies)
    assert left_behind(home) == []


def test_a_corrupt_file_is_refused_and_removed(hub: Hub, movies: DatasetSpec, home: Path) -> None:
    for path in (GRAPH, "Movies/TextFeature/Movies_roberta_base_512_mean.npy"):  # one by LFS hash, one by git blob id
        hub.corrupt = {path}
        with pytest.raises(DataError, match=rf"{path} of Sherirto/MAGB: found .* expected .*It is removed"):
            fetch(movies)
        assert not is_here(movies)
        assert not list(home.rglob(f"{Path(path).name}*"))
    hub.corrupt = set()
    fetch(movies)


def test_the_specifications_own_hash_comes_first(hub: Hub, movies: DatasetSpec) -> None:
    mirror = movies.mirrors[0]
    pinned = mirror.model_copy(update={"sha256": {GRAPH: "0" * 64}})
    with pytest.raises(DataError, match=f"expected {'0' * 64}"):
        fetch(movies.model_copy(update={"mirrors": (pinned,)}))
    right = mirror.model_copy(update={"sha256": {GRAPH: file_sha256(hub.root / GRAPH)}})
    fetch(movies.model_copy(update={"mirrors": (right,)}))


def test_the_first_download_is_recorded_and_binds(hub: Hub, movies: DatasetSpec, home: Path) -> None:
    fetch(movies)
    ledger = json.loads((home / "hub" / "Sherirto--MAGB" / "magbench.lock.json").read_text())
    assert ledger["commit"] == COMMIT
    assert ledger["files"][GRAPH]["sha256"] == file_sha256(hub.root / GRAPH)
    (hub.root / GRAPH).write_bytes((hub.root / GRAPH).read_bytes() + b"changed")
    shutil.rmtree(home / "datasets")
    (home / "hub" / "Sherirto--MAGB" / GRAPH).unlink()
    with pytest.raises(DataError, match=r"found sha256 .* expected .*changed after it was recorded"):
        fetch(movies)


def test_a_damaged_cache_is_fetched_again(hub: Hub, movies: DatasetSpec, home: Path) -> None:
    fetch(movies)
    shutil.rmtree(home / "datasets")
    cached = home / "hub" / "Sherirto--MAGB" / GRAPH
    cached.write_bytes(b"damaged")
    fetch(movies)
    assert hub.gets[GRAPH] == 2
    assert cached.read_bytes() == (hub.root / GRAPH).read_bytes()


def test_missing_files_name_themselves(hub: Hub, movies: DatasetSpec) -> None:
    hub.gone = {GRAPH}
    with pytest.raises(DataError, match=f"{GRAPH} cannot be fetched"):
        fetch(movies)
    (hub.root / GRAPH).unlink()
    with pytest.raises(
        DataError, match=r"Sherirto/MAGB: graph: 'Movies/MoviesGraph\.pt' .* is missing; found Movies\.csv"
    ):
        fetch(movies)
    assert not is_here(movies)


def test_a_redirect_is_followed(hub: Hub, movies: DatasetSpec) -> None:
    hub.redirect = True
    fetch(movies)
    assert load_dataset(movies).num_nodes == NODES


def test_offline_works_from_the_cache_and_says_what_is_not_there(
    hub: Hub, movies: DatasetSpec, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"Nothing of Sherirto/MAGB was fetched before.*without --offline"):
        fetch(movies, offline=True)
    fetch(movies)
    asked = sum(hub.gets.values())
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    shutil.rmtree(home / "datasets")
    fetch(movies, offline=True)
    assert load_dataset(movies).num_nodes == NODES
    assert sum(hub.gets.values()) == asked
    with pytest.raises(DataError, match=r"images: .* is missing"):
        fetch(movies, images=True, offline=True)
    shutil.rmtree(home / "datasets")
    (home / "hub" / "Sherirto--MAGB" / GRAPH).write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"found sha256 .*It is removed; run again without --offline"):
        fetch(movies, offline=True)


def test_no_hub_at_all(movies: DatasetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"its list of files cannot be fetched from http://127\.0\.0\.1:9"):
        fetch(movies)


def test_a_full_disk_is_seen_first(hub: Hub, movies: DatasetSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(OutputError, match=r"0\.0 GB free, but .* GB are needed.*MAGBENCH_HOME"):
        fetch(movies)
    assert not hub.gets


@pytest.mark.parametrize("name", ["hub", "locks", "datasets"])
def test_a_home_that_cannot_be_written(name: str, hub: Hub, movies: DatasetSpec, home: Path) -> None:
    home.mkdir()
    (home / name).write_text("a file where a folder should be")
    with pytest.raises(OutputError, match=r"Not a directory|File exists"):
        fetch(movies)


def test_wrong_names_and_mirrors_that_do_not_mix(hub: Hub, movies: DatasetSpec, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Unknown mirror 'hf'"):
        fetch(movies, mirror="hf")
    with pytest.raises(UnknownNameError, match="Unknown feature set 'roberta'"):
        fetch(movies, features=["roberta"])
    with pytest.raises(UnknownNameError, match=r"mmag-clip-768.*Mirror magb"):
        fetch(movies, features=["mmag-clip-768"], mirror="magb")
    fetch(movies)
    with pytest.raises(DataError, match="is here already, from the mirror magb; it cannot be mixed with files of mmag"):
        fetch(movies, mirror="mmag")
    shipped = Registry.default()
    with pytest.raises(DataError, match="ships with magbench"):
        fetch(shipped.dataset("emoji"))
    with pytest.raises(DataError, match="magbench data import flickr8k1k PATH"):
        fetch(shipped.dataset("flickr8k1k"))


def test_a_data_set_that_is_not_here_says_how_to_get_it(movies: DatasetSpec, hub: Hub) -> None:
    with pytest.raises(DataError, match=r"`magbench data get movies`.*`magbench data import movies PATH`"):
        load_dataset(movies)
    fetch(movies)
    with pytest.raises(DataError, match=r"magbench data get movies --features llama3\.2-1b"):
        load_dataset(movies, "llama3.2-1b+clip-l14")


def test_importing_is_the_same_as_fetching(hub: Hub, movies: DatasetSpec, home: Path) -> None:
    fetch(movies, images=True)
    fetched = load_dataset(movies).fingerprint()
    shutil.rmtree(home / "datasets")
    conversion = import_folder(movies, hub.root)
    assert load_dataset(movies).fingerprint() == fetched
    assert len(conversion.meta.features) == 3
    assert import_folder(movies, hub.root).notes == (ALREADY,)


@pytest.mark.parametrize("damage", ["cut", "gone", "meta"])
def test_a_damaged_store_says_what_to_do(damage: str, hub: Hub, movies: DatasetSpec, tmp_path: Path) -> None:
    store = fetch(movies).folder
    if damage == "cut":
        os.truncate(store / "texts.parquet", 100)
    else:
        (store / ("y.npy" if damage == "gone" else "meta.json")).unlink()
    for again in (lambda: fetch(movies), lambda: import_folder(movies, tmp_path / "repo")):
        with pytest.raises(DataError, match=rf"here, but damaged: .* Remove {store} first\."):
            again()
    shutil.rmtree(store)
    fetch(movies)
    verify_store(store)


def test_pictures_in_a_folder_of_a_hub_are_not_fetched(hub: Hub, movies: DatasetSpec, tmp_path: Path) -> None:
    (tmp_path / "repo" / ARCHIVE).unlink()
    (tmp_path / "repo/Movies/MoviesImages").mkdir()
    (tmp_path / "repo/Movies/MoviesImages/B00000.jpg").write_bytes(picture(1))
    with pytest.raises(DataError, match=r"images: 'Movies/\*Images\.tar\.gz' is missing"):
        fetch(movies, images=True)


def test_what_a_killed_process_left_is_swept_away(hub: Hub, movies: DatasetSpec, home: Path) -> None:
    orphan = home / "datasets" / ".movies@1.0123" / "features"
    orphan.mkdir(parents=True)
    fetch(movies)
    assert left_behind(home) == []


def test_two_processes_at_once_make_it_once(hub: Hub, movies: DatasetSpec, home: Path, tmp_path: Path) -> None:
    for process in [start(tmp_path), start(tmp_path)]:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    assert set(hub.gets.values()) == {1}
    assert load_dataset(movies).num_nodes == NODES
    assert left_behind(home) == []
