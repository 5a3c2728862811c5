"""Arguments that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Runs = Annotated[Path | None, typer.Option(help="Folder of results; default: runs.")]
Kept = Annotated[
    bool, typer.Option("--kept", help="The results that magbench keeps; with --runs, beside those of that folder.")
]
