"""``magbench data``: the data sets and their cards."""

from __future__ import annotations

from typing import Annotated

import typer

from magbench.cli.card import card
from magbench.cli.ls import Kind
from magbench.cli.ls import ls as list_kind

app = typer.Typer(help="List, describe and verify data sets.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Data set, e.g. emoji.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("ls")
def ls(json: Json = False) -> None:
    """List the data sets."""
    list_kind(Kind.DATASETS, json)


app.command()(card)


@app.command()
def verify(name: Name, json: Json = False) -> None:
    """Compare every file of a data set with its sha256, and its content with the MAG contract."""
    from magbench.cli.output import print_json
    from magbench.data.cards import verify_dataset
    from magbench.data.load import load_dataset
    from magbench.registry import Registry

    spec = Registry.default().dataset(name)
    files = verify_dataset(spec)
    mag = load_dataset(spec)
    mag.validate()
    if json:
        print_json({"dataset": spec.id, "fingerprint": mag.fingerprint(), "files": dict(files)})
    else:
        print(f"{spec.id}: {len(files)} files intact, contract holds, fingerprint {mag.fingerprint()[:16]}…")
