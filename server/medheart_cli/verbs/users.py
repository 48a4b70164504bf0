"""`medheart users`: keys to sign in with."""

from __future__ import annotations

from typing import Annotated

import typer

from medheart.settings import Settings
from medheart_cli.console import note, print_json, print_table, text, word
from medheart_cli.verbs._options import AsJson

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make, list and revoke keys. From the first key on every request needs one (MEDHEART_KEY for this command).",
)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Who will use it; becomes the author of their labels.")],
    role: Annotated[str, typer.Option(help="user, annotator, reviewer or admin.")] = "annotator",
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once.

    Example: medheart users add reader-1 --role annotator
    """
    from medheart_work.users import add_user

    key = add_user(Settings.load(), name, role)
    if as_json:
        print_json({"name": name, "role": role, "key": key})
        return
    note(text("key_made", name=name, role=role))
    typer.echo(key)


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys, without their secrets.

    Example: medheart users list
    """
    from medheart_work.users import list_users

    users = list_users(Settings.load())
    if as_json:
        print_json({"users": users})
        return
    keys = ("id", "name", "role", "created")
    print_table(
        [text(key) for key in keys],
        [[word("role", user[key]) if key == "role" else user[key] for key in keys] for user in users],
    )


@app.command("revoke")
def revoke(key: Annotated[str, typer.Argument(help="Id of the key.")], as_json: AsJson = False) -> None:
    """Take a key away.

    Example: medheart users revoke 0f3a…
    """
    from medheart_work.users import revoke_user

    revoke_user(Settings.load(), key)
    if as_json:
        print_json({"revoked": key})
