"""The command line. Each verb has a file of its own; nothing heavy is imported before a verb needs it."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from magbench.cli import cite, compare, data, doctor, ls, output, perf, report, results, run
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


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options that stand before the verb."""


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
app.add_typer(data.app, name="data")
app.command()(compare.compare)
app.add_typer(results.app, name="results")
app.command()(report.report)
app.command()(perf.perf)
app.command()(doctor.doctor)
app.command()(cite.cite)


def main() -> None:
    """Entry point: a mistake of the user's gets one message and exit code 2; ``--debug`` shows its traceback."""
    output.debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app()
    except MagbenchError as error:
        if output.debug:
            traceback.print_exc()
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


if __name__ == "__main__":
    main()
