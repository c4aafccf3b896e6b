"""`python -m moretta` is the `moretta` command."""

from moretta.cli.main import run

run()
