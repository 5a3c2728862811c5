"""``magbench data``: the data sets and their cards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magbench.cli.card import card
from magbench.cli.ls import Kind
from magbench.cli.ls import ls as list_kind

if TYPE_CHECKING:
    from magbench.data.meta import Conversion
    from magbench.specs import DatasetSpec

app = typer.Typer(help="List, fetch, import, encode, describe and verify data sets.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Data set, e.g. emoji.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Features = Annotated[list[str] | None, typer.Option("--features", help="Feature set; may be given again.")]


@app.command("ls")
def ls(json: Json = False) -> None:
    """List the data sets."""
    list_kind(Kind.DATASETS, json=json)


@app.command()
def get(
    name: Name,
    features: Features = None,
    images: Annotated[bool, typer.Option("--images", help="Fetch the pictures, too.")] = False,
    mirror: Annotated[str | None, typer.Option(help="Where from, e.g. magb or mmag; default: the first.")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use only what was downloaded before.")] = False,
    json: Json = False,
) -> None:
    """Download a data set from the Hugging Face hub, verify it and convert it; what is there already stays.

    Examples: `magbench data get movies`, `magbench data get sports --features imagebind --images`.
    """
    from magbench.cli.progress import transfer_display
    from magbench.data.published.fetch import fetch
    from magbench.registry import Registry

    spec = Registry.default().dataset(name)
    with transfer_display() as show:
        found = fetch(spec, features=features or (), images=images, mirror=mirror, offline=offline, show=show)
    _print(spec, found, json)


@app.command("import")
def import_(
    name: Name,
    path: Annotated[Path, typer.Argument(help="Folder with the published files, as a whole repository or its part.")],
    features: Features = None,
    json: Json = False,
) -> None:
    """Convert published files that you have already; they stay as they are.

    Example: `magbench data import movies ~/MAGB/Movies`.
    """
    from magbench.cli.progress import transfer_display
    from magbench.data.published.fetch import import_folder
    from magbench.registry import Registry

    spec = Registry.default().dataset(name)
    with transfer_display() as show:
        found = import_folder(spec, path, features=features or (), show=show)
    _print(spec, found, json)


@app.command()
def captions(
    name: Name,
    features: Annotated[str | None, typer.Option("--features", help="Feature set; default: the first.")] = None,
    json: Json = False,
) -> None:
    """Encode every caption of a data set that has several a node, for retrieval with text=captions.

    Needs the extra [encode], and a feature set whose texts come from that encoder. Results on the data set from before
    do not compare with later ones.

    Example: `magbench data captions flickr8k1k`.
    """
    from magbench.cli.progress import transfer_display
    from magbench.data.captions import add_captions
    from magbench.registry import Registry

    spec = Registry.default().dataset(name)
    with transfer_display() as show:
        found = add_captions(spec, features=features, show=show)
    _print(spec, found, json)


app.command()(card)


@app.command()
def verify(name: Name, json: Json = False) -> None:
    """Compare every file of a data set with its sha256, and its content with the MAG contract."""
    from magbench.cli.output import print_json
    from magbench.data.load import load_dataset
    from magbench.data.report.cards import verify_dataset
    from magbench.registry import Registry

    spec = Registry.default().dataset(name)
    files = verify_dataset(spec)
    mag = load_dataset(spec)
    mag.validate()
    if json:
        print_json({"dataset": spec.id, "fingerprint": mag.fingerprint(), "files": dict(files)})
    else:
        print(f"{spec.id}: {len(files)} files intact, contract holds, fingerprint {mag.fingerprint()[:16]}…")


def _print(spec: DatasetSpec, found: Conversion, json: bool) -> None:
    """What was made: counts of the published graph and of the MAG, feature sets, and what a reader should know."""
    from magbench.cli.output import print_json

    meta, graph = found.meta, found.meta.published
    if json:
        print_json(
            {"folder": str(found.folder), **meta.model_dump(mode="json", exclude={"files"}), "notes": found.notes}
        )
        return
    print(f"{meta.full_name}, mirror {meta.mirror}: {found.folder}")
    if graph is not None:
        print(
            f"  published: {meta.counts.nodes:,} nodes, {graph.directed_edges:,} stored directed edges, "
            f"{graph.self_loops:,} self-loops, {graph.undirected_edges:,} unique undirected edges, "
            f"{graph.isolated:,} isolated nodes"
        )
    print(f"  here: {meta.counts.directed_edges:,} directed edges, both directions of each, no loops")
    for name, dims in meta.features.items():
        made_by = spec.mirror(meta.mirror).features[name]
        print(f"  features {name}: " + "; ".join(f"{m} {dim} ({made_by[m].encoder})" for m, dim in dims.items()))
    print(f"  pictures: {'yes' if 'images.parquet' in meta.files else 'no'}; licence {meta.licence}")
    for note in found.notes:
        print(f"  {note}")
