"""The command line."""

from pathlib import Path
from typing import Annotated

import typer

from holdfast import __version__
from holdfast.errors import HoldfastError
from holdfast.transfer.form import Form

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)

export = typer.Typer(no_args_is_help=True, help="Write out what is stored. A server may go on running.")
app.add_typer(export, name="export")


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


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where the copy goes.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Copy the database into one verified file. A server may go on running."""
    from holdfast.commands import keeping  # noqa: PLC0415 - nothing of this is needed to serve

    keeping.backup(file, replace=force)


@app.command()
def restore(file: Annotated[Path, typer.Argument(help="A backup.")]) -> None:
    """Put a backup in the place of the database, and keep the one that is there. The server must have ended."""
    from holdfast.commands import keeping  # noqa: PLC0415

    keeping.restore(file)


@app.command()
def check(*, as_json: Annotated[bool, typer.Option("--json", help="Tell it as JSON, for programs.")] = False) -> None:
    """Look the database through for damage, and change nothing. A server may go on running.

    The status is 0 when all is well, 3 when there are problems, 1 when it could not be checked.
    """
    from holdfast.commands import keeping  # noqa: PLC0415

    keeping.check(as_json=as_json)


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="What Holdfast, ChatGPT, Open WebUI or LibreChat wrote out; ChatGPT's zip as it is.")
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken in.")] = False,
) -> None:
    """Take conversations in from a file; those that are here already stay as they are. A server may go on running."""
    from holdfast.commands import transferring  # noqa: PLC0415

    transferring.take_in(file, dry_run=dry_run)


@export.command("conversations")
def export_conversations(
    file: Annotated[Path | None, typer.Argument(help="Where they go. Absent: the standard output.")] = None,
    *,
    form: Annotated[Form, typer.Option("--format", help="Complete, or the current branches to be read.")] = Form.JSON,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write out every conversation: all branches, models, costs and ratings as JSON, or what is read as Markdown."""
    from holdfast.commands import transferring  # noqa: PLC0415

    transferring.export(file, form, replace=force)


@export.command("ratings")
def export_ratings(
    file: Annotated[Path | None, typer.Argument(help="Where they go. Absent: the standard output.")] = None,
    *,
    history: Annotated[bool, typer.Option("--history", help="Add what was said before on the branch.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write out every rated answer as a line of JSON: prompt, answer, models, preset, rating, reasons, times, cost."""
    from holdfast.commands import ratings  # noqa: PLC0415

    ratings.export(file, with_history=history, replace=force)
