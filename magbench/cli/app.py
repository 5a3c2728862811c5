"""The command line. Each verb has a file of its own; nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import os
import sys
import traceback
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from magbench.cli import check, cite, compare, data, doctor, ls, output, perf, report, results, run, score
from magbench.errors import MagbenchError

app = typer.Typer(
    name="magbench",
    help="Score methods that learn on multimodal attributed graphs.",
    epilog="Start with `magbench run`; list what there is with `magbench ls`.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich's help costs as much CPU as everything else in it
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    content: Annotated[
        Path | None, typer.Option(help="A folder of your own with tasks/ and baselines/ (or MAGBENCH_CONTENT).")
    ] = None,
) -> None:
    """Options that stand before the verb."""
    if content is not None:  # where the processes of a run find it, too
        os.environ["MAGBENCH_CONTENT"] = str(content.resolve())


@app.command()
def version(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the version and the engine number."""
    import magbench
    from magbench.cli.output import print_json

    if json:
        print_json({"magbench": magbench.__version__, "engine": magbench.ENGINE})
    else:
        print(f"magbench {magbench.__version__} (engine {magbench.ENGINE})")


app.command()(run.run)
app.command()(ls.ls)
app.command()(check.check)
app.add_typer(data.app, name="data")
app.command()(compare.compare)
app.add_typer(results.app, name="results")
app.command()(score.score)
app.command()(report.report)
app.command()(perf.perf)
app.command()(doctor.doctor)
app.command()(cite.cite)


def main() -> None:
    """Entry point: a mistake of the user's, and a disk or file that fails, get one message; ``--debug`` a traceback.

    Exit codes: 2 for a mistake, 1 for the system's failure, 130 when stopped, 141 when nobody reads the output.
    """
    output.debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        sys.exit(141)
    except (MagbenchError, OSError) as error:
        if output.debug:
            traceback.print_exc()
        print(f"Error: {error}", file=sys.stderr)
        _drop_output()
        sys.exit(2 if isinstance(error, MagbenchError) else 1)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)


def _drop_output() -> None:
    """Let go of output that cannot be written: the interpreter would try once more at its end, and fail."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
