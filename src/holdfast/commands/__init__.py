"""The command line."""

from typing import Annotated

import typer

from holdfast import __version__
from holdfast.errors import HoldfastError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)


def main() -> None:
    """Run a command; a refusal is told in plain lines and ends with status 1."""
    try:
        app()
    except HoldfastError as error:
        for line in error.message.splitlines():
            typer.echo(f"holdfast: {line}", err=True)
        raise SystemExit(1) from error


@app.callback(invoke_without_command=True)
def _version(*, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def serve() -> None:
    """Serve the application until it is told to end. Settings are environment variables."""
    from holdfast.commands import running  # noqa: PLC0415 - the other commands need none of this

    running.serve()
