"""``python -m magbench``: the command line."""

from magbench.cli.app import main

main()
